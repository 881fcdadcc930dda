/** Real sockets on loopback with a `Connection` at one end, and a handler that remembers what it was told. */
import { once } from 'node:events';
import { connect, createServer } from 'node:net';
import type { AddressInfo, Server, Socket } from 'node:net';
import type { TestContext } from 'node:test';
import { Counters, sessionLayout } from '../../src/counters.ts';
import { Connection } from '../../src/io/connection.ts';
import type { ConnectionHandler } from '../../src/io/connection.ts';
import { slabs } from '../../src/io/buffer-pool.ts';
import { budget } from '../../src/io/budget.ts';

export class Recorder implements ConnectionHandler {
  connection!: Connection;
  /** Length of each read, and whatever buffers they came in. */
  readonly reads: number[] = [];
  readonly buffers = new Set<Buffer>();
  readonly closes: (Error | null)[] = [];
  readonly bugs: Error[] = [];
  ends = 0;
  drains = 0;
  /** What a test wants done besides remembering. */
  private readonly script: Partial<ConnectionHandler>;
  private readonly chunks: Buffer[] = [];

  constructor(script: Partial<ConnectionHandler> = {}) {
    this.script = script;
  }
  get received(): Buffer {
    return Buffer.concat(this.chunks);
  }
  get text(): string {
    return this.received.toString();
  }
  onRead(buffer: Buffer, start: number, end: number): void {
    this.reads.push(end - start);
    this.buffers.add(buffer);
    this.chunks.push(Buffer.from(buffer.subarray(start, end)));
    this.script.onRead?.(buffer, start, end);
  }
  onEnd(): void {
    this.ends++;
    this.script.onEnd?.();
  }
  onClose(error: Error | null): void {
    this.closes.push(error);
    this.script.onClose?.(error);
  }
  onDrain(): void {
    this.drains++;
    this.script.onDrain?.();
  }
  onBug(error: Error): void {
    this.bugs.push(error);
    if (this.script.onBug) this.script.onBug(error);
    else this.connection.destroy(error);
  }
  say(bytes: Uint8Array | string): void {
    say(this.connection, bytes);
  }
}

/** Copies bytes into the output, a slab at most at a time. */
export function say({ output }: Connection, bytes: Uint8Array | string): void {
  const all = Buffer.from(bytes);
  output.awaited = true;
  for (let at = 0; at < all.length;) {
    const n = Math.min(all.length - at, 16 * 1024);
    output.reserve(n);
    all.copy(output.buffer, output.at, at, at + n);
    output.at += n;
    at += n;
  }
}

export const counters = (): Counters => new Counters(sessionLayout);
export const sleep = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms));
export const turnOver = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

export async function until(check: () => boolean, what = check.toString(), ms = 3000): Promise<void> {
  const end = performance.now() + ms;
  while (!check()) {
    await sleep(1);
    if (performance.now() > end) throw new Error(`${ms} ms passed waiting for ${what}`);
  }
}

/** A server as the listener makes it; it and all that it accepted end with the test. */
export async function listen(t: TestContext, onSocket: (socket: Socket) => void): Promise<Server & { port: number }> {
  const sockets = new Set<Socket>();
  const server = createServer({ pauseOnConnect: true, allowHalfOpen: true }, onSocket);
  await once(server.listen(0, '127.0.0.1'), 'listening');
  t.after(() => {
    server.close();
    for (const socket of sockets) socket.destroy();
  });
  return Object.assign(server, { port: (server.address() as AddressInfo).port });
}

/** The other end: an ordinary socket. */
export async function dial(t: TestContext, port: number): Promise<Socket> {
  const socket = connect({ port, host: '127.0.0.1', allowHalfOpen: true });
  socket.setNoDelay(true);
  socket.on('error', () => undefined);
  t.after(() => socket.destroy());
  await once(socket, 'connect');
  return socket;
}

export function adoptAs(recorder: Recorder, socket: Socket): Recorder {
  Connection.accept(socket, counters(), (connection) => {
    recorder.connection = connection;
    return recorder;
  });
  return recorder;
}

/** A socket's peer: a connection adopted at once. */
export async function joined(
  t: TestContext,
  recorder: Recorder = new Recorder(),
): Promise<{ recorder: Recorder; peer: Socket }> {
  const server = await listen(t, (socket) => adoptAs(recorder, socket));
  const peer = await dial(t, server.port);
  t.after(() => recorder.connection.destroy());
  await until(() => 'connection' in recorder && (recorder.connection as Connection | undefined) !== undefined);
  return { recorder, peer };
}

/** All that a socket is sent until FIN. */
export async function drink(socket: Socket): Promise<Buffer> {
  const chunks: Buffer[] = [];
  socket.on('data', (chunk: Buffer) => chunks.push(chunk));
  await once(socket, 'end');
  return Buffer.concat(chunks);
}

/** Fails unless what was borrowed since has been given back, and nothing was given back twice. */
export function borrowed(): () => boolean {
  const { used } = budget;
  return () => {
    const free = Array.from({ length: slabs.freeBuffers }, () => slabs.take());
    const distinct = new Set(free).size === free.length;
    for (const slab of free) slabs.give(slab);
    return budget.used === used && distinct;
  };
}
