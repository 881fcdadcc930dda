/**
 * The little of HTTP/2 that load generators and the echo engine need. They never index a field and never look into a
 * block beyond its status, so they need no HPACK tables and stay far cheaper than what they measure.
 */
export const DATA = 0;
export const HEADERS = 1;
export const RST_STREAM = 3;
export const SETTINGS = 4;
export const PING = 6;
export const GOAWAY = 7;
export const WINDOW_UPDATE = 8;

export const END_STREAM = 0x1;
export const ACK = 0x1;
export const END_HEADERS = 0x4;

export const preface = Buffer.from('PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n');
export const largestWindow = 0x7fff_ffff;
export const defaultWindow = 65_535;

export function frame(type: number, flags: number, id: number, payload: Uint8Array = Buffer.alloc(0)): Buffer {
  const bytes = Buffer.allocUnsafe(9 + payload.length);
  bytes.writeUIntBE(payload.length, 0, 3);
  bytes[3] = type;
  bytes[4] = flags;
  bytes.writeUInt32BE(id, 5);
  bytes.set(payload, 9);
  return bytes;
}

/** A literal field with a literal name; `indexed` asks the receiver to enter it in its dynamic table. */
export function literal(name: string, value: string, indexed = false): Buffer {
  if (name.length > 126 || value.length > 126) throw new RangeError('only short strings');
  const bytes = Buffer.allocUnsafe(3 + name.length + value.length);
  bytes[0] = indexed ? 0x40 : 0x00;
  bytes[1] = name.length;
  bytes.write(name, 2, 'latin1');
  bytes[2 + name.length] = value.length;
  bytes.write(value, 3 + name.length, 'latin1');
  return bytes;
}

/** SETTINGS and a WINDOW_UPDATE that make every receive window so large that no bounded load needs more credit. */
export const greeting = Buffer.concat([
  frame(SETTINGS, 0, 0, Buffer.from([0, 3, 0, 0, 0x03, 0xe8, 0, 4, 0x7f, 0xff, 0xff, 0xff])),
  frame(WINDOW_UPDATE, 0, 0, Buffer.from([0x7f, 0xff, 0, 0])),
]);
export const settingsAck = frame(SETTINGS, ACK, 0);

/** Whether a response block begins with `:status: 200`, after any table size updates. */
export function isOk(block: Uint8Array): boolean {
  let at = 0;
  while (((block[at] ?? 0) & 0xe0) === 0x20) {
    const long = (block[at++]! & 0x1f) === 0x1f;
    if (long) while ((block[at++] ?? 0) & 0x80);
  }
  return block[at] === 0x88;
}

export type OnFrame = (type: number, flags: number, id: number, payload: Buffer) => void;

/** Cuts a byte stream into frames. */
export class Splitter {
  readonly #onFrame: OnFrame;
  #rest: Buffer = Buffer.alloc(0);
  #skip: number;

  /** `skip` leading bytes are not frames: a client's preface. */
  constructor(onFrame: OnFrame, skip = 0) {
    this.#onFrame = onFrame;
    this.#skip = skip;
  }

  push(chunk: Buffer): void {
    const bytes = this.#rest.length === 0 ? chunk : Buffer.concat([this.#rest, chunk]);
    if (bytes.length < this.#skip) {
      this.#rest = bytes;
      return;
    }
    let at = this.#skip;
    this.#skip = 0;
    while (bytes.length - at >= 9) {
      const end = at + 9 + bytes.readUIntBE(at, 3);
      if (end > bytes.length) break;
      this.#onFrame(
        bytes[at + 3]!,
        bytes[at + 4]!,
        bytes.readUInt32BE(at + 5) & largestWindow,
        bytes.subarray(at + 9, end),
      );
      at = end;
    }
    this.#rest = bytes.subarray(at);
  }
}
