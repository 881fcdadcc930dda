import type { ActionSpec, AuthSpec, LimitsSpec, MatchSpec, PolicySpec, TenantsSpec } from './policy.ts';

/**
 * The immutable view of the configuration that the data path reads. `control/config` makes it from YAML; it is replaced
 * whole on change, and an exchange keeps the one it began with. Durations are milliseconds, sizes are bytes.
 */
export interface EndpointSpec {
  /** As written, without the weight: `127.0.0.1:9001` or `unix:/run/asr.sock`. The name in logs and metrics. */
  readonly address: string;
  readonly weight: number;
  /** Calls that it can serve at once, exactly; null takes the upstream's. */
  readonly maxStreams: number | null;
}

/** Where a call's key comes from. `name` is that of a header, metadata key or cookie; empty for the others. */
export interface KeySpec {
  readonly source: 'header' | 'cookie' | 'path' | 'client';
  readonly name: string;
}

export const BALANCE_POLICIES = [
  'round_robin',
  'weighted_round_robin',
  'random',
  'weighted_random',
  'least_request',
  'power_of_two',
  'peak_ewma',
  'consistent_hash',
] as const;

export interface BalanceSpec {
  readonly policy: (typeof BALANCE_POLICIES)[number];
  /** `consistent_hash`: what is hashed, points an endpoint has on the ring, and its load at most, relative to the mean (0: no bound). */
  readonly key: KeySpec;
  readonly virtualNodes: number;
  readonly maxLoad: number;
  /** `weighted_round_robin`: so many failures within this time take an endpoint out for as long. */
  readonly maxFails: number;
  readonly failTimeout: number;
}

/** Calls of one key go to one endpoint while it is up. */
export interface AffinitySpec {
  readonly key: KeySpec;
  /** Since the last call of the key. */
  readonly ttl: number;
  /** Keys remembered at most; the least recently used goes first. */
  readonly maxKeys: number;
}

export interface KeepaliveSpec {
  /** Silence after which a session with streams is asked whether it lives, as far as the ledger allows. */
  readonly interval: number;
  /** For the answer. */
  readonly timeout: number;
}

export interface HealthSpec {
  readonly kind: 'grpc' | 'http' | 'tcp';
  /** `grpc`: the service asked for, '' is the server as a whole; Watch instead of Check. */
  readonly service: string;
  readonly watch: boolean;
  /** `http`: the path of the GET; a 2xx is healthy. */
  readonly path: string;
  readonly interval: number;
  readonly timeout: number;
  /** Added to an interval at random, as a share of it. */
  readonly jitter: number;
  readonly unhealthyThreshold: number;
  readonly healthyThreshold: number;
}

/** Passive ejection: an endpoint whose calls fail is left out for a while. */
export interface OutlierSpec {
  readonly consecutiveFailures: number;
  /** Share of failures, of at least `minimumRequests` in an interval; 0: not looked at. */
  readonly failureShare: number;
  readonly minimumRequests: number;
  readonly interval: number;
  /** Times the number of ejections in a row, up to the longest. */
  readonly baseEjection: number;
  readonly maxEjection: number;
  /** Share of the endpoints that may be out at once; one always may. */
  readonly maxEjected: number;
}

export interface UpstreamTlsSpec {
  /** PEM texts; null: Node's own CAs, no client certificate. */
  readonly ca: string | null;
  readonly certificate: string | null;
  readonly key: string | null;
  /** SNI and the name that the certificate has to bear; '' is the endpoint's host. */
  readonly serverName: string;
  readonly verify: boolean;
}

export const UPSTREAM_PROTOCOLS = ['h2', 'http1', 'tcp', 'same'] as const;

/** `max_connections` where it is not said: for as many calls at a time, roughly. */
export const defaultConnections = (protocol: UpstreamSpec['protocol']): number => (protocol === 'h2' ? 8 : 800);

export interface UpstreamSpec {
  readonly name: string;
  /** What its endpoints speak; `same`: whatever the client does. */
  readonly protocol: (typeof UPSTREAM_PROTOCOLS)[number];
  readonly endpoints: readonly EndpointSpec[];
  /** Addresses of endpoints that get no new calls. */
  readonly draining: readonly string[];
  readonly tls: UpstreamTlsSpec | null;
  /** Each connection begins with a PROXY header that says who the client is: `tcp` only, where a connection is one client's. */
  readonly proxyProtocol: 'off' | 'v1' | 'v2';
  /** Names of endpoints are resolved anew after so long. */
  readonly resolveInterval: number;

  readonly mode: 'strict' | 'loose';
  /** `loose`: capacity may be exceeded up to this factor, with sessions that close once idle. */
  readonly overflowFactor: number;
  /** One call at a time on a session. */
  readonly exclusive: boolean;
  readonly minConnections: number;
  /** null: see `defaultConnections`. */
  readonly maxConnections: number | null;
  readonly maxStreamsPerConnection: number;
  /** Calls at an endpoint at once, exactly; 0: no such limit. */
  readonly maxStreams: number;
  readonly connectTimeout: number;
  readonly backoffMax: number;
  readonly acquireTimeout: number;
  /** Calls that may wait; more are refused at once. */
  readonly maxPending: number;
  /** Calls in all, waiting and served; 0: no limit. */
  readonly maxActive: number;
  /** A session without streams is closed after so long, down to `minConnections`. */
  readonly idleTimeout: number;
  /** A session is drained and replaced after so long, up to a tenth later; 0: never. */
  readonly maxAge: number;
  readonly keepalive: KeepaliveSpec;

  readonly balance: BalanceSpec;
  readonly affinity: AffinitySpec | null;
  /** How long a call waits for the one endpoint that its key names before it goes elsewhere. */
  readonly affinityWait: number;
  /** A new or returned endpoint gets its full share only after so long; 0: at once. */
  readonly slowStart: number;
  readonly health: HealthSpec | null;
  readonly outlier: OutlierSpec | null;
  /** Below this share of endpoints in rotation all of them are picked from; 0: calls fail fast instead. */
  readonly panicThreshold: number;
}

/** Which answers are tried again at another endpoint; refusals that are safe to repeat always are. */
export interface RetrySpec {
  /** In all, the first included. */
  readonly attempts: number;
  readonly grpcStatuses: readonly number[];
  readonly httpStatuses: readonly number[];
  /** Exponential with full jitter between these. */
  readonly backoffBase: number;
  readonly backoffMax: number;
  /** For the response's head; 0: none. */
  readonly perTryTimeout: number;
  /** Retries as a share of the calls, and how many a second are allowed whatever the share. */
  readonly budget: number;
  readonly minPerSecond: number;
}

/** What the first bytes of a connection can be; inside TLS they are looked at again. */
export const PROTOCOLS = ['h2', 'http1', 'tls', 'tcp'] as const;
export type Protocol = (typeof PROTOCOLS)[number];

/** TLS that ends at the listener, for some server names. The first of a listener's serves clients that name none, too. */
export interface ServerTlsSpec {
  /** In lower case: `asr.example`, `*.example` for one label more; `*` for any. */
  readonly names: readonly string[];
  /** PEM texts. */
  readonly certificate: string;
  readonly key: string;
  /** Whose client certificates are believed; null where none is asked for. */
  readonly clientCa: string | null;
  readonly clientCertificate: 'off' | 'optional' | 'required';
  readonly minVersion: 'TLSv1.2' | 'TLSv1.3';
  /** Absolute paths of the files that the texts came from: they are read again when they change. */
  readonly files: { readonly certificate: string; readonly key: string; readonly clientCa: string | null };
}

/** Forward proxying: what a CONNECT may name. */
export interface ConnectSpec {
  /** `host:port`, `*.example:443`, `10.0.0.0/8:*`, `[2001:db8::]/32:443`; `*` is any port, and as a host any name. */
  readonly allow: readonly string[];
}

export interface GrpcWebSpec {
  /** Origins whose browsers may call, such as `https://app.example`; `*` is any. */
  readonly allowOrigins: readonly string[];
}

export interface ListenerSpec {
  readonly name: string;
  readonly host: string;
  readonly port: number;
  /** Where everything goes that no route claims; null: nowhere. */
  readonly upstream: string | null;
  readonly protocols: readonly Protocol[];
  /** Until the first bytes tell the protocol. */
  readonly sniffTimeout: number;
  /** After so long without a byte the connection is TCP, whose server may speak first; 0: never. */
  readonly serverFirstDelay: number;
  /** `required`: each connection begins with a PROXY header (v1 or v2), and comes from one of the `trustedProxies`. */
  readonly proxyProtocol: 'off' | 'required';
  readonly tls: readonly ServerTlsSpec[];
  /** CIDR blocks of clients that may connect (empty: all), and of those that may not. */
  readonly allow: readonly string[];
  readonly deny: readonly string[];
  /** A tunnel (TCP, WebSocket, CONNECT) in which nothing moves for so long is closed; 0: never. */
  readonly tunnelIdleTimeout: number;
  /** WebSockets may be opened, by HTTP/1.1 upgrades and on HTTP/2 streams. */
  readonly websocket: boolean;
  readonly connect: ConnectSpec | null;
  /** gRPC-Web is translated to gRPC; null: it is passed on as it is. */
  readonly grpcWeb: GrpcWebSpec | null;
  /** Open connections at most; more are closed at once. */
  readonly maxConnections: number;
  /** CIDR blocks whose `x-forwarded-for` is believed. */
  readonly trustedProxies: readonly string[];
  /** For all its requests, before any route is looked for. */
  readonly limits: LimitsSpec;
  readonly retry: RetrySpec | null;
}

/** What a request, or a connection that is not opened, is; `tls` is one that passes through unopened. */
export const ROUTE_PROTOCOLS = ['grpc', 'grpc_web', 'websocket', 'http', 'tcp', 'tls'] as const;
export type RouteProtocol = (typeof ROUTE_PROTOCOLS)[number];

/** The first route that matches in the order of the file says what becomes of a request. */
export interface RouteSpec extends PolicySpec {
  /** In logs and metrics. */
  readonly name: string;
  readonly match: MatchSpec;
  readonly action: ActionSpec;
  /** Null: nothing but what is certainly not begun; `listener`: what the listener says. */
  readonly retry: RetrySpec | null | 'listener';
  /** In place of the upstream's own, for policies that place by it. */
  readonly hashKey: KeySpec | null;
}

/** What a peer may make us hold or do: see the README's table of limits. */
export interface Limits {
  readonly maxConcurrentStreams: number;
  /** Refusals (REFUSED_STREAM) before a session is sent away. */
  readonly maxRefusedStreams: number;
  /** Decoded size of a header list (RFC 9113 section 6.5.2 counting): over it a stream error, over twice it GOAWAY. */
  readonly maxHeaderListSize: number;
  readonly maxHeaderFields: number;
  readonly maxHeaderFieldsHard: number;
  /** Encoded size of a header block with its CONTINUATIONs. */
  readonly maxHeaderBlockSize: number;
  readonly maxContinuationFrames: number;
  readonly resetBurst: number;
  readonly resetRate: number;
  /** Answers (PING and SETTINGS ACKs) queued before we stop reading, and before we close. */
  readonly maxQueuedAnswers: number;
  readonly maxQueuedAnswersHard: number;
  readonly maxEmptyDataFrames: number;
  /** Unsent output over which a session is no longer read. */
  readonly maxOutput: number;
  /** A socket that takes no byte of pending output for so long is closed. */
  readonly writeStallTimeout: number;
  /** A stream whose held bytes make no progress for so long is reset. */
  readonly slowReadTimeout: number;
  /** Preface, SETTINGS ACK and the rest of a header block each have to come within this. */
  readonly handshakeTimeout: number;
  readonly idleTimeout: number;
  /** Request bytes kept for a retry, per exchange. */
  readonly replayBuffer: number;
  /** HTTP/1.1: bytes of pipelined requests that are read ahead while one is being answered. */
  readonly pipelineBuffer: number;
  /** All that waits in the process: slabs, held DATA, replay buffers. */
  readonly bufferBudget: number;
}

/** HTTP/1.1 and WebSocket; TCP whose server speaks first and then echoes. */
export const DEMO_KINDS = ['web', 'echo'] as const;

/** A server to try the gateway with, inside its process. */
export interface DemoServerSpec {
  readonly kind: (typeof DEMO_KINDS)[number];
  readonly host: string;
  readonly port: number;
  /** PEM texts; null: clear text. */
  readonly tls: { readonly certificate: string; readonly key: string } | null;
}

export interface Snapshot {
  readonly listeners: readonly ListenerSpec[];
  readonly routes: readonly RouteSpec[];
  /** By name, as routes refer to them. */
  readonly auth: ReadonlyMap<string, AuthSpec>;
  readonly tenants: TenantsSpec | null;
  readonly upstreams: ReadonlyMap<string, UpstreamSpec>;
  readonly limits: Limits;
  readonly drainTimeout: number;
  readonly log: { readonly level: string; readonly access: boolean };
  readonly admin: { readonly host: string; readonly port: number } | null;
  /** Demo engines to run inside the process: `host:port` each. */
  readonly demoEngines: readonly string[];
  readonly demoServers: readonly DemoServerSpec[];
}

export const NO_LIMITS: LimitsSpec = { allow: [], deny: [], rates: [], concurrency: [], maxBody: 0, maxMessage: 0 };

const NO_EDITS = { remove: [], set: [], add: [] };

/** All but what every route has to say for itself. */
export const DEFAULT_ROUTE: Omit<RouteSpec, 'name' | 'action'> = {
  match: {
    ...{ listeners: [], protocols: [], sni: [], hosts: [], path: null, methods: [], headers: [] },
    ...{ clients: [], certificates: [] },
  },
  rewrite: { stripPrefix: null, regex: null, host: null },
  requestHeaders: NO_EDITS,
  responseHeaders: NO_EDITS,
  timeout: 0,
  idleTimeout: 0,
  limits: NO_LIMITS,
  auth: null,
  permissions: [],
  duplicates: null,
  retry: 'listener',
  hashKey: null,
};

/** All but what every listener has to say for itself. */
export const DEFAULT_LISTENER: Omit<ListenerSpec, 'name' | 'host' | 'port' | 'upstream'> = {
  protocols: PROTOCOLS,
  sniffTimeout: 10_000,
  serverFirstDelay: 0,
  proxyProtocol: 'off',
  tls: [],
  allow: [],
  deny: [],
  tunnelIdleTimeout: 3_600_000,
  websocket: true,
  connect: null,
  grpcWeb: null,
  maxConnections: 10_000,
  trustedProxies: [],
  limits: NO_LIMITS,
  retry: null,
};

export const DEFAULT_LIMITS: Limits = {
  maxConcurrentStreams: 100,
  maxRefusedStreams: 100,
  maxHeaderListSize: 64 * 1024,
  maxHeaderFields: 200,
  maxHeaderFieldsHard: 1000,
  maxHeaderBlockSize: 64 * 1024,
  maxContinuationFrames: 8,
  resetBurst: 200,
  resetRate: 33,
  maxQueuedAnswers: 100,
  maxQueuedAnswersHard: 1000,
  maxEmptyDataFrames: 100,
  maxOutput: 512 * 1024,
  writeStallTimeout: 30_000,
  slowReadTimeout: 60_000,
  handshakeTimeout: 10_000,
  idleTimeout: 3_600_000,
  replayBuffer: 64 * 1024,
  pipelineBuffer: 64 * 1024,
  bufferBudget: 256 * 1024 * 1024,
};

export const DEFAULT_BALANCE: BalanceSpec = {
  policy: 'weighted_round_robin',
  key: { source: 'client', name: '' },
  virtualNodes: 100,
  maxLoad: 1.25,
  maxFails: 3,
  failTimeout: 10_000,
};

/** All but what every upstream has to say for itself. */
export const DEFAULT_UPSTREAM: Omit<UpstreamSpec, 'name' | 'endpoints'> = {
  protocol: 'h2',
  draining: [],
  tls: null,
  proxyProtocol: 'off',
  resolveInterval: 30_000,
  mode: 'strict',
  overflowFactor: 5,
  exclusive: false,
  minConnections: 0,
  maxConnections: null,
  maxStreamsPerConnection: 100,
  maxStreams: 0,
  connectTimeout: 5_000,
  backoffMax: 30_000,
  acquireTimeout: 5_000,
  maxPending: 10_000,
  maxActive: 0,
  idleTimeout: 300_000,
  maxAge: 0,
  keepalive: { interval: 30_000, timeout: 20_000 },
  balance: DEFAULT_BALANCE,
  affinity: null,
  affinityWait: 1_000,
  slowStart: 0,
  health: null,
  outlier: null,
  panicThreshold: 0.5,
};
