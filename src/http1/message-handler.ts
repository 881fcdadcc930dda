/** What the parser tells of the messages that it reads. */
import type { Field } from '../hpack/field.ts';
import type { Framing } from './framing.ts';

/**
 * All fields are there in the order of their arrival, names in lower case; `length` is -1 unless framing is `length`. A head that comes
 * again is told of by the same object, so nothing of it is changed.
 */
export interface RequestStart {
  readonly method: string;
  readonly target: string;
  readonly minor: 0 | 1;
  readonly fields: readonly Field[];
  readonly framing: Framing;
  readonly length: number;
  /** Its connection may carry another message after this one. */
  readonly keepAlive: boolean;
}
export interface ResponseStart {
  readonly status: number;
  readonly reason: string;
  readonly minor: 0 | 1;
  readonly fields: readonly Field[];
  readonly framing: Framing;
  readonly length: number;
  /** Its connection may carry another message after this one. */
  readonly keepAlive: boolean;
}

export interface MessageHandler {
  /** Only with role `request`. */
  onRequest(start: RequestStart): void;
  /** Only with role `response`. A 1xx but 101 has no end: the next head follows. */
  onResponse(start: ResponseStart): void;
  /** The range is good during the call only. */
  onBody(buffer: Buffer, from: number, to: number): void;
  /** Of every message, with or without a body. What may not come in trailers has been left out of them. */
  onMessageEnd(trailers: readonly Field[]): void;
  /** The last call. `status` is what a client is answered; of a response 431 says too large, all others malformed. */
  onBroken(status: number, message: string): void;
}
