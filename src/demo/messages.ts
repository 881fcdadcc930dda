/**
 * The messages of `fixtures/asr.proto`, by hand: a demo engine has to run where nothing but Node is installed.
 */
import { GrpcStatus } from '../errors.ts';
import { GrpcError } from './grpc.ts';

export interface RecognizeRequest {
  readonly audio: Buffer;
  readonly sampleRate: number;
}

export interface AudioChunk {
  readonly audio: Buffer;
  readonly seq: number;
}

export interface Partial {
  readonly seq: number;
  readonly text: string;
  readonly level: number;
  readonly final: boolean;
  readonly receivedMs: number;
  readonly engine: string;
}

export interface Transcript {
  readonly text: string;
  readonly receivedMs: number;
  readonly voicedMs: number;
  readonly engine: string;
}

const malformed = (): GrpcError => new GrpcError(GrpcStatus.INTERNAL, 'malformed protobuf message');

const WireType = { VARINT: 0, FIXED64: 1, BYTES: 2, FIXED32: 5 } as const;

class Reader {
  private readonly bytes: Buffer;
  private at = 0;

  constructor(bytes: Buffer) {
    this.bytes = bytes;
  }
  get done(): boolean {
    return this.at === this.bytes.length;
  }
  varint(): number {
    let value = 0;
    for (let scale = 1; scale < 2 ** 70; scale *= 128) {
      const byte = this.bytes[this.at++];
      if (byte === undefined) throw malformed();
      value += (byte & 0x7f) * scale;
      if (byte < 0x80) return value;
    }
    throw malformed();
  }
  take(length: number): Buffer {
    if (length > this.bytes.length - this.at) throw malformed();
    return this.bytes.subarray(this.at, (this.at += length));
  }
  /** The value of a field: a number, or bytes; what has a fixed width is only ever skipped here. */
  value(wireType: number): number | Buffer {
    switch (wireType) {
      case WireType.VARINT:
        return this.varint();
      case WireType.FIXED64:
        return this.take(8);
      case WireType.BYTES:
        return this.take(this.varint());
      case WireType.FIXED32:
        return this.take(4);
      default:
        throw malformed();
    }
  }
}

/** Both requests have this shape: `bytes` in field 1, `uint32` in field 2; unknown fields are passed over. */
function decode(bytes: Buffer): { audio: Buffer; number: number } {
  const reader = new Reader(bytes);
  let audio: Buffer = Buffer.alloc(0);
  let number = 0;
  while (!reader.done) {
    const tag = reader.varint();
    const field = Math.floor(tag / 8);
    const value = reader.value(tag % 8);
    if (field === 0) throw malformed();
    if (field === 1 && typeof value !== 'number' && tag % 8 === WireType.BYTES) audio = value;
    if (field === 2 && typeof value === 'number') number = value >>> 0;
  }
  return { audio, number };
}

export function decodeRecognizeRequest(bytes: Buffer): RecognizeRequest {
  const { audio, number } = decode(bytes);
  return { audio, sampleRate: number };
}

export function decodeAudioChunk(bytes: Buffer): AudioChunk {
  const { audio, number } = decode(bytes);
  return { audio, seq: number };
}

/** Fields in proto3 fashion: what has its default value is not written. */
class Writer {
  private readonly out: (number | Buffer)[] = [];

  uint32(field: number, value: number): this {
    if (value !== 0) this.varint(field * 8 + WireType.VARINT).varint(value);
    return this;
  }
  float(field: number, value: number): this {
    if (value === 0) return this;
    const bytes = Buffer.alloc(4);
    bytes.writeFloatLE(value);
    return this.varint(field * 8 + WireType.FIXED32).append(bytes);
  }
  string(field: number, value: string): this {
    if (value === '') return this;
    const bytes = Buffer.from(value);
    return this.varint(field * 8 + WireType.BYTES)
      .varint(bytes.length)
      .append(bytes);
  }
  finish(): Buffer {
    return Buffer.concat(this.out.map((part) => (typeof part === 'number' ? Buffer.of(part) : part)));
  }
  private varint(value: number): this {
    for (; value > 0x7f; value = Math.floor(value / 128)) this.out.push((value % 128) | 0x80);
    this.out.push(value);
    return this;
  }
  private append(bytes: Buffer): this {
    this.out.push(bytes);
    return this;
  }
}

export const encodePartial = (partial: Partial): Buffer =>
  new Writer()
    .uint32(1, partial.seq)
    .string(2, partial.text)
    .float(3, partial.level)
    .uint32(4, Number(partial.final))
    .uint32(5, partial.receivedMs)
    .string(6, partial.engine)
    .finish();

export const encodeTranscript = (transcript: Transcript): Buffer =>
  new Writer()
    .string(1, transcript.text)
    .uint32(2, transcript.receivedMs)
    .uint32(3, transcript.voicedMs)
    .string(4, transcript.engine)
    .finish();
