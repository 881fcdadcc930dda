/**
 * What both sides of an HTTP/1.1 connection have in common: one message comes in, one goes out, each as a state machine of
 * its own; a tunnel is the same with raw bytes. Which of the two is the request is the roles' business.
 */
import { ErrorCode } from '../errors.ts';
import type { Failure } from '../errors.ts';
import type { Field } from '../hpack/field.ts';
import { HeldBytes } from '../io/held-bytes.ts';
import type { Output } from '../io/output.ts';
import type { Half, HalfSink } from '../relay/half.ts';
import { BodySender } from './body-sender.ts';
import type { Intake } from './intake.ts';

/** head -> body -> done, or -> tunnel -> done; `held`: what comes waits for the answer that opens the tunnel. */
export type Incoming = 'head' | 'held' | 'body' | 'tunnel' | 'done';
/** head -> body -> done; `held`: what is to be sent waits for the answer that opens the tunnel. */
export type Outgoing = 'head' | 'held' | 'body' | 'done';

/** What a half asks of its connection. */
export interface HalfHost {
  readonly output: Output;
  readonly intake: Intake;
  /** The FIN that ends what has no other end. */
  finish(): void;
  /** Both messages are complete. */
  over(half: Http1Half): void;
  /** The connection is cut at once; the half's sink, if it still has one, hears of `failure` later. */
  cut(half: Http1Half, failure: Failure): void;
}

const NOTHING = Buffer.alloc(0);
const NO_FIELDS: readonly Field[] = [];

export abstract class Http1Half implements Half {
  /** Null once nobody wants to hear of the half any more. */
  sink: HalfSink | null = null;
  incoming: Incoming;
  outgoing: Outgoing;
  /** Octets of the incoming body that are still to come, or -1. */
  left = -1;
  protected readonly host: HalfHost;
  protected readonly body: BodySender;
  /** What waits for the tunnel to stand. */
  private held: HeldBytes | null = null;
  private endHeld = false;

  constructor(host: HalfHost, incoming: Incoming, outgoing: Outgoing) {
    this.host = host;
    this.incoming = incoming;
    this.outgoing = outgoing;
    this.body = new BodySender(host.output);
  }

  // --- Half --------------------------------------------------------------------------------------------------------

  abstract sendHead(fields: readonly Field[], end: boolean, informational?: boolean, reason?: string): void;
  abstract stop(): void;
  /** Whose fault it is when what goes out is not as long as was declared. */
  protected abstract readonly misfit: Failure;

  sendData(buffer: Buffer, from: number, to: number, end: boolean): number {
    if (this.outgoing === 'held') {
      this.held ??= new HeldBytes();
      this.held.append(buffer, from, to);
      this.endHeld = end;
      return 0;
    }
    if (!this.maySend(to - from, end)) return to - from;
    const done = this.body.send(buffer, from, to, end);
    if (end) this.sent();
    return done;
  }
  sendTrailers(fields: readonly Field[]): void {
    if (this.outgoing === 'held') this.endHeld = true;
    if (!this.maySend(0, true)) return;
    this.body.end(fields);
    this.sent();
  }
  credit(bytes: number): void {
    if (this.incoming === 'body' || this.incoming === 'tunnel') this.host.intake.credit(bytes);
  }
  get flushed(): boolean {
    return this.held === null;
  }
  accepts(): boolean {
    return true;
  }
  charge(): void {
    // To cancel, a client gives up its connection: that is dear enough.
  }
  reset(): void {
    this.sink = null;
    if (this.incoming !== 'done' || this.outgoing !== 'done') this.host.cut(this, this.misfit);
  }

  // --- What comes in -----------------------------------------------------------------------------------------------

  /** A range of the body, or of a tunnel. */
  take(buffer: Buffer, from: number, to: number): void {
    if (this.incoming !== 'body' && this.incoming !== 'tunnel') return;
    let end = false;
    if (this.left >= 0) {
      this.left -= to - from;
      end = this.left === 0;
    }
    if (end) this.incoming = 'done';
    if (this.sink !== null) {
      this.host.intake.took(to - from);
      this.sink.onData(buffer, from, to, end);
    }
    if (end) this.endIfDone();
  }
  /** The end of the body, unless the length has told as much already. */
  takeEnd(trailers: readonly Field[]): void {
    if (this.incoming === 'body') this.ended(trailers);
  }
  /** The peer's end of a tunnel. */
  takeFin(): void {
    if (this.incoming === 'tunnel') this.ended(NO_FIELDS);
  }
  private ended(trailers: readonly Field[]): void {
    this.incoming = 'done';
    if (trailers.length > 0) this.sink?.onTrailers(trailers);
    else this.sink?.onData(NOTHING, 0, 0, true);
    this.endIfDone();
  }
  onDrain(): void {
    const bytes = this.body.drained();
    if (bytes > 0) this.sink?.onSent(bytes);
  }

  /** Nothing is sent or taken any more; the sink may still have to be told. */
  silence(): void {
    this.incoming = this.outgoing = 'done';
    this.dropHeld();
  }
  fail(failure: Failure, code: number = ErrorCode.CANCEL): void {
    const { sink } = this;
    this.sink = null;
    sink?.onFailed(failure, code);
  }

  // --- Tunnels -----------------------------------------------------------------------------------------------------

  /** Both ways are raw from here on. */
  protected openTunnel(): void {
    this.incoming = 'tunnel';
    this.outgoing = 'body';
    this.left = -1;
    this.body.begin('close', -1);
    this.sendHeld();
  }

  protected dropHeld(): void {
    this.held?.clear();
    this.held = null;
  }

  private sendHeld(): void {
    const { held } = this;
    this.held = null;
    let done = 0;
    held?.forEach((block, from, to) => {
      done += this.body.send(block, from, to, false);
    });
    held?.clear();
    if (this.endHeld) this.sent();
    if (done > 0) this.sink?.onSent(done);
  }

  // --- The end -----------------------------------------------------------------------------------------------------

  /** What goes out is complete. */
  protected sent(): void {
    this.outgoing = 'done';
    if (this.body.framing === 'close') this.host.finish();
    this.endIfDone();
  }
  protected endIfDone(): void {
    if (this.incoming === 'done' && this.outgoing === 'done') this.host.over(this);
  }

  private maySend(bytes: number, end: boolean): boolean {
    if (this.outgoing !== 'body') return false;
    if (this.body.fits(bytes, end)) return true;
    this.host.cut(this, this.misfit);
    return false;
  }
}
