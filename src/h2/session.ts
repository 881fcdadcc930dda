/**
 * One HTTP/2 connection, as a server to a client or as a client to an engine: its state, its streams, its beginning and its
 * end. Frames are judged by the receiver, written by the sender; the watch ends what makes no progress.
 */
import { CODE_COUNT, countLimit, Session as Count } from '../counters.ts';
import type { Limit } from '../counters.ts';
import { ErrorCode, errorCodeName, Failures } from '../errors.ts';
import type { Failure } from '../errors.ts';
import { frameBuffers } from '../io/buffer-pool.ts';
import type { Connection, ConnectionHandler } from '../io/connection.ts';
import type { Output } from '../io/output.ts';
import { clock, now } from '../io/turn.ts';
import type { ConnectionRecord } from '../journal.ts';
import type { HalfSink } from '../relay/half.ts';
import type { RequestHead } from '../relay/message.ts';
import { Closed, ClosedStreams } from './closed-streams.ts';
import type { Leaving, SessionContext, SessionCore, SessionOwner } from './core.ts';
import { FloodGuard } from './flood-guard.ts';
import { PREFACE } from './frame.ts';
import { announce, release, widen, windowsOf } from './flow-control.ts';
import type { Windows } from './flow-control.ts';
import { FrameReader } from './frame-reader.ts';
import { writeGoaway, writePing, writeReset, writeSettings, writeWindowUpdate } from './frame-writer.ts';
import { Receiver } from './receiver.ts';
import { ResetBucket } from './reset-bucket.ts';
import { Sender } from './sender.ts';
import { DEFAULT_WINDOW, MAX_WINDOW, PeerSettings, SettingId } from './settings.ts';
import { StallWatch } from './stall-watch.ts';
import { Event } from './stream-state.ts';
import { Stream } from './stream.ts';
import type { StreamHost } from './stream.ts';
import { StreamTable } from './stream-table.ts';
import { WindowTuner } from './window-tuner.ts';

const DRAIN_PING = Buffer.from('frameway', 'latin1');
const LIFE_PING = Buffer.from('alive?..', 'latin1');
/** What gRPC servers say in the GOAWAY that ends a session which pinged too often. */
const TOO_MANY_PINGS = 'too_many_pings';
/** Streams of one session share this much; it goes back on receipt. */
const CONNECTION_WINDOW = 16 * 1024 * 1024;
/** Why reading rests: our own output is not taken. */
const PAUSE_OUTPUT = 1;

export class Session implements SessionCore, ConnectionHandler, StreamHost {
  // What DATA needs comes first, that it may lie in few lines of the cache.
  dead = false;
  /** The peer sent HEADERS or DATA since the owner last put this back. */
  spoke = false;
  /** The watch has to be woken when something is read. */
  unwatched = true;
  /** When something was last read, by the turn's clock. */
  readAt = clock();
  readonly reader: FrameReader;
  readonly window: Windows = windowsOf(DEFAULT_WINDOW, CONNECTION_WINDOW);
  readonly streams = new StreamTable();
  readonly guard: FloodGuard;
  readonly output: Output;
  readonly context: SessionContext;
  readonly server: boolean;
  readonly owner: SessionOwner;
  readonly connection: Connection;
  readonly closedStreams = new ClosedStreams();
  readonly peer = new PeerSettings();
  readonly sender: Sender;
  readonly watch: StallWatch;
  /** RSTs to an engine that wait their turn; clients get theirs at once. */
  readonly resets: ResetBucket | null;

  lastPeerStream = 0;
  private nextStream = 1;
  private readonly tuner = new WindowTuner();
  /** SETTINGS of ours without an ACK, and when the last of them went out. */
  settingsUnacked = 0;
  settingsAt = now();
  private started = false;
  leaving: Leaving = 'no';
  private pinged = false;

  constructor(connection: Connection, context: SessionContext, owner: SessionOwner) {
    this.connection = connection;
    this.output = connection.output;
    this.context = context;
    this.owner = owner;
    this.server = context.role === 'server';
    const { limits } = context;
    this.guard = new FloodGuard(limits);
    this.sender = new Sender(this.output, this.window, this.peer, this.guard);
    this.resets = this.server ? null : new ResetBucket();
    this.reader = new FrameReader(new Receiver(this), limits, frameBuffers, this.server);
    this.watch = new StallWatch(this);
  }

  /** Says hello: the preface of a client, SETTINGS and the connection's window. */
  start(): void {
    this.started = true;
    const { output } = this;
    const { limits } = this.context;
    if (!this.server) {
      output.reserve(PREFACE.length);
      output.at += PREFACE.copy(output.buffer, output.at);
    }
    const settings: [number, number][] = [
      [SettingId.MAX_HEADER_LIST_SIZE, limits.maxHeaderListSize],
      this.server ? [SettingId.MAX_CONCURRENT_STREAMS, limits.maxConcurrentStreams] : [SettingId.ENABLE_PUSH, 0],
    ];
    if (this.server && this.context.connectProtocol) settings.push([SettingId.ENABLE_CONNECT_PROTOCOL, 1]);
    this.writeSettings(settings);
    writeWindowUpdate(output, 0, CONNECTION_WINDOW - DEFAULT_WINDOW);
    this.watch.soon();
  }

  // --- What the owner asks for -------------------------------------------------------------------------------------

  /** Streams that are open for the peer: those whose RST still waits are among them. */
  get streamsUsed(): number {
    return this.streams.size + (this.resets?.waiting ?? 0);
  }

  /** Opens a stream with a request. The caller knows that the peer allows one more, and that the session is not leaving. */
  openStream(head: RequestHead, end: boolean, sink: HalfSink): Stream {
    const stream = new Stream(this.nextStream, this, sink, this.peer.initialWindowSize, this.tuner.size);
    this.nextStream += 2;
    stream.method = head.method;
    stream.startsAt = this.output.position;
    this.streams.add(stream);
    this.guard.opened();
    stream.advance(Event.SEND_HEADERS);
    this.sender.head(stream, head.fields, end, false);
    // "A client that is unable to establish a new stream identifier can establish a new connection" (section 5.1.1)
    if (this.nextStream > MAX_WINDOW) this.drain();
    if (this.unwatched) this.watch.soon();
    return stream;
  }

  /** Asks the peer whether it lives; the owner hears `onPong`. One PING at a time. */
  ping(): void {
    if (this.dead) return;
    this.pinged = true;
    writePing(this.output, false, LIFE_PING, 0);
  }

  /** Takes its leave. A client is told in two steps, so that what it has on the way is still served. */
  drain(): void {
    if (this.dead || this.leaving !== 'no') return;
    if (this.server) {
      this.leaving = 'announced';
      this.writeGoaway(MAX_WINDOW, ErrorCode.NO_ERROR, '');
      writePing(this.output, false, DRAIN_PING, 0);
      this.watch.drainAnnounced();
    } else this.leave();
  }

  /** The last GOAWAY: what comes now is refused, and the session ends with its last stream. */
  leave(): void {
    this.leaving = 'yes';
    this.writeGoaway(this.lastPeerStream, ErrorCode.NO_ERROR, '');
    this.owner.onRetired();
    this.closeIfDone();
  }

  /** Ends all exchanges with the answer that is still possible; the session stays. */
  abort(failure: Failure): void {
    for (const stream of this.streams.all()) stream.sink?.onAborted(failure);
  }

  /** Ends the connection with a code; its streams fail. */
  close(code: ErrorCode, message: string, failure = this.loss): void {
    if (this.dead) return;
    this.abandon(failure);
    this.writeGoaway(this.lastPeerStream, code, message);
    this.connection.finish();
  }

  // --- ConnectionHandler -------------------------------------------------------------------------------------------

  onRead(buffer: Buffer, start: number, end: number): void {
    if (this.dead) return;
    this.readAt = clock();
    if (this.unwatched) this.watch.soon();
    this.reader.read(buffer, start, end);
    this.restIfFull();
  }

  /** A peer that does not take what it gets is itself not read. */
  private restIfFull(): void {
    const { maxOutput, maxQueuedAnswers } = this.context.limits;
    if (this.dead || (this.output.unsent <= maxOutput && this.guard.answers <= maxQueuedAnswers)) return;
    this.context.counters.add(Count.PAUSED, 1);
    this.connection.pause(PAUSE_OUTPUT);
    this.output.awaited = true;
  }

  onEnd(): void {
    // Neither side may half-close its connection: nobody could answer a PING or open a window.
    this.lost();
    this.connection.finish();
  }

  onClose(error: Error | null): void {
    // A connection that never stood is its owner's to report.
    if (error !== null && !this.dead && this.started) this.record('closed', null, error.message);
    this.lost();
    this.watch.end();
  }

  onDrain(): void {
    if (this.output.empty) this.guard.answers = 0;
    this.sender.drained();
    const { maxOutput, maxQueuedAnswers } = this.context.limits;
    if (this.output.unsent * 2 < maxOutput && this.guard.answers <= maxQueuedAnswers) {
      this.connection.resume(PAUSE_OUTPUT);
    }
    this.closeIfDone();
  }

  onBug(error: Error): void {
    this.record('bug', errorCodeName(ErrorCode.INTERNAL_ERROR), error.stack ?? error.message);
    this.close(ErrorCode.INTERNAL_ERROR, 'internal error', Failures.bug);
  }

  // --- StreamHost --------------------------------------------------------------------------------------------------

  resetStream(stream: Stream, code: number): void {
    if (!stream.advance(Event.SEND_RST)) return;
    this.writeReset(stream.id, code);
    this.remove(stream, Closed.RESET_BY_US);
  }

  /** A client made us reset a stream of an engine: that costs it as much as a reset of its own. */
  chargeReset(): void {
    if (this.server && !this.guard.cancelled(now())) this.flood('resets');
  }

  streamEnded(stream: Stream): void {
    this.remove(stream, Closed.ENDED);
  }

  creditStream(stream: Stream, bytes: number): void {
    if (!stream.receiving || this.dead) return;
    const due = release(stream, bytes);
    if (due > 0) this.sendCredit(stream, due);
  }

  creditAlong(stream: Stream): void {
    if (stream.receiving) this.sendCredit(stream, announce(stream));
  }

  private sendCredit(stream: Stream, due: number): void {
    writeWindowUpdate(this.output, stream.id, due);
    const time = now();
    // One SETTINGS at a time, and none while our own way out is full.
    if (this.settingsUnacked === 0 && this.output.flowing) {
      this.tune(((time - stream.creditedAt) * stream.size) / (2 * due));
    }
    stream.creditedAt = time;
  }

  // --- SessionCore -------------------------------------------------------------------------------------------------

  isIdle(streamId: number): boolean {
    const byClient = (streamId & 1) === 1;
    if (byClient === this.server) return streamId > this.lastPeerStream;
    return this.server || streamId >= this.nextStream;
  }

  admit(streamId: number): Stream {
    this.guard.opened();
    const stream = new Stream(streamId, this, null, this.peer.initialWindowSize, this.tuner.size);
    this.streams.add(stream);
    return stream;
  }

  remove(stream: Stream, how: Closed): void {
    if (!this.streams.delete(stream)) return;
    stream.dropHeld();
    this.closedStreams.add(stream.id, how);
    this.owner.onFreed();
    this.closeIfDone();
  }

  streamError(stream: Stream, code: ErrorCode, failure?: Failure): void {
    if (this.server && !this.guard.reset(now())) {
      this.flood('resets');
      return;
    }
    // The state may already be CLOSED, by the very frame that is wrong.
    this.writeReset(stream.id, code);
    stream.advance(Event.SEND_RST);
    this.remove(stream, Closed.RESET_BY_US);
    stream.fail(failure ?? (this.server ? Failures.malformedRequest : Failures.badResponse), code);
  }

  onError(code: ErrorCode, message: string): void {
    if (this.dead) return;
    this.record('protocol_error', errorCodeName(code), message);
    this.close(code, message);
  }

  flood(limit: Limit): void {
    this.recordLimit(limit, errorCodeName(ErrorCode.ENHANCE_YOUR_CALM));
    this.close(ErrorCode.ENHANCE_YOUR_CALM, limit);
  }

  writeReset(streamId: number, code: number): void {
    this.context.counters.addTo(Count.RST_SENT, code, CODE_COUNT);
    if (this.resets === null || this.resets.take(now())) writeReset(this.output, streamId, code);
    else {
      this.resets.defer(streamId, code);
      this.watch.resetsWait();
    }
  }

  settingsAcknowledged(): boolean {
    if (this.settingsUnacked === 0) return false;
    this.settingsUnacked--;
    this.tuner.acknowledged(now() - this.settingsAt);
    return true;
  }

  pingAcknowledged(buffer: Buffer, from: number): boolean {
    if (this.pinged && buffer.compare(LIFE_PING, 0, 8, from, from + 8) === 0) {
      this.pinged = false;
      this.owner.onPong();
      return true;
    }
    if (this.leaving !== 'announced' || buffer.compare(DRAIN_PING, 0, 8, from, from + 8) !== 0) return false;
    this.leave();
    return true;
  }

  goawayReceived(lastStreamId: number, code: number, debug: string): void {
    // A client's GOAWAY concerns streams that we would open, and does not end its own.
    if (this.server) return;
    if (this.leaving === 'no' || code !== 0) this.record('goaway_received', errorCodeName(code), debug);
    if (code === ErrorCode.ENHANCE_YOUR_CALM && debug === TOO_MANY_PINGS) this.owner.onTooManyPings();
    this.leaving = 'yes';
    this.owner.onRetired();
    for (const stream of this.streams.all()) {
      if (stream.id <= lastStreamId) continue;
      stream.advance(Event.RECV_RST);
      this.remove(stream, Closed.RESET_BY_PEER);
      stream.fail(Failures.unprocessed, ErrorCode.REFUSED_STREAM);
    }
    this.closeIfDone();
  }

  // --- The end -----------------------------------------------------------------------------------------------------

  /** A limit was met that does not, or cannot, end in GOAWAY. */
  recordLimit(limit: Limit, code: string | null): void {
    countLimit(this.context.counters, limit);
    this.record('limited', code, limit);
  }

  /** RSTs that had to wait, as far as the bucket allows now. */
  flushResets(): void {
    if (this.resets === null || this.resets.waiting === 0) return;
    for (let due = this.resets.next(now()); due !== null; due = this.resets.next(now())) {
      writeReset(this.output, due.streamId, due.code);
    }
    this.owner.onFreed();
    this.closeIfDone();
  }

  /** Cuts the socket: not even a GOAWAY could leave. */
  cut(): void {
    this.lost();
    this.connection.destroy();
  }

  /** What exchanges suffer when the whole connection goes, through whosever fault: most of them are innocent. */
  private get loss(): Failure {
    return this.server ? Failures.clientGone : Failures.sessionLost;
  }

  private lost(): void {
    if (!this.dead) this.abandon(this.loss);
  }

  /** The connection fails: calls that were never given to its socket go elsewhere, so they must not leave here. */
  private abandon(failure: Failure): void {
    if (!this.server) this.output.discard();
    this.die(failure);
  }

  /** Every stream fails and no frame is read any more; what is in the output may still leave. */
  private die(failure: Failure): void {
    this.dead = true;
    this.reader.close();
    // What the peer still sends has to be read and thrown away, or a RST would overtake our last words.
    this.connection.resume(PAUSE_OUTPUT);
    const streams = this.streams.all();
    this.streams.clear();
    for (const stream of streams) {
      stream.advance(Event.RECV_RST);
      stream.dropHeld();
      // A call that was never given to the socket cannot have begun.
      const unwritten = !this.server && stream.startsAt >= this.output.handed;
      stream.fail(unwritten ? Failures.unwritten : failure, ErrorCode.CANCEL);
    }
    this.watch.linger();
    this.owner.onClosed();
  }

  /** A session that takes no new streams ends with its last one, once the peer's socket has taken all of it. */
  private closeIfDone(): void {
    // RSTs that still wait are as good as said: the end of the connection ends their streams.
    if (this.dead || this.leaving !== 'yes' || this.streams.size > 0) return;
    if (!this.output.empty) {
      this.output.awaited = true;
      return;
    }
    this.die(Failures.draining);
    this.connection.finish();
  }

  private writeGoaway(lastStreamId: number, code: ErrorCode, message: string): void {
    this.context.counters.addTo(Count.GOAWAY_SENT, code, CODE_COUNT);
    writeGoaway(this.output, lastStreamId, code, message);
  }

  private writeSettings(settings: readonly (readonly [number, number])[]): void {
    this.settingsUnacked++;
    this.settingsAt = now();
    writeSettings(this.output, settings);
  }

  /** A stream spends half its window in so many milliseconds. */
  private tune(ms: number): void {
    const size = this.tuner.spentHalf(ms);
    if (size === 0) return;
    this.writeSettings([[SettingId.INITIAL_WINDOW_SIZE, size]]);
    const by = this.tuner.announced(size);
    if (by > 0) for (const stream of this.streams.all()) widen(stream, by);
  }

  private record(event: ConnectionRecord['event'], code: string | null, message: string): void {
    const side = this.server ? 'downstream' : 'upstream';
    const { address, port } = this.connection.remote;
    this.context.journal.connection({ side, peer: `${address}:${port}`, event, code, message });
  }
}
