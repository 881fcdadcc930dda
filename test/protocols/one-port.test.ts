/** One listener, every protocol: real clients of each on one port, at the same time. */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { Agent } from 'node:http';
import { test, type TestContext } from 'node:test';
import * as grpc from '@grpc/grpc-js';
import { Client as Undici } from 'undici';
import { WebSocket } from 'ws';
import type { Transcript } from '../../fixtures/client.ts';
import { clientFor, engineFor, speech } from '../support/engine.ts';
import { Random } from '../support/random.ts';
import { digest, h2call, http1, http2 } from './clients.ts';
import { bannerEngine, echoEngine, h2Engine, pattern, tcpEngine, webEngine, wsEngine } from './engines.ts';
import { stage, type Stage } from './stage.ts';
import { Wire } from './wire.ts';

const DELAY = 50;

async function everything(t: TestContext): Promise<Stage & { engines: readonly { open: number }[] }> {
  const asr = await engineFor(t);
  const web = await webEngine(t);
  const ws = await wsEngine(t);
  const modern = await h2Engine(t);
  // A server that speaks first, and goes on as an echo: TCP has no names to be told apart by.
  const tcp = await bannerEngine(t);
  const upstreams = {
    web: { at: web.address, protocol: 'http1' },
    ws: { at: ws.address, protocol: 'http1', maxConnections: 50 },
    asr: { at: asr.address },
    modern: { at: modern.address },
    tcp: { at: tcp.address, protocol: 'tcp' },
  } as const;
  const routes = [
    { protocols: ['grpc', 'grpc_web'], upstream: 'asr' },
    { protocols: ['websocket'], hosts: ['modern.test'], upstream: 'modern' },
    { protocols: ['websocket'], upstream: 'ws' },
    { protocols: ['http'], hosts: ['modern.test'], upstream: 'modern' },
    { protocols: ['tcp'], upstream: 'tcp' },
  ] as const;
  const made = await stage(t, { upstreams, routes, listener: { serverFirstDelay: DELAY } });
  return { ...made, engines: [web, ws, modern, tcp] };
}

const ROUNDS = 60;

/** One client a protocol: each plays its round again and again. */
type Round = (i: number, random: Random) => Promise<void>;

async function rounds(t: TestContext, port: number): Promise<Readonly<Record<string, Round>>> {
  const agent = new Agent({ keepAlive: true, maxSockets: 3 });
  const undici = new Undici(`http://127.0.0.1:${port}`, { pipelining: 4 });
  const session = await http2(t, port);
  const channel = clientFor(t, `127.0.0.1:${port}`);
  const socket = new WebSocket(`ws://127.0.0.1:${port}/chat`);
  await once(socket, 'open');
  const echo = await Wire.connect(t, port);
  echo.send('\0raw\n');
  assert.equal((await echo.take(16)).toString('latin1'), '220 ready\r\n\0raw\n');
  t.after(() => {
    agent.destroy();
    socket.terminate();
    return undici.destroy();
  });
  const audio = speech();
  return {
    http1: async (i, random) => {
      const body = random.octets(random.below(100_000));
      const answer = await http1(port, { agent, path: `/one/${i}`, method: 'POST', body });
      assert.deepEqual([answer.status, answer.headers['x-digest']], [200, digest(body)]);
      assert.equal(answer.body.toString(), `POST /one/${i} ${body.length}`);
    },
    undici: async (i) => {
      const get = async (path: string): Promise<Buffer> => {
        const { body } = await undici.request({ method: 'GET', path });
        return Buffer.from(await body.arrayBuffer());
      };
      const [a, b] = await Promise.all([get(`/u/${i}?bytes=70000`), get(`/u/${i}/b`)]);
      assert.equal(digest(a), digest(pattern(70_000)));
      assert.equal(b.toString(), `GET /u/${i}/b 0`);
    },
    http2: async (i, random) => {
      const body = random.octets(random.below(100_000));
      const answer = await h2call(session, { headers: { ':path': `/two/${i}` }, body });
      assert.deepEqual([answer.status, answer.headers['x-digest']], [200, digest(body)]);
      assert.equal(answer.body.toString(), `POST /two/${i} ${body.length}`);
    },
    'http2 to http2': async (i) => {
      const headers = { ':path': `/three/${i}?bytes=50000`, ':authority': 'modern.test' };
      const answer = await h2call(session, { headers });
      assert.equal(digest(answer.body), digest(pattern(50_000)));
    },
    grpc: async () => {
      const reply = await new Promise<Transcript>((resolve, reject) => {
        channel.recognize({ audio: audio.subarray(0, 32_000) }, new grpc.Metadata(), {}, (error, transcript) =>
          error ? reject(error) : resolve(transcript!),
        );
      });
      assert.equal(reply.receivedMs, 1000);
    },
    websocket: async (i, random) => {
      const message = random.octets(random.below(50_000));
      const heard = once(socket, 'message') as Promise<[Buffer]>;
      socket.send(message);
      assert.equal(digest((await heard)[0]), digest(message), `message ${i}`);
    },
    'websocket over http2': async (i) => {
      const stream = session.request({
        ':method': 'CONNECT',
        ':protocol': 'websocket',
        ':scheme': 'http',
        ':path': `/chat/${i}`,
        ':authority': 'chat.test',
        'sec-websocket-version': '13',
      });
      const [head] = (await once(stream, 'response')) as [Record<string, unknown>];
      assert.equal(head[':status'], 200);
      stream.write(Buffer.from([0x81, 0x85, 0, 0, 0, 0, ...Buffer.from('hello')]));
      const [reply] = (await once(stream, 'data')) as [Buffer];
      assert.deepEqual(reply, Buffer.from([0x81, 5, ...Buffer.from('hello')]));
      stream.end(Buffer.from([0x88, 0x82, 0, 0, 0, 0, 0x03, 0xe8]));
      stream.resume();
      await once(stream, 'close');
    },
    echo: async (_i, random) => {
      const bytes = random.octets(1 + random.below(100_000));
      echo.send(bytes);
      assert.equal(digest(await echo.take(bytes.length)), digest(bytes));
    },
    banner: async () => {
      const wire = await Wire.connect(t, port);
      assert.equal((await wire.take(11)).toString(), '220 ready\r\n');
      wire.send('QUIT\r\n');
      wire.finish();
      assert.deepEqual(await wire.end(), { how: 'fin', rest: 'QUIT\r\n' });
    },
  };
}

test('clients of every protocol are served on one port, all at once', { timeout: 60_000 }, async (t) => {
  const { port, gateway, engines, settled } = await everything(t);
  await t.test('hundreds of interleaved calls', async (inner) => {
    const played = await rounds(inner, port);
    await Promise.all(
      Object.entries(played).map(async ([name, round], n) => {
        const random = new Random(n + 1);
        for (let i = 0; i < ROUNDS; i++) {
          await round(i, random).catch((error: unknown) => {
            throw new Error(`${name}, round ${i}`, { cause: error });
          });
        }
      }),
    );
  });
  await settled();
  assert.equal(gateway.count('frameway_failures_total'), 0);
  assert.deepEqual(
    gateway.exchanges.filter(({ failure }) => failure !== null),
    [],
  );
  assert.deepEqual(
    gateway.connections.filter(({ event }) => event === 'bug'),
    [],
  );
  assert.equal(engines.at(-1)!.open, 0, 'tunnels at the TCP engine');
});

test('a TCP server that waits for its client is reached without the delay', async (t) => {
  const echo = await echoEngine(t);
  const { port, settled } = await stage(t, { upstreams: { tcp: { at: echo.address, protocol: 'tcp' } } });
  const wire = await Wire.connect(t, port);
  wire.send('anything at all\r\n');
  wire.finish();
  assert.deepEqual(await wire.end(), { how: 'fin', rest: 'anything at all\r\n' });
  await settled();
});

test('where a server may speak first, clients that speak first are still told apart', async (t) => {
  const web = await webEngine(t);
  const banner = await tcpEngine(t, (socket) => {
    socket.end('220 ready\r\n');
    socket.resume();
  });
  const { port, settled } = await stage(t, {
    upstreams: { web: { at: web.address, protocol: 'http1' }, smtp: { at: banner.address, protocol: 'tcp' } },
    routes: [{ protocols: ['tcp'], upstream: 'smtp' }],
    listener: { serverFirstDelay: DELAY },
  });
  const silent = await Wire.connect(t, port);
  const [first, second] = await Promise.all([http1(port, { path: '/a' }), silent.end()]);
  assert.equal(first.body.toString(), 'GET /a 0');
  assert.deepEqual(second, { how: 'fin', rest: '220 ready\r\n' });
  silent.finish();
  await settled();
});

test('without server_first_delay a silent client opens nothing', async (t) => {
  const web = await webEngine(t);
  const banner = await bannerEngine(t);
  const { port } = await stage(t, {
    upstreams: { web: { at: web.address, protocol: 'http1' }, smtp: { at: banner.address, protocol: 'tcp' } },
    routes: [{ protocols: ['tcp'], upstream: 'smtp' }],
    listener: { sniffTimeout: 300 },
  });
  const wire = await Wire.connect(t, port);
  const { rest } = await wire.end();
  assert.deepEqual([rest, banner.accepted], ['', 0]);
});
