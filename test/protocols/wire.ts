/** One end of a bare TCP connection that writes what it is told and reads HTTP/1.1 messages as the RFC has them. */
import { connect, createServer, type AddressInfo, type Socket } from 'node:net';
import type { TestContext } from 'node:test';

const PATIENCE = 5000;

export interface WireMessage {
  /** `GET /x HTTP/1.1` or `HTTP/1.1 200 OK`. */
  readonly start: string;
  /** As received, in order. */
  readonly fields: readonly (readonly [name: string, value: string])[];
  readonly body: Buffer;
  readonly trailers: readonly (readonly [name: string, value: string])[];
}

/** How a connection ended. */
export type End = 'fin' | 'rst';

export class Wire {
  readonly socket: Socket;
  /** All that came, and that no message was made of yet. */
  received = Buffer.alloc(0);
  /** Octets that came in all. */
  total = 0;
  ended: End | null = null;
  closed = false;
  private readonly listeners = new Set<() => void>();

  constructor(socket: Socket) {
    this.socket = socket;
    socket.on('data', (chunk: Buffer) => {
      this.total += chunk.length;
      this.received = Buffer.concat([this.received, chunk]);
      this.tell();
    });
    socket.on('end', () => {
      this.ended ??= 'fin';
      this.tell();
    });
    socket.on('error', () => {
      this.ended = 'rst';
      this.tell();
    });
    socket.on('close', () => {
      this.closed = true;
      this.ended ??= 'rst';
      this.tell();
    });
  }

  static async connect(t: TestContext, port: number): Promise<Wire> {
    const socket = connect({ port, host: '127.0.0.1', allowHalfOpen: true });
    socket.setNoDelay(true);
    const wire = new Wire(socket);
    t.after(() => socket.destroy());
    await wire.when(() => !socket.connecting, 'a connection');
    return wire;
  }

  send(...parts: readonly (string | Buffer)[]): void {
    this.socket.write(
      Buffer.concat(parts.map((part) => (typeof part === 'string' ? Buffer.from(part, 'latin1') : part))),
    );
  }
  /** One octet a write, each in a turn of its own. */
  async dribble(bytes: Buffer): Promise<void> {
    for (const octet of bytes) {
      this.socket.write(Buffer.of(octet));
      await new Promise((resolve) => setImmediate(resolve));
    }
  }
  finish(): void {
    this.socket.end();
  }
  reset(): void {
    this.socket.resetAndDestroy();
  }

  get text(): string {
    return this.received.toString('latin1');
  }

  async when(holds: () => boolean, what: string, patience = PATIENCE): Promise<void> {
    const end = performance.now() + patience;
    while (!holds()) {
      if (performance.now() > end)
        throw new Error(`no ${what}; so far: ${JSON.stringify(this.text.slice(0, 600))} ${this.ended}`);
      await new Promise<void>((resolve) => {
        const done = (): void => {
          clearTimeout(timer);
          this.listeners.delete(done);
          resolve();
        };
        const timer = setTimeout(done, 50);
        this.listeners.add(done);
      });
    }
  }
  /** Takes so many octets. */
  async take(length: number): Promise<Buffer> {
    await this.when(() => this.received.length >= length || this.ended !== null, `${length} octets`);
    if (this.received.length < length) throw new Error(`ended (${this.ended}) with ${JSON.stringify(this.text)}`);
    return this.cut(length);
  }
  /** Takes all up to and with this text. */
  async upTo(text: string): Promise<string> {
    const at = (): number => this.received.indexOf(text, 0, 'latin1');
    await this.when(() => at() >= 0 || this.ended !== null, JSON.stringify(text));
    if (at() < 0) throw new Error(`ended (${this.ended}) before ${JSON.stringify(text)}: ${JSON.stringify(this.text)}`);
    return this.cut(at() + text.length).toString('latin1');
  }
  /** Waits for the peer's end; gives how it came and what came before. */
  async end(patience = PATIENCE): Promise<{ readonly how: End; readonly rest: string }> {
    await this.when(() => this.ended !== null, 'end', patience);
    return { how: this.ended!, rest: this.text };
  }

  /** The next message: of a response to `method`, or of a request. Throws if the connection ends within. */
  async message(method = 'GET'): Promise<WireMessage> {
    const head = (await this.upTo('\r\n\r\n')).slice(0, -4).split('\r\n');
    const start = head[0]!;
    const fields = pairs(head.slice(1));
    const value = (name: string): string | undefined => fields.find(([n]) => n.toLowerCase() === name)?.[1];
    const status = start.startsWith('HTTP/') ? Number(start.slice(9, 12)) : 0;
    const bodiless = status !== 0 && (method === 'HEAD' || status < 200 || status === 204 || status === 304);
    if (bodiless) return { start, fields, body: NOTHING, trailers: [] };
    if (value('transfer-encoding')?.toLowerCase() === 'chunked') return { start, fields, ...(await this.chunks()) };
    const length = value('content-length');
    if (length !== undefined) return { start, fields, body: await this.take(Number(length)), trailers: [] };
    if (status === 0) return { start, fields, body: NOTHING, trailers: [] };
    const { how } = await this.end();
    if (how !== 'fin') throw new Error('reset within a body that ends with its connection');
    return { start, fields, body: this.cut(this.received.length), trailers: [] };
  }

  private async chunks(): Promise<Pick<WireMessage, 'body' | 'trailers'>> {
    const parts: Buffer[] = [];
    for (;;) {
      const line = (await this.upTo('\r\n')).slice(0, -2);
      if (!/^[0-9a-f]+$/i.test(line)) throw new Error(`chunk size ${JSON.stringify(line)}`);
      const size = parseInt(line, 16);
      if (size === 0) break;
      parts.push(await this.take(size));
      if ((await this.upTo('\r\n')) !== '\r\n') throw new Error('a chunk longer than it said');
    }
    const trailers: string[] = [];
    for (let line = await this.upTo('\r\n'); line !== '\r\n'; line = await this.upTo('\r\n'))
      trailers.push(line.slice(0, -2));
    return { body: Buffer.concat(parts), trailers: pairs(trailers) };
  }

  private cut(length: number): Buffer {
    const taken = this.received.subarray(0, length);
    this.received = this.received.subarray(length);
    return taken;
  }
  private tell(): void {
    for (const listener of this.listeners) listener();
  }
}

const NOTHING = Buffer.alloc(0);
const pairs = (lines: readonly string[]): (readonly [string, string])[] =>
  lines.map((line) => {
    const colon = line.indexOf(':');
    return [line.slice(0, colon), line.slice(colon + 1).trim()] as const;
  });

/** The values of a field, in order. */
export const values = ({ fields }: Pick<WireMessage, 'fields'>, name: string): string[] =>
  fields.filter(([n]) => n.toLowerCase() === name).map(([, value]) => value);

export interface WireEngine {
  readonly address: string;
  /** In the order of their coming. */
  readonly wires: readonly Wire[];
  readonly close: () => void;
}

/** A TCP server where `script` plays each connection; what it throws is kept and fails nothing. */
export async function wireEngine(
  t: TestContext,
  script: (wire: Wire, number: number) => unknown = () => undefined,
): Promise<WireEngine> {
  const wires: Wire[] = [];
  const server = createServer({ allowHalfOpen: true, noDelay: true }, (socket) => {
    const wire = new Wire(socket);
    wires.push(wire);
    void Promise.resolve(script(wire, wires.length - 1)).catch(() => undefined);
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const close = (): void => {
    server.close();
    for (const { socket } of wires) socket.destroy();
  };
  t.after(close);
  return { address: `127.0.0.1:${(server.address() as AddressInfo).port}`, wires, close };
}

export interface AnsweringEngine extends WireEngine {
  /** Every request that it received whole. */
  readonly seen: readonly WireMessage[];
}

/** An engine that answers one request after the other, with all that `answer` says. */
export async function answeringEngine(
  t: TestContext,
  answer: (request: WireMessage) => string = () => OK,
): Promise<AnsweringEngine> {
  const seen: WireMessage[] = [];
  const engine = await wireEngine(t, async (wire) => {
    for (;;) {
      const request = await wire.message();
      seen.push(request);
      wire.send(answer(request));
    }
  });
  return { ...engine, seen };
}

export const OK = 'HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok';
