/** Which exchange goes where, and what is done to it on its way. */
import type { ActionSpec, DuplicatesSpec, MatchSpec, RewriteSpec } from '../policy.ts';
import type { RetrySpec, RouteProtocol, RouteSpec, UpstreamSpec } from '../snapshot.ts';
import { authority, redirect, respond, upstreams } from './action-settings.ts';
import { permissions } from './auth-settings.ts';
import { key } from './balance-settings.ts';
import { DAY, MANY, MIB } from './bounds.ts';
import { callLimits, checkIdentified } from './call-limit-settings.ts';
import type { Cursor } from './cursor.ts';
import { headerEdits } from './header-edit-settings.ts';
import { headerName } from './header-name.ts';
import { match } from './match-settings.ts';
import { name } from './name.ts';
import { path, regex } from './path-pattern.ts';
import { duration, integer, mapped, orOff, orOn, orZero, size, text, whole } from './readers.ts';
import { retry } from './retry-settings.ts';
import { object, type Reader } from './schema.ts';

const STAYS = { value: null, shown: 'none' } as const;

const rewrite: Reader<RewriteSpec> = whole(
  object('rewrite', {
    strip_prefix: { reader: path, fallback: STAYS, help: 'First segments that are taken off the path' },
    regex: {
      reader: object('regex rewrite', {
        pattern: { reader: regex, help: 'What is looked for in the path, without its query; the first match' },
        replace: {
          reader: text('text', 'one value', (written) => written),
          help: 'What stands in its place: `$1` is the first group',
        },
      }),
      fallback: STAYS,
      help: 'Puts another text in place of a part of the path',
    },
    host: { reader: authority, fallback: STAYS, help: 'The engine sees this as `:authority` and Host' },
  }),
  (read) => read,
);

const duplicates: Reader<DuplicatesSpec> = whole(
  orOn(
    object('duplicates', {
      header: { reader: headerName, fallback: 'idempotency-key', help: 'What makes two requests one' },
      ttl: { reader: duration(1, 7 * DAY), fallback: '60s', help: 'How long a finished answer is given again' },
      max_entries: { reader: integer(1, MANY), fallback: '10000', help: 'Requests that are remembered' },
      max_bytes: {
        reader: size(0, 64 * MIB),
        fallback: '64KiB',
        help: "Of a request's body, and of an answer, that are kept",
      },
    }),
  ),
  (read) => read,
);

const timeout = orZero(duration(1, 7 * DAY));

type RetryDraft = RetrySpec | null | 'listener';
const routeRetry: Reader<RetryDraft> = whole(orOff(retry), (read): RetryDraft => read);

const fields = {
  name: { reader: name, fallback: { value: '', shown: '`routes[i]`' }, help: 'Its name in logs and metrics' },
  match: { reader: match, fallback: '', help: 'What it is for; without it, everything' },
  upstream: { reader: upstreams, fallback: STAYS, help: 'Where it goes: an upstream, or several by weight' },
  redirect: { reader: redirect, fallback: STAYS, help: 'In place of an upstream: the client is sent elsewhere' },
  respond: { reader: respond, fallback: STAYS, help: 'In place of an upstream: the gateway answers' },
  rewrite: { reader: rewrite, fallback: '', help: 'What the engine is asked for; in this order' },
  request_headers: { reader: headerEdits, fallback: '', help: 'Headers of requests' },
  response_headers: { reader: headerEdits, fallback: '', help: 'Headers of responses' },
  timeout: { reader: timeout, fallback: 'off', help: 'For the whole exchange' },
  idle_timeout: { reader: timeout, fallback: 'off', help: 'For an exchange in which nothing moves' },
  retry: {
    reader: routeRetry,
    fallback: { value: 'listener', shown: "the listener's" },
    help: 'Answers that are tried again at another endpoint',
  },
  hash_key: { reader: key, fallback: { value: null, shown: "the upstream's" }, help: 'In place of `balance.key`' },
  limits: { reader: callLimits, fallback: '', help: 'Who may call, how often, how much' },
  auth: {
    reader: name,
    fallback: { value: null, shown: 'off' },
    help: 'An entry of `auth`: callers have to show who they are',
  },
  permissions: {
    reader: permissions,
    fallback: { value: [], shown: 'none' },
    help: 'Claims that a caller has to have: each is, or holds, the value or one of the list',
  },
  duplicates: { reader: orOff(duplicates), fallback: 'off', help: 'The same request twice is executed once' },
} as const;

type Holes<T> = { readonly [K in keyof T]: T[K] | undefined };
export type RouteDraft = Holes<RouteSpec>;

export const route: Reader<RouteDraft> = mapped(
  object('route', fields, (draft, at) => {
    checkAction(at);
    checkAuth(draft, at);
    checkTunnels(draft.match, at);
  }),
  ({ upstream, redirect: away, respond: answer, ...rest }) => ({
    ...rest,
    action: upstream ? { kind: 'upstream', upstreams: upstream } : (away ?? answer ?? undefined),
  }),
);

const ACTIONS = ['upstream', 'redirect', 'respond'];
function checkAction(at: Cursor): void {
  const [first, second] = ACTIONS.filter((action) => at.has(action));
  if (first === undefined) at.wrongKey('upstream', undefined, 'is missing (one of upstream, redirect, respond)');
  else if (second !== undefined) at.key(second).wrong(`beside ${first}`, 'one of upstream, redirect, respond');
}

/** Whoever asks for claims, or counts by identity, has to ask who calls. */
function checkAuth(
  { auth, permissions: asked, limits }: Holes<Pick<RouteSpec, 'auth' | 'permissions' | 'limits'>>,
  at: Cursor,
): void {
  if (auth !== null) return;
  if (asked?.length) at.key('permissions').wrong('nobody is identified here', 'auth: NAME');
  if (limits) checkIdentified(limits, at.key('limits'), 'auth: NAME');
}

const OF_REQUESTS = ['redirect', 'respond', 'rewrite', 'request_headers', 'response_headers', 'auth', 'duplicates'];

/** A connection that nobody looks into is passed on as it is. */
function checkTunnels(on: MatchSpec | undefined, at: Cursor): void {
  if (!on?.protocols.length || !on.protocols.every((protocol) => protocol === 'tcp' || protocol === 'tls')) return;
  for (const each of OF_REQUESTS) {
    if (at.has(each))
      at.key(each).wrong(`there are no requests in ${on.protocols.join(' and ')}`, 'match.protocol: http');
  }
}

/** The upstreams of an action, each with where its name stands. `at`: the route. */
export function upstreamsOf(
  action: ActionSpec | undefined,
  at: Cursor,
): readonly (readonly [name: string, at: Cursor])[] {
  const here = at.key('upstream');
  const all = action?.kind === 'upstream' ? action.upstreams : [];
  return all.map((each) => [each.name, here.node.kind === 'map' ? here.key(each.name) : here] as const);
}

/** What upstreams speak that can carry a protocol; `same` carries all. */
const CARRIERS: Readonly<Record<RouteProtocol, readonly UpstreamSpec['protocol'][]>> = {
  grpc: ['h2'],
  grpc_web: ['h2', 'http1'],
  websocket: ['h2', 'http1'],
  http: ['h2', 'http1'],
  tcp: ['tcp'],
  tls: ['tcp'],
};

/** Reports an upstream, which speaks `spoken`, that cannot serve what a route matches. `at`: the upstream's name. */
export function checkCarried(on: MatchSpec, upstream: string, spoken: UpstreamSpec['protocol'], at: Cursor): void {
  if (spoken === 'same') return;
  const wrong = on.protocols.find((protocol) => !CARRIERS[protocol].includes(spoken));
  if (wrong === undefined) return;
  const right = `one whose protocol is ${CARRIERS[wrong].join(', ')} or same`;
  at.wrong(`${upstream} speaks ${spoken}, which cannot carry ${wrong}`, right);
}
