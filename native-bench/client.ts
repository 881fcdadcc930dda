import { once } from 'node:events';
import { type Socket, connect } from 'node:net';
import {
  ACK,
  DATA,
  END_HEADERS,
  END_STREAM,
  GOAWAY,
  HEADERS,
  PING,
  RST_STREAM,
  SETTINGS,
  Splitter,
  WINDOW_UPDATE,
  defaultWindow,
  frame,
  greeting,
  isOk,
  preface,
  settingsAck,
} from './wire.ts';

/** One stream as its caller sees it. */
export interface Call {
  readonly id: number;
  /** Bytes that the proxy still lets us send. */
  window: number;
  /** Bytes of DATA received. */
  received: number;
  /** Whether the response was 200. */
  ok: boolean;
  readonly onEnd: (failure?: string) => void;
}

/** A load generator's HTTP/2 connection. It obeys the peer's send windows; its own are limitless. */
export class Client {
  /** Done once the peer's first SETTINGS have come, and what it sent with them. */
  readonly greeted: Promise<void>;
  readonly #socket: Socket;
  readonly #calls = new Map<number, Call>();
  #nextId = 1;
  #window = defaultWindow;
  #initialWindow = defaultWindow;
  #onGreeting!: () => void;

  private constructor(socket: Socket) {
    this.#socket = socket;
    this.greeted = new Promise((resolve) => (this.#onGreeting = resolve));
    const splitter = new Splitter((type, flags, id, payload) => this.#onFrame(type, flags, id, payload));
    socket.setNoDelay(true);
    socket.on('data', (chunk: Buffer) => {
      socket.cork();
      splitter.push(chunk);
      socket.uncork();
    });
    socket.on('error', (error) => this.#fail(error.message));
    socket.on('close', () => this.#fail('connection closed'));
    socket.write(Buffer.concat([preface, greeting]));
  }

  static async connect(port: number): Promise<Client> {
    const socket = connect(port, '127.0.0.1');
    await once(socket, 'connect');
    return new Client(socket);
  }

  open(block: Buffer, ends: boolean, onEnd: (failure?: string) => void): Call {
    const call: Call = { id: this.#nextId, window: this.#initialWindow, received: 0, ok: false, onEnd };
    this.#nextId += 2;
    this.#calls.set(call.id, call);
    this.#socket.write(frame(HEADERS, END_HEADERS | (ends ? END_STREAM : 0), call.id, block));
    return call;
  }

  /** Sends a ready DATA frame, or returns false when the windows do not allow it. */
  send(call: Call, data: Buffer): boolean {
    const size = data.length - 9;
    if (call.window < size || this.#window < size) return false;
    call.window -= size;
    this.#window -= size;
    this.#socket.write(data);
    return true;
  }

  end(call: Call): void {
    this.#socket.write(frame(DATA, END_STREAM, call.id));
  }

  /** Resets the connection, so that thousands leave no TIME_WAIT behind. */
  close(): void {
    this.#calls.clear();
    this.#socket.resetAndDestroy();
  }

  #onFrame(type: number, flags: number, id: number, payload: Buffer): void {
    if (type === SETTINGS) this.#onSettings(flags, payload);
    else if (type === PING && (flags & ACK) === 0) this.#socket.write(frame(PING, ACK, 0, payload));
    else if (type === WINDOW_UPDATE && id === 0) this.#window += payload.readUInt32BE(0);
    else if (type === GOAWAY) this.#fail(`GOAWAY ${payload.readUInt32BE(4)}`);
    const call = this.#calls.get(id);
    if (call === undefined) return;
    if (type === HEADERS) call.ok ||= isOk(payload);
    else if (type === DATA) call.received += payload.length;
    else if (type === WINDOW_UPDATE) call.window += payload.readUInt32BE(0);
    else if (type === RST_STREAM) this.#finish(call, `RST_STREAM ${payload.readUInt32BE(0)}`);
    if (type <= HEADERS && (flags & END_STREAM) !== 0) this.#finish(call, call.ok ? undefined : 'status not 200');
  }

  #onSettings(flags: number, payload: Buffer): void {
    if ((flags & ACK) !== 0) return;
    for (let at = 0; at < payload.length; at += 6) {
      if (payload.readUInt16BE(at) !== 4) continue;
      const size = payload.readUInt32BE(at + 2);
      for (const call of this.#calls.values()) call.window += size - this.#initialWindow;
      this.#initialWindow = size;
    }
    this.#socket.write(settingsAck);
    this.#onGreeting();
  }

  #finish(call: Call, failure?: string): void {
    this.#calls.delete(call.id);
    call.onEnd(failure);
  }

  #fail(reason: string): void {
    for (const call of this.#calls.values()) this.#finish(call, reason);
  }
}
