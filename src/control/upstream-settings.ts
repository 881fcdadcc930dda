/** Every key of an upstream. The defaults are those of the snapshot. */
import {
  DEFAULT_UPSTREAM,
  defaultConnections,
  UPSTREAM_PROTOCOLS,
  type EndpointSpec,
  type UpstreamSpec,
} from '../snapshot.ts';
import { parseEndpoint, parseTarget } from './address.ts';
import { affinity, balance } from './balance-settings.ts';
import { DAY, HOUR, MANY, notLess, SECOND } from './bounds.ts';
import { hint } from './suggest.ts';
import type { Cursor } from './cursor.ts';
import { health, outlier } from './health-settings.ts';
import {
  boolean,
  decimal,
  duration,
  field,
  integer,
  mapped,
  oneOf,
  orOff,
  orOn,
  orShort,
  orZero,
  parsed,
  percentage,
  text,
} from './readers.ts';
import { list, object, type Reader } from './schema.ts';
import { tls } from './tls-settings.ts';

const D = DEFAULT_UPSTREAM;
const MAX_CONNECTIONS = 10_000;
/** `off`: no limit. */
const streams = orZero(integer(1, MANY));

type EndpointDraft = { readonly [K in keyof EndpointSpec]: EndpointSpec[K] | undefined };
const endpoint: Reader<EndpointDraft> = orShort(
  parsed('endpoint', parseEndpoint),
  mapped(
    object('endpoint', {
      address: { reader: parsed('address', parseTarget), help: '`host:port` or `unix:/path`' },
      weight: { reader: integer(1, 99_999), fallback: '1', help: 'Share of the calls, relative to its neighbours' },
      max_streams: {
        reader: streams,
        fallback: { value: null, shown: "the upstream's" },
        help: 'Calls at a time that it can serve, exactly',
      },
    }),
    ({ address, ...rest }) => ({ ...rest, address: address?.address }),
  ),
);

const keepalive = object('keepalive', {
  interval: field(
    duration(100, DAY),
    D.keepalive.interval,
    'Silence after which a session with calls is asked whether it lives',
  ),
  timeout: field(duration(100, HOUR), D.keepalive.timeout, 'For the answer'),
});

/** @param folder what the names of files are relative to */
export const upstream = (folder: string) =>
  object(
    'upstream',
    {
      protocol: field(oneOf(UPSTREAM_PROTOCOLS), D.protocol, 'What its endpoints speak; same: what the client does'),
      endpoints: {
        reader: list(endpoint, { min: 1, unique: ({ address }) => address }),
        help: 'Each `host:port#weight`, `unix:/path#weight` or a map',
      },
      draining: {
        reader: list(text('endpoint', 'as among the endpoints, without a weight', (written) => written)),
        fallback: { value: D.draining, shown: 'none' },
        help: 'Endpoints that get no new calls',
      },
      tls: { reader: orOff(orOn(tls(folder))), fallback: 'off', help: 'TLS to the endpoints' },
      proxy_protocol: field(
        oneOf(['off', 'v1', 'v2']),
        D.proxyProtocol,
        'tcp, same: the PROXY header that tells engines who the client is',
      ),
      resolve_interval: field(duration(SECOND, DAY), D.resolveInterval, 'Names are resolved anew after so long'),
      mode: field(
        oneOf(['strict', 'loose']),
        D.mode,
        'When all is full: calls wait (strict), or more sessions open (loose)',
      ),
      overflow_factor: field(decimal(1, 1000), D.overflowFactor, 'loose: capacity may be exceeded up to so many times'),
      exclusive: field(boolean, D.exclusive, 'One call at a time on a session'),
      min_connections: field(integer(0, MAX_CONNECTIONS), D.minConnections, 'Sessions kept open to one endpoint'),
      max_connections: {
        reader: integer(1, MAX_CONNECTIONS),
        fallback: { value: D.maxConnections, shown: '8, or 800 where a connection carries one call' },
        help: 'Sessions to one endpoint',
      },
      max_streams_per_connection: field(integer(1, MANY), D.maxStreamsPerConnection, 'Calls at a time on one session'),
      max_streams: field(streams, D.maxStreams, 'Calls at a time at one endpoint, exactly'),
      connect_timeout: field(duration(1, HOUR), D.connectTimeout, 'For a connection to stand'),
      backoff_max: field(duration(100, HOUR), D.backoffMax, 'Longest pause between failing connects'),
      acquire_timeout: field(duration(0, HOUR), D.acquireTimeout, 'How long a call waits for a free stream'),
      max_pending: field(integer(0, MANY), D.maxPending, 'Calls that may wait; more are refused at once'),
      max_active: field(orZero(integer(1, MANY)), D.maxActive, 'Calls waiting and served; more are refused at once'),
      idle_timeout: field(
        duration(100, 7 * DAY),
        D.idleTimeout,
        'A session without calls is closed, down to `min_connections`',
      ),
      max_age: field(
        orZero(duration(SECOND, 365 * DAY)),
        D.maxAge,
        'A session is drained and replaced, up to a tenth later',
      ),
      keepalive: { reader: keepalive, fallback: '', help: 'Finding dead sessions with PINGs that no engine minds' },
      balance: { reader: balance, fallback: D.balance.policy, help: 'How an endpoint is chosen: a policy, or a map' },
      affinity: { reader: orOff(affinity), fallback: 'off', help: 'Calls of one key stay together: a key, or a map' },
      affinity_wait: field(
        duration(0, HOUR),
        D.affinityWait,
        'For the one endpoint that a key names, before any other',
      ),
      slow_start: field(orZero(duration(100, DAY)), D.slowStart, 'Until a new or returned endpoint has its full share'),
      health: { reader: orOff(health), fallback: 'off', help: 'Asking endpoints whether they work: a kind, or a map' },
      outlier: { reader: orOff(outlier), fallback: 'off', help: 'Leaving out endpoints whose calls fail' },
      panic_threshold: field(
        orZero(percentage()),
        D.panicThreshold,
        'Endpoints in rotation below which all are picked from; off: calls fail fast',
      ),
    },
    (draft, at) => {
      notLess({ ...draft, maxConnections: mostConnections(draft) }, at, 'max_connections', 'min_connections', String);
      checkProxyProtocol(draft, at);
      checkHealth(draft, at);
      checkNames(draft, at);
      checkDraining(draft, at);
    },
  );

type Draft<K extends keyof UpstreamSpec> = { readonly [P in K]: UpstreamSpec[P] | undefined };

/** What `max_connections` comes to. */
const mostConnections = ({ maxConnections, protocol }: Draft<'maxConnections' | 'protocol'>) =>
  maxConnections === null ? protocol && defaultConnections(protocol) : maxConnections;

/** A PROXY header is about a connection, and so about its only client. */
function checkProxyProtocol({ protocol, proxyProtocol }: Draft<'protocol' | 'proxyProtocol'>, at: Cursor): void {
  if (!proxyProtocol || proxyProtocol === 'off' || (protocol !== 'h2' && protocol !== 'http1')) return;
  at.key('proxy_protocol').wrong(`connections of ${protocol} serve many clients`, 'protocol: tcp or same');
}

interface Asked extends Draft<'protocol'> {
  readonly health: { readonly kind: string | undefined } | null | undefined;
}

/** Endpoints are asked in what they speak. */
function checkHealth({ protocol, health }: Asked, at: Cursor): void {
  if (health?.kind !== 'grpc' || (protocol !== 'http1' && protocol !== 'tcp')) return;
  const here = at.key('health');
  const written = here.has('kind') ? here.key('kind') : here;
  written.wrong(`there is no gRPC over ${protocol}`, protocol === 'tcp' ? 'tcp' : 'http or tcp');
}

interface Drained {
  readonly endpoints: readonly (EndpointDraft | undefined)[] | undefined;
  readonly draining: readonly (string | undefined)[] | undefined;
}

/** Only what is there can be drained. */
function checkDraining({ endpoints, draining }: Drained, at: Cursor): void {
  const known = (endpoints ?? []).flatMap((item) => item?.address ?? []);
  for (const [i, address] of (draining ?? []).entries()) {
    if (address === undefined || endpoints === undefined || known.includes(address)) continue;
    at.key('draining').index(i).wrong('is not among the endpoints', hint(address, known));
  }
}

interface Verified {
  readonly endpoints: readonly (EndpointDraft | undefined)[] | undefined;
  readonly tls: { readonly serverName: string | undefined; readonly verify: boolean | undefined } | null | undefined;
}

/** A certificate is for a name, and a socket in the file system has none. */
function checkNames({ endpoints, tls }: Verified, at: Cursor): void {
  if (!tls?.verify || tls.serverName !== '') return;
  for (const [i, item] of (endpoints ?? []).entries()) {
    if (!item?.address?.startsWith('unix:')) continue;
    at.key('endpoints').index(i).wrong('has no name that a certificate could bear', 'tls.server_name says it');
  }
}
