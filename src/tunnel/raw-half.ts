/**
 * A TCP connection as a half of an exchange: its bytes are the DATA of an extended CONNECT of our own (`:protocol tcp`), its
 * FIN is END_STREAM, its RST a reset. The same class serves a client's connection and one to an engine.
 */
import { countLimit } from '../counters.ts';
import { ErrorCode, Failures } from '../errors.ts';
import type { Failure } from '../errors.ts';
import type { SessionContext } from '../h2/core.ts';
import { Token } from '../hpack/field.ts';
import type { Field } from '../hpack/field.ts';
import type { Connection, ConnectionHandler } from '../io/connection.ts';
import { HeldBytes } from '../io/held-bytes.ts';
import { Timer } from '../io/timer-wheel.ts';
import { atEndOfTurn, now } from '../io/turn.ts';
import type { TurnTask } from '../io/turn.ts';
import type { ConnectionRecord } from '../journal.ts';
import { copyRange } from '../octets.ts';
import type { Half, HalfSink } from '../relay/half.ts';
import { ResponseHead, statusField } from '../relay/message.ts';

/** Bytes that may wait on the other side before this one is no longer read; the read that goes over it is the last. */
const WINDOW = 256 * 1024;
/** The one reason for which this connection is paused. */
const UNCREDITED = 1;
/** How often a connection is looked at while it has output that may stand still, and how long what has left may take to arrive. */
const LOOK = 1000;

const NOTHING = Buffer.alloc(0);
const STANDS = statusField(200);

export interface RawOptions {
  /** The connection leads to an engine: that it stands is told to its sink as the head of a response. */
  readonly opening: boolean;
}

export class RawHalf implements ConnectionHandler, Half, TurnTask {
  /** Bytes in the output have left, as far as a half is concerned. */
  readonly flushed = true;
  private readonly connection: Connection;
  private readonly context: Pick<SessionContext, 'limits' | 'counters' | 'wheel' | 'journal'>;
  private readonly options: RawOptions;
  private readonly onClosed: () => void;
  /** Null before the tunnel is joined, and once nobody wants to hear of it any more. */
  private told: HalfSink | null = null;
  /** The sink has been told what came before it. */
  private joined = false;
  /** What an engine said before anybody asked it. */
  private early: HeldBytes | null = null;
  /** Octets received that have not left on the other side. */
  private uncredited = 0;
  /** Octets sent that the socket has not taken, and whose sender waits. */
  private owed = 0;
  /** FIN came; FIN is in the output. */
  private received = false;
  private sent = false;
  /** What comes is thrown away; the connection is closed once all has left. */
  private stopping = false;
  /** Nothing is sent any more. */
  private over = false;
  /** All has left, and has had a while to arrive. */
  private lingered = false;
  /** Runs while there is output that may stand still, or an end to wait for. */
  private readonly timer = new Timer(() => this.look());

  constructor(
    connection: Connection,
    context: Pick<SessionContext, 'limits' | 'counters' | 'wheel' | 'journal'>,
    options: RawOptions,
    onClosed: () => void,
  ) {
    this.connection = connection;
    this.context = context;
    this.options = options;
    this.onClosed = onClosed;
  }

  get sink(): HalfSink | null {
    return this.told;
  }
  /** To be set once, for an engine's connection when it stands. The sink hears of it later, at the end of the turn at last. */
  set sink(sink: HalfSink | null) {
    this.told = sink;
    atEndOfTurn(this);
  }

  // --- Half --------------------------------------------------------------------------------------------------------

  sendHead(fields: readonly Field[], end: boolean, informational = false): void {
    if (informational || this.over) return;
    if (!isSuccess(fields)) this.refuse();
    else if (end) this.sendData(NOTHING, 0, 0, true);
  }

  sendData(buffer: Buffer, from: number, to: number, end: boolean): number {
    const length = to - from;
    if (this.over || this.sent) return length;
    const { output } = this.connection;
    while (from < to) {
      output.reserve(1);
      const n = Math.min(to - from, output.buffer.length - output.at);
      copyRange(buffer, from, from + n, output.buffer, output.at);
      output.at += n;
      from += n;
    }
    if (end) this.finish();
    if (!this.timer.armed) this.watch();
    if (output.flowing) return length;
    this.owed += length;
    output.awaited = true;
    return 0;
  }
  sendTrailers(): void {
    this.sendData(NOTHING, 0, 0, true);
  }

  credit(bytes: number): void {
    this.uncredited -= bytes;
    if (this.connection.paused && this.uncredited <= WINDOW / 2) this.connection.resume(UNCREDITED);
  }
  accepts(): boolean {
    return true;
  }
  charge(): void {
    // A connection is one call: there is nothing to be saved up against it.
  }

  reset(): void {
    this.told = null;
    this.over = true;
    this.connection.reset();
  }
  /** What the peer still sends is read and thrown away: closing over it would be an RST, which can overtake our last bytes. */
  stop(): void {
    this.told = null;
    if (this.over) return;
    this.stopping = true;
    if (!this.sent) this.finish();
    this.connection.resume(UNCREDITED);
    this.watch();
  }

  // --- ConnectionHandler -------------------------------------------------------------------------------------------

  onRead(buffer: Buffer, start: number, end: number): void {
    if (this.stopping || this.over) return;
    this.uncredited += end - start;
    if (this.told === null) {
      this.early ??= new HeldBytes();
      this.early.append(buffer, start, end);
    } else {
      if (!this.joined) this.join();
      this.tell(buffer, start, end);
    }
    if (this.uncredited > WINDOW) this.connection.pause(UNCREDITED);
  }

  onEnd(): void {
    // An engine's last bytes may still be worth something, a client that is gone wants nothing more.
    if (!this.options.opening && this.connection.wasReset) {
      this.connection.destroy();
      return;
    }
    this.received = true;
    this.watch();
    if (this.told === null) return;
    if (this.joined) this.endTold();
    else this.join();
  }

  onClose(): void {
    this.over = true;
    this.context.wheel.disarm(this.timer);
    this.early?.clear();
    this.early = null;
    this.tellFailed(this.loss);
    this.onClosed();
  }

  onDrain(): void {
    if (this.owed === 0 || !this.connection.output.flowing) return;
    const { owed } = this;
    this.owed = 0;
    this.told?.onSent(owed);
  }

  onBug(error: Error): void {
    this.record('bug', error.stack ?? error.message);
    this.over = true;
    this.connection.reset();
    this.tellFailed(Failures.bug);
  }

  /** The turn in which the sink was set is over. */
  endTurn(): void {
    if (this.told === null || this.joined) return;
    if (this.over) {
      this.tellFailed(this.loss);
      return;
    }
    try {
      this.join();
    } catch (error) {
      this.onBug(error instanceof Error ? error : new Error(String(error)));
    }
  }

  // --- The rest ----------------------------------------------------------------------------------------------------

  /** Tells the sink what there is to tell so far. */
  private join(): void {
    this.joined = true;
    if (this.options.opening) this.told?.onHead(new ResponseHead([STANDS], 200, -1, null), false);
    const { early } = this;
    this.early = null;
    early?.forEach((block, from, to) => this.tell(block, from, to));
    early?.clear();
    if (this.received) this.endTold();
  }

  private tell(buffer: Buffer, from: number, to: number): void {
    this.told?.onData(buffer, from, to, false);
  }
  private endTold(): void {
    this.told?.onData(NOTHING, 0, 0, true);
    // Once both directions have ended, the exchange has no interest in how the socket fares.
    if (this.sent) this.told = null;
  }

  private finish(): void {
    this.sent = true;
    this.connection.finish();
    if (this.received && this.joined) this.told = null;
  }

  /** There is no way to tell a TCP client of a failure but to close. */
  private refuse(): void {
    this.over = true;
    this.connection.destroy();
  }

  private get loss(): Failure {
    return this.options.opening ? Failures.sessionLost : Failures.clientGone;
  }
  private tellFailed(failure: Failure): void {
    const { told } = this;
    this.told = null;
    told?.onFailed(failure, this.codeOfLoss);
  }
  /**
   * "A proxy treats any error in the TCP connection [...] as a stream error of type CONNECT_ERROR" (RFC 9113 section 8.5);
   * an engine is told what RFC 8441 section 5 has for it.
   */
  private get codeOfLoss(): ErrorCode {
    return this.options.opening ? ErrorCode.CONNECT_ERROR : ErrorCode.CANCEL;
  }

  private watch(): void {
    this.context.wheel.arm(this.timer, LOOK);
  }
  private look(): void {
    const { connection, context } = this;
    const { output } = connection;
    if (output.empty) {
      if (this.lingered) connection.destroy();
      else if (this.stopping) {
        this.lingered = true;
        this.watch();
      } else if (this.received && !this.over) {
        // After a FIN nothing is read that could tell of an RST.
        if (this.joined && connection.wasReset) connection.destroy();
        else this.watch();
      }
    } else if (now() - output.progressAt >= context.limits.writeStallTimeout) {
      countLimit(context.counters, 'write_stall');
      this.record('limited', 'write_stall');
      // Its end is told as that of any other lost connection.
      this.over = true;
      connection.reset();
    } else this.watch();
  }

  private record(event: ConnectionRecord['event'], message: string): void {
    const side = this.options.opening ? 'upstream' : 'downstream';
    const { address, port } = this.connection.remote;
    const peer = port === 0 ? address : `${address}:${port}`;
    this.context.journal.connection({ side, peer, event, code: null, message });
  }
}

/** Of a response that opens a tunnel: "any 2xx (Successful) response" (RFC 9110 section 9.3.6). */
const isSuccess = (fields: readonly Field[]): boolean =>
  fields.some(({ name, value }) => name.token === Token.STATUS && value.startsWith('2'));
