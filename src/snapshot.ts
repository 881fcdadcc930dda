/**
 * The immutable view of the configuration that the data path reads. `control/config` makes it from YAML; it is replaced
 * whole on change, and an exchange keeps the one it began with. Durations are milliseconds, sizes are bytes.
 */
export interface EndpointSpec {
  /** As written, without the weight: `127.0.0.1:9001` or `unix:/run/asr.sock`. The name in logs and metrics. */
  readonly address: string;
  readonly weight: number;
}

export interface UpstreamSpec {
  readonly name: string;
  readonly protocol: 'h2';
  readonly endpoints: readonly EndpointSpec[];
  readonly connectTimeout: number;
  readonly backoffMax: number;
  readonly acquireTimeout: number;
  readonly maxConnections: number;
  readonly maxStreamsPerConnection: number;
}

export interface ListenerSpec {
  readonly name: string;
  readonly host: string;
  readonly port: number;
  readonly upstream: string;
  readonly protocols: readonly 'h2'[];
  /** Open connections at most; more are closed at once. */
  readonly maxConnections: number;
  /** CIDR blocks whose `x-forwarded-for` is believed. */
  readonly trustedProxies: readonly string[];
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
  /** All that waits in the process: slabs, held DATA, replay buffers. */
  readonly bufferBudget: number;
}

export interface Snapshot {
  readonly listeners: readonly ListenerSpec[];
  readonly upstreams: ReadonlyMap<string, UpstreamSpec>;
  readonly limits: Limits;
  readonly drainTimeout: number;
  readonly log: { readonly level: string; readonly access: boolean };
  readonly admin: { readonly host: string; readonly port: number } | null;
  /** Demo engines to run inside the process: `host:port` each. */
  readonly demoEngines: readonly string[];
}

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
  bufferBudget: 256 * 1024 * 1024,
};
