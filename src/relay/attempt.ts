/**
 * One try of an exchange at an engine: the sink of the upstream half. A second try is another object, so nothing that an
 * abandoned half may still say can reach the client. Its carrier hears how the try went.
 */
import { Failures, GrpcStatus } from '../errors.ts';
import type { Failure } from '../errors.ts';
import type { Field } from '../hpack/field.ts';
import { now } from '../io/turn.ts';
import type { Carrier, Half, HalfSink, OpenCall } from './half.ts';
import { grpcStatusNumber, grpcStatusOf } from './message.ts';
import type { RequestHead, ResponseHead } from './message.ts';

/** What an attempt tells its exchange. */
export interface AttemptOwner {
  readonly head: RequestHead;
  readonly client: string;
  /** Of the request, so many bytes have left for the engine in this attempt. */
  requestSent(bytes: number): void;
  informational(fields: readonly Field[]): void;
  responseHead(head: ResponseHead, end: boolean): void;
  /** Returns the bytes that the engine may send again at once. */
  responseData(buffer: Buffer, from: number, to: number, end: boolean): number;
  responseTrailers(fields: readonly Field[], grpcStatus: number): void;
  /** The attempt has ended before its time. `reset`: the code of an engine's RST_STREAM that no status stands for. */
  attemptFailed(failure: Failure, reset: number | undefined): void;
  fail(failure: Failure): void;
  /** The attempt is no more, however it ended. */
  over(): void;
}

export class Attempt implements HalfSink {
  /** Set as soon as the stream is open. */
  half!: Half;
  private readonly exchange: AttemptOwner;
  private readonly carrier: Carrier;
  /** Request bytes of this attempt that have left. */
  private left = 0;
  private readonly openedAt = now();
  private readonly term: number;
  private answered = false;
  private complete = false;
  private httpStatus = 0;
  private grpcStatus = -1;

  constructor(exchange: AttemptOwner, carrier: Carrier) {
    this.exchange = exchange;
    this.carrier = carrier;
    this.term = carrier.term;
  }

  open(head: RequestHead, end: boolean): void {
    this.half = this.carrier.open(head, end, this);
  }
  sendData(buffer: Buffer, from: number, to: number, end: boolean): void {
    this.onSent(this.half.sendData(buffer, from, to, end));
  }
  /** Both directions are done, or the response is and nobody wants the rest; `failure` is what ended it before. */
  end(failure: Failure | null): void {
    this.carrier.ended(this.complete ? null : failure, this.httpStatus, this.grpcStatus, this.term);
    this.exchange.over();
  }
  /** Resets the stream, for `failure` or, with null, for the answer that has begun. */
  cut(code: number, failure: Failure | null): void {
    this.half.reset(code);
    this.end(failure);
  }

  describe(): OpenCall {
    const { head, client } = this.exchange;
    return { method: head.method, path: head.path, client, age: now() - this.openedAt };
  }

  onInformational(fields: readonly Field[]): void {
    this.exchange.informational(fields);
  }
  onHead(head: ResponseHead, end: boolean): void {
    this.httpStatus = head.status;
    this.grpcStatus = grpcStatusNumber(head.grpcStatus);
    this.heard(end, end);
    this.exchange.responseHead(head, end);
  }
  onData(buffer: Buffer, from: number, to: number, end: boolean): void {
    this.heard(end || to > from, end);
    const done = this.exchange.responseData(buffer, from, to, end);
    if (done > 0) this.half.credit(done);
  }
  onTrailers(fields: readonly Field[]): void {
    const status = grpcStatusNumber(grpcStatusOf(fields));
    if (status >= 0) this.grpcStatus = status;
    this.heard(true, true);
    this.exchange.responseTrailers(fields, status);
  }
  onSent(bytes: number): void {
    this.left += bytes;
    this.exchange.requestSent(this.left);
  }
  onFailed(failure: Failure, code: number): void {
    this.end(failure);
    this.exchange.attemptFailed(failure, failure.cause === Failures.resetOther.cause ? code : undefined);
  }
  onAborted(failure: Failure): void {
    this.exchange.fail(failure);
  }

  /** Of the response a message has begun, or there is none to come. */
  private heard(message: boolean, end: boolean): void {
    if (end) this.complete = true;
    if (!message || this.answered) return;
    this.answered = true;
    // An engine that is quick to refuse is not quick.
    const { grpcStatus } = this;
    const refused = grpcStatus === GrpcStatus.RESOURCE_EXHAUSTED || grpcStatus === GrpcStatus.UNAVAILABLE;
    if (!refused && this.httpStatus < 500) this.carrier.answered(now() - this.openedAt, this.term);
  }
}
