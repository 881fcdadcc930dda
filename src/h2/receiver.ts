/** Judges the frames that a session receives, by its state, and passes on what they mean. */
import { CODE_COUNT, Session as Count } from '../counters.ts';
import { ErrorCode, Failures, resetFailure } from '../errors.ts';
import { Decoded, Decoder } from '../hpack/decoder.ts';
import { clock, now } from '../io/turn.ts';
import { Closed } from './closed-streams.ts';
import type { SessionCore } from './core.ts';
import { grow, receive, release } from './flow-control.ts';
import type { FrameHandler } from './frame-reader.ts';
import { writePing, writeSettingsAck, writeWindowUpdate } from './frame-writer.ts';
import { HeaderBlocks } from './header-list.ts';
import { MessageReceiver } from './message-receiver.ts';
import { Event } from './stream-state.ts';

/** Of a GOAWAY's debug data, so much is worth a line in the log. */
const MAX_DEBUG = 256;

export class Receiver implements FrameHandler {
  private readonly core: SessionCore;
  private readonly blocks: HeaderBlocks;
  private readonly messages: MessageReceiver;

  constructor(core: SessionCore) {
    this.core = core;
    this.blocks = new HeaderBlocks(new Decoder(core.context.limits));
    this.messages = new MessageReceiver(core);
  }

  get dead(): boolean {
    return this.core.dead;
  }

  onData(streamId: number, end: boolean, buffer: Buffer, from: number, to: number, flowLength: number): void {
    const { core } = this;
    core.spoke = true;
    // The connection's window goes back on receipt, so that one stalled stream never stalls its neighbours.
    if (!receive(core.window, flowLength)) {
      core.onError(ErrorCode.FLOW_CONTROL_ERROR, 'connection window exceeded');
      return;
    }
    const due = release(core.window, flowLength);
    if (due > 0) writeWindowUpdate(core.output, 0, due);

    const stream = core.streams.get(streamId);
    if (stream === undefined) {
      this.frameOnClosed(streamId, false, flowLength);
      return;
    }
    if (!stream.advance(end ? Event.RECV_END : Event.RECV_DATA)) {
      core.streamError(stream, ErrorCode.STREAM_CLOSED);
      return;
    }
    const length = to - from;
    if (!stream.hasHead) {
      core.streamError(stream, ErrorCode.PROTOCOL_ERROR);
      return;
    }
    if (!end && !core.guard.data(length, clock())) {
      core.flood(length === 0 ? 'empty_data' : 'tiny_data');
      return;
    }
    if (!receive(stream, flowLength)) {
      core.streamError(stream, ErrorCode.FLOW_CONTROL_ERROR);
      return;
    }
    // Checked before anything is passed on: no octet beyond the declared length leaves (section 8.1.1).
    if (stream.bodyLeft >= 0) {
      stream.bodyLeft -= length;
      if (stream.bodyLeft < 0 || (end && stream.bodyLeft > 0)) {
        core.streamError(stream, ErrorCode.PROTOCOL_ERROR);
        return;
      }
    }
    if (flowLength > length) core.creditStream(stream, flowLength - length);
    if (stream.sink === null) core.creditStream(stream, length);
    else stream.sink.onData(buffer, from, to, end);
    if (!stream.open) core.remove(stream, Closed.ENDED);
  }

  onHeaders(streamId: number, end: boolean, dependency: number, buffer: Buffer, from: number, to: number): void {
    const { core } = this;
    core.spoke = true;
    // The block is decoded whatever becomes of it: the table has to stay in step.
    const list = this.blocks.read(buffer, from, to);
    const { decoded } = list;
    if (decoded === Decoded.MALFORMED) {
      core.onError(ErrorCode.COMPRESSION_ERROR, 'malformed header block');
      return;
    }
    if (decoded === Decoded.FAR_TOO_LARGE) {
      core.flood('header_list');
      return;
    }
    const stream = core.streams.get(streamId);
    if (stream !== undefined) this.messages.later(stream, end, list);
    else if (core.server && core.isIdle(streamId) && (streamId & 1) === 1) {
      this.messages.request(streamId, end, dependency, list);
    } else this.frameOnClosed(streamId, true, 0);
  }

  onPriority(streamId: number, dependency: number, valid: boolean): void {
    const { core } = this;
    // The content is ignored (section 5.3.2), but a malformed one is still an error of its stream.
    if (!core.guard.other()) core.flood('control_frames');
    else if (!valid) this.streamErrorById(streamId, ErrorCode.FRAME_SIZE_ERROR);
    else if (dependency === streamId) this.streamErrorById(streamId, ErrorCode.PROTOCOL_ERROR);
  }

  onReset(streamId: number, code: number): void {
    const { core } = this;
    core.context.counters.addTo(Count.RST_RECEIVED, code, CODE_COUNT);
    if (core.isIdle(streamId)) {
      core.onError(ErrorCode.PROTOCOL_ERROR, `RST_STREAM on idle stream ${streamId}`);
      return;
    }
    if (core.server && !core.guard.reset(now())) {
      core.flood('resets');
      return;
    }
    const stream = core.streams.get(streamId);
    if (stream === undefined) {
      if (!core.guard.other()) core.flood('control_frames');
      return;
    }
    stream.advance(Event.RECV_RST);
    core.remove(stream, Closed.RESET_BY_PEER);
    stream.fail(core.server ? Failures.clientGone : resetFailure(code), code);
  }

  onSettings(ack: boolean, buffer: Buffer, from: number, to: number): void {
    const { core } = this;
    const { peer } = core;
    if (ack) {
      if (to > from) core.onError(ErrorCode.FRAME_SIZE_ERROR, 'SETTINGS ACK with a payload');
      else if (!core.settingsAcknowledged() && !core.guard.other()) core.flood('control_frames');
      return;
    }
    const window = peer.initialWindowSize;
    const error = peer.apply(buffer, from, to, !core.server);
    if (error === ErrorCode.ENHANCE_YOUR_CALM) {
      core.flood('control_frames');
      return;
    }
    if (error !== ErrorCode.NO_ERROR) {
      core.onError(error, 'invalid SETTINGS');
      return;
    }
    if (!this.mayAnswer()) {
      core.flood('answers');
      return;
    }
    core.sender.encoder.setLimit(peer.headerTableSize);
    writeSettingsAck(core.output);
    if (peer.initialWindowSize !== window) this.moveWindows(peer.initialWindowSize - window);
    if (!core.dead) core.owner.onSettings();
  }

  onPing(ack: boolean, buffer: Buffer, from: number): void {
    const { core } = this;
    if (ack) {
      if (!core.pingAcknowledged(buffer, from) && !core.guard.other()) core.flood('control_frames');
    } else if (this.mayAnswer()) writePing(core.output, true, buffer, from);
    else core.flood('answers');
  }

  onGoaway(lastStreamId: number, code: number, buffer: Buffer, from: number, to: number): void {
    const { core } = this;
    core.context.counters.addTo(Count.GOAWAY_RECEIVED, code, CODE_COUNT);
    if (!core.guard.other()) core.flood('control_frames');
    else core.goawayReceived(lastStreamId, code, buffer.latin1Slice(from, Math.min(to, from + MAX_DEBUG)));
  }

  onWindowUpdate(streamId: number, increment: number): void {
    const { core } = this;
    if (!core.guard.windowUpdate()) {
      core.flood('control_frames');
      return;
    }
    if (streamId === 0) {
      if (increment === 0) core.onError(ErrorCode.PROTOCOL_ERROR, 'WINDOW_UPDATE of 0');
      else if (!grow(core.window, increment)) core.onError(ErrorCode.FLOW_CONTROL_ERROR, 'window over 2^31-1');
      else core.sender.windowGrew();
      return;
    }
    const stream = core.streams.get(streamId);
    if (stream === undefined) {
      if (core.isIdle(streamId)) core.onError(ErrorCode.PROTOCOL_ERROR, `WINDOW_UPDATE on idle stream ${streamId}`);
      return;
    }
    if (increment === 0) core.streamError(stream, ErrorCode.PROTOCOL_ERROR);
    else if (!grow(stream, increment)) core.streamError(stream, ErrorCode.FLOW_CONTROL_ERROR);
    else core.sender.streamWindowGrew(stream);
  }

  /** An ACK is due: it counts until the socket has taken it. */
  private mayAnswer(): boolean {
    this.core.output.awaited = true;
    return this.core.guard.answer();
  }

  onUnknown(): void {
    if (!this.core.guard.other()) this.core.flood('control_frames');
  }

  onContinuationFlood(): void {
    this.core.flood('continuation');
  }

  onError(code: ErrorCode, message: string): void {
    this.core.onError(code, message);
  }

  /** DATA or HEADERS on a stream that is not open. */
  private frameOnClosed(streamId: number, headers: boolean, length: number): void {
    const { core } = this;
    if (core.isIdle(streamId)) {
      core.onError(ErrorCode.PROTOCOL_ERROR, `frame on idle stream ${streamId}`);
      return;
    }
    switch (core.closedStreams.get(streamId)) {
      case Closed.ENDED:
        core.onError(ErrorCode.STREAM_CLOSED, `frame on closed stream ${streamId}`);
        break;
      case Closed.RESET_BY_PEER:
        if (headers) core.onError(ErrorCode.STREAM_CLOSED, `HEADERS on reset stream ${streamId}`);
        else core.writeReset(streamId, ErrorCode.STREAM_CLOSED);
        break;
      case Closed.RESET_BY_US: // These were on their way, and DATA costs what it does on an open stream.
        if (headers && !core.guard.other()) core.flood('control_frames');
        else if (!headers && !core.guard.data(length, clock())) core.flood('tiny_data');
        break;
      case undefined:
        // Never opened, and skipped by a later one: it may not be opened any more (section 5.1.1).
        if (!core.closedStreams.mayHaveForgotten(streamId)) {
          core.onError(ErrorCode.PROTOCOL_ERROR, `stream ${streamId} after ${core.lastPeerStream}`);
        } else if (!core.guard.other()) core.flood('control_frames');
    }
  }

  private streamErrorById(streamId: number, code: ErrorCode): void {
    const { core } = this;
    const stream = core.streams.get(streamId);
    if (stream !== undefined) core.streamError(stream, code);
    // An idle stream cannot be reset (section 5.1), so there the error is the connection's.
    else if (core.isIdle(streamId)) core.onError(code, `invalid frame on idle stream ${streamId}`);
    else core.writeReset(streamId, code);
  }

  /** A changed initial window applies to open streams at once, and may make their windows negative. */
  private moveWindows(by: number): void {
    const { core } = this;
    for (const stream of core.streams.all()) {
      if (!grow(stream, by)) {
        core.onError(ErrorCode.FLOW_CONTROL_ERROR, 'initial window makes a window exceed 2^31-1');
        return;
      }
      if (by > 0) core.sender.streamWindowGrew(stream);
    }
  }
}
