/** The little of WebSocket (RFC 6455) that the load and the echo backend need. */
import { createHash } from 'node:crypto';

const key = Buffer.alloc(16, 'bench').toString('base64');
const mask = Buffer.from([0x5a, 0xc3, 0x96, 0x0f]);

function accept(of: string): string {
  return createHash('sha1').update(`${of}258EAFA5-E914-47DA-95CA-C5AB0DC85B11`).digest('base64');
}

export const upgrade = [
  'GET /echo HTTP/1.1',
  'host: 127.0.0.1',
  'connection: Upgrade',
  'upgrade: websocket',
  'sec-websocket-version: 13',
  `sec-websocket-key: ${key}`,
  '\r\n',
].join('\r\n');

/** The server's answer to the head of an upgrade. */
export function upgraded(request: string): string {
  const asked = /^sec-websocket-key: *(\S+)/im.exec(request)?.[1] ?? '';
  const head = ['HTTP/1.1 101 Switching Protocols', 'connection: Upgrade', 'upgrade: websocket'];
  return [...head, `sec-websocket-accept: ${accept(asked)}`, '\r\n'].join('\r\n');
}

/** Whether the head of a response opens the tunnel that `upgrade` asks for. */
export function opens(response: string): boolean {
  const answer = /^sec-websocket-accept: *(\S+)/im.exec(response)?.[1];
  return response.startsWith('HTTP/1.1 101 ') && answer === accept(key);
}

/** A binary message in one frame, as servers send it. */
export function message(payload: Buffer): Buffer {
  return Buffer.concat([header(payload.length, 0), payload]);
}

/** The same, masked, as clients have to. */
export function maskedMessage(payload: Buffer): Buffer {
  return Buffer.concat([header(payload.length, 0x80), mask, payload.map((byte, index) => byte ^ mask[index & 3]!)]);
}

function header(size: number, masked: number): Buffer {
  if (size > 0xffff) throw new RangeError('only short messages');
  return Buffer.from(size < 126 ? [0x82, masked | size] : [0x82, masked | 126, size >> 8, size & 0xff]);
}

/** Cuts a client's bytes into messages of one frame each, and unmasks them. */
export class MessageSplitter {
  readonly #onMessage: (payload: Buffer) => void;
  #rest: Buffer = Buffer.alloc(0);

  constructor(onMessage: (payload: Buffer) => void) {
    this.#onMessage = onMessage;
  }

  push(chunk: Buffer): void {
    const bytes = this.#rest.length === 0 ? chunk : Buffer.concat([this.#rest, chunk]);
    let at = 0;
    while (bytes.length - at >= 8) {
      const short = bytes[at + 1]! & 0x7f;
      const start = at + (short < 126 ? 6 : 8);
      const end = start + (short < 126 ? short : bytes.readUInt16BE(at + 2));
      if (end > bytes.length) break;
      const payload = bytes.subarray(start, end);
      for (let index = 0; index < payload.length; index++) payload[index]! ^= bytes[start - 4 + (index & 3)]!;
      this.#onMessage(payload);
      at = end;
    }
    this.#rest = bytes.subarray(at);
  }
}
