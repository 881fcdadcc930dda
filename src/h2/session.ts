/**
 * One HTTP/2 connection, as a server to a client or as a client to an engine: it judges frames, keeps the streams and
 * tells their sinks. Parsing, states, windows, sending and flood accounts have files of their own.
 */
import { countLimit, CODE_COUNT, Session as Count } from '../counters.ts';
import type { Counters, Limit } from '../counters.ts';
import { ErrorCode, errorCodeName, Failures, resetFailure } from '../errors.ts';
import type { Failure } from '../errors.ts';
import { Decoded, Decoder } from '../hpack/decoder.ts';
import type { Field } from '../hpack/field.ts';
import { frameBuffers } from '../io/buffer-pool.ts';
import type { Connection, ConnectionHandler } from '../io/connection.ts';
import { Timer } from '../io/timer-wheel.ts';
import type { TimerWheel } from '../io/timer-wheel.ts';
import { now } from '../io/turn.ts';
import type { ConnectionRecord, Journal } from '../journal.ts';
import type { HalfSink } from '../relay/half.ts';
import { hasNoBody } from '../relay/message.ts';
import type { RequestHead } from '../relay/message.ts';
import type { Limits } from '../snapshot.ts';
import { Closed, ClosedStreams } from './closed-streams.ts';
import { FloodGuard } from './flood-guard.ts';
import { ReceiveWindow } from './flow-control.ts';
import { PREFACE } from './frame.ts';
import { FrameReader } from './frame-reader.ts';
import type { FrameHandler } from './frame-reader.ts';
import {
  writeGoaway,
  writePing,
  writeReset,
  writeSettings,
  writeSettingsAck,
  writeWindowUpdate,
} from './frame-writer.ts';
import { parseRequest, parseResponse, validTrailers } from './head.ts';
import { ResetBucket } from './reset-bucket.ts';
import { Sender } from './sender.ts';
import { DEFAULT_FRAME_SIZE, DEFAULT_WINDOW, MAX_WINDOW, PeerSettings, SettingId } from './settings.ts';
import { Event } from './stream-state.ts';
import { Stream } from './stream.ts';
import type { StreamHost } from './stream.ts';
import { StreamTable } from './stream-table.ts';

/** What the two roles do differently: whoever owns the session says so here. */
export interface SessionOwner {
  /** A client's request; the owner sets the stream's sink. Server role only. */
  onRequest(stream: Stream, head: RequestHead, end: boolean): void;
  /** A request that gets an answer though it cannot be forwarded. Server role only. */
  onRefused(stream: Stream, fields: readonly Field[], failure: Failure): void;
  /** The number of open streams went down, or the peer's limits changed. */
  onCapacity(session: Session): void;
  /** The peer takes no new streams. */
  onGoaway(session: Session): void;
  onClosed(session: Session): void;
}

export interface SessionContext {
  readonly role: 'server' | 'client';
  readonly limits: Limits;
  readonly counters: Counters;
  readonly wheel: TimerWheel;
  readonly journal: Journal;
}

const CONNECTION_WINDOW = 16 * 1024 * 1024;
const MAX_STREAM_WINDOW = 1024 * 1024;
/** Between two looks at what may stall. */
const WATCH = 1000;
/** After GOAWAY the socket is read and its input thrown away so long, or the GOAWAY itself would be lost. */
const LINGER = 1000;
/** The first GOAWAY of a drain is followed by the second after the PING's ACK, or after this. */
const DRAIN_STEP = 1000;
const DRAIN_PING = Buffer.from('frameway', 'latin1');

/** Reasons for which reading rests. */
const PAUSE_OUTPUT = 1;

export class Session implements FrameHandler, ConnectionHandler, StreamHost {
  /** Open streams by id. */
  readonly streams = new StreamTable();
  readonly peer = new PeerSettings();
  readonly sender: Sender;
  readonly connection: Connection;
  private readonly context: SessionContext;
  private readonly owner: SessionOwner;
  private readonly server: boolean;
  private readonly reader: FrameReader;
  private readonly decoder: Decoder;
  private readonly guard: FloodGuard;
  private readonly closedStreams = new ClosedStreams();
  private readonly window = new ReceiveWindow(CONNECTION_WINDOW);
  private readonly resets: ResetBucket | null;
  private readonly timer: Timer;

  /** What new streams of the peer may send at once; learnt. */
  private streamWindow = DEFAULT_WINDOW;
  private settingsUnacked = 1;
  /** Highest stream that the peer opened, and the next that we open. */
  private lastPeerStream = 0;
  private nextStream = 1;

  /** Nothing is read or sent any more but what is in the output. */
  dead = false;
  /** No new streams: a GOAWAY was received, or sent. */
  private goawayReceived = false;
  private draining: 'no' | 'announced' | 'final' = 'no';
  private startedAt = now();
  private activeAt = now();
  private drainAt = 0;
  /** The last look at the session found it busy. */
  private watched = false;
  private finished = false;

  constructor(connection: Connection, context: SessionContext, owner: SessionOwner) {
    this.connection = connection;
    this.context = context;
    this.owner = owner;
    this.server = context.role === 'server';
    const { limits } = context;
    this.guard = new FloodGuard(limits);
    this.sender = new Sender(connection.output, this.peer, this.guard);
    this.decoder = new Decoder(limits);
    this.reader = new FrameReader(this, { ...limits, maxFrameSize: DEFAULT_FRAME_SIZE }, frameBuffers, this.server);
    this.resets = this.server ? null : new ResetBucket();
    this.timer = new Timer(() => this.watch());
    this.watchSoon();
  }

  /** Says hello: the preface of a client, SETTINGS and the connection's window. */
  start(): void {
    const { output } = this.connection;
    const { limits } = this.context;
    if (!this.server) {
      output.reserve(PREFACE.length);
      output.at += PREFACE.copy(output.buffer, output.at);
    }
    const settings: [number, number][] = [[SettingId.MAX_HEADER_LIST_SIZE, limits.maxHeaderListSize]];
    if (this.server) settings.push([SettingId.MAX_CONCURRENT_STREAMS, limits.maxConcurrentStreams]);
    else settings.push([SettingId.ENABLE_PUSH, 0]);
    writeSettings(output, settings);
    writeWindowUpdate(output, 0, CONNECTION_WINDOW - DEFAULT_WINDOW);
  }

  // --- What the owner asks for -------------------------------------------------------------------------------------

  /** Streams that could be opened now. */
  get freeStreams(): number {
    if (this.dead || this.goawayReceived || this.draining !== 'no') return 0;
    return this.peer.maxConcurrentStreams - this.streams.size - (this.resets?.waiting ?? 0);
  }

  /** Opens a stream with a request. The caller has checked `freeStreams`. */
  openStream(head: RequestHead, end: boolean, sink: HalfSink): Stream {
    const stream = new Stream(this.nextStream, this, sink, this.peer.initialWindowSize, this.streamWindow);
    this.nextStream += 2;
    stream.method = head.method;
    this.streams.add(stream);
    this.guard.opened();
    stream.advance(Event.SEND_HEADERS);
    this.sender.head(stream, head.fields, end, false);
    // "A client that is unable to establish a new stream identifier can establish a new connection" (section 5.1.1)
    if (this.nextStream > MAX_WINDOW) this.drain();
    this.touch();
    return stream;
  }

  /** Two-step GOAWAY: new streams are first discouraged, then refused; the open ones finish. */
  drain(): void {
    if (this.dead || this.draining !== 'no') return;
    if (!this.server) {
      this.draining = 'final';
      this.writeGoaway(0, ErrorCode.NO_ERROR, '');
      this.closeIfDone();
      return;
    }
    this.draining = 'announced';
    this.drainAt = now();
    this.writeGoaway(MAX_WINDOW, ErrorCode.NO_ERROR, '');
    writePing(this.connection.output, false, DRAIN_PING, 0);
    this.watchSoon();
  }

  /** Ends all exchanges with the answer that is still possible; the session stays. */
  abort(failure: Failure): void {
    for (const stream of this.streams.all()) stream.sink?.onAborted(failure);
  }

  /** Ends the connection with a code; its streams fail. */
  close(code: ErrorCode, message: string, failure: Failure = Failures.sessionLost): void {
    if (this.dead) return;
    this.writeGoaway(this.lastPeerStream, code, message);
    this.die(failure, code);
    this.connection.finish();
    this.context.wheel.arm(this.timer, LINGER);
  }

  // --- ConnectionHandler -------------------------------------------------------------------------------------------

  onRead(buffer: Buffer, start: number, end: number): void {
    if (this.dead) return;
    this.touch();
    this.reader.read(buffer, start, end);
    if (this.connection.output.unsent > this.context.limits.maxOutput) this.pauseForOutput();
  }

  onEnd(): void {
    if (this.dead) return;
    // A client may not half-close its connection: nobody could answer a PING or open a window.
    this.die(this.server ? Failures.clientGone : Failures.sessionLost, ErrorCode.CANCEL);
    this.connection.finish();
  }

  onClose(error: Error | null): void {
    if (!this.dead) {
      if (error !== null) this.record('closed', null, error.message);
      this.die(this.server ? Failures.clientGone : Failures.sessionLost, ErrorCode.CANCEL);
    }
    this.finish();
  }

  onDrain(): void {
    if (this.connection.output.empty) this.guard.answers = 0;
    this.sender.drained();
    if (this.connection.output.unsent * 2 < this.context.limits.maxOutput) this.connection.resume(PAUSE_OUTPUT);
  }

  onBug(error: Error): void {
    this.record('bug', errorCodeName(ErrorCode.INTERNAL_ERROR), error.stack ?? error.message);
    this.close(ErrorCode.INTERNAL_ERROR, 'internal error', Failures.bug);
  }

  // --- FrameHandler ------------------------------------------------------------------------------------------------

  onData(streamId: number, end: boolean, buffer: Buffer, from: number, to: number, flowLength: number): void {
    // The connection's window goes back on receipt, so that one stalled stream never stalls its neighbours.
    if (!this.window.receive(flowLength)) {
      this.onError(ErrorCode.FLOW_CONTROL_ERROR, 'connection window exceeded');
      return;
    }
    const due = this.window.release(flowLength);
    if (due > 0) writeWindowUpdate(this.connection.output, 0, due);

    const stream = this.streams.get(streamId);
    if (stream === undefined) {
      this.frameOnClosed(streamId, false);
      return;
    }
    if (!stream.advance(end ? Event.RECV_END : Event.RECV_DATA)) {
      this.streamError(stream, ErrorCode.STREAM_CLOSED);
      return;
    }
    const length = to - from;
    if (!stream.hasHead) {
      this.streamError(stream, ErrorCode.PROTOCOL_ERROR);
      return;
    }
    if (!end && !this.guard.data(length, now())) {
      this.flood(length === 0 ? 'empty_data' : 'tiny_data');
      return;
    }
    if (!stream.receiveWindow.receive(flowLength)) {
      this.streamError(stream, ErrorCode.FLOW_CONTROL_ERROR);
      return;
    }
    // Checked before anything is passed on: no octet beyond the declared length leaves (RFC 9113 section 8.1.1).
    if (stream.bodyLeft >= 0) {
      stream.bodyLeft -= length;
      if (stream.bodyLeft < 0 || (end && stream.bodyLeft > 0)) {
        this.streamError(stream, ErrorCode.PROTOCOL_ERROR);
        return;
      }
    }
    if (flowLength > length) this.creditStream(stream, flowLength - length);
    stream.received += length;
    if (stream.sink === null) this.creditStream(stream, length);
    else stream.sink.onData(buffer, from, to, end);
    if (!stream.open) this.remove(stream, Closed.ENDED);
  }

  onHeaders(streamId: number, end: boolean, dependency: number, buffer: Buffer, from: number, to: number): void {
    const fields: Field[] = [];
    // The block is decoded whatever becomes of it: the table has to stay in step.
    const decoded = this.decoder.decode(buffer, from, to, fields);
    if (decoded === Decoded.MALFORMED) {
      this.onError(ErrorCode.COMPRESSION_ERROR, 'malformed header block');
      return;
    }
    if (decoded === Decoded.FAR_TOO_LARGE) {
      this.flood('header_list');
      return;
    }
    const stream = this.streams.get(streamId);
    if (stream === undefined) {
      if (this.server && this.isNew(streamId)) this.request(streamId, end, dependency, fields, decoded);
      else this.frameOnClosed(streamId, true);
    } else this.laterHeaders(stream, end, fields, decoded);
  }

  onPriority(streamId: number, dependency: number, valid: boolean): void {
    if (!this.guard.other()) {
      this.flood('control_frames');
      return;
    }
    // The content is ignored (section 5.3.2), but a malformed one is still an error of its stream.
    if (!valid || dependency === streamId) {
      this.streamErrorById(streamId, valid ? ErrorCode.PROTOCOL_ERROR : ErrorCode.FRAME_SIZE_ERROR);
    }
  }

  onReset(streamId: number, code: number): void {
    this.context.counters.addTo(Count.RST_RECEIVED, code, CODE_COUNT);
    if (this.isIdle(streamId)) {
      this.onError(ErrorCode.PROTOCOL_ERROR, `RST_STREAM on idle stream ${streamId}`);
      return;
    }
    if (this.server && !this.guard.reset(now())) {
      this.flood('resets');
      return;
    }
    const stream = this.streams.get(streamId);
    if (stream === undefined) {
      if (!this.guard.other()) this.flood('control_frames');
      return;
    }
    stream.advance(Event.RECV_RST);
    this.remove(stream, Closed.RESET_BY_PEER);
    stream.fail(this.server ? Failures.clientGone : resetFailure(code), code);
  }

  onSettings(ack: boolean, buffer: Buffer, from: number, to: number): void {
    if (ack) {
      if (to > from) this.onError(ErrorCode.FRAME_SIZE_ERROR, 'SETTINGS ACK with a payload');
      else if (this.settingsUnacked > 0) this.settingsUnacked--;
      else if (!this.guard.other()) this.flood('control_frames');
      return;
    }
    const window = this.peer.initialWindowSize;
    const error = this.peer.apply(buffer, from, to, !this.server);
    if (error !== ErrorCode.NO_ERROR) {
      this.onError(error, 'invalid SETTINGS');
      return;
    }
    if (!this.guard.answer()) {
      this.flood('answers');
      return;
    }
    this.sender.encoder.setLimit(this.peer.headerTableSize);
    writeSettingsAck(this.connection.output);
    if (this.peer.initialWindowSize !== window) this.moveWindows(this.peer.initialWindowSize - window);
    if (!this.dead) this.owner.onCapacity(this);
  }

  onPing(ack: boolean, buffer: Buffer, from: number): void {
    if (ack) {
      const ours = this.draining === 'announced' && buffer.compare(DRAIN_PING, 0, 8, from, from + 8) === 0;
      if (ours) this.finalGoaway();
      else if (!this.guard.other()) this.flood('control_frames');
    } else if (this.guard.answer()) writePing(this.connection.output, true, buffer, from);
    else this.flood('answers');
  }

  onGoaway(lastStreamId: number, code: number, buffer: Buffer, from: number, to: number): void {
    this.context.counters.addTo(Count.GOAWAY_RECEIVED, code, CODE_COUNT);
    if (!this.guard.other()) {
      this.flood('control_frames');
      return;
    }
    // A client's GOAWAY concerns streams that we would open, and does not end its own.
    if (this.server) return;
    const debug = buffer.latin1Slice(from, Math.min(to, from + 256));
    if (!this.goawayReceived || code !== 0) this.record('goaway_received', errorCodeName(code), debug);
    this.goawayReceived = true;
    this.owner.onGoaway(this);
    for (const stream of this.streams.all()) {
      if (stream.id <= lastStreamId) continue;
      stream.advance(Event.RECV_RST);
      this.remove(stream, Closed.RESET_BY_PEER);
      stream.fail(Failures.unprocessed, ErrorCode.REFUSED_STREAM);
    }
    this.closeIfDone();
  }

  onWindowUpdate(streamId: number, increment: number): void {
    if (!this.guard.windowUpdate()) {
      this.flood('control_frames');
      return;
    }
    if (streamId === 0) {
      if (increment === 0) this.onError(ErrorCode.PROTOCOL_ERROR, 'WINDOW_UPDATE of 0');
      else if (!this.sender.window.grow(increment)) this.onError(ErrorCode.FLOW_CONTROL_ERROR, 'window over 2^31-1');
      else this.sender.windowGrew();
      return;
    }
    const stream = this.streams.get(streamId);
    if (stream === undefined) {
      if (this.isIdle(streamId)) this.onError(ErrorCode.PROTOCOL_ERROR, `WINDOW_UPDATE on idle stream ${streamId}`);
      return;
    }
    if (increment === 0) this.streamError(stream, ErrorCode.PROTOCOL_ERROR);
    else if (!stream.sendWindow.grow(increment)) this.streamError(stream, ErrorCode.FLOW_CONTROL_ERROR);
    else this.sender.streamWindowGrew(stream);
  }

  onUnknown(): void {
    if (!this.guard.other()) this.flood('control_frames');
  }

  onError(code: ErrorCode, message: string): void {
    if (this.dead) return;
    this.record('protocol_error', errorCodeName(code), message);
    this.close(code, message, this.server ? Failures.malformedRequest : Failures.badResponse);
  }

  // --- StreamHost --------------------------------------------------------------------------------------------------

  resetStream(stream: Stream, code: number): void {
    if (!stream.advance(Event.SEND_RST)) return;
    this.writeReset(stream.id, code);
    this.remove(stream, Closed.RESET_BY_US);
  }

  streamEnded(stream: Stream): void {
    this.remove(stream, Closed.ENDED);
  }

  creditStream(stream: Stream, bytes: number): void {
    if (!stream.receiving || this.dead) return;
    const due = stream.receiveWindow.release(bytes);
    if (due === 0) return;
    writeWindowUpdate(this.connection.output, stream.id, due);
    if (stream.received > 2 * this.streamWindow && this.streamWindow < MAX_STREAM_WINDOW) this.widenWindow();
  }

  // --- Requests and responses --------------------------------------------------------------------------------------

  /** HEADERS that open a stream of a client. */
  private request(streamId: number, end: boolean, dependency: number, fields: Field[], decoded: Decoded): void {
    this.lastPeerStream = streamId;
    if (this.draining === 'final') {
      this.writeReset(streamId, ErrorCode.REFUSED_STREAM);
      this.closedStreams.add(streamId, Closed.RESET_BY_US);
      return;
    }
    if (this.streams.size >= this.context.limits.maxConcurrentStreams) {
      countLimit(this.context.counters, 'streams');
      this.writeReset(streamId, ErrorCode.REFUSED_STREAM);
      this.closedStreams.add(streamId, Closed.RESET_BY_US);
      if (!this.guard.refusedStream()) this.flood('streams');
      return;
    }
    this.guard.opened();
    const stream = new Stream(streamId, this, null, this.peer.initialWindowSize, this.streamWindow);
    this.streams.add(stream);
    stream.advance(Event.RECV_HEADERS);
    if (end) stream.advance(Event.RECV_END);
    stream.hasHead = true;
    if (decoded === Decoded.TOO_LARGE) {
      countLimit(this.context.counters, 'header_list');
      this.owner.onRefused(stream, fields, Failures.headersTooLarge);
      return;
    }
    const head = dependency === streamId ? null : parseRequest(fields);
    if (head === null || (end && head.contentLength > 0)) {
      this.streamError(stream, ErrorCode.PROTOCOL_ERROR);
      return;
    }
    stream.bodyLeft = head.contentLength;
    this.owner.onRequest(stream, head, end);
  }

  /** HEADERS on an open stream: a response, an informational one, or trailers. */
  private laterHeaders(stream: Stream, end: boolean, fields: Field[], decoded: Decoded): void {
    if (!stream.advance(end ? Event.RECV_END : Event.RECV_HEADERS)) {
      this.streamError(stream, ErrorCode.STREAM_CLOSED);
      return;
    }
    if (decoded === Decoded.TOO_LARGE) {
      countLimit(this.context.counters, 'header_list');
      this.streamError(stream, ErrorCode.INTERNAL_ERROR, Failures.responseTooLarge);
      return;
    }
    if (stream.hasHead) this.trailers(stream, end, fields);
    else this.response(stream, end, fields);
    if (!stream.open) this.remove(stream, Closed.ENDED);
  }

  private trailers(stream: Stream, end: boolean, fields: Field[]): void {
    // Trailers end the stream (section 8.1), and the body has to have been as long as declared.
    if (!end || stream.bodyLeft > 0 || !validTrailers(fields)) {
      this.streamError(stream, ErrorCode.PROTOCOL_ERROR);
    } else stream.sink?.onTrailers(fields);
  }

  private response(stream: Stream, end: boolean, fields: Field[]): void {
    const head = parseResponse(fields);
    if (head === null || (head.status < 200 && end)) {
      this.streamError(stream, ErrorCode.PROTOCOL_ERROR);
      return;
    }
    if (head.status < 200) {
      stream.sink?.onInformational(fields);
      return;
    }
    stream.hasHead = true;
    stream.bodyLeft = hasNoBody(stream.method, head.status) ? 0 : head.contentLength;
    if (end && stream.bodyLeft > 0) this.streamError(stream, ErrorCode.PROTOCOL_ERROR);
    else stream.sink?.onHead(head, end);
  }

  // --- Streams that are not there ----------------------------------------------------------------------------------

  /** The peer may open this stream now: its parity, and above all before (section 5.1.1). */
  private isNew(streamId: number): boolean {
    return (streamId & 1) === (this.server ? 1 : 0) && streamId > this.lastPeerStream;
  }
  private isIdle(streamId: number): boolean {
    const ours = (streamId & 1) === (this.server ? 0 : 1);
    return ours ? streamId >= this.nextStream || this.server : streamId > this.lastPeerStream;
  }

  /** DATA or HEADERS on a stream that is idle or closed. */
  private frameOnClosed(streamId: number, headers: boolean): void {
    if (this.isIdle(streamId)) {
      this.onError(ErrorCode.PROTOCOL_ERROR, `frame on idle stream ${streamId}`);
      return;
    }
    switch (this.closedStreams.get(streamId)) {
      case Closed.ENDED:
        this.onError(ErrorCode.STREAM_CLOSED, `frame on closed stream ${streamId}`);
        break;
      case Closed.RESET_BY_PEER:
        if (headers) this.onError(ErrorCode.STREAM_CLOSED, `HEADERS on reset stream ${streamId}`);
        else this.writeReset(streamId, ErrorCode.STREAM_CLOSED);
        break;
      case Closed.RESET_BY_US: // These were on their way.
        if (!this.guard.other()) this.flood('control_frames');
        break;
      case undefined:
        // Never opened, and skipped by a later one: it may not be opened any more (section 5.1.1).
        if (!this.closedStreams.mayHaveForgotten(streamId)) {
          this.onError(ErrorCode.PROTOCOL_ERROR, `stream ${streamId} after ${this.lastPeerStream}`);
        } else if (!this.guard.other()) this.flood('control_frames');
    }
  }

  // --- Errors ------------------------------------------------------------------------------------------------------

  /** The peer broke a rule on one stream. */
  private streamError(stream: Stream, code: ErrorCode, failure?: Failure): void {
    if (this.server && !this.guard.reset(now())) {
      this.flood('resets');
      return;
    }
    // The state may already be CLOSED by the very frame that is wrong.
    this.writeReset(stream.id, code);
    stream.advance(Event.SEND_RST);
    this.remove(stream, Closed.RESET_BY_US);
    stream.fail(failure ?? (this.server ? Failures.malformedRequest : Failures.badResponse), code);
  }

  private streamErrorById(streamId: number, code: ErrorCode): void {
    const stream = this.streams.get(streamId);
    if (stream !== undefined) this.streamError(stream, code);
    // An idle stream cannot be reset (section 5.1), so there the error is the connection's.
    else if (this.isIdle(streamId)) this.onError(code, `invalid frame on idle stream ${streamId}`);
    else this.writeReset(streamId, code);
  }

  private flood(limit: Limit): void {
    countLimit(this.context.counters, limit);
    this.record('limited', errorCodeName(ErrorCode.ENHANCE_YOUR_CALM), limit);
    this.close(ErrorCode.ENHANCE_YOUR_CALM, limit, this.server ? Failures.clientGone : Failures.badResponse);
  }

  /** Every stream fails and no frame is read any more; what is in the output may still leave. */
  private die(failure: Failure, code: number): void {
    this.dead = true;
    this.reader.close();
    const streams = this.streams.all();
    this.streams.clear();
    for (const stream of streams) {
      stream.advance(Event.RECV_RST);
      stream.dropHeld();
      // What the engine has not confirmed above GOAWAY's last id is unprocessed; all else may have begun.
      stream.fail(failure, code);
    }
    this.owner.onClosed(this);
  }

  private finish(): void {
    this.finished = true;
    this.context.wheel.disarm(this.timer);
  }

  private remove(stream: Stream, how: Closed): void {
    if (!this.streams.delete(stream)) return;
    stream.dropHeld();
    this.closedStreams.add(stream.id, how);
    this.owner.onCapacity(this);
    this.closeIfDone();
  }

  // --- Small things ------------------------------------------------------------------------------------------------

  private writeReset(streamId: number, code: number): void {
    this.context.counters.addTo(Count.RST_SENT, code, CODE_COUNT);
    if (this.resets === null || this.resets.take(now())) writeReset(this.connection.output, streamId, code);
    else this.resets.defer(streamId, code);
  }

  private writeGoaway(lastStreamId: number, code: ErrorCode, message: string): void {
    this.context.counters.addTo(Count.GOAWAY_SENT, code, CODE_COUNT);
    writeGoaway(this.connection.output, lastStreamId, code, message);
  }

  private finalGoaway(): void {
    this.draining = 'final';
    this.writeGoaway(this.lastPeerStream, ErrorCode.NO_ERROR, '');
    this.closeIfDone();
  }

  /** A session that takes no new streams ends with its last one. */
  private closeIfDone(): void {
    if (this.dead || this.streams.size > 0 || (this.resets?.waiting ?? 0) > 0) return;
    if (this.draining !== 'final' && !this.goawayReceived) return;
    this.die(Failures.draining, ErrorCode.NO_ERROR);
    this.connection.finish();
    this.context.wheel.arm(this.timer, LINGER);
  }

  /** A changed initial window applies to open streams at once, and may make their windows negative. */
  private moveWindows(by: number): void {
    for (const stream of this.streams.all()) {
      if (!stream.sendWindow.grow(by)) {
        this.onError(ErrorCode.FLOW_CONTROL_ERROR, 'initial window makes a window exceed 2^31-1');
        return;
      }
      if (by > 0) this.sender.streamWindowGrew(stream);
    }
  }

  /** Streams of this session leave as fast as they come: a larger window saves round trips. */
  private widenWindow(): void {
    if (!this.connection.output.flowing || this.settingsUnacked > 0) return;
    const size = Math.min(this.streamWindow === DEFAULT_WINDOW ? 262_144 : this.streamWindow * 4, MAX_STREAM_WINDOW);
    const by = size - this.streamWindow;
    this.streamWindow = size;
    this.settingsUnacked++;
    this.startedAt = now();
    writeSettings(this.connection.output, [[SettingId.INITIAL_WINDOW_SIZE, size]]);
    for (const stream of this.streams.all()) {
      stream.receiveWindow.available += by;
      stream.receiveWindow.size = size;
    }
  }

  private pauseForOutput(): void {
    this.context.counters.add(Count.PAUSED, 1);
    this.connection.pause(PAUSE_OUTPUT);
  }

  private record(event: ConnectionRecord['event'], code: string | null, message: string): void {
    const side = this.server ? 'downstream' : 'upstream';
    const { address, port } = this.connection.remote;
    this.context.journal.connection({ side, peer: `${address}:${port}`, event, code, message });
  }

  // --- Watching for what does not happen ---------------------------------------------------------------------------

  private touch(): void {
    this.activeAt = now();
    if (!this.watched) this.watchSoon();
  }

  private watchSoon(): void {
    this.watched = true;
    this.context.wheel.arm(this.timer, WATCH);
  }

  private watch(): void {
    if (this.finished) return;
    if (this.dead) {
      this.connection.destroy();
      return;
    }
    const time = now();
    const { limits } = this.context;
    const { output } = this.connection;
    if (this.draining === 'announced' && time - this.drainAt >= DRAIN_STEP) this.finalGoaway();
    this.flushResets(time);
    this.sender.drained();
    if (this.stalled(time)) return;
    const idle = this.streams.size === 0 && output.empty;
    if (idle && this.server && time - this.activeAt >= limits.idleTimeout) {
      this.close(ErrorCode.NO_ERROR, 'idle');
      return;
    }
    if (!idle || this.settingsUnacked > 0 || this.reader.waiting || this.draining !== 'no') this.watchSoon();
    else {
      this.watched = false;
      this.streams.trim();
      this.context.wheel.arm(this.timer, limits.idleTimeout - (time - this.activeAt));
    }
  }

  /** Ends what made no progress for too long; true if the session is over. */
  private stalled(time: number): boolean {
    const { limits } = this.context;
    const { output } = this.connection;
    if (!output.empty && time - output.progressAt >= limits.writeStallTimeout) {
      countLimit(this.context.counters, 'write_stall');
      this.record('limited', null, 'write_stall');
      this.die(this.server ? Failures.slowRead : Failures.sessionLost, ErrorCode.CANCEL);
      this.connection.destroy();
      return true;
    }
    if (this.settingsUnacked > 0 && time - this.startedAt >= limits.handshakeTimeout) {
      countLimit(this.context.counters, 'handshake');
      this.onError(ErrorCode.SETTINGS_TIMEOUT, 'no preface or SETTINGS ACK in time');
      return true;
    }
    if (this.reader.waiting && time - this.activeAt >= limits.handshakeTimeout) {
      countLimit(this.context.counters, 'frame_stall');
      this.onError(ErrorCode.PROTOCOL_ERROR, 'a frame was begun and not finished');
      return true;
    }
    for (const stream of this.streams.all()) {
      if (stream.held === null || time - stream.heldSince < limits.slowReadTimeout) continue;
      countLimit(this.context.counters, 'slow_read');
      this.resetStream(stream, ErrorCode.CANCEL);
      stream.fail(this.server ? Failures.slowRead : Failures.resetOther, ErrorCode.CANCEL);
    }
    return false;
  }

  private flushResets(time: number): void {
    if (this.resets === null || this.resets.waiting === 0) return;
    for (let due = this.resets.next(time); due !== null; due = this.resets.next(time)) {
      writeReset(this.connection.output, due.streamId, due.code);
    }
    this.owner.onCapacity(this);
    this.closeIfDone();
  }
}
