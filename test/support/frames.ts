/** HTTP/2 frames as bytes, legal or not, written from RFC 9113 and sharing nothing with `src/`. */
export const Type = {
  DATA: 0,
  HEADERS: 1,
  PRIORITY: 2,
  RST_STREAM: 3,
  SETTINGS: 4,
  PUSH_PROMISE: 5,
  PING: 6,
  GOAWAY: 7,
  WINDOW_UPDATE: 8,
  CONTINUATION: 9,
} as const;
export type TypeName = keyof typeof Type;
const TYPE_NAMES = Object.keys(Type);

export const Flag = { END_STREAM: 0x1, ACK: 0x1, END_HEADERS: 0x4, PADDED: 0x8, PRIORITY: 0x20 } as const;
export const Setting = {
  HEADER_TABLE_SIZE: 1,
  ENABLE_PUSH: 2,
  MAX_CONCURRENT_STREAMS: 3,
  INITIAL_WINDOW_SIZE: 4,
  MAX_FRAME_SIZE: 5,
  MAX_HEADER_LIST_SIZE: 6,
  ENABLE_CONNECT_PROTOCOL: 8,
} as const;
export const PREFACE = Buffer.from('PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n');

/** `[name, value]`, in the order of the block. */
export type Field = readonly [name: string, value: string];

export interface Frame {
  readonly type: number;
  readonly typeName: string;
  readonly flags: number;
  readonly streamId: number;
  readonly payload: Buffer;
  /** Of a HEADERS frame, its CONTINUATION frames included. */
  readonly headers?: readonly Field[];
  /** Of RST_STREAM and GOAWAY. */
  readonly errorCode?: number;
  readonly lastStreamId?: number;
}

export const isAck = (frame: Frame): boolean => (frame.flags & Flag.ACK) !== 0;

/** END_STREAM, which only DATA and HEADERS can carry. */
export const endsStream = (frame: Frame): boolean =>
  (frame.type === Type.DATA || frame.type === Type.HEADERS) && (frame.flags & Flag.END_STREAM) !== 0;

/** Nine octets that may promise any length, whatever follows. */
export function frameHeader(length: number, type: number, flags: number, streamId: number): Buffer {
  const header = Buffer.alloc(9);
  header.writeUIntBE(length, 0, 3);
  header[3] = type;
  header[4] = flags;
  header.writeUInt32BE(streamId >>> 0, 5);
  return header;
}

export const frame = (type: number, flags: number, streamId: number, payload: Uint8Array | string = ''): Buffer => {
  const bytes = typeof payload === 'string' ? Buffer.from(payload) : payload;
  return Buffer.concat([frameHeader(bytes.length, type, flags, streamId), bytes]);
};

const uint32 = (...values: number[]): Buffer => {
  const bytes = Buffer.alloc(4 * values.length);
  values.forEach((value, i) => bytes.writeUInt32BE(value >>> 0, 4 * i));
  return bytes;
};

export const dataFrame = (streamId: number, body: Uint8Array | string, flags = 0): Buffer =>
  frame(Type.DATA, flags, streamId, body);
export const headersFrame = (streamId: number, block: Uint8Array, flags: number): Buffer =>
  frame(Type.HEADERS, flags, streamId, block);
export const continuationFrame = (streamId: number, block: Uint8Array, flags: number): Buffer =>
  frame(Type.CONTINUATION, flags, streamId, block);
export const resetFrame = (streamId: number, code: number): Buffer => frame(Type.RST_STREAM, 0, streamId, uint32(code));
export const pingFrame = (payload: Uint8Array | string = 'frameway', flags = 0): Buffer =>
  frame(Type.PING, flags, 0, payload);
export const goawayFrame = (lastStreamId: number, code: number, debug = ''): Buffer =>
  frame(Type.GOAWAY, 0, 0, Buffer.concat([uint32(lastStreamId, code), Buffer.from(debug)]));
export const windowFrame = (streamId: number, increment: number): Buffer =>
  frame(Type.WINDOW_UPDATE, 0, streamId, uint32(increment));
export const settingsAck = (): Buffer => frame(Type.SETTINGS, Flag.ACK, 0);

/** Pairs, because a frame may say the same setting twice. */
export function settingsFrame(...settings: readonly (readonly [id: number, value: number])[]): Buffer {
  const payload = Buffer.alloc(6 * settings.length);
  settings.forEach(([id, value], i) => {
    payload.writeUInt16BE(id, 6 * i);
    payload.writeUInt32BE(value >>> 0, 6 * i + 2);
  });
  return frame(Type.SETTINGS, 0, 0, payload);
}

/** Takes frames off the front of what has been received. */
export class FrameSplitter {
  rest = Buffer.alloc(0);

  push(chunk: Buffer): Frame[] {
    this.rest = Buffer.concat([this.rest, chunk]);
    const frames: Frame[] = [];
    let at = 0;
    while (this.rest.length - at >= 9) {
      const end = at + 9 + this.rest.readUIntBE(at, 3);
      if (end > this.rest.length) break;
      frames.push(parse(this.rest.subarray(at, end)));
      at = end;
    }
    this.rest = this.rest.subarray(at);
    return frames;
  }
}

function parse(bytes: Buffer): Frame {
  const type = bytes[3]!;
  const payload = Buffer.from(bytes.subarray(9));
  const frame = {
    type,
    typeName: TYPE_NAMES[type] ?? `UNKNOWN_${type}`,
    flags: bytes[4]!,
    streamId: bytes.readUInt32BE(5) & 0x7fffffff,
    payload,
  };
  if (type === Type.RST_STREAM) return { ...frame, errorCode: payload.readUInt32BE(0) };
  if (type === Type.GOAWAY) {
    return { ...frame, lastStreamId: payload.readUInt32BE(0), errorCode: payload.readUInt32BE(4) };
  }
  return frame;
}

/** The part of DATA or HEADERS that is not padding or priority. */
export function content(frame: Frame): Buffer {
  const padded = (frame.flags & Flag.PADDED) !== 0;
  const priority = frame.type === Type.HEADERS && (frame.flags & Flag.PRIORITY) !== 0;
  const padding = padded ? frame.payload[0]! : 0;
  return frame.payload.subarray((padded ? 1 : 0) + (priority ? 5 : 0), frame.payload.length - padding);
}

/** For messages: what a peer said, one word a frame. */
export function describe(frame: Frame): string {
  const code = frame.errorCode === undefined ? '' : ` code ${frame.errorCode}`;
  const status = frame.headers?.find(([name]) => name === ':status' || name === 'grpc-status');
  const field = status ? ` ${status.join('=')}` : '';
  const flags = `${endsStream(frame) ? ' end' : ''}${frame.type === Type.SETTINGS && isAck(frame) ? ' ack' : ''}`;
  return `${frame.typeName}[${frame.streamId}]${field}${code}${flags}`;
}
