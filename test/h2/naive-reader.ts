/** RFC 9113 sections 4 to 6 read aloud: slow, whole, and sharing nothing with the reader that it is compared to. */
import { Flag, Type } from '../support/frames.ts';
import { LIMITS, MAX_FRAME_SIZE } from './reading.ts';
import type { Call } from './reading.ts';

interface NaiveFrame {
  readonly type: number;
  readonly streamId: number;
  readonly payload: Buffer;
  has(flag: number): boolean;
}

class ConnectionError extends Error {
  readonly code: number;
  constructor(code: number) {
    super(`connection error ${code}`);
    this.code = code;
  }
}
const PROTOCOL_ERROR = 1;
const FRAME_SIZE_ERROR = 6;
const ENHANCE_YOUR_CALM = 11;

/** What a handler has to be told of these octets, which may end in the middle of a frame. */
export function naiveCalls(octets: Buffer): Call[] {
  const calls: Call[] = [];
  let begun = false;
  let open: NaiveFrame | null = null;
  let fragments: Buffer[] = [];
  try {
    for (const frame of frames(octets)) {
      if ((open !== null) !== (frame.type === Type.CONTINUATION)) throw new ConnectionError(PROTOCOL_ERROR);
      // Section 3.4: after a client's preface, and first of all from a server.
      if (!begun && (frame.type !== Type.SETTINGS || frame.has(Flag.ACK))) throw new ConnectionError(PROTOCOL_ERROR);
      begun = true;
      checkStream(frame);
      checkLength(frame);
      if (frame.type === Type.HEADERS || open !== null) {
        if (open !== null && open.streamId !== frame.streamId) throw new ConnectionError(PROTOCOL_ERROR);
        fragments = open === null ? [content(frame)] : [...fragments, frame.payload];
        open ??= frame;
        checkBlock(fragments);
        if (!frame.has(Flag.END_HEADERS)) continue;
        const block = Buffer.concat(fragments).toString('hex');
        calls.push(['headers', open.streamId, open.has(Flag.END_STREAM), dependency(open), block]);
        open = null;
      } else calls.push(call(frame));
    }
  } catch (error) {
    if (!(error instanceof ConnectionError)) throw error;
    calls.push(['error', error.code]);
  }
  return calls;
}

function* frames(octets: Buffer): Generator<NaiveFrame> {
  for (let rest = octets; rest.length >= 9;) {
    const length = rest.readUIntBE(0, 3);
    if (length > MAX_FRAME_SIZE) throw new ConnectionError(FRAME_SIZE_ERROR);
    if (rest.length < 9 + length) return;
    const flags = rest[4]!;
    yield {
      type: rest[3]!,
      streamId: rest.readUInt32BE(5) % 2 ** 31,
      payload: rest.subarray(9, 9 + length),
      has: (flag) => (flags & flag) !== 0,
    };
    rest = rest.subarray(9 + length);
  }
}

function checkStream({ type, streamId }: NaiveFrame): void {
  const connection: number[] = [Type.SETTINGS, Type.PING, Type.GOAWAY];
  const either: number[] = [Type.WINDOW_UPDATE];
  if (type > Type.CONTINUATION || either.includes(type)) return;
  if (connection.includes(type) ? streamId !== 0 : streamId === 0) throw new ConnectionError(PROTOCOL_ERROR);
}

function checkLength({ type, payload: { length } }: NaiveFrame): void {
  const fixed: Record<number, number> = { [Type.RST_STREAM]: 4, [Type.PING]: 8, [Type.WINDOW_UPDATE]: 4 };
  const least: Record<number, number> = { [Type.PUSH_PROMISE]: 4, [Type.GOAWAY]: 8 };
  if (length !== (fixed[type] ?? length) || length < (least[type] ?? 0)) throw new ConnectionError(FRAME_SIZE_ERROR);
}

function checkBlock([first, ...more]: Buffer[]): void {
  const size = first!.length + more.reduce((sum, { length }) => sum + length, 0);
  const empty = more.filter(({ length }) => length === 0).length;
  if (more.length === 0) return;
  if (empty > 1 || more.length > LIMITS.maxContinuationFrames || size > LIMITS.maxHeaderBlockSize) {
    throw new ConnectionError(ENHANCE_YOUR_CALM);
  }
}

/** DATA or HEADERS without padding and priority. */
function content(frame: NaiveFrame): Buffer {
  const padded = frame.has(Flag.PADDED);
  const before = (padded ? 1 : 0) + (frame.type === Type.HEADERS && frame.has(Flag.PRIORITY) ? 5 : 0);
  const { payload } = frame;
  if (payload.length < before) throw new ConnectionError(FRAME_SIZE_ERROR);
  const padding = padded ? payload[0]! : 0;
  if (before + padding > payload.length) throw new ConnectionError(PROTOCOL_ERROR);
  return payload.subarray(before, payload.length - padding);
}

const dependency = (frame: NaiveFrame): number =>
  frame.has(Flag.PRIORITY) ? frame.payload.readUInt32BE(frame.has(Flag.PADDED) ? 1 : 0) % 2 ** 31 : -1;

function call(frame: NaiveFrame): Call {
  const { type, streamId, payload } = frame;
  switch (type) {
    case Type.DATA:
      return ['data', streamId, frame.has(Flag.END_STREAM), content(frame).toString('hex'), payload.length];
    case Type.PRIORITY:
      return ['priority', streamId, payload.length === 5 ? payload.readUInt32BE(0) % 2 ** 31 : 'malformed'];
    case Type.RST_STREAM:
      return ['reset', streamId, payload.readUInt32BE(0)];
    case Type.SETTINGS:
      return ['settings', frame.has(Flag.ACK), payload.toString('hex')];
    case Type.PUSH_PROMISE:
      throw new ConnectionError(PROTOCOL_ERROR);
    case Type.PING:
      return ['ping', frame.has(Flag.ACK), payload.toString('hex')];
    case Type.GOAWAY: {
      const last = payload.readUInt32BE(0) % 2 ** 31;
      return ['goaway', last, payload.readUInt32BE(4), payload.toString('hex', 8)];
    }
    case Type.WINDOW_UPDATE:
      return ['window', streamId, payload.readUInt32BE(0) % 2 ** 31];
    default:
      return ['unknown'];
  }
}
