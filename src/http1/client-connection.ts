/** A connection to an engine that speaks HTTP/1.1: it carries one exchange at a time, and is kept for the next. */
import { Failures } from '../errors.ts';
import type { Failure } from '../errors.ts';
import type { Connection, ConnectionHandler } from '../io/connection.ts';
import type { Output } from '../io/output.ts';
import { atEndOfTurn, clock } from '../io/turn.ts';
import type { TurnTask } from '../io/turn.ts';
import type { Half, HalfSink } from '../relay/half.ts';
import type { RequestHead } from '../relay/message.ts';
import { carries, ClientHalf } from './client-half.ts';
import { Pause, Reporter } from './context.ts';
import type { Http1Context } from './context.ts';
import type { HalfHost } from './half.ts';
import { Intake } from './intake.ts';
import { ResponseFeed } from './response-feed.ts';
import type { ResponseHost } from './response-feed.ts';
import { Watch } from './watch.ts';
import type { Watched } from './watch.ts';

export interface ClientConnectionOwner {
  /** It may carry the next request. */
  onFree(): void;
  /** It will carry no other request than the one that is open; said once. */
  onRetired(): void;
  /** The socket is gone; the last call. */
  onClosed(): void;
}

/** After our FIN the engine's is waited for so long. */
const LINGER = 1000;

/**
 * free -> busy -> settling -> free ...: an exchange is over before whoever ended it has returned. closing: our FIN is on its
 * way; dead: the socket is gone or going.
 */
type State = 'free' | 'busy' | 'settling' | 'closing' | 'dead';

export class ClientConnection implements ConnectionHandler, ResponseHost, HalfHost, Watched, TurnTask {
  readonly output: Output;
  readonly intake: Intake;
  /** Requests so far. */
  carried = 0;
  /** When something was last read, by the turn's clock. */
  readAt = clock();
  private readonly connection: Connection;
  private readonly owner: ClientConnectionOwner;
  private readonly feed: ResponseFeed;
  private readonly watch: Watch;
  private readonly reporter: Reporter;
  private state: State = 'free';
  private retired = false;
  /** Why it ends before its time, where that is not the engine's doing. */
  private cause: Failure | null = null;

  constructor(connection: Connection, context: Http1Context, owner: ClientConnectionOwner) {
    this.connection = connection;
    this.output = connection.output;
    this.owner = owner;
    this.intake = new Intake(connection);
    this.feed = new ResponseFeed(this, context.limits);
    this.reporter = new Reporter(context, connection, 'upstream');
    this.watch = new Watch(context, this.output, this);
  }

  /** The exchange that is open. */
  get half(): ClientHalf | null {
    return this.feed.half;
  }
  get busy(): boolean {
    return this.half !== null;
  }
  /** A request may be opened now. */
  get usable(): boolean {
    return this.state === 'free';
  }

  /**
   * Sends a request; the caller knows that the connection is usable. An extended CONNECT that HTTP/1.1 has no form for fails
   * (see `carries`).
   */
  open(head: RequestHead, end: boolean, sink: HalfSink): Half {
    if (!this.usable) throw new Error(`a request on a connection that is ${this.state}`);
    const half = new ClientHalf(this, head);
    half.sink = sink;
    this.feed.expect(half);
    this.state = 'busy';
    this.carried++;
    this.watch.work();
    if (!carries(head)) {
      this.cut(half, Failures.tunnelRefused);
      return half;
    }
    try {
      half.begin(head, end);
    } catch (error) {
      // The writer refuses what would break the head in two: that must not be the client's connection's end.
      this.onBug(error as Error);
    }
    return half;
  }

  /** Takes no other request; what is open is served. */
  drain(): void {
    this.retire();
    if (this.half === null) this.leave();
  }

  // --- ConnectionHandler -------------------------------------------------------------------------------------------

  onRead(buffer: Buffer, start: number, end: number): void {
    this.readAt = clock();
    if (!this.alive) return;
    // What was sent before the request was written does not answer it.
    if (this.half !== null && this.half.startsAt >= this.output.handed) this.lose(Failures.unwritten);
    if (!this.feed.read(buffer, start, end)) this.surplus();
    this.intake.restIfSpent();
    this.settle();
  }

  onEnd(): void {
    const tunnel = this.half?.incoming === 'tunnel';
    // Only a FIN ends a body that has no other end.
    if (tunnel || !this.connection.wasReset) this.feed.end();
    if (tunnel) return;
    // A request that is not complete by now never will be.
    if (this.half !== null) this.lose(this.loss(this.half));
    else this.leave();
  }

  onClose(error: Error | null): void {
    // A connection that never stood is its owner's to report.
    if (error !== null && this.alive && this.carried > 0) this.reporter.record('closed', null, error.message);
    const { half } = this;
    this.state = 'dead';
    this.release();
    this.watch.end();
    this.retire();
    this.end(half, half === null ? Failures.sessionLost : this.loss(half));
    this.owner.onClosed();
  }

  onDrain(): void {
    this.half?.onDrain();
  }

  onBug(error: Error): void {
    this.reporter.bug(error);
    this.die(Failures.bug);
  }

  // --- ResponseHost ------------------------------------------------------------------------------------------------

  retire(): void {
    if (this.retired) return;
    this.retired = true;
    this.owner.onRetired();
  }

  onMalformed(message: string): void {
    this.reporter.record('protocol_error', null, message);
  }

  /** Cuts the socket, and tells whose exchange was open at once. */
  lose(failure: Failure): void {
    const { half } = this;
    this.die(failure);
    this.end(half, failure);
  }

  // --- HalfHost ----------------------------------------------------------------------------------------------------

  finish(): void {
    this.retire();
    this.connection.finish();
  }

  over(half: ClientHalf): void {
    if (this.half !== half || !this.alive) return;
    this.feed.half = null;
    half.sink = null;
    this.intake.renew();
    this.watch.allow(Infinity);
    this.state = 'settling';
    if (!this.feed.reading) atEndOfTurn(this);
  }

  cut(_half: ClientHalf, failure: Failure): void {
    this.die(failure);
  }

  // --- Watched -----------------------------------------------------------------------------------------------------

  expired(): void {
    // No reset: what the kernel still holds is to arrive.
    if (this.output.empty) this.connection.destroy();
    else this.watch.allow(LINGER);
  }

  looked(): void {
    // An engine's FIN ends its exchange, unless it is a tunnel.
    if (this.half?.incoming === 'done' && this.connection.wasReset) this.connection.destroy();
  }

  stalled(): void {
    this.reporter.limited('write_stall');
    this.die(Failures.sessionLost);
  }

  // --- TurnTask ----------------------------------------------------------------------------------------------------

  endTurn(): void {
    try {
      this.settle();
    } catch (error) {
      this.onBug(error instanceof Error ? error : new Error(String(error)));
    }
  }

  /** An exchange is over, and nobody who took part in it is still at work. */
  private settle(): void {
    if (this.state !== 'settling') return;
    if (this.retired) this.leave();
    else {
      this.state = 'free';
      this.owner.onFree();
    }
  }

  /** Something that was not asked for: whatever it is, the next response must not begin with it. */
  private surplus(): void {
    this.retire();
    if (this.state === 'free') this.leave();
  }

  /** What an exchange suffers when its connection goes. */
  private loss(half: ClientHalf): Failure {
    if (this.cause !== null) return this.cause;
    if (half.startsAt >= this.output.handed) return Failures.unwritten;
    // An engine may close an idle connection at any time, and so just as the next request is on its way (RFC 9112 section
    // 9.3.1): of methods that may be repeated it is told that the engine has not begun.
    const stale = this.carried > 1 && !half.heard && half.idempotent;
    return stale ? Failures.unprocessed : Failures.sessionLost;
  }

  // --- The end -----------------------------------------------------------------------------------------------------

  private get alive(): boolean {
    return this.state !== 'closing' && this.state !== 'dead';
  }

  /** Says FIN, and waits a moment for the engine's. Nothing is open. */
  private leave(): void {
    if (!this.alive) return;
    this.state = 'closing';
    this.retire();
    this.release();
    this.connection.finish();
    this.watch.allow(LINGER);
  }

  /** Cuts the socket. Whose exchange was open hears of it when it is gone. */
  private die(cause: Failure): void {
    if (this.state === 'dead') return;
    this.state = 'dead';
    this.cause ??= cause;
    this.half?.silence();
    this.release();
    // What was never given to the socket goes elsewhere, so it must not leave here.
    this.output.discard();
    this.connection.reset();
    this.retire();
  }

  private end(half: ClientHalf | null, failure: Failure): void {
    this.feed.half = null;
    half?.silence();
    half?.fail(failure);
  }

  private release(): void {
    this.feed.close();
    this.connection.resume(Pause.CREDIT);
  }
}
