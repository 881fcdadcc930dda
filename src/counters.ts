/**
 * Counters are slots in typed arrays: the data path adds to a slot, whoever wants to know reads the array.
 * A layout names the slots of one scope (the process, a listener, an endpoint); each scope's instance holds the values.
 */
import { ERROR_CODE_NAMES, Failures, GRPC_STATUS_NAMES } from './errors.ts';

export interface Metric {
  readonly name: string;
  readonly help: string;
  readonly type: 'counter' | 'gauge' | 'histogram';
  readonly slot: number;
  /** For a family: the label's name and its values, one slot each from `slot` on. */
  readonly label?: string;
  readonly values?: readonly string[];
  /** For a histogram: upper bounds in seconds; slots are the buckets, then +Inf, then the sum. */
  readonly bounds?: readonly number[];
}

export class Layout {
  readonly metrics: Metric[] = [];
  size = 0;

  private add(metric: Omit<Metric, 'slot'>, slots: number): number {
    const slot = this.size;
    this.metrics.push({ ...metric, slot });
    this.size += slots;
    return slot;
  }
  counter(name: string, help: string): number {
    return this.add({ name, help, type: 'counter' }, 1);
  }
  gauge(name: string, help: string): number {
    return this.add({ name, help, type: 'gauge' }, 1);
  }
  /** One counter for each value of a label; the last value stands for all that are not listed. */
  family(name: string, help: string, label: string, values: readonly string[]): number {
    return this.add({ name, help, type: 'counter', label, values }, values.length);
  }
  histogram(name: string, help: string, bounds: readonly number[]): number {
    return this.add({ name, help, type: 'histogram', bounds }, bounds.length + 2);
  }
}

/** What tells a scope from others of its kind. */
export type MetricLabels = Readonly<Record<string, string>>;

export class Counters {
  readonly layout: Layout;
  /** Labels of this scope, e.g. `{ upstream: 'asr', endpoint: '127.0.0.1:9001' }`. */
  readonly labels: MetricLabels;
  readonly slots: Float64Array;

  constructor(layout: Layout, labels: MetricLabels = {}) {
    this.layout = layout;
    this.labels = labels;
    this.slots = new Float64Array(layout.size);
  }
  add(slot: number, n: number): void {
    this.slots[slot] = this.slots[slot]! + n;
  }
  get(slot: number): number {
    return this.slots[slot]!;
  }
  /** Adds one to a family's slot; `index` beyond the family counts as its last value. */
  addTo(family: number, index: number, count: number): void {
    this.add(family + (index < count ? index : count - 1), 1);
  }
  observe(histogram: number, bounds: readonly number[], seconds: number): void {
    let i = 0;
    while (i < bounds.length && seconds > bounds[i]!) i++;
    this.add(histogram + i, 1);
    this.add(histogram + bounds.length + 1, seconds);
  }
}

const CODES = [...ERROR_CODE_NAMES, 'other'];
export const CODE_COUNT = CODES.length;
const STATUSES = [...GRPC_STATUS_NAMES, 'none'];
export const STATUS_COUNT = STATUSES.length;
const CAUSES = [...new Set(Object.values(Failures).map((f) => f.cause))];
const causeIndex = new Map(CAUSES.map((cause, i) => [cause, i]));

/** What cut a peer off or refused it: one for each limit. */
export const LIMITS = [
  'streams',
  'resets',
  'continuation',
  'header_list',
  'answers',
  'control_frames',
  'empty_data',
  'tiny_data',
  'write_stall',
  'slow_read',
  'handshake',
  'connections',
  'frame_stall',
  'keepalive',
  'denied',
  'protocol',
] as const;
export type Limit = (typeof LIMITS)[number];
const limitIndex = new Map<string, number>(LIMITS.map((limit, i) => [limit, i]));

export const DURATION_BOUNDS: readonly number[] = [0.001, 0.005, 0.01, 0.05, 0.1, 0.5, 1, 5, 30, 300, 3600];

/** Why a call was tried again. */
export const RETRY_REASONS = ['unwritten', 'refused', 'grpc_status', 'http_status', 'failure', 'timeout'] as const;
export type RetryReason = (typeof RETRY_REASONS)[number];

export const listenerLayout = new Layout();
export const Listener = {
  CONNECTIONS: listenerLayout.counter('frameway_downstream_connections_total', 'Connections accepted'),
  CONNECTIONS_OPEN: listenerLayout.gauge('frameway_downstream_connections', 'Connections open now'),
  EXCHANGES: listenerLayout.counter('frameway_exchanges_total', 'Exchanges begun'),
  EXCHANGES_OPEN: listenerLayout.gauge('frameway_exchanges', 'Exchanges open now'),
  ENDED: listenerLayout.family(
    'frameway_exchanges_ended_total',
    'Exchanges ended, by gRPC status (none: not gRPC)',
    'grpc_status',
    STATUSES,
  ),
  FAILURES: listenerLayout.family('frameway_failures_total', 'Exchanges that failed, by cause', 'cause', CAUSES),
  RETRIES: listenerLayout.family(
    'frameway_retries_total',
    'Attempts made anew, unseen by the client, by reason',
    'reason',
    RETRY_REASONS,
  ),
  RECEIVED: listenerLayout.counter('frameway_downstream_received_bytes_total', 'Message bytes received from clients'),
  SENT: listenerLayout.counter('frameway_downstream_sent_bytes_total', 'Message bytes sent to clients'),
  DURATION: listenerLayout.histogram('frameway_exchange_duration_seconds', 'Duration of exchanges', DURATION_BOUNDS),
} as const;

/** What a PING is wanted for: silence with calls open, or a call on a session that was silent for long. */
export const PING_REASONS = ['silence', 'new_call'] as const;

export const endpointLayout = new Layout();
export const Endpoint = {
  SESSIONS: endpointLayout.counter('frameway_upstream_sessions_total', 'Sessions opened'),
  SESSIONS_OPEN: endpointLayout.gauge('frameway_upstream_sessions', 'Sessions that take calls now'),
  CONNECTING: endpointLayout.gauge('frameway_upstream_sessions_connecting', 'Sessions on their way'),
  DRAINING: endpointLayout.gauge('frameway_upstream_sessions_draining', 'Sessions that end with their last call'),
  CONNECT_FAILURES: endpointLayout.counter('frameway_upstream_connect_failures_total', 'Connects that failed'),
  STREAMS: endpointLayout.counter('frameway_upstream_streams_total', 'Streams opened'),
  STREAMS_OPEN: endpointLayout.gauge('frameway_upstream_streams', 'Streams open now'),
  IN_ROTATION: endpointLayout.gauge('frameway_upstream_in_rotation', '1 while calls may go there, 0 while it is out'),
  EJECTIONS: endpointLayout.counter(
    'frameway_upstream_ejections_total',
    'Times it was left out since its calls failed',
  ),
  EXHAUSTED: endpointLayout.counter('frameway_upstream_exhausted_total', 'Answers RESOURCE_EXHAUSTED or 429'),
  PROBES: endpointLayout.counter('frameway_upstream_probes_total', 'Active health checks made'),
  PROBES_FAILED: endpointLayout.counter('frameway_upstream_probes_failed_total', 'Active health checks that failed'),
  PINGS: endpointLayout.counter('frameway_upstream_pings_total', 'Keepalive PINGs sent'),
  PINGS_ANSWERED: endpointLayout.counter('frameway_upstream_pings_answered_total', 'Keepalive PINGs answered'),
  PINGS_WITHHELD: endpointLayout.family(
    'frameway_upstream_pings_withheld_total',
    'PINGs that would have been strikes, by what asked for them',
    'reason',
    PING_REASONS,
  ),
  PINGS_UNANSWERED: endpointLayout.counter(
    'frameway_upstream_pings_unanswered_total',
    'Sessions closed since a PING was not answered',
  ),
  TOO_MANY_PINGS: endpointLayout.counter('frameway_upstream_too_many_pings_total', 'GOAWAYs "too_many_pings" received'),
} as const;

/** One instance for each upstream. */
export const upstreamLayout = new Layout();
export const Upstream = {
  WAITING: upstreamLayout.gauge('frameway_upstream_waiting', 'Calls that wait for a free stream'),
  WAITED: upstreamLayout.counter('frameway_upstream_waited_total', 'Calls that had to wait'),
  WAIT: upstreamLayout.histogram('frameway_upstream_wait_seconds', 'How long calls waited', DURATION_BOUNDS),
  REFUSED: upstreamLayout.counter(
    'frameway_upstream_refused_total',
    'Calls refused: queue or upstream full, or too long a wait',
  ),
  PANICS: upstreamLayout.counter(
    'frameway_upstream_panics_total',
    'Times that all endpoints were picked from, since too few were in rotation',
  ),
} as const;

/** One instance for each tenant that has a share of an upstream. */
export const tenantLayout = new Layout();
export const Tenant = {
  STREAMS: tenantLayout.counter('frameway_tenant_streams_total', 'Streams that the tenant was given'),
  STREAMS_OPEN: tenantLayout.gauge('frameway_tenant_streams', 'Streams that the tenant has open now'),
} as const;

/** One instance for each side of the gateway: sessions towards clients, sessions towards engines. */
export const sessionLayout = new Layout();
export const Session = {
  BYTES_READ: sessionLayout.counter('frameway_read_bytes_total', 'Bytes read from sockets'),
  BYTES_WRITTEN: sessionLayout.counter('frameway_written_bytes_total', 'Bytes written to sockets'),
  RST_SENT: sessionLayout.family('frameway_rst_stream_sent_total', 'RST_STREAM sent, by code', 'code', CODES),
  RST_RECEIVED: sessionLayout.family('frameway_rst_stream_received_total', 'RST_STREAM received', 'code', CODES),
  GOAWAY_SENT: sessionLayout.family('frameway_goaway_sent_total', 'GOAWAY sent, by code', 'code', CODES),
  GOAWAY_RECEIVED: sessionLayout.family('frameway_goaway_received_total', 'GOAWAY received, by code', 'code', CODES),
  LIMITED: sessionLayout.family('frameway_limited_total', 'Peers refused or cut off, by limit', 'limit', LIMITS),
  PAUSED: sessionLayout.counter('frameway_reads_paused_total', 'Sessions not read because their output was full'),
} as const;

/** Counts an exchange's failure under its cause. */
export const countFailure = (counters: Counters, cause: string): void =>
  counters.add(Listener.FAILURES + (causeIndex.get(cause) ?? 0), 1);

/** Counts a peer that met a limit. */
export const countLimit = (counters: Counters, limit: Limit): void =>
  counters.add(Session.LIMITED + (limitIndex.get(limit) ?? 0), 1);
