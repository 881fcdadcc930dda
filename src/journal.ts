/** What the data path tells the world: an interface, so that it knows nothing of loggers. */
import type { Failure } from './errors.ts';

/** One line of the access log. Times are milliseconds. */
export interface ExchangeRecord {
  readonly method: string;
  readonly path: string;
  readonly authority: string;
  readonly listener: string;
  /** null: answered here. */
  readonly upstream: string | null;
  /** Client address by the rule on trusted proxies. */
  readonly peer: string;
  /** Null: no route claimed it. */
  readonly route: string | null;
  /** Who asked, by token, API key or client certificate. */
  readonly identity: string | null;
  readonly endpoint: string | null;
  readonly grpcStatus: number | null;
  readonly httpStatus: number | null;
  readonly duration: number;
  /** Until the response's HEADERS; null if none came. */
  readonly firstByte: number | null;
  readonly receivedBytes: number;
  readonly sentBytes: number;
  /** Length-prefixed gRPC messages each way; null for other exchanges. */
  readonly receivedMessages: number | null;
  readonly sentMessages: number | null;
  readonly attempts: number;
  readonly failure: Failure | null;
}

/** Something went wrong with a whole connection, or an operator wants to know of it. */
export interface ConnectionRecord {
  readonly side: 'downstream' | 'upstream';
  readonly peer: string;
  readonly event:
    | 'protocol_error'
    | 'goaway_received'
    | 'closed'
    | 'connect_failed'
    | 'limited'
    | 'bug'
    | 'keepalive'
    | 'resolve_failed'
    | 'resolved'
    | 'unhealthy'
    | 'healthy'
    | 'ejected'
    | 'returned';
  readonly code: string | null;
  readonly message: string;
}

export interface Journal {
  /** False when nobody listens: the exchange then does not build its record. */
  readonly access: boolean;
  exchange(record: ExchangeRecord): void;
  connection(record: ConnectionRecord): void;
}
