/** One end of an HTTP/2 connection that sends whatever a test tells it to, and remembers every frame it was sent. */
import type { Socket } from 'node:net';
import { BlockDecoder, BlockEncoder } from './header-block.ts';
import * as h2 from './frames.ts';
import { Flag, Type, type Field, type Frame, type TypeName } from './frames.ts';

export type Match = TypeName | ((frame: Frame) => boolean);
/** What a peer does of itself unless told not to. */
export interface Manners {
  /** Answers SETTINGS. */
  settings: boolean;
  /** Answers PING. */
  ping: boolean;
  /** Gives back the credit of every DATA frame at once. */
  window: boolean;
}

/** A message as far as it has come: a response to a client, a request to an engine. */
export interface Message {
  readonly status: number;
  readonly headers: Readonly<Record<string, string>>;
  readonly trailers: Readonly<Record<string, string>>;
  readonly informational: readonly number[];
  readonly body: Buffer;
  /** Wherever it stood, or null. */
  readonly grpcStatus: number | null;
  /** The code of a RST_STREAM that cut it short, or null. */
  readonly reset: number | null;
}

const record = (fields: readonly Field[] = []): Record<string, string> => {
  const all: Record<string, string> = {};
  for (const [name, value] of fields) all[name] = name in all ? `${all[name]}, ${value}` : value;
  return all;
};

export class RawSession {
  readonly socket: Socket;
  readonly frames: Frame[] = [];
  readonly manners: Manners = { settings: true, ping: true, window: true };
  /** Resolves when the socket is gone, however it went. */
  readonly closed: Promise<void>;
  isClosed = false;
  readonly encoder = new BlockEncoder();
  private readonly decoder = new BlockDecoder();
  private readonly splitter = new h2.FrameSplitter();
  private readonly taken = new Set<Frame>();
  private readonly waiting = new Set<() => void>();
  private preface: number;
  private block: Frame[] = [];

  /** `preface`: octets of the other side's preface to skip. */
  constructor(socket: Socket, preface: number) {
    this.socket = socket;
    this.preface = preface;
    socket.setNoDelay(true);
    socket.on('data', (chunk: Buffer) => this.receive(chunk));
    socket.on('error', () => undefined);
    this.closed = new Promise((resolve) => {
      socket.on('close', () => {
        this.isClosed = true;
        this.wake();
        resolve();
      });
    });
  }

  /** Bytes received that make no whole frame. */
  get rest(): Buffer {
    return this.splitter.rest;
  }

  sendRaw(bytes: Uint8Array | string): void {
    if (this.socket.writable) this.socket.write(bytes);
  }
  send(...frames: readonly Buffer[]): void {
    this.sendRaw(Buffer.concat(frames));
  }
  headers(streamId: number, fields: readonly Field[], flags: number = Flag.END_STREAM): void {
    this.send(h2.headersFrame(streamId, this.encoder.encode(fields), flags | Flag.END_HEADERS));
  }
  data(streamId: number, body: Uint8Array | string, flags = 0): void {
    this.send(h2.dataFrame(streamId, body, flags));
  }
  reset(streamId: number, code: number): void {
    this.send(h2.resetFrame(streamId, code));
  }
  close(): void {
    this.socket.destroy();
  }

  /** The first frame that matches and has not been returned before, waited for if need be. */
  async next(match: Match, timeout = 3000): Promise<Frame> {
    const test = typeof match === 'string' ? (frame: Frame) => frame.typeName === match : match;
    const find = (): Frame | undefined => this.frames.find((frame) => !this.taken.has(frame) && test(frame));
    const found = await this.until(find, typeof match === 'string' ? match : 'a matching frame', timeout);
    this.taken.add(found);
    return found;
  }

  /** The whole message on a stream: until END_STREAM or RST_STREAM. */
  async message(streamId: number, timeout = 3000): Promise<Message> {
    const over = (): true | undefined =>
      this.on(streamId).some((frame) => h2.endsStream(frame) || frame.type === Type.RST_STREAM) ? true : undefined;
    await this.until(over, `the end of stream ${streamId}`, timeout);
    return this.heard(streamId);
  }

  /** What of a stream's message has come so far. */
  heard(streamId: number): Message {
    const frames = this.on(streamId);
    const lists = frames.filter((frame) => frame.type === Type.HEADERS).map((frame) => record(frame.headers));
    const informational = lists.filter((list) => list[':status']?.startsWith('1'));
    const [headers = {}, trailers = {}] = lists.slice(informational.length);
    const grpcStatus = trailers['grpc-status'] ?? headers['grpc-status'];
    return {
      status: Number(headers[':status']),
      headers,
      trailers,
      informational: informational.map((list) => Number(list[':status'])),
      body: Buffer.concat(frames.filter((frame) => frame.type === Type.DATA).map(h2.content)),
      grpcStatus: grpcStatus === undefined ? null : Number(grpcStatus),
      reset: frames.find((frame) => frame.type === Type.RST_STREAM)?.errorCode ?? null,
    };
  }

  /** Waits for the connection to be gone. */
  async gone(timeout = 3000): Promise<void> {
    await this.until(() => (this.isClosed ? true : undefined), 'the end of the connection', timeout);
  }

  /** Waits until `check` gives a value; asked again at each frame and at the end of the connection. */
  until<T>(check: () => T | undefined, what: string, timeout = 3000): Promise<T> {
    return new Promise((resolve, reject) => {
      const give = (why: string): void => {
        done();
        reject(new Error(`${why} waiting for ${what}; received: ${this.frames.map(h2.describe).join(', ')}`));
      };
      const look = (): void => {
        const value = check();
        if (value === undefined) {
          if (this.isClosed) give('connection closed');
          return;
        }
        done();
        resolve(value);
      };
      const timer = setTimeout(() => give(`${timeout} ms passed`), timeout);
      const done = (): void => {
        clearTimeout(timer);
        this.waiting.delete(look);
      };
      this.waiting.add(look);
      look();
    });
  }

  private on(streamId: number): Frame[] {
    return this.frames.filter((frame) => frame.streamId === streamId);
  }

  private receive(chunk: Buffer): void {
    const skip = Math.min(this.preface, chunk.length);
    this.preface -= skip;
    for (const frame of this.splitter.push(chunk.subarray(skip))) this.take(frame);
    this.wake();
  }

  private take(frame: Frame): void {
    if (frame.type === Type.HEADERS || frame.type === Type.CONTINUATION) this.takeBlock(frame);
    else this.frames.push(frame);
    if (frame.type === Type.SETTINGS && !h2.isAck(frame) && this.manners.settings) this.send(h2.settingsAck());
    if (frame.type === Type.PING && !h2.isAck(frame) && this.manners.ping) {
      this.send(h2.pingFrame(frame.payload, Flag.ACK));
    }
    const { length } = frame.payload;
    if (frame.type === Type.DATA && length > 0 && this.manners.window) {
      this.send(h2.windowFrame(0, length), h2.windowFrame(frame.streamId, length));
    }
  }

  /** A header block is shown once it is whole, on its HEADERS frame. */
  private takeBlock(frame: Frame): void {
    this.block.push(frame);
    if ((frame.flags & Flag.END_HEADERS) === 0) return;
    const [head, ...more] = this.block as [Frame, ...Frame[]];
    const block = Buffer.concat([h2.content(head), ...more.map(({ payload }) => payload)]);
    this.frames.push({ ...head, headers: this.decoder.decode(block) }, ...more);
    this.block = [];
  }

  private wake(): void {
    for (const look of [...this.waiting]) look();
  }
}
