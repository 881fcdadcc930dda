/** Both roles of an HTTP/1.1 connection over real sockets, with sinks that remember what they were told. */
import { once } from 'node:events';
import { createServer } from 'node:net';
import type { AddressInfo, Socket } from 'node:net';
import type { TestContext } from 'node:test';
import { Counters, sessionLayout } from '../../src/counters.ts';
import type { Failure } from '../../src/errors.ts';
import { makeField } from '../../src/hpack/field.ts';
import type { Field } from '../../src/hpack/field.ts';
import { ClientConnection } from '../../src/http1/client-connection.ts';
import type { Http1Context } from '../../src/http1/context.ts';
import { ServerConnection } from '../../src/http1/server-connection.ts';
import { Connection } from '../../src/io/connection.ts';
import { startWheel } from '../../src/io/timer-wheel.ts';
import { now } from '../../src/io/turn.ts';
import type { ConnectionRecord } from '../../src/journal.ts';
import type { Half, HalfSink } from '../../src/relay/half.ts';
import { replyLocally } from '../../src/relay/local-reply.ts';
import { RequestHead } from '../../src/relay/message.ts';
import type { ResponseHead } from '../../src/relay/message.ts';
import { DEFAULT_LIMITS } from '../../src/snapshot.ts';
import type { Limits } from '../../src/snapshot.ts';
import { dial, listen, until } from '../io/wire.ts';

export interface World extends Http1Context {
  readonly records: ConnectionRecord[];
  /** What timers threw. */
  readonly bugs: unknown[];
}

export function world(limits: Partial<Limits> = {}): World {
  const records: ConnectionRecord[] = [];
  const bugs: unknown[] = [];
  const journal = {
    access: false,
    exchange: () => undefined,
    connection: (record: ConnectionRecord) => void records.push(record),
  };
  const wheel = startWheel(now, (error) => bugs.push(error));
  return {
    limits: { ...DEFAULT_LIMITS, ...limits },
    counters: new Counters(sessionLayout),
    wheel,
    journal,
    records,
    bugs,
  };
}

export const fieldsOf = (pairs: readonly (readonly [string, string])[]): Field[] =>
  pairs.map(([name, value]) => makeField(name, value));
export const pairsOf = (fields: readonly Field[]): (readonly [string, string])[] =>
  fields.map(({ name, value }) => [name.text, value] as const);

/** What came from one half, and what a test wants done about it. */
export class Told implements HalfSink {
  half!: Half;
  /** Credit is given at once. */
  generous = true;
  readonly informational: (readonly Field[])[] = [];
  head: ResponseHead | null = null;
  trailers: readonly Field[] | null = null;
  /** Calls of `onData`, and the bytes of them. */
  datas = 0;
  ended = false;
  sent = 0;
  readonly failures: [Failure, number][] = [];
  readonly aborts: Failure[] = [];
  private readonly chunks: Buffer[] = [];
  private readonly script: Partial<HalfSink>;

  constructor(script: Partial<HalfSink> = {}) {
    this.script = script;
  }
  get received(): Buffer {
    return Buffer.concat(this.chunks);
  }
  get text(): string {
    return this.received.toString('latin1');
  }
  get failure(): Failure | null {
    return this.failures[0]?.[0] ?? null;
  }

  onInformational(fields: readonly Field[]): void {
    this.informational.push(fields);
  }
  onHead(head: ResponseHead, end: boolean): void {
    this.head = head;
    this.ended = end;
    this.script.onHead?.(head, end);
  }
  onData(buffer: Buffer, from: number, to: number, end: boolean): void {
    if (this.ended) throw new Error('data after the end');
    this.datas++;
    this.chunks.push(Buffer.from(buffer.subarray(from, to)));
    this.ended = end;
    if (this.generous) this.half.credit(to - from);
    this.script.onData?.(buffer, from, to, end);
  }
  onTrailers(fields: readonly Field[]): void {
    this.trailers = fields;
    this.ended = true;
  }
  onSent(bytes: number): void {
    this.sent += bytes;
  }
  onFailed(failure: Failure, code: number): void {
    this.failures.push([failure, code]);
  }
  onAborted(failure: Failure): void {
    this.aborts.push(failure);
    this.script.onAborted?.(failure);
  }
}

/** A request that came to the server, with the half that answers it. */
export class Call extends Told {
  readonly request: RequestHead;

  constructor(half: Half, request: RequestHead, end: boolean) {
    super();
    this.half = half;
    this.request = request;
    this.ended = end;
  }
  answer(pairs: readonly (readonly [string, string])[], body: string | Uint8Array | null = null): void {
    this.half.sendHead(fieldsOf(pairs), body === null);
    if (body !== null) this.send(body, true);
  }
  send(bytes: string | Uint8Array, end = false): number {
    const buffer = Buffer.from(bytes);
    return this.half.sendData(buffer, 0, buffer.length, end);
  }
}

/** What a server's connections saw. */
export class Serving {
  readonly world: World;
  readonly calls: Call[] = [];
  readonly refused: [Failure, string][] = [];
  readonly connections: ServerConnection[] = [];
  closed = 0;
  port = 0;
  onCall: (call: Call) => void;

  constructor(world: World, onCall: (call: Call) => void) {
    this.world = world;
    this.onCall = onCall;
  }
  async call(n: number): Promise<Call> {
    await until(() => this.calls.length > n, `call ${n}`);
    return this.calls[n]!;
  }
}

export async function serve(
  t: TestContext,
  onCall: (call: Call) => void = () => undefined,
  limits: Partial<Limits> = {},
): Promise<Serving> {
  const serving = new Serving(world(limits), onCall);
  const server = await listen(t, (socket) => {
    Connection.accept(socket, serving.world.counters, (connection) => {
      t.after(() => connection.destroy());
      const http = new ServerConnection(
        connection,
        serving.world,
        {
          onRequest(half, head, end) {
            const call = new Call(half, head, end);
            half.sink = call;
            serving.calls.push(call);
            serving.onCall(call);
          },
          onRefused(half, failure, method) {
            serving.refused.push([failure, method]);
            replyLocally(half, failure, false, method);
            half.stop();
          },
          onClosed: () => serving.closed++,
        },
        'http',
      );
      serving.connections.push(http);
      return http;
    });
  });
  serving.port = server.port;
  return serving;
}

/** The other end of a connection, as text. */
export class Peer {
  readonly socket: Socket;
  text = '';
  ended = false;
  closed = false;
  error: Error | null = null;

  constructor(socket: Socket) {
    this.socket = socket;
    socket.on('data', (chunk: Buffer) => (this.text += chunk.toString('latin1')));
    socket.on('end', () => (this.ended = true));
    socket.on('close', () => (this.closed = true));
    socket.on('error', (error) => (this.error = error));
  }
  say(text: string | Uint8Array): void {
    this.socket.write(typeof text === 'string' ? Buffer.from(text, 'latin1') : text);
  }
  async hears(text: string): Promise<void> {
    await until(() => this.text.includes(text), `${JSON.stringify(text)} in ${JSON.stringify(this.text)}`);
  }
  /** The end of the connection: whether it was an RST. */
  async cut(): Promise<boolean> {
    await until(() => this.ended || this.closed, 'the end of the connection');
    return !this.ended;
  }
}

export const visit = async (t: TestContext, port: number): Promise<Peer> => new Peer(await dial(t, port));

/** A connection of the client's role, and the engine at its other end. */
export interface Pair {
  readonly http: ClientConnection;
  readonly engine: Peer;
  readonly world: World;
  readonly events: string[];
}

/** Opens a connection to a port and waits until it stands. */
export async function connect(
  t: TestContext,
  port: number,
  limits: Partial<Limits> = {},
): Promise<Omit<Pair, 'engine'>> {
  const events: string[] = [];
  const here = world(limits);
  let stands = false;
  const connection = Connection.open({ host: '127.0.0.1', port }, here.counters, () => (stands = true));
  t.after(() => connection.destroy());
  const http = new ClientConnection(connection, here, {
    onFree: () => events.push('free'),
    onRetired: () => events.push('retired'),
    onClosed: () => events.push('closed'),
  });
  connection.begin(http, true);
  await until(() => stands, 'the connection');
  return { http, world: here, events };
}

export async function pair(t: TestContext, limits: Partial<Limits> = {}): Promise<Pair> {
  const accepted: Socket[] = [];
  const server = createServer({ allowHalfOpen: true }, (socket) => accepted.push(socket));
  await once(server.listen(0, '127.0.0.1'), 'listening');
  t.after(() => {
    server.close();
    for (const socket of accepted) socket.destroy();
  });
  const connected = await connect(t, (server.address() as AddressInfo).port, limits);
  await until(() => accepted.length === 1, 'the engine');
  return { ...connected, engine: new Peer(accepted[0]!) };
}

/** A request head in its h2 form. */
export function request(
  method: string,
  path: string,
  more: readonly (readonly [string, string])[] = [],
  upgrade: string | null = null,
): RequestHead {
  const tunnel = method === 'CONNECT' && upgrade === null;
  const pseudo: [string, string][] = [[':method', method]];
  if (!tunnel) pseudo.push([':scheme', 'http']);
  pseudo.push([':authority', tunnel ? path : 'engine.test']);
  if (!tunnel) pseudo.push([':path', path]);
  if (upgrade !== null) pseudo.push([':protocol', upgrade]);
  const length = more.find(([name]) => name === 'content-length')?.[1];
  const fields = fieldsOf([...pseudo, ...more]);
  return new RequestHead(fields, method, path, 'engine.test', Number(length ?? -1), false, null, upgrade);
}

/** Sends a request, and remembers what comes of it. */
export function send(http: ClientConnection, head: RequestHead, end = true, told = new Told()): Told {
  told.half = http.open(head, end, told);
  return told;
}
