/**
 * The two interfaces between which everything crosses the proxy. A half is one side of an exchange, one h2 stream or one
 * HTTP/1.1 message pair; neither interface knows which. Calls on a half send towards its peer, calls on a sink tell what
 * came from it. No call on one half may call back into the same half before it returns.
 */
import type { Failure } from '../errors.ts';
import type { Field } from '../hpack/field.ts';
import type { KeySpec } from '../snapshot.ts';
import type { RequestHead, ResponseHead } from './message.ts';

export interface Half {
  /** The final head of a response, or a 1xx (`informational`); `reason` as HTTP/1.1 has it. */
  sendHead(fields: readonly Field[], end: boolean, informational?: boolean, reason?: string): void;
  /**
   * Sends or holds `buffer[from, to)`, copied before it returns. Returns how many bytes have left so quickly that their
   * sender may send as many again; the rest is announced by the sink's `onSent`.
   */
  sendData(buffer: Buffer, from: number, to: number, end: boolean): number;
  sendTrailers(fields: readonly Field[]): void;
  /** The peer may send so many bytes more: what it sent has left on the other side. */
  credit(bytes: number): void;
  /** Nothing is held back: all that was sent has left, as far as the protocol goes. */
  readonly flushed: boolean;
  /** Whether the peer takes a header list of this size. */
  accepts(fields: readonly Field[]): boolean;
  /** The peer made the gateway cancel a call at an engine. */
  charge(): void;
  /** Ends both directions at once, with a wire code (RFC 9113 section 7). What is held is thrown away. */
  reset(code: number): void;
  /** All that we have to say has been said: once it has left, the peer is told that no more is read from it. */
  stop(): void;
}

/** A call that is open at an engine, for whoever wants to take the engine out of service. */
export interface OpenCall {
  readonly method: string;
  readonly path: string;
  /** Address of the client. */
  readonly client: string;
  /** Milliseconds since it was sent to the engine. */
  readonly age: number;
}

export interface HalfSink {
  /** Of the sink of an engine's half: what is open there. */
  describe?(): OpenCall;
  onInformational(fields: readonly Field[]): void;
  onHead(head: ResponseHead, end: boolean): void;
  onData(buffer: Buffer, from: number, to: number, end: boolean): void;
  onTrailers(fields: readonly Field[]): void;
  onSent(bytes: number): void;
  /** The half is over before its time: reset by the peer with `code`, or lost with its connection. The last call. */
  onFailed(failure: Failure, code: number): void;
  /** The gateway has to end the exchange: the client gets the best answer that is still possible. */
  onAborted(failure: Failure): void;
}

/** Something that can carry a request to an engine: a session with a free stream. */
export interface Carrier {
  /** `host:port` of the endpoint. */
  readonly endpoint: string;
  /** What stands against this request at this engine, whichever of its connections carries it; null if nothing does. */
  refusal(head: RequestHead): Failure | null;
  open(head: RequestHead, end: boolean, sink: HalfSink): Half;
  /** What the next call is judged by, to be handed back at its end: the engine may have changed its ways since it began. */
  readonly term: number;
  /** The first message of the response has begun, so many milliseconds after the request was sent. */
  answered(ms: number, term: number): void;
  /**
   * The attempt is over, called once for each `open`. `failure` is what ended it before its time, null if the response was complete;
   * statuses are 0 and -1 where none was seen.
   */
  ended(failure: Failure | null, httpStatus: number, grpcStatus: number, term: number): void;
}

/** Who wants a carrier. */
export interface Caller {
  /** By these a call may be placed: its head, and its client's address. */
  readonly head: RequestHead;
  readonly client: string;
  /** What it is placed by instead of the upstream's own key. */
  readonly hashKey?: KeySpec | null;
  /** Whose share of the upstream it uses. */
  readonly tenant?: string | null;
  /** The queue's own note of where the caller waits; null at first. */
  place: unknown;
  onCarrier(carrier: Carrier): void;
  onUnavailable(failure: Failure): void;
}

/** An upstream, as the relay sees it. */
export interface CarrierSource {
  readonly name: string;
  /**
   * A carrier at once, or null: then the caller waits, and is called later. After a refusal another carrier than the one
   * to `avoid` is found if there can be one. A caller that got a carrier opens it at once, or not at all.
   */
  acquire(caller: Caller, avoid: Carrier | null): Carrier | null;
  /** The caller no longer waits. */
  cancel(caller: Caller): void;
  /** A caller that was given a carrier is done with it. */
  released?(caller: Caller): void;
}
