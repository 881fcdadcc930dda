/** Writes frames into whatever offers room for octets. */
import { copyRange } from '../octets.ts';
import { Flag, FRAME_HEADER, FrameType } from './frame.ts';

/** Where octets go: `buffer[at]` and on, once `reserve` has made room. `io/output` is one. */
export interface OctetSink {
  buffer: Buffer;
  at: number;
  reserve(octets: number): void;
}

/** Writes a frame header at `to[at]`; returns the position after it. Room must have been reserved. */
export function writeFrameHeader(
  to: Buffer,
  at: number,
  length: number,
  type: number,
  flags: number,
  streamId: number,
): number {
  to[at] = length >>> 16;
  to[at + 1] = length >>> 8;
  to[at + 2] = length;
  to[at + 3] = type;
  to[at + 4] = flags;
  return writeUint32(to, at + 5, streamId);
}

function writeUint32(to: Buffer, at: number, value: number): number {
  to[at] = value >>> 24;
  to[at + 1] = value >>> 16;
  to[at + 2] = value >>> 8;
  to[at + 3] = value;
  return at + 4;
}

/** A frame whose payload is numbers of 32 bits. */
function writeNumbers(sink: OctetSink, type: number, flags: number, streamId: number, a: number, b = -1): void {
  sink.reserve(FRAME_HEADER + 8);
  const { buffer } = sink;
  let at = writeFrameHeader(buffer, sink.at, b < 0 ? 4 : 8, type, flags, streamId);
  at = writeUint32(buffer, at, a);
  sink.at = b < 0 ? at : writeUint32(buffer, at, b);
}

export const writeReset = (sink: OctetSink, streamId: number, code: number): void =>
  writeNumbers(sink, FrameType.RST_STREAM, 0, streamId, code);

export const writeWindowUpdate = (sink: OctetSink, streamId: number, increment: number): void =>
  writeNumbers(sink, FrameType.WINDOW_UPDATE, 0, streamId, increment);

/** GOAWAY with a short reason as debug data. */
export function writeGoaway(sink: OctetSink, lastStreamId: number, code: number, reason: string): void {
  const length = 8 + reason.length;
  sink.reserve(FRAME_HEADER + length);
  const { buffer } = sink;
  let at = writeFrameHeader(buffer, sink.at, length, FrameType.GOAWAY, 0, 0);
  at = writeUint32(buffer, at, lastStreamId);
  at = writeUint32(buffer, at, code);
  sink.at = at + buffer.latin1Write(reason, at, reason.length);
}

/** PING, or its ACK, with the eight octets at `payload[from]`. */
export function writePing(sink: OctetSink, ack: boolean, payload: Buffer, from: number): void {
  sink.reserve(FRAME_HEADER + 8);
  const at = writeFrameHeader(sink.buffer, sink.at, 8, FrameType.PING, ack ? Flag.ACK : 0, 0);
  payload.copy(sink.buffer, at, from, from + 8);
  sink.at = at + 8;
}

/** SETTINGS with pairs of id and value. */
export function writeSettings(sink: OctetSink, settings: readonly (readonly [number, number])[]): void {
  sink.reserve(FRAME_HEADER + 6 * settings.length);
  const { buffer } = sink;
  let at = writeFrameHeader(buffer, sink.at, 6 * settings.length, FrameType.SETTINGS, 0, 0);
  for (const [id, value] of settings) {
    buffer[at] = id >>> 8;
    buffer[at + 1] = id;
    at = writeUint32(buffer, at + 2, value);
  }
  sink.at = at;
}

export function writeSettingsAck(sink: OctetSink): void {
  sink.reserve(FRAME_HEADER);
  sink.at = writeFrameHeader(sink.buffer, sink.at, 0, FrameType.SETTINGS, Flag.ACK, 0);
}

export function writeData(
  sink: OctetSink,
  streamId: number,
  from: Buffer,
  start: number,
  end: number,
  last: boolean,
): void {
  const length = end - start;
  sink.reserve(FRAME_HEADER + length);
  const { buffer } = sink;
  const flags = last ? Flag.END_STREAM : 0;
  const at = writeFrameHeader(buffer, sink.at, length, FrameType.DATA, flags, streamId);
  copyRange(from, start, end, buffer, at);
  sink.at = at + length;
}

/** A header block that stands at `block[0, length)`, as HEADERS and as many CONTINUATIONs as it takes. */
export function writeHeaderBlock(
  sink: OctetSink,
  streamId: number,
  block: Buffer,
  length: number,
  maxFrameSize: number,
  last: boolean,
): void {
  let start = 0;
  do {
    const n = Math.min(maxFrameSize, length - start);
    const flags = (start + n === length ? Flag.END_HEADERS : 0) | (start === 0 && last ? Flag.END_STREAM : 0);
    const type = start === 0 ? FrameType.HEADERS : FrameType.CONTINUATION;
    sink.reserve(FRAME_HEADER + n);
    const at = writeFrameHeader(sink.buffer, sink.at, n, type, flags, streamId);
    block.copy(sink.buffer, at, start, start + n);
    sink.at = at + n;
    start += n;
  } while (start < length);
}
