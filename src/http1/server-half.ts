/** A client's half over HTTP/1.1: the request comes in, the answer goes out, framed by what is known of it. */
import { Failures } from '../errors.ts';
import type { Failure } from '../errors.ts';
import { makeField } from '../hpack/field.ts';
import type { Field } from '../hpack/field.ts';
import { hasNoBody } from '../relay/message.ts';
import type { RequestHead } from '../relay/message.ts';
import { Http1Half } from './half.ts';
import type { HalfHost, Incoming } from './half.ts';
import { lengthOf, withoutLength } from './lengths.ts';
import type { RequestStart } from './parser.ts';
import { acceptOf } from './websocket.ts';
import { writeResponseHead } from './writer.ts';
import type { BodyFraming } from './writer.ts';

export interface ServerHost extends HalfHost {
  /** The connection ends with this answer, whatever the client asked for. */
  readonly last: boolean;
  /** Bytes of the client's lie behind its request. */
  readonly readAhead: boolean;
  /** A 2xx has opened the tunnel: what the client sent early may follow. */
  tunnelStands(): void;
  /** The answer is all there will be: the connection is closed, and what is left of the request thrown away. */
  close(half: ServerHalf): void;
  /** The same, when whoever is calling has returned; the sink is told that the request will not be complete. */
  giveUp(): void;
}

const CONTINUE = '100-continue';
/** Of a request that is answered so much more is read, for the sake of the next on its connection. */
export const MOST_UNREAD = 64 * 1024;
const NO_LENGTH = makeField('content-length', '0');

export class ServerHalf extends Http1Half {
  readonly method: string;
  /** The connection may carry another exchange. */
  keepAlive: boolean;
  protected readonly misfit = Failures.badResponse;
  declare protected readonly host: ServerHost;
  private readonly minor: 0 | 1;
  /** `Sec-WebSocket-Key` of an upgrade. */
  private readonly key: string | null;
  /** The client may be waiting for a 100 before it sends its body. */
  private expects: boolean;
  private stopping = false;

  /** `start` and `head` are null of a request that goes no further. */
  constructor(host: ServerHost, method: string, start: RequestStart | null, head: RequestHead | null) {
    super(host, incomingOf(start, head), 'head');
    this.method = method;
    this.minor = start?.minor ?? 1;
    this.left = start?.length ?? -1;
    this.keepAlive = start !== null && head !== null && start.keepAlive;
    this.key = head?.upgrade === 'websocket' ? valueOf(start!, 'sec-websocket-key') : null;
    this.expects = this.incoming === 'body' && this.minor === 1 && valueOf(start!, 'expect').toLowerCase() === CONTINUE;
  }

  sendHead(fields: readonly Field[], end: boolean, informational = false, reason = ''): void {
    if (this.outgoing !== 'head') return;
    const status = Number(fields[0]!.value);
    if (informational) this.sendInformational(fields, status, reason);
    else if (this.incoming === 'held' && status >= 200 && status < 300) this.accept(fields, end, reason);
    else this.answer(fields, status, end, reason);
  }

  stop(): void {
    this.sink = null;
    this.stopping = true;
    this.closeIfAnswered();
  }

  /** The request cannot be read to its end; it may still be answered. */
  refuse(): void {
    this.incoming = 'done';
    this.keepAlive = false;
  }

  override take(buffer: Buffer, from: number, to: number): void {
    this.expects = false;
    super.take(buffer, from, to);
  }

  protected override sent(): void {
    super.sent();
    if (this.incoming === 'done') return;
    if (this.expects) this.host.giveUp();
    else this.closeIfAnswered();
  }

  private closeIfAnswered(): void {
    if (this.stopping && this.outgoing === 'done' && this.incoming !== 'done') this.host.close(this);
  }

  private sendInformational(fields: readonly Field[], status: number, reason: string): void {
    // "A server MUST NOT send a 1xx response to an HTTP/1.0 client" (RFC 9110 section 15.2)
    if (this.minor === 0 || status === 101) return;
    if (status === 100) this.expects = false;
    writeResponseHead(this.host.output, fields, reason, 'none', { minor: 1, close: false, accept: null });
  }

  /** The answer that opens a tunnel. */
  private accept(fields: readonly Field[], end: boolean, reason: string): void {
    const { host, minor, key } = this;
    const accept = key === null ? null : acceptOf(key);
    const phrase = reason === '' && key === null ? 'Connection Established' : reason;
    // "A server MUST NOT send any Transfer-Encoding or Content-Length header fields in a 2xx (Successful) response to
    // CONNECT" (RFC 9110 section 9.3.6)
    writeResponseHead(host.output, withoutLength(fields), phrase, 'none', { minor, close: false, accept });
    this.keepAlive = false;
    this.openTunnel();
    if (end) this.sent();
    host.tunnelStands();
  }

  private answer(fields: readonly Field[], status: number, end: boolean, reason: string): void {
    const { host } = this;
    if (this.incoming === 'held') {
      this.incoming = 'done';
      // What a client sent into a tunnel that does not open is not to be read as a request, unless it cannot be meant otherwise.
      if (this.key === null && host.readAhead) this.keepAlive = false;
    }
    const length = lengthOf(fields);
    const framing = this.framing(status, end, length);
    // "A client that [...] receives a final status code [...] might not send the content" (RFC 9110 section 10.1.1)
    // So much of a request is not waited for that is answered already: the client is told that its connection ends.
    const unread = this.incoming === 'body' && this.left > MOST_UNREAD;
    if (host.last || framing === 'close' || this.expects || unread) this.keepAlive = false;
    const empty = end && length < 0 && !hasNoBody(this.method, status);
    const manner = { minor: this.minor, close: !this.keepAlive, accept: null };
    writeResponseHead(host.output, empty ? [...fields, NO_LENGTH] : fields, reason, framing, manner);
    this.body.begin(framing, framing === 'length' ? length : -1);
    this.outgoing = 'body';
    if (!end) return;
    if (this.body.fits(0, true)) this.sent();
    else host.cut(this, this.misfit);
  }

  private framing(status: number, end: boolean, length: number): BodyFraming {
    if (hasNoBody(this.method, status)) return 'none';
    if (length >= 0) return 'length';
    if (end) return 'none';
    // "A server MUST NOT send a response containing Transfer-Encoding unless the corresponding request indicates HTTP/1.1
    // (or later minor revisions)" (RFC 9112 section 6.1)
    return this.minor === 1 ? 'chunked' : 'close';
  }
}

const valueOf = ({ fields }: RequestStart, name: string): string =>
  fields.find((field) => field.name.text === name)?.value ?? '';

/** How a request begins: a tunnel waits for its answer. */
function incomingOf(start: RequestStart | null, head: RequestHead | null): Incoming {
  if (start === null || head === null) return 'done';
  if (head.method === 'CONNECT') return 'held';
  return start.framing === 'none' || start.length === 0 ? 'done' : 'body';
}

/** What a client reads whose request the parser broke off with `status`. */
export function refusal(status: number, message: string): Failure {
  const failure = status === 431 ? Failures.headersTooLarge : Failures.malformedRequest;
  return { ...failure, http: status, message };
}
