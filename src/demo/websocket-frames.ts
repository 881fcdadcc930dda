/** WebSocket frames (RFC 6455 section 5) as a server reads and writes them. No sockets. */

export const Opcode = { CONTINUATION: 0, TEXT: 1, BINARY: 2, CLOSE: 8, PING: 9, PONG: 10 } as const;

/** Reasons to close: RFC 6455 section 7.4.1. */
export const CloseCode = { NORMAL: 1000, PROTOCOL_ERROR: 1002, INVALID_PAYLOAD: 1007, TOO_BIG: 1009 } as const;

export interface Frame {
  /** The last of its message. */
  readonly fin: boolean;
  readonly opcode: number;
  /** Unmasked. */
  readonly payload: Buffer;
}

/** The connection has to be closed with this code. */
export class WebSocketError extends Error {
  readonly code: number;
  constructor(code: number, message: string) {
    super(message);
    this.code = code;
  }
}

/** Longest payload that is read, in bytes. */
export const MAX_PAYLOAD = 1024 * 1024;
const MAX_CONTROL_PAYLOAD = 125;

const FIN = 0x80;
const RSV = 0x70;
const MASKED = 0x80;
const CONTROL = 0x08;
const SHORT_HEADER = 2;
const MASK = 4;

/** Frames out of bytes that are cut anywhere. */
export class FrameReader {
  private held: Buffer[] = [];
  private length = 0;
  private needed = SHORT_HEADER;

  /** Throws a `WebSocketError`, after which there is nothing more to read. */
  *read(chunk: Buffer): Generator<Frame> {
    this.held.push(chunk);
    this.length += chunk.length;
    // Joined once a frame is whole: joining at every chunk would copy a large frame hundreds of times.
    while (this.length >= this.needed) {
      const bytes: Buffer = this.held.length === 1 ? this.held[0]! : Buffer.concat(this.held);
      const { header, payload } = sizeOf(bytes);
      this.needed = header + payload;
      this.held = [bytes];
      if (this.length < this.needed) return;
      yield toFrame(bytes, header, this.needed);
      this.held = [bytes.subarray(this.needed)];
      this.length -= this.needed;
      this.needed = SHORT_HEADER;
    }
  }
}

/** As far as the bytes tell: while the header is not whole, no payload is known. */
function sizeOf(bytes: Buffer): { header: number; payload: number } {
  const [first = 0, second = 0] = bytes;
  // "MUST be 0 unless an extension is negotiated that defines meanings for non-zero values"
  if ((first & RSV) !== 0) throw new WebSocketError(CloseCode.PROTOCOL_ERROR, 'an extension that was not negotiated');
  // "a server MUST close the connection upon receiving a frame that is not masked" (section 5.1)
  if ((second & MASKED) === 0) throw new WebSocketError(CloseCode.PROTOCOL_ERROR, 'a frame without a mask');
  const short = second & ~MASKED;
  // "All control frames MUST have a payload length of 125 bytes or less and MUST NOT be fragmented." (section 5.5)
  if ((first & CONTROL) !== 0 && (short > MAX_CONTROL_PAYLOAD || (first & FIN) === 0)) {
    throw new WebSocketError(CloseCode.PROTOCOL_ERROR, 'a control frame that is long or fragmented');
  }
  const extended = short === 126 ? 2 : short === 127 ? 8 : 0;
  const header = SHORT_HEADER + extended + MASK;
  if (bytes.length < header) return { header, payload: 0 };
  const payload =
    extended === 0 ? short : extended === 2 ? bytes.readUInt16BE(2) : Number(bytes.readBigUInt64BE(SHORT_HEADER));
  if (payload > MAX_PAYLOAD) throw new WebSocketError(CloseCode.TOO_BIG, `at most ${MAX_PAYLOAD} bytes a frame`);
  return { header, payload };
}

function toFrame(bytes: Buffer, header: number, end: number): Frame {
  const mask = bytes.subarray(header - MASK, header);
  // A copy: the bytes may be someone else's view of the same chunk.
  const payload = Buffer.from(bytes.subarray(header, end));
  for (let i = 0; i < payload.length; i++) payload[i]! ^= mask[i % MASK]!;
  return { fin: (bytes[0]! & FIN) !== 0, opcode: bytes[0]! & 0x0f, payload };
}

/** A frame as a server sends it, without a mask. */
export function writeFrame({ fin, opcode, payload }: Frame): Buffer {
  const { length } = payload;
  const header = Buffer.alloc(length < 126 ? 2 : length < 0x1_0000 ? 4 : 10);
  header[0] = (fin ? FIN : 0) | opcode;
  header[1] = header.length === 2 ? length : header.length === 4 ? 126 : 127;
  if (header.length === 4) header.writeUInt16BE(length, 2);
  if (header.length === 10) header.writeBigUInt64BE(BigInt(length), 2);
  return Buffer.concat([header, payload]);
}
