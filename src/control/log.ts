/** The process's log: records of the data path and what an operator should know, as JSON or as lines for a terminal. */
import { pino, stdTimeFunctions, type DestinationStream, type Logger } from 'pino';
import { errorCodeName, ErrorCode, GRPC_STATUS_NAMES } from '../errors.ts';
import type { ConnectionRecord, ExchangeRecord, Journal } from '../journal.ts';
import { LineWriter } from './line-writer.ts';
import { printable, terminalLine } from './terminal.ts';
import { systemClock, Throttle, type Clock } from './throttle.ts';

export interface Log extends Journal {
  info(message: string, fields?: object): void;
  warn(message: string, fields?: object): void;
  /** Written out before it returns. */
  fatal(message: string, error?: unknown): void;
  /** Writes out everything that waits. */
  flush(): void;
}

export interface LogOptions {
  /** A pino level, or `silent`. */
  readonly level: string;
  readonly access: boolean;
  /** Lines for people instead of JSON; default: whether standard output is a terminal. */
  readonly terminal?: boolean;
  /** Where whole lines go; default: standard output. */
  readonly out?: DestinationStream;
  readonly clock?: Clock;
}

/** Connection lines of one kind per second. */
const MAX_LINES = 10;
export function createLog(options: LogOptions): Log {
  const { level, access, terminal = process.stdout.isTTY, clock = systemClock } = options;
  const out = options.out ?? (terminal ? process.stdout : new LineWriter(1));
  // The terminal may be closed under us; SIGHUP then says so.
  if (terminal) process.stdout.on('error', () => undefined);
  const sink = terminal ? { write: (json: string) => void out.write(terminalLine(json)) } : out;
  const formatters = { level: (label: string) => ({ level: label }) };
  const logger = pino({ level, base: null, formatters, timestamp: stdTimeFunctions.isoTime }, sink);
  return new PinoLog(logger, access && logger.isLevelEnabled('info'), clock, out);
}

class PinoLog implements Log {
  readonly access: boolean;
  private readonly logger: Logger;
  private readonly throttle: Throttle;
  private readonly out: DestinationStream & { flushSync?: () => void };

  constructor(logger: Logger, access: boolean, clock: Clock, out: DestinationStream) {
    this.logger = logger;
    this.access = access;
    this.out = out;
    this.throttle = new Throttle(MAX_LINES, 1000, clock, (kind, suppressed) => {
      this.logger.warn({ suppressed }, `${suppressed} more lines like this were suppressed: ${kind}`);
    });
  }

  exchange(record: ExchangeRecord): void {
    if (this.access) this.logger.info(accessFields(record), 'exchange');
  }

  connection(record: ConnectionRecord): void {
    const level = levelOf(record);
    if (!this.logger.isLevelEnabled(level)) return;
    const { side, event, code } = record;
    if (!this.throttle.admit(`${side} ${event}`)) return;
    const fields = { event, side, peer: printable(record.peer), ...(code !== null && { code: printable(code) }) };
    this.logger[level](fields, printable(record.message));
  }

  info(message: string, fields: object = {}): void {
    this.logger.info(fields, message);
  }
  warn(message: string, fields: object = {}): void {
    this.logger.warn(fields, message);
  }
  fatal(message: string, error?: unknown): void {
    this.logger.fatal(error === undefined ? {} : { err: error }, message);
    this.flush();
  }

  flush(): void {
    this.throttle.flush();
    this.out.flushSync?.();
  }
}

/** What needs an operator is a warning; a peer that leaves in good order is not. */
function levelOf({ side, event, code }: ConnectionRecord): 'info' | 'warn' | 'error' {
  switch (event) {
    case 'bug':
      return 'error';
    case 'protocol_error':
    case 'connect_failed':
    case 'limited':
    case 'keepalive':
    case 'resolve_failed':
    case 'unhealthy':
    case 'ejected':
      return 'warn';
    case 'healthy':
    case 'resolved':
    case 'returned':
      return 'info';
    case 'goaway_received':
    case 'closed':
      return side === 'downstream' || code === null || code === errorCodeName(ErrorCode.NO_ERROR) ? 'info' : 'warn';
  }
}

/** Milliseconds to the microsecond. */
const ms = (value: number): number => Math.round(value * 1000) / 1000;

/** Only what the record names: no header's value but method, path and authority ever gets here. */
function accessFields(r: ExchangeRecord): object {
  return {
    method: printable(r.method),
    path: printable(r.path),
    authority: printable(r.authority),
    peer: printable(r.peer),
    ...(r.route !== null && { route: r.route }),
    ...(r.identity !== null && { identity: printable(r.identity) }),
    listener: r.listener,
    upstream: r.upstream,
    ...(r.endpoint !== null && { endpoint: r.endpoint }),
    ...(r.grpcStatus !== null && {
      grpc_status: r.grpcStatus,
      grpc_status_name: GRPC_STATUS_NAMES[r.grpcStatus] ?? 'UNKNOWN',
    }),
    ...(r.httpStatus !== null && { http_status: r.httpStatus }),
    duration_ms: ms(r.duration),
    ...(r.firstByte !== null && { first_byte_ms: ms(r.firstByte) }),
    received_bytes: r.receivedBytes,
    sent_bytes: r.sentBytes,
    ...(r.receivedMessages !== null && { received_messages: r.receivedMessages }),
    ...(r.sentMessages !== null && { sent_messages: r.sentMessages }),
    attempts: r.attempts,
    ...(r.failure !== null && { cause: r.failure.cause }),
  };
}
