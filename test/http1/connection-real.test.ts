/** Both roles joined, between the HTTP clients and servers that everybody uses. */
import assert from 'node:assert/strict';
import { createHash, randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { Agent, createServer, request as httpRequest } from 'node:http';
import type { IncomingMessage, RequestListener } from 'node:http';
import type { AddressInfo } from 'node:net';
import { test } from 'node:test';
import type { TestContext } from 'node:test';
import type { Failure } from '../../src/errors.ts';
import type { Field } from '../../src/hpack/field.ts';
import type { Half, HalfSink } from '../../src/relay/half.ts';
import type { ResponseHead } from '../../src/relay/message.ts';
import { borrowed, until } from '../io/wire.ts';
import { Random } from '../support/random.ts';
import { connect, serve } from './stage.ts';
import type { Serving } from './stage.ts';

/** Passes on what comes from one half to the other. */
class Pass implements HalfSink {
  from!: Half;
  to!: Half;
  onInformational(fields: readonly Field[]): void {
    this.to.sendHead(fields, false, true);
  }
  onHead(head: ResponseHead, end: boolean): void {
    this.to.sendHead(head.fields, end, false, head.reason);
  }
  onData(buffer: Buffer, from: number, to: number, end: boolean): void {
    this.from.credit(this.to.sendData(buffer, from, to, end));
  }
  onTrailers(fields: readonly Field[]): void {
    this.to.sendTrailers(fields);
  }
  onSent(bytes: number): void {
    this.to.credit(bytes);
  }
  onFailed(_failure: Failure, code: number): void {
    this.to.reset(code);
  }
  onAborted(): void {
    this.to.reset(0);
  }
}

/** A proxy with a connection to the engine for each exchange. */
async function proxy(t: TestContext, listener: RequestListener): Promise<Serving> {
  const engine = createServer(listener);
  await once(engine.listen(0, '127.0.0.1'), 'listening');
  t.after(() => {
    engine.closeAllConnections();
    engine.close();
  });
  const { port } = engine.address() as AddressInfo;
  const pools: Awaited<ReturnType<typeof connect>>[] = [];
  for (let n = 0; n < 4; n++) pools.push(await connect(t, port));
  return serve(t, (call) => {
    const { http } = pools.find((pool) => pool.http.usable)!;
    const up = new Pass();
    const down = new Pass();
    (call.half as unknown as { sink: HalfSink }).sink = up;
    up.from = down.to = call.half;
    up.to = down.from = http.open(call.request, call.ended, down);
  });
}

const read = async (message: IncomingMessage): Promise<Buffer> => {
  const chunks: Buffer[] = [];
  for await (const chunk of message) chunks.push(chunk as Buffer);
  return Buffer.concat(chunks);
};
const digest = (bytes: Uint8Array): string => createHash('sha1').update(bytes).digest('hex');

test('node:http clients and servers understand each other across it, over connections that are kept', async (t) => {
  const random = new Random(3);
  const { port, connections } = await proxy(t, (request, response) => {
    void read(request).then((body) => {
      response.setHeader('X-Digest', digest(body));
      if (request.url === '/length') response.setHeader('Content-Length', body.length);
      else response.setHeader('Transfer-Encoding', 'chunked');
      response.addTrailers({ 'x-t': 'v' });
      response.end(body);
    });
  });
  const agent = new Agent({ keepAlive: true, maxSockets: 2 });
  t.after(() => agent.destroy());
  const one = async (n: number): Promise<void> => {
    const body = random.octets([0, 1, 1000, 70_000, 700_000][n % 5]!);
    const path = random.pick(['/length', '/chunked']);
    const headers = random.chance(0.5) ? { 'Content-Length': body.length } : { 'Transfer-Encoding': 'chunked' };
    const request = httpRequest({ port, host: '127.0.0.1', method: 'POST', path, agent, headers });
    request.end(body);
    const [response] = (await once(request, 'response')) as [IncomingMessage];
    const answer = await read(response);
    assert.deepEqual([digest(answer), response.headers['x-digest']], [digest(body), digest(body)]);
    if (path === '/chunked') assert.equal(response.trailers['x-t'], 'v');
  };
  await Promise.all(
    [0, 1].map(async (lane) => {
      for (let n = lane; n < 40; n += 2) await one(n);
    }),
  );
  assert.equal(connections.length, 2);
});

test('undici gets its answers, and gives its bodies', async (t) => {
  const { port } = await proxy(t, (request, response) => {
    void read(request).then((body) => response.writeHead(207, 'Quite Fine', { 'X-A': 'b' }).end(body));
  });
  for (const size of [0, 10, 300_000]) {
    const body = randomBytes(size);
    const response = await fetch(`http://127.0.0.1:${port}/p?q`, { method: 'PUT', body });
    assert.deepEqual([response.status, response.statusText, response.headers.get('x-a')], [207, 'Quite Fine', 'b']);
    assert.equal(digest(new Uint8Array(await response.arrayBuffer())), digest(body));
  }
});

test('an upgrade crosses, and both directions end on their own', async (t) => {
  const balanced = borrowed();
  const engine = createServer();
  engine.on('upgrade', (request, socket) => {
    const key = `${request.headers['sec-websocket-key']!}258EAFA5-E914-47DA-95CA-C5AB0DC85B11`;
    const accept = createHash('sha1').update(key).digest('base64');
    socket.write(
      'HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n' +
        `Sec-WebSocket-Accept: ${accept}\r\n\r\n`,
    );
    socket.pipe(socket);
  });
  await once(engine.listen(0, '127.0.0.1'), 'listening');
  t.after(() => engine.close());
  const upstream = await connect(t, (engine.address() as AddressInfo).port);
  const serving = await serve(t, (call) => {
    const up = new Pass();
    const down = new Pass();
    (call.half as unknown as { sink: HalfSink }).sink = up;
    up.from = down.to = call.half;
    up.to = down.from = upstream.http.open(call.request, call.ended, down);
  });
  const key = randomBytes(16).toString('base64');
  const request = httpRequest({
    port: serving.port,
    host: '127.0.0.1',
    headers: { Connection: 'Upgrade', Upgrade: 'websocket', 'Sec-WebSocket-Key': key, 'Sec-WebSocket-Version': '13' },
  });
  request.end();
  const [response, socket] = (await once(request, 'upgrade')) as [IncomingMessage, import('node:net').Socket];
  assert.equal(
    response.headers['sec-websocket-accept'],
    createHash('sha1').update(`${key}258EAFA5-E914-47DA-95CA-C5AB0DC85B11`).digest('base64'),
  );
  const all = new Random(5).octets(3 << 20);
  const chunks: Buffer[] = [];
  socket.on('data', (chunk: Buffer) => chunks.push(chunk));
  socket.end(all);
  await once(socket, 'end');
  assert.equal(digest(Buffer.concat(chunks)), digest(all));
  await until(() => serving.closed === 1 && upstream.events.includes('closed'));
  assert.ok(balanced(), 'buffers are missing');
});
