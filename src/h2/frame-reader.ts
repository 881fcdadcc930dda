/**
 * Reads frames out of whatever pieces the socket delivers. A frame is parsed where it lies; one that straddles two reads
 * is finished in a pooled buffer. No object, closure or promise is made for a frame: the handler gets numbers and a range.
 */
import { ErrorCode } from '../errors.ts';
import { checkFrameHeader, Flag, FRAME_HEADER, FrameType, PREFACE, readUint31, readUint32 } from './frame.ts';
import { DEFAULT_FRAME_SIZE } from './settings.ts';
import { HeaderBlock } from './header-block.ts';

export interface FrameHandler {
  /** Nothing more is read once this is true: it is asked after every frame. */
  readonly dead: boolean;
  /** `flowLength` counts against the windows: the data with its padding. */
  onData(streamId: number, end: boolean, buffer: Buffer, from: number, to: number, flowLength: number): void;
  /** A whole header block. `dependency` is the stream that a priority names, or -1. */
  onHeaders(streamId: number, end: boolean, dependency: number, buffer: Buffer, from: number, to: number): void;
  /** `valid` is false for a length other than five: an error of the stream. */
  onPriority(streamId: number, dependency: number, valid: boolean): void;
  onReset(streamId: number, code: number): void;
  onSettings(ack: boolean, buffer: Buffer, from: number, to: number): void;
  onPing(ack: boolean, buffer: Buffer, from: number): void;
  onGoaway(lastStreamId: number, code: number, buffer: Buffer, from: number, to: number): void;
  onWindowUpdate(streamId: number, increment: number): void;
  onUnknown(): void;
  /** A header block of too many frames, or too large. */
  onContinuationFlood(): void;
  /** The connection is broken beyond repair. */
  onError(code: ErrorCode, message: string): void;
}

/** Where a frame that is not whole yet is put together, and what becomes of the buffer. */
export interface FramePool {
  take(): Buffer;
  give(buffer: Buffer): void;
}

export interface FrameLimits {
  readonly maxHeaderBlockSize: number;
  readonly maxContinuationFrames: number;
}

export class FrameReader {
  private readonly handler: FrameHandler;
  /** Octets of the preface that are still to come: a server reads it first. */
  private prefaceLeft: number;
  /** A begun frame: its first `have` octets. */
  private partial: Buffer | null = null;
  /** A header block that waits for CONTINUATION. */
  private block: HeaderBlock | null = null;
  /** Frames, or header blocks of several frames, read so far. */
  units = 0;
  private have = 0;
  private readonly limits: FrameLimits;
  private readonly pool: FramePool;

  constructor(handler: FrameHandler, limits: FrameLimits, pool: FramePool, expectPreface: boolean) {
    this.handler = handler;
    this.limits = limits;
    this.pool = pool;
    this.prefaceLeft = expectPreface ? PREFACE.length : 0;
  }

  /** Something has begun and is not whole: a peer that stays like this holds memory. */
  get waiting(): boolean {
    return this.partial !== null || this.block !== null || this.prefaceLeft > 0;
  }

  read(buffer: Buffer, start: number, end: number): void {
    const { handler } = this;
    let at = this.prefaceLeft > 0 ? this.preface(buffer, start, end) : start;
    if (this.partial !== null) at = this.complete(this.partial, buffer, at, end);
    while (!handler.dead && end - at >= FRAME_HEADER) {
      const length = (buffer[at]! << 16) | (buffer[at + 1]! << 8) | buffer[at + 2]!;
      if (length > DEFAULT_FRAME_SIZE) {
        handler.onError(ErrorCode.FRAME_SIZE_ERROR, `frame of ${length} octets`);
        return;
      }
      const next = at + FRAME_HEADER + length;
      if (next > end) break;
      this.frame(buffer, at, next);
      at = next;
    }
    if (at < end && !handler.dead) {
      this.partial = this.pool.take();
      this.have = buffer.copy(this.partial, 0, at, end);
    }
  }

  /** Gives back what is held. The reader is not used afterwards. */
  close(): void {
    if (this.partial !== null) this.pool.give(this.partial);
    this.partial = null;
    this.block = null;
  }

  private preface(buffer: Buffer, start: number, end: number): number {
    const n = Math.min(this.prefaceLeft, end - start);
    const from = PREFACE.length - this.prefaceLeft;
    if (PREFACE.compare(buffer, start, start + n, from, from + n) !== 0) {
      this.handler.onError(ErrorCode.PROTOCOL_ERROR, 'not an HTTP/2 preface');
      return end;
    }
    this.prefaceLeft -= n;
    return start + n;
  }

  /** Fills up the begun frame and hands it on when it is whole; returns where the rest begins. */
  private complete(partial: Buffer, buffer: Buffer, at: number, end: number): number {
    if (this.have < FRAME_HEADER) {
      const n = Math.min(FRAME_HEADER - this.have, end - at);
      buffer.copy(partial, this.have, at, at + n);
      this.have += n;
      at += n;
      if (this.have < FRAME_HEADER) return end;
    }
    const length = (partial[0]! << 16) | (partial[1]! << 8) | partial[2]!;
    if (length > DEFAULT_FRAME_SIZE) {
      this.handler.onError(ErrorCode.FRAME_SIZE_ERROR, `frame of ${length} octets`);
      return end;
    }
    const whole = FRAME_HEADER + length;
    const n = Math.min(whole - this.have, end - at);
    buffer.copy(partial, this.have, at, at + n);
    this.have += n;
    if (this.have < whole) return end;
    this.partial = null;
    this.have = 0;
    try {
      this.frame(partial, 0, whole);
    } finally {
      this.pool.give(partial);
    }
    return at + n;
  }

  /** One whole frame, header and all. */
  private frame(buffer: Buffer, at: number, end: number): void {
    const { handler } = this;
    const type = buffer[at + 3]!;
    const flags = buffer[at + 4]!;
    const streamId = readUint31(buffer, at + 5);
    const from = at + FRAME_HEADER;
    // The order of CONTINUATION (section 6.10) is judged here and nowhere else.
    if (this.block === null ? type === FrameType.CONTINUATION : type !== FrameType.CONTINUATION) {
      handler.onError(ErrorCode.PROTOCOL_ERROR, 'CONTINUATION out of order');
      return;
    }
    // "This sequence MUST be followed by a SETTINGS frame" (section 3.4), and a server's begins with it.
    if (this.units === 0 && (type !== FrameType.SETTINGS || (flags & Flag.ACK) !== 0)) {
      handler.onError(ErrorCode.PROTOCOL_ERROR, 'the first frame is not SETTINGS');
      return;
    }
    const error = checkFrameHeader(type, end - from, streamId);
    if (error !== ErrorCode.NO_ERROR) {
      handler.onError(error, `frame of type ${type} with ${end - from} octets on stream ${streamId}`);
      return;
    }
    this.units++;
    switch (type) {
      case FrameType.DATA:
        this.data(streamId, flags, buffer, from, end);
        break;
      case FrameType.HEADERS:
        this.headers(streamId, flags, buffer, from, end);
        break;
      case FrameType.PRIORITY: {
        const valid = end - from === 5;
        handler.onPriority(streamId, valid ? readUint31(buffer, from) : 0, valid);
        break;
      }
      case FrameType.RST_STREAM:
        handler.onReset(streamId, readUint32(buffer, from));
        break;
      case FrameType.SETTINGS:
        handler.onSettings((flags & Flag.ACK) !== 0, buffer, from, end);
        break;
      case FrameType.PUSH_PROMISE:
        handler.onError(ErrorCode.PROTOCOL_ERROR, 'PUSH_PROMISE though push is disabled');
        break;
      case FrameType.PING:
        handler.onPing((flags & Flag.ACK) !== 0, buffer, from);
        break;
      case FrameType.GOAWAY:
        handler.onGoaway(readUint31(buffer, from), readUint32(buffer, from + 4), buffer, from + 8, end);
        break;
      case FrameType.WINDOW_UPDATE:
        handler.onWindowUpdate(streamId, readUint31(buffer, from));
        break;
      case FrameType.CONTINUATION:
        this.continuation(streamId, flags, buffer, from, end);
        break;
      default:
        handler.onUnknown();
    }
  }

  private data(streamId: number, flags: number, buffer: Buffer, from: number, end: number): void {
    const flowLength = end - from;
    let to = end;
    if ((flags & Flag.PADDED) !== 0) {
      if (from === end) {
        this.handler.onError(ErrorCode.FRAME_SIZE_ERROR, 'DATA too short for its flags');
        return;
      }
      to -= buffer[from++]!;
      if (to < from) {
        this.handler.onError(ErrorCode.PROTOCOL_ERROR, 'padding longer than the frame');
        return;
      }
    }
    this.handler.onData(streamId, (flags & Flag.END_STREAM) !== 0, buffer, from, to, flowLength);
  }

  private headers(streamId: number, flags: number, buffer: Buffer, from: number, end: number): void {
    let to = end;
    let dependency = -1;
    const padded = (flags & Flag.PADDED) !== 0;
    const prioritised = (flags & Flag.PRIORITY) !== 0;
    if (end - from < (padded ? 1 : 0) + (prioritised ? 5 : 0)) {
      this.handler.onError(ErrorCode.FRAME_SIZE_ERROR, 'HEADERS too short for its flags');
      return;
    }
    if (padded) to -= buffer[from++]!;
    if (prioritised) {
      dependency = readUint31(buffer, from);
      from += 5;
    }
    if (to < from) {
      this.handler.onError(ErrorCode.PROTOCOL_ERROR, 'padding longer than the frame');
      return;
    }
    const last = (flags & Flag.END_STREAM) !== 0;
    if ((flags & Flag.END_HEADERS) !== 0) this.handler.onHeaders(streamId, last, dependency, buffer, from, to);
    else this.block = new HeaderBlock(streamId, last, dependency, buffer, from, to);
  }

  private continuation(streamId: number, flags: number, buffer: Buffer, from: number, end: number): void {
    const block = this.block!;
    this.units--;
    if (streamId !== block.streamId) {
      this.handler.onError(ErrorCode.PROTOCOL_ERROR, 'CONTINUATION on another stream');
      return;
    }
    const last = (flags & Flag.END_HEADERS) !== 0;
    if (!block.append(buffer, from, end, this.limits)) {
      this.handler.onContinuationFlood();
      return;
    }
    if (!last) return;
    this.block = null;
    this.handler.onHeaders(streamId, block.end, block.dependency, block.octets, 0, block.octets.length);
  }
}
