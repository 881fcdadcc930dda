/**
 * One HTTP/2 stream: its state, its windows and what it holds back, as plain data. It is a half of an exchange; what it is
 * told to send goes through its session's sender, what arrives goes to its sink.
 */
import { HeldBytes } from '../io/held-bytes.ts';
import { now } from '../io/turn.ts';
import type { Failure } from '../errors.ts';
import type { Field } from '../hpack/field.ts';
import type { Half, HalfSink } from '../relay/half.ts';
import type { Windows } from './flow-control.ts';
import type { PeerSettings } from './settings.ts';
import { canReceive, canSend, ILLEGAL, next, State } from './stream-state.ts';
import type { Event } from './stream-state.ts';

/** What a stream sends by. */
export interface StreamSender {
  head(stream: Stream, fields: readonly Field[], end: boolean, informational: boolean): void;
  data(stream: Stream, buffer: Buffer, from: number, to: number, end: boolean): number;
  trailers(stream: Stream, fields: readonly Field[]): void;
  stopIfSent(stream: Stream): void;
}

/** What a stream asks of its session. */
export interface StreamHost {
  readonly sender: StreamSender;
  readonly peer: PeerSettings;
  resetStream(stream: Stream, code: number): void;
  creditStream(stream: Stream, bytes: number): void;
  /** Something is written on the stream: what the peer is owed goes along. */
  creditAlong(stream: Stream): void;
  chargeReset(): void;
  /** The state became CLOSED by an ordinary end. */
  streamEnded(stream: Stream): void;
}

export class Stream implements Half, Windows {
  // What DATA needs comes first: of 500 streams that speak in turn none is in the cache, and each line of it has to be fetched.
  readonly id: number;
  /** Next in the chain of the session's table. */
  chained: Stream | null = null;
  state: State = State.IDLE;
  /** The final head has been received (a client's request, an engine's response). */
  hasHead = false;
  /** Octets of the declared content-length that are still to come, or -1. */
  bodyLeft = -1;
  receivable: number;
  size: number;
  owing = 0;
  /** Null once nobody wants to hear of the stream any more. */
  sink: HalfSink | null;
  sendable: number;
  /** DATA that no window has room for, then the end and the trailers behind it. */
  held: HeldBytes | null = null;
  endHeld = false;
  private readonly sender: StreamSender;
  readonly host: StreamHost;

  /** When the peer was last given credit, by the turn's clock. */
  creditedAt = now();
  /** Where in the session's output the stream begins: it is unwritten while that much has not left. */
  startsAt = 0;
  /** The request's method: a response to HEAD has no body. */
  method = '';

  trailersHeld: readonly Field[] | null = null;
  /** When held bytes last moved, by the turn's clock; the start of a stall. */
  heldSince = 0;
  /** Held octets that have left since then, while they are too few to count as progress. */
  heldMoved = 0;
  /** Informational responses received. */
  informational = 0;
  /** Octets sent or held whose sender has not been credited yet. */
  owed = 0;
  /** In the sender's lists of streams that wait for the connection's window, or for the socket to drain. */
  waitsForWindow = false;
  waitsForDrain = false;
  /** After the end has been sent, the peer is told to send no more. */
  stopping = false;

  constructor(id: number, host: StreamHost, sink: HalfSink | null, sendWindow: number, receiveWindow: number) {
    this.sendable = sendWindow;
    this.receivable = this.size = receiveWindow;
    this.id = id;
    this.host = host;
    this.sender = host.sender;
    this.sink = sink;
  }

  /** Moves to the next state; false if the event is illegal in this one, which then stays. */
  advance(event: Event): boolean {
    const to = next(this.state, event);
    if (to === ILLEGAL) return false;
    this.state = to;
    return true;
  }
  get open(): boolean {
    return this.state !== State.CLOSED;
  }
  get sending(): boolean {
    return canSend(this.state);
  }
  get receiving(): boolean {
    return canReceive(this.state);
  }
  /** Nothing is to be told to the sink again. */
  fail(failure: Failure, code: number): void {
    const sink = this.sink;
    this.sink = null;
    sink?.onFailed(failure, code);
  }
  dropHeld(): void {
    this.held?.clear();
    this.held = null;
  }

  sendHead(fields: readonly Field[], end: boolean, informational = false): void {
    if (this.sending) this.sender.head(this, fields, end, informational);
  }
  sendData(buffer: Buffer, from: number, to: number, end: boolean): number {
    return this.sending && !this.endHeld ? this.sender.data(this, buffer, from, to, end) : to - from;
  }
  sendTrailers(fields: readonly Field[]): void {
    if (this.sending && !this.endHeld) this.sender.trailers(this, fields);
  }
  credit(bytes: number): void {
    if (this.receiving) this.host.creditStream(this, bytes);
  }
  charge(): void {
    this.host.chargeReset();
  }
  accepts(fields: readonly Field[]): boolean {
    return this.host.peer.accepts(fields);
  }
  get flushed(): boolean {
    return this.held === null;
  }
  reset(code: number): void {
    this.sink = null;
    if (this.open) this.host.resetStream(this, code);
  }
  stop(): void {
    this.sink = null;
    if (!this.open) return;
    this.stopping = true;
    this.sender.stopIfSent(this);
  }
}
