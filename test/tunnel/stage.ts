/** A client, a tunnel and an engine: real sockets, real halves and a real exchange between them. */
import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { once } from 'node:events';
import { createServer } from 'node:net';
import type { AddressInfo, Socket } from 'node:net';
import type { TestContext } from 'node:test';
import { Counters, listenerLayout, Session, sessionLayout, LIMITS } from '../../src/counters.ts';
import type { Limit } from '../../src/counters.ts';
import { makeField } from '../../src/hpack/field.ts';
import { Connection } from '../../src/io/connection.ts';
import { startWheel } from '../../src/io/timer-wheel.ts';
import { now } from '../../src/io/turn.ts';
import type { ConnectionRecord, ExchangeRecord } from '../../src/journal.ts';
import { NO_POLICY } from '../../src/relay/exchange-context.ts';
import { Exchange } from '../../src/relay/exchange.ts';
import type { CarrierSource } from '../../src/relay/half.ts';
import { RequestHead } from '../../src/relay/message.ts';
import { DEFAULT_LIMITS } from '../../src/snapshot.ts';
import type { Limits } from '../../src/snapshot.ts';
import { ForwardProxy } from '../../src/tunnel/forward-proxy.ts';
import { RawHalf } from '../../src/tunnel/raw-half.ts';
import { dial } from '../io/wire.ts';
import { Random } from '../support/random.ts';

/** What both halves share, and what they wrote down. */
export class World {
  readonly exchanges: ExchangeRecord[] = [];
  readonly connections: ConnectionRecord[] = [];
  readonly counters = new Counters(sessionLayout);
  readonly wheel = startWheel(now, assert.ifError);
  readonly limits: Limits;
  readonly journal = {
    access: true,
    exchange: (record: ExchangeRecord) => void this.exchanges.push(record),
    connection: (record: ConnectionRecord) => void this.connections.push(record),
  };

  constructor(limits: Partial<Limits> = {}) {
    this.limits = { ...DEFAULT_LIMITS, ...limits };
  }
  limited(limit: Limit): number {
    return this.counters.get(Session.LIMITED + LIMITS.indexOf(limit));
  }
  /** The causes that exchanges ended with, null for good ones. */
  get causes(): (string | null)[] {
    return this.exchanges.map(({ failure }) => failure?.cause ?? null);
  }
}

/** A CONNECT to `host:port`. */
export const connectTo = (authority: string): RequestHead =>
  new RequestHead(
    [makeField(':method', 'CONNECT'), makeField(':authority', authority)],
    'CONNECT',
    '',
    authority,
    -1,
    false,
    null,
  );

/** A server whose sockets end with the test. */
export async function serve(t: TestContext, onSocket: (socket: Socket) => void, host = '127.0.0.1'): Promise<number> {
  const sockets = new Set<Socket>();
  const server = createServer({ allowHalfOpen: true }, (socket) => {
    sockets.add(socket);
    socket.on('error', () => undefined);
    onSocket(socket);
  });
  await once(server.listen(0, host), 'listening');
  t.after(() => {
    server.close();
    for (const socket of sockets) socket.destroy();
  });
  return (server.address() as AddressInfo).port;
}

/** An address whose connections all become tunnels to `authority`. */
export async function gateway(
  t: TestContext,
  world: World,
  upstream: CarrierSource,
  authority: string,
  tunnelIdleTimeout = 0,
): Promise<number> {
  const server = createServer({ allowHalfOpen: true, pauseOnConnect: true }, (socket) => {
    Connection.accept(socket, world.counters, (connection) => {
      const half = new RawHalf(connection, world, { opening: false }, () => undefined);
      t.after(() => connection.destroy());
      const context = {
        ...{ listener: 'tcp', ...NO_POLICY, tunnelIdleTimeout, replayBuffer: world.limits.replayBuffer },
        ...{ counters: new Counters(listenerLayout), wheel: world.wheel, journal: world.journal },
      };
      const exchange = new Exchange(context, upstream, half, connectTo(authority), false, connection.remote.address);
      half.sink = exchange;
      exchange.begin();
      return half;
    });
  });
  await once(server.listen(0, '127.0.0.1'), 'listening');
  t.after(() => server.close());
  return (server.address() as AddressInfo).port;
}

export interface Ends {
  readonly world: World;
  readonly client: Socket;
  readonly engine: Socket;
}

/** A tunnel that stands. Neither end reads before it is told to. */
export async function tunnel(
  t: TestContext,
  { limits = {}, idleTimeout = 0 }: { limits?: Partial<Limits>; idleTimeout?: number } = {},
): Promise<Ends> {
  const world = new World(limits);
  let accepted: (socket: Socket) => void;
  const engine = new Promise<Socket>((resolve) => (accepted = resolve));
  const port = await serve(t, (socket) => accepted(socket));
  const proxy = new ForwardProxy({ allow: ['*'] }, world, 2000);
  const client = await dial(t, await gateway(t, world, proxy, `127.0.0.1:${port}`, idleTimeout));
  return { world, client, engine: await engine };
}

export const digest = (bytes: Buffer): string => createHash('sha256').update(bytes).digest('hex');

/** Writes all of it in pieces of any size, some of them after a while, then FIN. */
export async function trickle(socket: Socket, bytes: Buffer, random: Random): Promise<void> {
  for (let at = 0; at < bytes.length;) {
    const n = random.chance(0.2) ? random.between(1, 300_000) : random.between(1, 3000);
    if (!socket.write(bytes.subarray(at, at + n))) await once(socket, 'drain');
    if (random.chance(0.05)) await new Promise((resolve) => setTimeout(resolve, 1));
    at += n;
  }
  socket.end();
}

/** How a socket ended: 'FIN', or 'RST'. */
export function ending(socket: Socket): Promise<'FIN' | 'RST'> {
  return new Promise((resolve) => {
    socket.on('error', () => resolve('RST'));
    // libuv takes an RST behind bytes that were not read yet for a FIN; but the socket knows no peer any more.
    socket.on('end', () => resolve(socket.remoteAddress === undefined && !socket.writableEnded ? 'RST' : 'FIN'));
    socket.resume();
  });
}

export const closed = (socket: Socket): Promise<void> =>
  new Promise((resolve) => {
    if (socket.closed) resolve();
    else socket.once('close', () => resolve());
  });
