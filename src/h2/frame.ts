/** The frames of RFC 9113 section 6: their numbers, flags and the rules on length and stream that need no state. */
import { ErrorCode } from '../errors.ts';

export const FRAME_HEADER = 9;
export const PREFACE = Buffer.from('PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n', 'latin1');

export const FrameType = {
  DATA: 0x0,
  HEADERS: 0x1,
  PRIORITY: 0x2,
  RST_STREAM: 0x3,
  SETTINGS: 0x4,
  PUSH_PROMISE: 0x5,
  PING: 0x6,
  GOAWAY: 0x7,
  WINDOW_UPDATE: 0x8,
  CONTINUATION: 0x9,
} as const;

export const Flag = { END_STREAM: 0x1, ACK: 0x1, END_HEADERS: 0x4, PADDED: 0x8, PRIORITY: 0x20 } as const;

/** What a frame may look like before any state is asked. */
interface FrameRule {
  /** On a stream, on the connection (stream 0), or on either. */
  readonly on: 'stream' | 'connection' | 'either';
  readonly minLength: number;
  readonly maxLength: number;
}

const ANY = 0xffffff;
const RULES: readonly FrameRule[] = [
  { on: 'stream', minLength: 0, maxLength: ANY }, // DATA
  { on: 'stream', minLength: 0, maxLength: ANY }, // HEADERS
  { on: 'stream', minLength: 0, maxLength: ANY }, // PRIORITY: its length is an error of the stream alone
  { on: 'stream', minLength: 4, maxLength: 4 }, // RST_STREAM
  { on: 'connection', minLength: 0, maxLength: ANY }, // SETTINGS
  { on: 'stream', minLength: 4, maxLength: ANY }, // PUSH_PROMISE
  { on: 'connection', minLength: 8, maxLength: 8 }, // PING
  { on: 'connection', minLength: 8, maxLength: ANY }, // GOAWAY
  { on: 'either', minLength: 4, maxLength: 4 }, // WINDOW_UPDATE
  { on: 'stream', minLength: 0, maxLength: ANY }, // CONTINUATION
];

/** The connection error that a frame header alone amounts to; NO_ERROR if none. Unknown types are always allowed. */
export function checkFrameHeader(type: number, length: number, streamId: number): ErrorCode {
  const rule = RULES[type];
  if (rule === undefined) return ErrorCode.NO_ERROR;
  if (rule.on !== 'either' && (streamId === 0) !== (rule.on === 'connection')) return ErrorCode.PROTOCOL_ERROR;
  if (length < rule.minLength || length > rule.maxLength) return ErrorCode.FRAME_SIZE_ERROR;
  return ErrorCode.NO_ERROR;
}

export const readUint32 = (buffer: Uint8Array, at: number): number =>
  ((buffer[at]! << 24) | (buffer[at + 1]! << 16) | (buffer[at + 2]! << 8) | buffer[at + 3]!) >>> 0;

/** A stream identifier or window: "the reserved bit MUST be ignored when receiving". */
export const readUint31 = (buffer: Uint8Array, at: number): number => readUint32(buffer, at) & 0x7fffffff;
