/**
 * One try of an exchange at an engine: the sink of the upstream half. A second try is another object, so nothing that an
 * abandoned half may still say can reach the client.
 */
import { Failures } from '../errors.ts';
import type { Failure } from '../errors.ts';
import type { Field } from '../hpack/field.ts';
import type { Half, HalfSink } from './half.ts';
import { grpcStatusOf } from './message.ts';
import type { ResponseHead } from './message.ts';

/** What an attempt tells its exchange. */
export interface AttemptOwner {
  /** Of the request, so many bytes have left for the engine in this attempt. */
  requestSent(bytes: number): void;
  informational(fields: readonly Field[]): void;
  responseHead(head: ResponseHead, end: boolean): void;
  /** Returns the bytes that the engine may send again at once. */
  responseData(buffer: Buffer, from: number, to: number, end: boolean): number;
  responseTrailers(fields: readonly Field[], grpcStatus: string | null): void;
  attemptFailed(failure: Failure, reset: number | undefined): void;
  fail(failure: Failure): void;
}

export class Attempt implements HalfSink {
  /** Set as soon as the stream is open. */
  half!: Half;
  private readonly exchange: AttemptOwner;
  /** Request bytes of this attempt that have left. */
  private left = 0;

  constructor(exchange: AttemptOwner) {
    this.exchange = exchange;
  }

  sendData(buffer: Buffer, from: number, to: number, end: boolean): void {
    this.onSent(this.half.sendData(buffer, from, to, end));
  }

  onInformational(fields: readonly Field[]): void {
    this.exchange.informational(fields);
  }
  onHead(head: ResponseHead, end: boolean): void {
    this.exchange.responseHead(head, end);
  }
  onData(buffer: Buffer, from: number, to: number, end: boolean): void {
    const done = this.exchange.responseData(buffer, from, to, end);
    if (done > 0) this.half.credit(done);
  }
  onTrailers(fields: readonly Field[]): void {
    this.exchange.responseTrailers(fields, grpcStatusOf(fields));
  }
  onSent(bytes: number): void {
    this.left += bytes;
    this.exchange.requestSent(this.left);
  }
  onFailed(failure: Failure, code: number): void {
    this.exchange.attemptFailed(failure, failure.cause === Failures.resetOther.cause ? code : undefined);
  }
  onAborted(failure: Failure): void {
    this.exchange.fail(failure);
  }
}
