/** A WebSocket (RFC 6455) that sends back what it gets, frame by frame, so that it never holds more than one. */
import type { Duplex } from 'node:stream';
import { CloseCode, FrameReader, Opcode, WebSocketError, writeFrame, type Frame } from './websocket-frames.ts';

/** For the client to hang up after the last frame: to hang up on its bytes could cost it that frame. */
const LINGER_MS = 1000;
const NOTHING = Buffer.alloc(0);

/** Takes a socket whose handshake is over. */
export function echoMessages(socket: Duplex): void {
  const echo = new Echo(socket);
  socket.on('data', (chunk: Buffer) => echo.take(chunk));
  socket.on('drain', () => socket.resume());
  socket.on('end', () => socket.end());
}

class Echo {
  private readonly socket: Duplex;
  private readonly reader = new FrameReader();
  /** Of the message whose last frame has not come yet. */
  private message: typeof Opcode.TEXT | typeof Opcode.BINARY | null = null;
  private text = new TextDecoder('utf-8', { fatal: true });
  private over = false;

  constructor(socket: Duplex) {
    this.socket = socket;
  }

  take(chunk: Buffer): void {
    try {
      for (const frame of this.reader.read(chunk)) if (!this.over) this.answer(frame);
    } catch (error) {
      if (!(error instanceof WebSocketError)) throw error;
      this.close(error.code, error.message);
    }
  }

  private answer(frame: Frame): void {
    const { opcode, payload } = frame;
    switch (opcode) {
      case Opcode.CONTINUATION:
      case Opcode.TEXT:
      case Opcode.BINARY:
        this.check(frame);
        this.send(frame);
        return;
      case Opcode.PING:
        this.send({ ...frame, opcode: Opcode.PONG });
        return;
      case Opcode.PONG:
        return;
      case Opcode.CLOSE:
        // "When sending a Close frame in response, the endpoint typically echos the status code it received." (section 5.5.1)
        if (payload.length >= 2) this.close(payload.readUInt16BE(0), '');
        else this.close(null, '');
        return;
      default:
        throw new WebSocketError(CloseCode.PROTOCOL_ERROR, `unknown opcode ${opcode}`);
    }
  }

  /** Fragments belong to a message (section 5.4), and a text is UTF-8 as a whole (section 8.1). */
  private check({ fin, opcode, payload }: Frame): void {
    if ((opcode === Opcode.CONTINUATION) === (this.message === null)) {
      throw new WebSocketError(CloseCode.PROTOCOL_ERROR, 'a fragment without a message, or a message within one');
    }
    if (opcode === Opcode.TEXT || opcode === Opcode.BINARY) this.message = opcode;
    const isText = this.message === Opcode.TEXT;
    if (fin) this.message = null;
    if (!isText) return;
    try {
      this.text.decode(payload, { stream: !fin });
    } catch {
      throw new WebSocketError(CloseCode.INVALID_PAYLOAD, 'a text that is not UTF-8');
    }
  }

  private send(frame: Frame): void {
    if (!this.socket.write(writeFrame(frame))) this.socket.pause();
  }

  private close(code: number | null, reason: string): void {
    if (this.over) return;
    this.over = true;
    const payload = code === null ? NOTHING : Buffer.from(`\0\0${reason}`);
    if (code !== null) payload.writeUInt16BE(code, 0);
    this.socket.end(writeFrame({ fin: true, opcode: Opcode.CLOSE, payload }));
    // What else comes is read, and not looked at.
    this.socket.removeAllListeners('data').resume();
    setTimeout(() => this.socket.destroy(), LINGER_MS).unref();
  }
}
