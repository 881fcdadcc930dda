/**
 * Every failure that the gateway knows, in one table: whose fault it is, how far it reaches, whether the call may be
 * tried again, and what each protocol is told. Nothing else in the code chooses a status or a code.
 */

/** RFC 9113 section 7. Unknown codes on the wire keep their number. */
export const ErrorCode = {
  NO_ERROR: 0x0,
  PROTOCOL_ERROR: 0x1,
  INTERNAL_ERROR: 0x2,
  FLOW_CONTROL_ERROR: 0x3,
  SETTINGS_TIMEOUT: 0x4,
  STREAM_CLOSED: 0x5,
  FRAME_SIZE_ERROR: 0x6,
  REFUSED_STREAM: 0x7,
  CANCEL: 0x8,
  COMPRESSION_ERROR: 0x9,
  CONNECT_ERROR: 0xa,
  ENHANCE_YOUR_CALM: 0xb,
  INADEQUATE_SECURITY: 0xc,
  HTTP_1_1_REQUIRED: 0xd,
} as const;
export type ErrorCode = (typeof ErrorCode)[keyof typeof ErrorCode];

export const ERROR_CODE_NAMES: readonly string[] = Object.keys(ErrorCode);

/** The name of a wire error code, `UNKNOWN_<n>` where RFC 9113 has none. */
export const errorCodeName = (code: number): string => ERROR_CODE_NAMES[code] ?? `UNKNOWN_${code}`;

/** gRPC status codes, as in `grpc-status`. */
export const GrpcStatus = {
  OK: 0,
  CANCELLED: 1,
  UNKNOWN: 2,
  INVALID_ARGUMENT: 3,
  DEADLINE_EXCEEDED: 4,
  NOT_FOUND: 5,
  ALREADY_EXISTS: 6,
  PERMISSION_DENIED: 7,
  RESOURCE_EXHAUSTED: 8,
  FAILED_PRECONDITION: 9,
  ABORTED: 10,
  OUT_OF_RANGE: 11,
  UNIMPLEMENTED: 12,
  INTERNAL: 13,
  UNAVAILABLE: 14,
  DATA_LOSS: 15,
  UNAUTHENTICATED: 16,
} as const;
export type GrpcStatus = (typeof GrpcStatus)[keyof typeof GrpcStatus];
export const GRPC_STATUS_NAMES: readonly string[] = Object.keys(GrpcStatus);

export interface Failure {
  /** Stable name: the label in metrics and the `cause` in logs. */
  readonly cause: string;
  /** Whose doing it is. */
  readonly side: 'downstream' | 'upstream' | 'gateway';
  /** The engine has certainly not begun the call, so it may be sent elsewhere without anybody noticing. */
  readonly retryable: boolean;
  readonly grpc: GrpcStatus;
  readonly http: number;
  /** The code of the RST_STREAM where no status can be sent any more. */
  readonly rst: ErrorCode;
  /** What the client reads: never more than it may know. */
  readonly message: string;
}

const failure = (
  cause: string,
  side: Failure['side'],
  grpc: GrpcStatus,
  http: number,
  message: string,
  more: Partial<Pick<Failure, 'retryable' | 'rst'>> = {},
): Failure => ({ cause, side, grpc, http, message, retryable: false, rst: ErrorCode.INTERNAL_ERROR, ...more });

const { PROTOCOL_ERROR, REFUSED_STREAM, CANCEL, ENHANCE_YOUR_CALM } = ErrorCode;
const S = GrpcStatus;

export const Failures = {
  malformedRequest: failure('malformed_request', 'downstream', S.INTERNAL, 400, 'malformed request', {
    rst: PROTOCOL_ERROR,
  }),
  noRoute: failure('no_route', 'gateway', S.UNIMPLEMENTED, 404, 'no route for this request'),
  methodNotAllowed: failure('method_not_allowed', 'downstream', S.UNIMPLEMENTED, 405, 'method not allowed'),
  /** A WebSocket, or another protocol that would take over its stream, which the engine or we do not speak. */
  tunnelRefused: failure('tunnel_refused', 'upstream', S.UNIMPLEMENTED, 501, 'this upgrade is not supported'),
  tunnelIdle: failure('tunnel_idle', 'gateway', S.UNAVAILABLE, 504, 'nothing moved in the tunnel for too long', {
    rst: CANCEL,
  }),
  misdirected: failure('misdirected', 'downstream', S.UNAVAILABLE, 421, 'authority not served on this connection'),
  noEndpoint: failure('no_endpoint', 'upstream', S.UNAVAILABLE, 503, 'no endpoint available', { retryable: true }),
  connectRefused: failure('connect_refused', 'upstream', S.UNAVAILABLE, 502, 'engine refused the connection', {
    retryable: true,
  }),
  connectTimeout: failure('connect_timeout', 'upstream', S.UNAVAILABLE, 504, 'engine did not accept in time', {
    retryable: true,
  }),
  sessionLost: failure('session_lost', 'upstream', S.UNAVAILABLE, 503, 'connection to the engine was lost'),
  /** A session that died before the call was written to it, or a stream above GOAWAY's last id. */
  unprocessed: failure('unprocessed', 'upstream', S.UNAVAILABLE, 503, 'engine did not take the call', {
    retryable: true,
  }),
  /** Nothing of the call was ever given to a socket: it may move as often as it takes. */
  unwritten: failure('unprocessed', 'upstream', S.UNAVAILABLE, 503, 'connection to the engine was lost', {
    retryable: true,
  }),
  draining: failure('draining', 'gateway', S.UNAVAILABLE, 503, 'gateway is shutting down', { rst: REFUSED_STREAM }),
  engineDraining: failure('engine_draining', 'gateway', S.UNAVAILABLE, 503, 'engine is being taken out of service'),
  poolFull: failure('pool_full', 'upstream', S.RESOURCE_EXHAUSTED, 503, 'no free stream to an engine in time', {
    rst: REFUSED_STREAM,
  }),
  rateLimited: failure('rate_limited', 'gateway', S.RESOURCE_EXHAUSTED, 429, 'rate limit exceeded'),
  deadline: failure('deadline_exceeded', 'gateway', S.DEADLINE_EXCEEDED, 504, 'deadline exceeded', { rst: CANCEL }),
  /** An attempt's own time is over; the call may have more. */
  attemptTimeout: failure('attempt_timeout', 'upstream', S.DEADLINE_EXCEEDED, 504, 'engine did not answer in time', {
    rst: CANCEL,
  }),
  requestTooSlow: failure('request_too_slow', 'downstream', S.DEADLINE_EXCEEDED, 408, 'request was sent too slowly', {
    rst: CANCEL,
  }),
  slowRead: failure('slow_read', 'downstream', S.DEADLINE_EXCEEDED, 408, 'response was read too slowly', {
    rst: CANCEL,
  }),
  /** The key of a request that was another. */
  conflict: failure('conflict', 'downstream', S.FAILED_PRECONDITION, 422, 'this idempotency key was another request'),
  idle: failure('idle_timeout', 'gateway', S.DEADLINE_EXCEEDED, 504, 'nothing moved for too long', { rst: CANCEL }),
  unauthenticated: failure('unauthenticated', 'downstream', S.UNAUTHENTICATED, 401, 'unauthenticated'),
  forbidden: failure('forbidden', 'downstream', S.PERMISSION_DENIED, 403, 'forbidden'),
  headersTooLarge: failure('headers_too_large', 'downstream', S.RESOURCE_EXHAUSTED, 431, 'header list too large'),
  bodyTooLarge: failure('body_too_large', 'downstream', S.RESOURCE_EXHAUSTED, 413, 'message too large'),
  /** RST_STREAM from the engine before a response, by code: see `resetFailure`. */
  resetRefused: failure('upstream_reset', 'upstream', S.UNAVAILABLE, 502, 'engine refused the stream', {
    retryable: true,
  }),
  resetCancel: failure('upstream_reset', 'upstream', S.CANCELLED, 502, 'engine cancelled the call'),
  resetCalm: failure('upstream_reset', 'upstream', S.RESOURCE_EXHAUSTED, 502, 'engine is overloaded', {
    rst: ENHANCE_YOUR_CALM,
  }),
  resetSecurity: failure('upstream_reset', 'upstream', S.PERMISSION_DENIED, 502, 'engine refused: security'),
  resetOther: failure('upstream_reset', 'upstream', S.INTERNAL, 502, 'engine reset the stream'),
  badResponse: failure('bad_response', 'upstream', S.INTERNAL, 502, 'engine sent a malformed response'),
  responseTooLarge: failure('response_too_large', 'upstream', S.INTERNAL, 502, 'engine sent too large a response'),
  bug: failure('internal_error', 'gateway', S.INTERNAL, 500, 'internal error'),
  /** Never sent: the client has gone. It names the line in the access log. */
  clientGone: failure('client_gone', 'downstream', S.CANCELLED, 499, 'client went away', { rst: CANCEL }),
} as const satisfies Record<string, Failure>;

/** What a client is told when the engine resets its stream before the response. */
export function resetFailure(code: number): Failure {
  switch (code) {
    case ErrorCode.REFUSED_STREAM:
      return Failures.resetRefused;
    case ErrorCode.CANCEL:
      return Failures.resetCancel;
    case ErrorCode.ENHANCE_YOUR_CALM:
      return Failures.resetCalm;
    case ErrorCode.INADEQUATE_SECURITY:
      return Failures.resetSecurity;
    default:
      return Failures.resetOther;
  }
}
