/** Which exchange goes to which upstream. */
import { ROUTE_PROTOCOLS, type RouteProtocol, type RouteSpec, type UpstreamSpec } from '../snapshot.ts';
import type { Cursor } from './cursor.ts';
import { covers, parseHost, parseServerName } from './host-pattern.ts';
import { name } from './name.ts';
import { mapped, oneOf, parsed } from './readers.ts';
import { object, oneOrMore, type Reader } from './schema.ts';

const ANY = { value: [], shown: 'any' } as const;

const serverName = mapped(parsed('server name', parseServerName), ({ pattern }) => pattern);
const host = mapped(parsed('host', parseHost), ({ pattern }) => pattern);

const match = object(
  'match',
  {
    protocol: {
      reader: oneOrMore(oneOf(ROUTE_PROTOCOLS)),
      fallback: ANY,
      help: 'What a request is, or a connection; `tls`, which passes through unopened, only if it is named',
    },
    sni: {
      reader: oneOrMore(serverName),
      fallback: ANY,
      help: 'What a TLS client names: `asr.example`; `*.example` is all below it',
    },
    host: { reader: oneOrMore(host), fallback: ANY, help: '`:authority` or Host, without its port: likewise' },
  },
  checkMatch,
);

type Several<T> = readonly (T | undefined)[] | undefined;
export interface RouteDraft {
  readonly protocols: Several<RouteProtocol>;
  readonly sni: Several<string>;
  readonly hosts: Several<string>;
  readonly upstream: string | undefined;
}

export const route: Reader<RouteDraft> = mapped(
  object('route', {
    match: { reader: match, fallback: '', help: 'What it is for; without it, everything' },
    upstream: { reader: name, help: 'The upstream that it goes to' },
  }),
  ({ match: on, upstream }) => ({ protocols: on?.protocol, sni: on?.sni, hosts: on?.host, upstream }),
);

interface Matched {
  readonly protocol: Several<RouteProtocol>;
  readonly sni: Several<string>;
  readonly host: Several<string>;
}

/** Where a request begins there is a host; a connection that nobody looks into has none. */
function checkMatch({ protocol, sni, host: hosts }: Matched, at: Cursor): void {
  if (protocol?.includes('tls') && sni?.length === 0) {
    at.key('protocol').wrong('tls passes through by its names', 'sni: asr.example');
  }
  if (protocol?.length && protocol.every((each) => each === 'tcp' || each === 'tls') && hosts?.length) {
    at.key('host').wrong(`there is no host in ${protocol.join(' and ')}`, 'sni: asr.example');
  }
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

/** Reports a route that its upstream, which speaks `spoken`, cannot serve. `at`: the route. */
export function checkCarried({ protocols, upstream }: RouteDraft, spoken: UpstreamSpec['protocol'], at: Cursor): void {
  if (spoken === 'same') return;
  const wrong = protocols?.find((protocol) => protocol && !CARRIERS[protocol].includes(spoken));
  if (wrong === undefined) return;
  at.key('upstream').wrong(
    `${upstream!} speaks ${spoken}, which cannot carry ${wrong}`,
    `one whose protocol is ${CARRIERS[wrong].join(', ')} or same`,
  );
}

/** Reports routes that an earlier one leaves nothing to. `at`: the list. */
export function checkReached(routes: readonly (RouteDraft | undefined)[], at: Cursor): void {
  const whole = routes.map((route) => (route && isWhole(route) ? route : undefined));
  for (const [i, route] of whole.entries()) {
    const first = whole.slice(0, i).findIndex((earlier) => earlier && route && takesAll(earlier, route));
    if (first >= 0) at.index(i).wrong('is never reached', `${at.path}[${first}] takes all of it`);
  }
}

type Match = Omit<RouteSpec, 'upstream'>;

function isWhole(draft: Omit<RouteDraft, 'upstream'>): draft is Match {
  const lists: readonly Several<string>[] = [draft.protocols, draft.sni, draft.hosts];
  return lists.every((list) => list?.includes(undefined) === false);
}

/** Only what is named passes through unopened. */
const OPENED = ROUTE_PROTOCOLS.filter((protocol) => protocol !== 'tls');
const taken = ({ protocols }: Match) => (protocols.length === 0 ? OPENED : protocols);

const takesAll = (earlier: Match, later: Match): boolean =>
  includes(taken(earlier), taken(later), Object.is) &&
  includes(earlier.sni, later.sni, covers) &&
  includes(earlier.hosts, later.hosts, covers);

/** An empty list is all there is. */
const includes = <T>(wide: readonly T[], narrow: readonly T[], takes: (one: T, other: T) => boolean): boolean =>
  wide.length === 0 || (narrow.length > 0 && narrow.every((item) => wide.some((other) => takes(other, item))));
