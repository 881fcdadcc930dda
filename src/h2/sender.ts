/**
 * The sending side of a session: header encoding, windows, and DATA that has to wait for them. What the windows allow is
 * written at once; the rest is held by its stream, coalesced, and leaves as WINDOW_UPDATEs come.
 */
import { ErrorCode } from '../errors.ts';
import { Encoder } from '../hpack/encoder.ts';
import type { Field } from '../hpack/field.ts';
import { HeldBytes } from '../io/held-bytes.ts';
import type { Output } from '../io/output.ts';
import { now } from '../io/turn.ts';
import { copyOctets } from '../octets.ts';
import { Flag, FRAME_HEADER, FrameType } from './frame.ts';
import { writeData, writeFrameHeader, writeHeaderBlock } from './frame-writer.ts';
import type { FloodGuard } from './flood-guard.ts';
import { spend, worthTaking } from './flow-control.ts';
import type { Windows } from './flow-control.ts';
import { DEFAULT_FRAME_SIZE } from './settings.ts';
import type { PeerSettings } from './settings.ts';
import { Event } from './stream-state.ts';
import type { Stream, StreamSender } from './stream.ts';

/** Held octets that have to leave for a slow reader to count as a reader. */
const PROGRESS = 1024;

/** Blocks longer than a frame are put together here before they are cut up. */
let scratch = Buffer.allocUnsafeSlow(64 * 1024);

export class Sender implements StreamSender {
  private readonly window: Windows;
  private readonly output: Output;
  private readonly peer: PeerSettings;
  private readonly guard: FloodGuard;
  readonly encoder = new Encoder();
  /** Streams with held DATA that only the connection's window stops, first come first served. */
  private readonly waiting: Stream[] = [];
  /** Streams whose DATA the socket has not taken: their sources are credited when it has. */
  private draining: Stream[] = [];

  /** `window`: the connection's. */
  constructor(output: Output, window: Windows, peer: PeerSettings, guard: FloodGuard) {
    this.window = window;
    this.output = output;
    this.peer = peer;
    this.guard = guard;
  }

  head(stream: Stream, fields: readonly Field[], end: boolean, informational: boolean): void {
    this.headers(stream, fields, end);
    stream.advance(Event.SEND_HEADERS);
    if (end && !informational) this.ended(stream);
  }

  /** As `Half.sendData`. */
  data(stream: Stream, buffer: Buffer, from: number, to: number, end: boolean): number {
    const length = to - from;
    if (length === 0 && !end) return 0;
    if (
      stream.held === null &&
      (length === 0 || (length <= stream.sendable && length <= this.window.sendable)) &&
      // No peer may ask for less.
      (length <= DEFAULT_FRAME_SIZE || length <= this.peer.maxFrameSize)
    ) {
      spend(stream, length);
      spend(this.window, length);
      this.guard.sentData();
      writeData(this.output, stream.id, buffer, from, to, end);
      if (worthTaking(stream)) stream.host.creditAlong(stream);
      const done = this.settle(stream, length);
      if (end) this.ended(stream);
      return done;
    }
    if (stream.held === null) {
      stream.held = new HeldBytes();
      stream.heldSince = now();
    }
    stream.held.append(buffer, from, to);
    stream.owed += length;
    if (end) stream.endHeld = true;
    this.pump(stream);
    return 0;
  }

  trailers(stream: Stream, fields: readonly Field[]): void {
    if (stream.held !== null) {
      stream.endHeld = true;
      stream.trailersHeld = fields;
      return;
    }
    this.headers(stream, fields, true);
    this.ended(stream);
  }

  /** The stream's own window has grown. */
  streamWindowGrew(stream: Stream): void {
    if (stream.held !== null) this.pump(stream);
  }

  /** The connection's window has grown: those who wait for it go on, in turn. */
  windowGrew(): void {
    // A frame each in turn: one bulk transfer must not take every update.
    while (this.window.sendable > 0) {
      const stream = this.waiting.shift();
      if (stream === undefined) return;
      stream.waitsForWindow = false;
      this.pump(stream, DEFAULT_FRAME_SIZE);
    }
  }

  /** The socket has taken what was written: those who sent it may send more. */
  drained(): void {
    if (this.draining.length === 0 || !this.output.flowing) return;
    const streams = this.draining;
    this.draining = [];
    for (const stream of streams) {
      stream.waitsForDrain = false;
      const done = stream.owed - (stream.held?.length ?? 0);
      stream.owed -= done;
      if (done > 0) stream.sink?.onSent(done);
    }
  }

  /** Tells the peer to send no more, unless the end has still to be sent. */
  stopIfSent(stream: Stream): void {
    if (!stream.sending) stream.host.resetStream(stream, ErrorCode.NO_ERROR);
  }

  /** Sends of what is held as much as the windows allow, and no more than `most`. */
  private pump(stream: Stream, most = Infinity): void {
    const held = stream.held;
    if (held === null) return;
    let sent = 0;
    while (held.length > 0) {
      const room = Math.min(stream.sendable, this.window.sendable, DEFAULT_FRAME_SIZE, most - sent);
      if (room <= 0) break;
      const n = Math.min(room, held.length);
      const last = n === held.length && stream.endHeld && stream.trailersHeld === null;
      spend(stream, n);
      spend(this.window, n);
      this.output.reserve(FRAME_HEADER + n);
      const flags = last ? Flag.END_STREAM : 0;
      const at = writeFrameHeader(this.output.buffer, this.output.at, n, FrameType.DATA, flags, stream.id);
      held.shift(this.output.buffer, at, n);
      this.output.at = at + n;
      this.guard.sentData();
      sent += n;
    }
    stream.heldMoved += sent;
    if (stream.heldMoved >= PROGRESS) {
      stream.heldSince = now();
      stream.heldMoved = 0;
    }
    if (held.length > 0) {
      if (stream.sendable > 0 && !stream.waitsForWindow) {
        stream.waitsForWindow = true;
        this.waiting.push(stream);
      }
    } else {
      stream.held = null;
      if (stream.endHeld) {
        if (stream.trailersHeld !== null) this.headers(stream, stream.trailersHeld, true);
        this.ended(stream);
      }
    }
    if (sent > 0) this.release(stream, sent);
  }

  /** Bytes were copied into the output: how many may be credited to their source now. */
  private settle(stream: Stream, bytes: number): number {
    if (this.output.flowing) return bytes;
    stream.owed += bytes;
    if (!stream.waitsForDrain) {
      stream.waitsForDrain = this.output.awaited = true;
      this.draining.push(stream);
    }
    return 0;
  }

  /** The same for bytes that were owed already. */
  private release(stream: Stream, bytes: number): void {
    stream.owed -= bytes;
    const done = this.settle(stream, bytes);
    if (done > 0) stream.sink?.onSent(done);
  }

  private headers(stream: Stream, fields: readonly Field[], end: boolean): void {
    const { output } = this;
    const flags = end ? Flag.END_HEADERS | Flag.END_STREAM : Flag.END_HEADERS;
    const known = this.encoder.known(fields);
    if (known !== null) {
      const { length } = known;
      output.reserve(FRAME_HEADER + length);
      const at = writeFrameHeader(output.buffer, output.at, length, FrameType.HEADERS, flags, stream.id);
      copyOctets(known, output.buffer, at);
      output.at = at + length;
      return;
    }
    const worst = Encoder.worstCase(fields);
    if (worst > this.peer.maxFrameSize) {
      if (worst > scratch.length) scratch = Buffer.allocUnsafeSlow(worst);
      const length = this.encoder.encode(fields, scratch, 0);
      writeHeaderBlock(output, stream.id, scratch, length, this.peer.maxFrameSize, end);
      return;
    }
    output.reserve(FRAME_HEADER + worst);
    const { buffer, at } = output;
    const next = this.encoder.encode(fields, buffer, at + FRAME_HEADER);
    writeFrameHeader(buffer, at, next - at - FRAME_HEADER, FrameType.HEADERS, flags, stream.id);
    output.at = next;
  }

  private ended(stream: Stream): void {
    stream.advance(Event.SEND_END);
    if (!stream.open) stream.host.streamEnded(stream);
    else if (stream.stopping) stream.host.resetStream(stream, ErrorCode.NO_ERROR);
  }
}
