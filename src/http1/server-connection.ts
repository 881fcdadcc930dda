/** A client's HTTP/1.1 connection: one exchange after the other, in the order of their requests; its beginning and its end. */
import { ErrorCode, Failures } from '../errors.ts';
import type { Failure } from '../errors.ts';
import type { Connection, ConnectionHandler } from '../io/connection.ts';
import type { Output } from '../io/output.ts';
import { atEndOfTurn } from '../io/turn.ts';
import type { TurnTask } from '../io/turn.ts';
import type { RequestHead } from '../relay/message.ts';
import { Pause, Reporter } from './context.ts';
import type { Http1Context } from './context.ts';
import { Intake } from './intake.ts';
import { RequestFeed } from './request-feed.ts';
import type { FeedHost } from './request-feed.ts';
import { MOST_UNREAD } from './server-half.ts';
import type { ServerHalf } from './server-half.ts';
import { Watch } from './watch.ts';
import type { Watched } from './watch.ts';

export interface ServerConnectionOwner {
  /** A client's request. The owner sets the half's sink before it returns. */
  onRequest(half: ServerHalf, head: RequestHead, end: boolean): void;
  /** A request that gets an answer though it cannot be forwarded: the owner gives it, and stops the half. */
  onRefused(half: ServerHalf, failure: Failure, method: string): void;
  /** The socket is gone; the last call. */
  onClosed(): void;
}

/** After our FIN the socket is read and its input thrown away so long, or an RST would overtake the answer. */
const LINGER = 1000;

/**
 * idle -> head -> exchange -> idle ...; each of them -> closing: our FIN is on its way; -> dead: the socket is gone or going.
 * `head`: a request has begun and its head is not complete; `rest`: one is answered, and what is left of it is thrown away.
 */
type State = 'idle' | 'head' | 'exchange' | 'rest' | 'closing' | 'dead';

export class ServerConnection implements ConnectionHandler, FeedHost, Watched, TurnTask {
  readonly output: Output;
  readonly intake: Intake;
  private readonly connection: Connection;
  private readonly context: Http1Context;
  private readonly owner: ServerConnectionOwner;
  private readonly feed: RequestFeed;
  private readonly watch: Watch;
  private readonly reporter: Reporter;
  private state: State = 'idle';
  /** Why the exchange that was open ended before its time; it is told when the socket is gone. */
  private cause: Failure = Failures.clientGone;
  /** The answer is out, and the rest of its request is not waited for. */
  private abandoned = false;
  private draining = false;
  /** Something is to be done at the end of the turn. */
  private due = false;

  constructor(connection: Connection, context: Http1Context, owner: ServerConnectionOwner, scheme: 'http' | 'https') {
    this.connection = connection;
    this.output = connection.output;
    this.context = context;
    this.owner = owner;
    this.intake = new Intake(connection);
    this.feed = new RequestFeed(this, connection, context.limits, scheme);
    this.reporter = new Reporter(context, connection, 'downstream');
    this.watch = new Watch(context, this.output, this);
    this.watch.allow(context.limits.idleTimeout);
  }

  /** Exchanges: 0 or 1. */
  get open(): number {
    return this.feed.half === null ? 0 : 1;
  }

  /** What has begun is answered, with `connection: close`; where nothing has, the connection is closed at once. */
  drain(): void {
    this.draining = true;
    if (this.state === 'idle') this.leave();
  }
  /** Ends what is open with the answer that is still possible. */
  abort(failure: Failure): void {
    if (this.feed.half === null) this.leave();
    else this.feed.half.sink?.onAborted(failure);
  }

  // --- ConnectionHandler -------------------------------------------------------------------------------------------

  onRead(buffer: Buffer, start: number, end: number): void {
    if (!this.alive) return;
    this.feed.read(buffer, start, end);
    this.settle();
  }

  onEnd(): void {
    this.feed.ended = true;
    if (this.connection.wasReset) this.die(Failures.clientGone);
    else this.settle();
  }

  onClose(error: Error | null): void {
    if (error !== null && this.alive) this.reporter.record('closed', null, error.message);
    this.state = 'dead';
    this.release();
    this.watch.end();
    this.end(this.cause);
    this.owner.onClosed();
  }

  onDrain(): void {
    this.feed.half?.onDrain();
    if (this.feed.half === null && this.feed.waiting) this.later();
  }

  onBug(error: Error): void {
    this.reporter.bug(error);
    this.die(Failures.bug);
  }

  // --- FeedHost ----------------------------------------------------------------------------------------------------

  /** Answers of our own are made as fast as requests come: one that is not taken holds the next request back. */
  get ready(): boolean {
    return this.output.flowing;
  }

  onRequest(half: ServerHalf, head: RequestHead): void {
    this.enter('exchange');
    this.owner.onRequest(half, head, half.incoming === 'done');
  }
  onRefused(half: ServerHalf, failure: Failure): void {
    this.enter('exchange');
    this.owner.onRefused(half, failure, half.method);
  }
  onMalformed(status: number, message: string): void {
    this.reporter.record('protocol_error', String(status), message);
  }
  onLost(failure: Failure): void {
    this.lose(failure);
  }

  // --- ServerHost --------------------------------------------------------------------------------------------------

  get last(): boolean {
    return this.draining || this.feed.exhausted;
  }
  get readAhead(): boolean {
    return this.feed.waiting;
  }

  finish(): void {
    this.connection.finish();
  }

  over(half: ServerHalf): void {
    if (this.feed.half !== half || !this.alive) return;
    this.feed.half = null;
    half.sink = null;
    this.intake.renew();
    this.enter('idle');
    if (!half.keepAlive || this.last) this.leave();
    else if (this.feed.waiting) this.later();
  }

  cut(_half: ServerHalf, failure: Failure): void {
    this.die(failure);
  }

  close(half: ServerHalf): void {
    if (this.feed.half !== half) return;
    if (half.keepAlive && !this.last && half.left > 0 && half.left <= MOST_UNREAD) {
      // It takes less to read the rest away than to make another connection.
      this.enter('rest');
      return;
    }
    half.silence();
    this.feed.half = null;
    this.leave();
  }

  giveUp(): void {
    this.abandoned = true;
    this.later();
  }

  tunnelStands(): void {
    if (this.feed.waiting || this.feed.ended) this.later();
  }

  // --- Watched -----------------------------------------------------------------------------------------------------

  expired(): void {
    if (this.state === 'head') {
      this.reporter.limited('handshake');
      this.feed.refuse(Failures.requestTooSlow, '');
    } else if (this.state === 'idle') this.leave();
    else if (this.state === 'rest') {
      this.feed.half?.silence();
      this.feed.half = null;
      this.leave();
    }
    // No reset: what the kernel still holds of the answer is to arrive.
    else if (this.output.empty) this.connection.destroy();
    else this.watch.allow(LINGER);
  }

  /** After a client's FIN nothing is read that could tell of its RST. */
  looked(): void {
    if (this.feed.ended && this.connection.wasReset) this.die(Failures.clientGone);
  }

  stalled(): void {
    this.reporter.limited('write_stall');
    this.die(Failures.slowRead);
  }

  // --- TurnTask ----------------------------------------------------------------------------------------------------

  /** What could not be done before: no half may call those back that call it. */
  endTurn(): void {
    this.due = false;
    if (!this.alive) return;
    try {
      if (this.abandoned) {
        this.end(Failures.clientGone, ErrorCode.NO_ERROR);
        this.leave();
        return;
      }
      this.feed.goOn();
      this.settle();
    } catch (error) {
      this.onBug(error instanceof Error ? error : new Error(String(error)));
    }
  }

  private later(): void {
    if (this.due) return;
    this.due = true;
    atEndOfTurn(this);
  }

  /** Something was read, or taken out of the backlog. */
  private settle(): void {
    if (!this.alive) return;
    this.intake.restIfSpent();
    if (this.feed.waiting) this.output.awaited = true;
    if (this.feed.exhausted) this.endOfInput();
    else if (this.state === 'idle' && this.feed.headless) this.enter('head');
  }

  /** "A client that does not have more requests to send" may half-close: what it asked for is still answered. */
  private endOfInput(): void {
    const { half } = this.feed;
    if (half === null) this.leave();
    else if (half.incoming === 'tunnel') half.takeFin();
    else if (half.incoming === 'body') this.lose(Failures.clientGone);
  }

  // --- The end -----------------------------------------------------------------------------------------------------

  private get alive(): boolean {
    return this.state !== 'closing' && this.state !== 'dead';
  }

  private enter(state: 'idle' | 'head' | 'exchange' | 'rest'): void {
    const { handshakeTimeout, idleTimeout } = this.context.limits;
    this.state = state;
    if (state === 'exchange') this.watch.work();
    else this.watch.allow(state === 'idle' ? idleTimeout : handshakeTimeout);
  }

  /** Says FIN, and reads on for a moment. Nothing is open. */
  private leave(): void {
    if (!this.alive) return;
    this.state = 'closing';
    this.release();
    this.connection.finish();
    this.watch.allow(LINGER);
  }

  /** Cuts the socket. Whose exchange was open hears of it when it is gone. */
  private die(cause: Failure): void {
    if (this.state === 'dead') return;
    this.state = 'dead';
    this.cause = cause;
    this.feed.half?.silence();
    this.release();
    this.output.discard();
    this.connection.reset();
  }

  /** The same, told at once. */
  private lose(failure: Failure): void {
    this.end(failure);
    this.die(failure);
  }

  private end(failure: Failure, code: number = ErrorCode.CANCEL): void {
    const { half } = this.feed;
    this.feed.half = null;
    half?.silence();
    half?.fail(failure, code);
  }

  private release(): void {
    this.feed.close();
    this.connection.resume(Pause.CREDIT);
  }
}
