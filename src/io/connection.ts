/**
 * A socket as the protocols see it: bytes come as a range of the shared read buffer, bytes leave through `output`, and
 * every way in which a socket can end is one call of `onClose`.
 */
import type { OnReadOpts, Socket } from 'node:net';
import { TLSSocket } from 'node:tls';
import { Session } from '../counters.ts';
import type { Counters } from '../counters.ts';
import { adopt, stillConnected } from './adopt.ts';
import { dial, TCP_KEEPALIVE } from './dial.ts';
import type { ClientTls, DialTarget } from './dial.ts';
import { Output } from './output.ts';
import type { OutputOwner } from './output.ts';
import { RawFlow, readRaw } from './raw.ts';
import type { RawReader } from './raw.ts';
import { atEndOfTurn, beginTurn, turnCount } from './turn.ts';
import type { TurnTask } from './turn.ts';

/** The one read buffer of the process. Whoever needs bytes after `onRead` returns has to copy them. */
const READ_BUFFER = Buffer.allocUnsafeSlow(256 * 1024);

export interface ConnectionHandler {
  onRead(buffer: Buffer, start: number, end: number): void;
  /** The peer's FIN. */
  onEnd(): void;
  /** The socket is gone, by whatever cause; called once and last. */
  onClose(error: Error | null): void;
  /** The socket took all that was written, or a part of it. Told only while `output.awaited` is true. */
  onDrain(): void;
  /** A throw out of one of the calls above: a bug of ours that ends this connection and no other. */
  onBug(error: Error): void;
}

/** `remoteAddress` is asked for once: it is a system call. */
interface Where {
  readonly address: string;
  readonly port: number;
}

/** Reads do not nest: a callback that caused another would find the shared buffer overwritten. */
let delivering = false;

export class Connection implements OutputOwner, RawReader, TurnTask {
  // What every read needs comes first, that it may lie in few lines of the cache.
  private handler: ConnectionHandler | null = null;
  private readonly counters: Counters;
  closed = false;
  private resting = false;
  private pausedBy = 0;
  /** Octets that may yet be read in that turn. */
  private share = 0;
  private turn = -1;
  readonly output: Output;
  readonly remote: Where;
  private readonly socket: Socket;
  /** What is paused and resumed. */
  private flow: Pick<RawFlow, 'pause' | 'resume'>;
  error: Error | null = null;
  private ended = false;

  private constructor(socket: Socket, remote: Where, counters: Counters) {
    this.socket = this.flow = socket;
    this.remote = remote;
    this.counters = counters;
    this.output = new Output(socket, counters, this);
  }

  /**
   * A connection over a socket that a listener accepted with `pauseOnConnect` and `allowHalfOpen`, or one over TLS; `read` is what
   * was read from it before.
   */
  static accept(
    accepted: Socket,
    counters: Counters,
    handlerOf: (connection: Connection) => ConnectionHandler,
    read: readonly Buffer[] = [],
  ): void {
    const remote = { address: accepted.remoteAddress ?? '', port: accepted.remotePort ?? 0 };
    const onread = new OnRead();
    const { socket, early, ended, direct } = adopt(accepted, onread);
    socket.setNoDelay(true);
    socket.setKeepAlive(true, TCP_KEEPALIVE);
    const connection = new Connection(socket, remote, counters);
    onread.connection = connection;
    connection.goRaw(direct);
    connection.begin(handlerOf(connection), direct);
    // The handler may have enough at the first of these.
    for (const chunk of [...read, ...early]) if (!socket.destroyed) connection.deliver(chunk, chunk.length);
    if (ended && !socket.destroyed) connection.endOfInput();
    if (!direct && connection.pausedBy === 0) connection.flow.resume();
  }

  /**
   * A connection to `host:port`, or to a Unix socket's `path`; call `begin` at once. `onConnect` is called when it stands, over
   * TLS when the engine has proved who it is. If it never does, `error` says why in `onClose`.
   */
  static open(to: DialTarget, counters: Counters, onConnect: () => void, tls?: ClientTls): Connection {
    const onread = new OnRead();
    const stands = (): void => {
      connection.goRaw(true);
      connection.guard(onConnect);
    };
    const socket = dial(to, onread, stands, tls);
    const remote = 'path' in to ? { address: to.path, port: 0 } : { address: to.host, port: to.port };
    const connection = new Connection(socket, remote, counters);
    onread.connection = connection;
    return connection;
  }

  /** Sets who handles the connection, and begins to read. `direct` is false where `data` events have to serve. */
  begin(handler: ConnectionHandler, direct: boolean): void {
    this.handler = handler;
    const { socket } = this;
    socket.on('error', (error) => {
      this.error ??= error;
    });
    socket.on('end', () => this.endOfInput());
    socket.on('close', () => {
      this.closed = true;
      this.output.close();
      this.guard(gone);
    });
    if (direct) socket.resume();
    else if (this.flow === socket) socket.on('data', (chunk: Buffer) => this.deliver(chunk, chunk.length));
  }

  /** The socket is connected. `direct`: it was made to read into the shared buffer. */
  private goRaw(direct: boolean): void {
    this.output.writeRaw();
    if (direct) readRaw(this.socket, this);
    else this.flow = RawFlow.over(this.socket, READ_BUFFER, this) ?? this.socket;
  }
  /** As of `OutputOwner`. */
  drained(): void {
    this.guard(drain);
  }
  /** As of `RawReader`. */
  onOctets(count: number): boolean {
    return this.deliver(READ_BUFFER, count);
  }

  /** Stops reading for a reason (a bit of the caller's); reading goes on when no reason is left. */
  pause(reason: number): void {
    if (this.pausedBy === 0 && !this.closed) this.flow.pause();
    this.pausedBy |= reason;
  }
  get paused(): boolean {
    return this.pausedBy !== 0;
  }
  resume(reason: number): void {
    if (this.pausedBy === 0) return;
    this.pausedBy &= ~reason;
    if (this.pausedBy === 0 && !this.closed && !this.resting) this.flow.resume();
  }

  /** Sends what is in the output, then FIN. */
  finish(): void {
    if (!this.closed) this.output.finish();
  }
  /** Ends the socket at once. */
  destroy(error?: Error): void {
    if (error !== undefined) this.error ??= error;
    this.socket.destroy();
  }
  /**
   * Ends the socket at once, with an RST where there is one: a peer must not take what it got for the whole. Over TLS the missing
   * close_notify says as much.
   */
  reset(): void {
    const { socket } = this;
    // libuv refuses to reset a socket whose FIN is on its way, and Node would then forget to close it.
    const finishing = socket.writableEnded && !socket.writableFinished;
    const tcp = socket.remoteFamily !== undefined && !(socket instanceof TLSSocket);
    if (tcp && !finishing && !socket.destroyed) socket.resetAndDestroy();
    else socket.destroy();
  }

  /**
   * Where input has ended: by an RST, and not by the FIN that it was taken for. When an RST comes close behind the last bytes libuv
   * reports the end without asking for the error; but the kernel no longer knows who the peer was. A peer that resets after its
   * FIN looks the same.
   */
  get wasReset(): boolean {
    // After a FIN of ours as well it has forgotten for a good reason.
    return !this.socket.writableEnded && this.remote.port !== 0 && !stillConnected(this.socket);
  }

  /** The turn is over: a socket that used up its share of it is read again. */
  endTurn(): void {
    this.resting = false;
    if (this.pausedBy === 0 && !this.closed) this.flow.resume();
  }

  /** Hands bytes to the protocol; false if no more should be read in this turn. */
  deliver(buffer: Buffer, length: number): boolean {
    if (this.closed) return false;
    if (delivering) {
      this.bug(new Error('reads must not nest'));
      return false;
    }
    beginTurn();
    delivering = true;
    this.counters.add(Session.BYTES_READ, length);
    try {
      this.handler?.onRead(buffer, 0, length);
    } catch (error) {
      this.bug(error);
    } finally {
      delivering = false;
    }
    this.rest(length);
    return !this.resting && this.pausedBy === 0;
  }

  /** After as much as the buffer holds in one turn, more waits until the others have had theirs. TLS delivers that in records. */
  private rest(length: number): void {
    const turn = turnCount();
    this.share = turn === this.turn ? this.share - length : READ_BUFFER.length - length;
    this.turn = turn;
    if (this.share > 0 || this.resting) return;
    this.resting = true;
    atEndOfTurn(this);
  }

  private endOfInput(): void {
    // A TLS socket that failed says `end` all the same.
    if (this.ended || this.socket.destroyed) return;
    this.ended = true;
    this.guard(fin);
  }

  private guard(call: (handler: ConnectionHandler, self: Connection) => void): void {
    try {
      if (this.handler !== null) call(this.handler, this);
    } catch (error) {
      this.bug(error);
    }
  }

  private bug(thrown: unknown): void {
    const error = thrown instanceof Error ? thrown : new Error(String(thrown));
    try {
      this.handler?.onBug(error);
    } catch {
      this.destroy(error);
    }
  }
}

const drain = (handler: ConnectionHandler): void => handler.onDrain();
const fin = (handler: ConnectionHandler): void => handler.onEnd();
const gone = (handler: ConnectionHandler, { error }: Connection): void => handler.onClose(error);

/** The `onread` option of a socket, made before the connection that it feeds. */
class OnRead implements OnReadOpts {
  readonly buffer: Buffer = READ_BUFFER;
  connection: Connection | null = null;
  readonly callback = (bytes: number, buffer: Uint8Array): boolean =>
    this.connection?.deliver(buffer as Buffer, bytes) ?? true;
}
