/** What a route is for. */
import type { HeaderSpec, MatchSpec, PathSpec } from '../policy.ts';
import { ROUTE_PROTOCOLS } from '../snapshot.ts';
import { block } from './block.ts';
import type { Cursor } from './cursor.ts';
import { nameFault } from './header-name.ts';
import { parseHost, parseServerName } from './host-pattern.ts';
import { path, regex } from './path-pattern.ts';
import { boolean, judged, mapped, oneOf, orShort, parsed, text, whole } from './readers.ts';
import { named, object, oneOrMore, type Reader } from './schema.ts';

const ANY = { value: [], shown: 'any' } as const;
const UNSAID = { value: null, shown: 'none' } as const;

const serverName = mapped(parsed('server name', parseServerName), ({ pattern }) => pattern);
const host = mapped(parsed('host', parseHost), ({ pattern }) => pattern);
const anyText = text('text', 'one value', (written) => written);

/** Reports a map of alternatives with more than one of them, or none. */
function onlyOne(draft: object, at: Cursor): void {
  const keys = Object.keys(draft);
  const written = keys.filter((key) => at.has(key));
  // A key that is not known has been reported already.
  if (written.length === 1 || (written.length === 0 && at.map()?.entries.size !== 0)) return;
  at.wrong(`has ${written.length || 'none'} of its keys`, `one of ${keys.join(', ')}`);
}

/** The first alternative that is there; `onlyOne` has seen to it. */
const kindOf = <K extends string>(draft: Readonly<Record<K, string | null>>) =>
  (Object.entries(draft) as [K, string | null][]).find(([, value]) => value !== null);

const pathMatch: Reader<PathSpec> = orShort(
  mapped(path, (value) => ({ kind: 'exact', value })),
  whole(
    object(
      'path match',
      {
        exact: { reader: path, fallback: UNSAID, help: 'The whole path, without its query' },
        prefix: {
          reader: path,
          fallback: UNSAID,
          help: 'Its first segments: `/a/b` is one of `/a/b/c`, not of `/a/bc`',
        },
        regex: {
          reader: regex,
          fallback: UNSAID,
          help: 'An expression that matches anywhere in it, unless it has ^ and $',
        },
      },
      onlyOne,
    ),
    (draft) => {
      const [kind, value] = kindOf(draft) ?? ['exact', null];
      return { kind, value: value ?? '' };
    },
  ),
);

type HeaderCondition = Omit<HeaderSpec, 'name'>;
const headerMatch: Reader<HeaderCondition> = orShort(
  mapped(anyText, (value) => ({ kind: 'exact', value })),
  whole(
    object(
      'header match',
      {
        exact: { reader: anyText, fallback: UNSAID, help: 'The whole value' },
        prefix: { reader: anyText, fallback: UNSAID, help: 'How it begins' },
        regex: { reader: regex, fallback: UNSAID, help: 'An expression that matches anywhere in it' },
        present: { reader: boolean, fallback: UNSAID, help: 'Whether there is such a header' },
      },
      onlyOne,
    ),
    ({ present, ...rest }): HeaderCondition => {
      if (present !== null) return { kind: present ? 'present' : 'absent', value: '' };
      const [kind, value] = kindOf(rest) ?? ['exact', null];
      return { kind, value: value ?? '' };
    },
  ),
);

const SERVICE = /^[A-Za-z_]\w*(?:\.[A-Za-z_]\w*)*$/;
/** `asr.v1.Recognizer` is all of its methods, `asr.v1.Recognizer/Stream` one. */
export function parseGrpc(written: string): PathSpec | string {
  if (written.startsWith('/')) return `without the first slash: ${written.slice(1)}`;
  const [service = '', method, ...more] = written.split('/');
  const right = SERVICE.test(service) && (method === undefined || /^[A-Za-z_]\w*$/.test(method)) && more.length === 0;
  if (!right) return 'package.Service or package.Service/Method';
  return { kind: method === undefined ? 'prefix' : 'exact', value: `/${written}` };
}

function methodFault(method: string): string | null {
  if (!/^[!#$%&'*+.^_`|~0-9A-Za-z-]{1,64}$/.test(method)) return 'like GET';
  // "The method token is case-sensitive" (RFC 9110 section 9.1).
  return method === method.toUpperCase() ? null : `did you mean ${method.toUpperCase()}?`;
}

export const match: Reader<MatchSpec> = whole(
  object(
    'match',
    {
      listener: { reader: oneOrMore(anyText), fallback: ANY, help: 'Names of listeners that it came to' },
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
      path: { reader: pathMatch, fallback: { value: null, shown: 'any' }, help: 'The path, exactly; or a map' },
      grpc: {
        reader: parsed('gRPC service or method', parseGrpc),
        fallback: { value: null, shown: 'any' },
        help: 'In place of path, `package.Service` or `package.Service/Method`; protocol is grpc and grpc_web then, unless it is said',
      },
      method: { reader: oneOrMore(judged('method', methodFault)), fallback: ANY, help: 'Methods of HTTP: GET' },
      header: {
        reader: named(headerMatch, nameFault),
        fallback: { value: new Map<string, HeaderCondition>(), shown: 'any' },
        help: 'All of these headers, or metadata: a value, or a map',
      },
      client: { reader: oneOrMore(block), fallback: ANY, help: 'Addresses of clients, as CIDR blocks' },
      client_certificate: {
        reader: oneOrMore(anyText),
        fallback: ANY,
        help: 'What their verified certificate bears: subject (`CN=reader,O=x`), DNS name or URI; `*` for any',
      },
    },
    checkMatch,
  ),
  ({ listener, protocol, sni, host: hosts, path: onPath, grpc, method, header, client, ...rest }): MatchSpec => ({
    listeners: listener,
    protocols: protocol.length === 0 && grpc !== null ? ['grpc', 'grpc_web'] : protocol,
    sni,
    hosts,
    path: onPath ?? grpc,
    methods: method,
    headers: [...header].map(([name, condition]) => ({ name: name.toLowerCase(), ...condition })),
    clients: client,
    certificates: rest.clientCertificate,
  }),
);

interface Matched {
  readonly protocol: readonly (string | undefined)[] | undefined;
  readonly sni: readonly unknown[] | undefined;
}

const OF_REQUESTS: Readonly<Record<string, string>> = {
  host: 'host',
  path: 'path',
  grpc: 'service',
  method: 'method',
  header: 'header',
};

/** Where a request begins there is a host, and so on; a connection that nobody looks into has none. */
function checkMatch({ protocol, sni }: Matched, at: Cursor): void {
  if (protocol?.includes('tls') && sni?.length === 0) {
    at.key('protocol').wrong('tls passes through by its names', 'sni: asr.example');
  }
  if (at.has('path') && at.has('grpc')) at.key('grpc').wrong('beside a path', 'one of them');
  if (!protocol?.length || !protocol.every((each) => each === 'tcp' || each === 'tls')) return;
  for (const [key, noun] of Object.entries(OF_REQUESTS)) {
    if (at.has(key)) at.key(key).wrong(`there is no ${noun} in ${protocol.join(' and ')}`, 'sni: asr.example');
  }
}
