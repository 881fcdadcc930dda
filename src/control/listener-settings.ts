/** Every key of a listener. The defaults are those of the snapshot. */
import { DEFAULT_LISTENER, PROTOCOLS, type Protocol } from '../snapshot.ts';
import { formatDuration } from '../units.ts';
import { parseListen } from './address.ts';
import { block } from './block.ts';
import { DAY, HOUR, MANY, notLess } from './bounds.ts';
import { callLimits, checkIdentified } from './call-limit-settings.ts';
import type { Cursor } from './cursor.ts';
import { parseDestination } from './destination.ts';
import { checkServerNames, serverTls, type ServerTlsDraft } from './listener-tls-settings.ts';
import { name } from './name.ts';
import { parseOrigin } from './origin.ts';
import { boolean, duration, field, integer, mapped, oneOf, orOff, orOn, orZero, parsed } from './readers.ts';
import { retry } from './retry-settings.ts';
import { list, object } from './schema.ts';

const D = DEFAULT_LISTENER;

export const listen = parsed('address', parseListen);

const destination = mapped(parsed('destination', parseDestination), (read) => read.destination);
const connect = object('connect', {
  allow: {
    reader: list(destination, { min: 1 }),
    help: 'Destinations: `host:443`, `*.example:443`, `10.0.0.0/8:*`, `*:443`',
  },
});

const origin = mapped(parsed('origin', parseOrigin), (read) => read.origin);
const grpcWeb = orOn(
  object('grpc_web', {
    allow_origins: {
      reader: list(origin),
      fallback: { value: [], shown: 'none' },
      help: 'Pages that may call from elsewhere (CORS): `https://app.example`; `*` is any',
    },
  }),
);

/** @param folder what the names of files are relative to */
export const listener = (folder: string) =>
  object(
    'listener',
    {
      address: { reader: listen, help: 'Where to listen: `host:port`, `[::1]:port`, `:port` for all interfaces' },
      name: {
        reader: name,
        fallback: { value: '', shown: 'the address' },
        help: 'Its name in logs and metrics',
      },
      upstream: {
        reader: name,
        fallback: { value: null, shown: 'none' },
        help: 'The upstream that everything goes to that no route claims',
      },
      protocols: {
        reader: list(oneOf(PROTOCOLS), { min: 1, unique: String }),
        fallback: { value: D.protocols, shown: `[${D.protocols.join(', ')}]` },
        help: 'What clients may speak',
      },
      sniff_timeout: field(duration(100, HOUR), D.sniffTimeout, 'For the first bytes, which tell the protocol'),
      server_first_delay: field(
        orZero(duration(1, HOUR)),
        D.serverFirstDelay,
        'Silence after which it is TCP, whose server speaks first',
      ),
      proxy_protocol: field(
        oneOf(['off', 'required']),
        D.proxyProtocol,
        'Whether each connection begins with a PROXY header',
      ),
      tls: {
        reader: list(serverTls(folder)),
        fallback: { value: D.tls, shown: 'none' },
        help: 'TLS that ends here, by the names that clients ask for',
      },
      allow: { reader: list(block), fallback: { value: D.allow, shown: 'all' }, help: 'Clients that may connect' },
      deny: { reader: list(block), fallback: { value: D.deny, shown: 'none' }, help: 'Clients that may not' },
      tunnel_idle_timeout: field(
        orZero(duration(100, 7 * DAY)),
        D.tunnelIdleTimeout,
        'A tunnel (TCP, WebSocket, CONNECT) in which nothing moves is closed',
      ),
      connect: { reader: orOff(connect), fallback: 'off', help: 'Forward proxy: where a CONNECT may lead' },
      websocket: field(boolean, D.websocket, 'WebSockets may be opened, on HTTP/2 streams as well'),
      grpc_web: { reader: orOff(grpcWeb), fallback: 'off', help: 'Translates gRPC-Web to gRPC' },
      max_connections: field(integer(1, MANY), D.maxConnections, 'Open connections; more are closed at once'),
      trusted_proxies: {
        reader: list(block),
        fallback: { value: D.trustedProxies, shown: 'none' },
        help: 'Peers whose `x-forwarded-for` and PROXY header are believed',
      },
      limits: {
        reader: callLimits,
        fallback: '',
        help: 'Who may call, how often, how much; before any route is looked for',
      },
      retry: { reader: orOff(retry), fallback: 'off', help: 'Answers that are tried again at another endpoint' },
    },
    (draft, at) => {
      notLess(draft, at, 'sniff_timeout', 'server_first_delay', formatDuration);
      checkProtocols(draft, at);
      checkProxies(draft, at);
      checkServerNames(draft.tls ?? [], at.key('tls'));
      if (draft.limits) checkIdentified(draft.limits, at.key('limits'), 'limits of a route that has auth');
    },
  );

interface Spoken {
  readonly protocols: readonly (Protocol | undefined)[] | undefined;
  readonly serverFirstDelay: number | undefined;
  readonly tls: readonly (ServerTlsDraft | undefined)[] | undefined;
}

/** What is said about a protocol is for one that clients may speak. */
function checkProtocols({ protocols, serverFirstDelay, tls }: Spoken, at: Cursor): void {
  if (protocols === undefined || protocols.includes(undefined)) return;
  const refused = (protocol: Protocol, key: string) => {
    if (protocols.includes(protocol)) return;
    at.key(key).wrong(`${protocol} is not among the protocols`, `protocols: [${[...protocols, protocol].join(', ')}]`);
  };
  if (serverFirstDelay) refused('tcp', 'server_first_delay');
  if (tls?.length) refused('tls', 'tls');
}

interface Proxied {
  readonly proxyProtocol: 'off' | 'required' | undefined;
  readonly trustedProxies: readonly unknown[] | undefined;
}

/** Whoever is believed says who the client is. */
function checkProxies({ proxyProtocol, trustedProxies }: Proxied, at: Cursor): void {
  if (proxyProtocol !== 'required' || trustedProxies?.length !== 0) return;
  at.key('proxy_protocol').wrong('required, but no peer is believed', 'trusted_proxies: [10.0.0.0/8]');
}
