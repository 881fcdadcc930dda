import { once } from 'node:events';
import { type Socket, connect } from 'node:net';

/** What a connection sends, again and again, and the bytes that have to come back each time. */
export interface Echo {
  readonly sent: Buffer;
  readonly expected: Buffer;
  /** Readies a fresh connection; leaves nothing unread. */
  readonly open?: (socket: Socket) => Promise<void>;
}

/** A payload that shows where in it a byte belongs. Its first byte begins no protocol, so a proxy that guesses knows at once. */
export function ramp(size: number): Buffer {
  return Buffer.from(Array.from({ length: size }, (_, index) => index % 251));
}

/** A load generator's connection to an echo. It compares every byte. */
export class Caller {
  /** Called for each echo that is complete, or with what is wrong. */
  onEcho: (failure?: string) => void = () => undefined;
  readonly #socket: Socket;
  readonly #sent: Buffer;
  readonly #expected: Buffer;
  /** How many bytes of an echo have come. */
  #at = 0;

  private constructor(socket: Socket, { sent, expected }: Echo) {
    this.#socket = socket;
    this.#sent = sent;
    this.#expected = expected;
    socket.on('data', (chunk: Buffer) => this.#onData(chunk));
    socket.on('error', (error) => this.onEcho(error.message));
    socket.on('close', () => this.onEcho('connection closed'));
  }

  static async connect(port: number, echo: Echo): Promise<Caller> {
    const socket = connect({ port, host: '127.0.0.1', noDelay: true });
    await once(socket, 'connect');
    await echo.open?.(socket);
    return new Caller(socket, echo);
  }

  send(): void {
    this.#socket.write(this.#sent);
  }

  /** Resets the connection, so that thousands leave no TIME_WAIT behind. */
  close(): void {
    this.onEcho = () => undefined;
    this.#socket.resetAndDestroy();
  }

  #onData(chunk: Buffer): void {
    for (let from = 0; from < chunk.length;) {
      const to = Math.min(chunk.length, from + this.#expected.length - this.#at);
      const until = this.#at + to - from;
      if (chunk.compare(this.#expected, this.#at, until, from, to) !== 0) {
        this.onEcho('not what was sent');
        return;
      }
      from = to;
      this.#at = until % this.#expected.length;
      if (this.#at === 0) this.onEcho();
    }
  }
}
