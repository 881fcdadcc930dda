/** An engine's half over HTTP/1.1: the request goes out, framed by what is known of it, and the response comes in. */
import { Failures } from '../errors.ts';
import { ResponseHead } from '../relay/message.ts';
import type { RequestHead } from '../relay/message.ts';
import { Http1Half } from './half.ts';
import type { HalfHost } from './half.ts';
import { lengthOf, withoutLength } from './lengths.ts';
import type { ResponseStart } from './parser.ts';
import { acceptOf, newKey } from './websocket.ts';
import { writeRequestHead } from './writer.ts';

const ACCEPT = 'sec-websocket-accept';

/** RFC 9110 section 9.2.2 */
const IDEMPOTENT = new Set(['GET', 'HEAD', 'OPTIONS', 'TRACE', 'PUT', 'DELETE']);

/** 1xx responses that an engine may send before the final one. */
const MOST_INFORMATIONAL = 100;

/** HTTP/1.1 has a form for it: of all extended CONNECTs only WebSocket's. */
export const carries = (head: RequestHead): boolean => head.upgrade === null || head.upgrade === 'websocket';

export class ClientHalf extends Http1Half {
  private readonly method: string;
  /** What the parser has to know of the request to see where the response ends. */
  readonly expected: string;
  /** Where in the connection's output the request begins: it is unwritten while that much has not left. */
  readonly startsAt: number;
  /** Something has come since the request went out. */
  heard = false;
  protected readonly misfit = Failures.malformedRequest;
  private readonly key: string | null;
  private informational = 0;

  constructor(host: HalfHost, head: RequestHead) {
    super(host, 'head', 'body');
    const { upgrade, method } = head;
    this.method = method;
    this.expected = upgrade ?? method;
    this.startsAt = host.output.position;
    this.key = upgrade === null ? null : newKey();
  }

  /** It may be sent again though it may have arrived. */
  get idempotent(): boolean {
    return IDEMPOTENT.has(this.method);
  }

  /** Writes the request's head; with `end` that is all of it. */
  begin({ method, fields }: RequestHead, end: boolean): void {
    const { host, key } = this;
    if (method === 'CONNECT') {
      // Before the answer, raw bytes would be the next request.
      this.outgoing = 'held';
      writeRequestHead(host.output, fields, 'none', key);
      if (end) this.sendTrailers([]);
      return;
    }
    const length = lengthOf(fields);
    const framing = length >= 0 ? 'length' : end ? 'none' : 'chunked';
    writeRequestHead(host.output, fields, framing, null);
    this.body.begin(framing, length);
    if (!end) return;
    if (this.body.fits(0, true)) this.sent();
    else host.cut(this, this.misfit);
  }

  sendHead(): void {
    // The connection was opened with it.
  }
  stop(): void {
    // Engines get to hear the whole request.
  }

  /** A 1xx; false if there have been too many. */
  takeInformational(head: ResponseHead): boolean {
    if (++this.informational > MOST_INFORMATIONAL) return false;
    this.sink?.onInformational(head.fields);
    return true;
  }

  /** The final head; false if it does not answer this request. */
  takeHead(start: ResponseStart, head: ResponseHead): boolean {
    const { status } = start;
    const successful = status >= 200 && status < 300;
    // Over h2 a 2xx opens the tunnel (RFC 8441 section 5): one that does not could not be told from it.
    if (this.key !== null && (status === 101 ? !accepted(start, this.key) : successful)) return false;
    if (status === 101 || (this.expected === 'CONNECT' && successful)) this.takeTunnel(head);
    else this.takeAnswer(start, head);
    return true;
  }

  private takeTunnel({ fields, status, grpcStatus, reason }: ResponseHead): void {
    this.openTunnel();
    this.sink?.onHead(new ResponseHead([...withoutLength(fields)], status, -1, grpcStatus, reason), false);
  }

  private takeAnswer({ framing, length }: ResponseStart, head: ResponseHead): void {
    if (this.outgoing === 'held') {
      this.dropHeld();
      this.outgoing = 'done';
    }
    const end = framing === 'none' || length === 0;
    this.incoming = end ? 'done' : 'body';
    this.left = length;
    this.sink?.onHead(head, end);
    if (end) this.endIfDone();
  }
}

/** RFC 6455 section 4.1: only the server that was asked knows the answer to the key. */
function accepted({ fields }: ResponseStart, key: string): boolean {
  const answers = fields.filter(({ name }) => name.text === ACCEPT);
  return answers.length === 1 && answers[0]!.value === acceptOf(key);
}
