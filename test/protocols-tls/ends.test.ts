import assert from 'node:assert/strict';
import { once } from 'node:events';
import type { IncomingMessage, ServerResponse } from 'node:http';
import type { ServerHttp2Stream } from 'node:http2';
import { connect as connectPlain } from 'node:net';
import type { Socket } from 'node:net';
import { test } from 'node:test';
import type { TestContext } from 'node:test';
import { connect as connectTls } from 'node:tls';
import { buffersFree, eventually } from '../edge/eventually.ts';
import { sleep } from '../io/wire.ts';
import { clientHello } from '../listener/tls-ends.ts';
import { h2call } from '../protocols/clients.ts';
import { echoEngine, h2Engine, tcpEngine, webEngine, wsEngine } from '../protocols/engines.ts';
import { Wire } from '../protocols/wire.ts';
import { AUTHORITIES, chat, grpc, h2, https, tcp, tls, tlsWire, unary, wss } from './clients.ts';
import { grpcEngine, plainEngine } from './engines.ts';
import { stage, within, type Stage } from './stage.ts';

/** A TLS client over a socket that the test can reset: Node has no RST for a TLS socket. */
async function resettable(t: TestContext, port: number, alpn?: string): Promise<{ wire: Wire; below: Socket }> {
  const below = connectPlain({ port, host: '127.0.0.1' });
  below.on('error', () => undefined);
  await once(below, 'connect');
  const ALPNProtocols = alpn === undefined ? undefined : [alpn];
  const socket = connectTls({
    socket: below,
    ca: AUTHORITIES,
    servername: 'localhost',
    ...(ALPNProtocols && { ALPNProtocols }),
  });
  socket.on('error', () => undefined);
  t.after(() => {
    socket.destroy();
    below.destroy();
  });
  await once(socket, 'secureConnect');
  return { wire: new Wire(socket), below };
}

const GONE = {
  reset: (below: Socket): void => void below.resetAndDestroy(),
  // Without close_notify.
  'cut off': (below: Socket): void => void below.destroy(),
};

for (const [how, go] of Object.entries(GONE)) {
  test(`a client that is ${how} cancels its http/1.1 request at the engine`, async (t) => {
    let ended = 0;
    const web = await webEngine(t, (_request: IncomingMessage, response: ServerResponse) => {
      response.write('begun');
      // Without close_notify there is a FIN, which cancels nothing: only an answer to it is met by an RST.
      const more = setInterval(() => response.write('more'), 20);
      response.on('close', () => {
        clearInterval(more);
        ended += response.writableFinished ? 0 : 1;
      });
    });
    const { port, settled, exchanges } = await stage(t, { upstreams: { web: { at: web.address, protocol: 'http1' } } });
    const { wire, below } = await resettable(t, port, 'http/1.1');
    wire.send('GET / HTTP/1.1\r\nHost: localhost\r\n\r\n');
    await wire.upTo('begun');
    go(below);
    await eventually(
      () => ended === 1,
      () => 'the engine was not told',
    );
    await settled();
    assert.deepEqual(
      exchanges.map(({ failure }) => failure?.cause),
      ['client_gone'],
    );
    await buffersFree();
  });

  test(`a client that is ${how} cancels its h2 streams at the engine`, async (t) => {
    const codes: number[] = [];
    const engine = await h2Engine(t, (stream: ServerHttp2Stream) => {
      stream.respond({ ':status': 200 });
      stream.write('begun');
      stream.on('close', () => codes.push(stream.rstCode));
    });
    const { port, settled } = await stage(t, { upstreams: { main: { at: engine.address } } });
    const { wire, below } = await resettable(t, port, 'h2');
    const session = await h2(t, port, { createConnection: () => wire.socket });
    const streams = [1, 2, 3].map(() => session.request({ ':path': '/' }));
    await Promise.all(
      streams.map((stream) =>
        once(
          stream.on('error', () => undefined),
          'response',
        ),
      ),
    );
    go(below);
    await eventually(
      () => codes.length === 3,
      () => `${codes.length} of 3 ended`,
    );
    // CANCEL: RFC 9113 section 7.
    assert.deepEqual(codes, [8, 8, 8]);
    session.destroy();
    await settled();
    await buffersFree();
  });
}

test('a client that is reset ends its tunnel at the engine by a reset, and an engine that is, its client', async (t) => {
  const ends: string[] = [];
  const sockets: Socket[] = [];
  const engine = await tcpEngine(t, (socket) => {
    sockets.push(socket);
    socket.on('data', (part: Buffer) => socket.write(part));
    socket.on('end', () => ends.push('fin'));
    socket.on('error', (error: NodeJS.ErrnoException) => ends.push(error.code!));
  });
  const { port, settled } = await stage(t, { upstreams: { echo: { at: engine.address, protocol: 'tcp' } } });
  const one = await resettable(t, port);
  one.wire.send('\0one');
  await one.wire.upTo('one');
  one.below.resetAndDestroy();
  await settled();
  assert.deepEqual(ends, ['ECONNRESET']);
  const two = await resettable(t, port);
  two.wire.send('\0two');
  await two.wire.upTo('two');
  sockets.at(-1)!.resetAndDestroy();
  // TLS has no RST of its own; that close_notify does not come is how its client knows.
  await two.wire.when(() => two.wire.closed || two.below.destroyed, 'the end');
  await settled();
  await buffersFree();
});

test('a connection that is cut without close_notify is no clean end of a tunnel', async (t) => {
  const ends: string[] = [];
  const engine = await tcpEngine(t, (socket) => {
    socket.on('data', (part: Buffer) => socket.write(part));
    socket.on('end', () => {
      ends.push('fin');
      socket.end();
    });
    socket.on('error', () => ends.push('rst'));
  });
  const { port, settled } = await stage(t, { upstreams: { echo: { at: engine.address, protocol: 'tcp' } } });
  const proper = await tlsWire(t, port);
  proper.send('\0whole');
  proper.finish();
  await proper.end();
  await settled();
  assert.deepEqual(ends, ['fin']);
});

test('a WebSocket whose client is cut off is closed at the engine', async (t) => {
  const ws = await wsEngine(t);
  const { port, settled } = await stage(t, { upstreams: { ws: { at: ws.address, protocol: 'http1' } } });
  const client = wss(t, port);
  client.on('error', () => undefined);
  await once(client, 'open');
  const closed = once(ws.sockets[0]!, 'close') as Promise<[number]>;
  client.terminate();
  const [code] = await within(3000, 'the end at the engine', closed);
  // RFC 6455 section 7.1.5: "no status code was provided", since it was lost.
  assert.equal(code, 1006);
  await settled();
});

test('an idle tunnel within TLS is closed', async (t) => {
  const echo = await echoEngine(t);
  const { port, settled, exchanges } = await stage(t, {
    upstreams: { echo: { at: echo.address, protocol: 'tcp' } },
    listener: { tunnelIdleTimeout: 300 },
  });
  const wire = await tlsWire(t, port);
  wire.send('\0');
  await wire.end();
  wire.socket.destroy();
  await settled();
  assert.equal(exchanges[0]!.failure?.cause, 'tunnel_idle');
});

interface Held {
  readonly made: Stage;
  /** Answers what the engine was asked last. */
  readonly release: () => void;
}

/** An engine that answers when it is told to. */
async function held(t: TestContext, drainTimeout: number): Promise<Held> {
  const waiting: ServerResponse[] = [];
  const web = await webEngine(t, (_request, response) => waiting.push(response));
  const made = await stage(t, { upstreams: { web: { at: web.address, protocol: 'http1' } }, drainTimeout });
  return { made, release: () => waiting.splice(0).forEach((response) => response.end('at last')) };
}

test('a drain lets requests within TLS end, ends idle connections and handshakes, and takes no more', async (t) => {
  const { made, release } = await held(t, 3000);
  const { gateway, port, settled, exchanges } = made;
  const hello = await clientHello(t, { servername: 'localhost' });
  const session = await h2(t, port);
  const goaway = once(session, 'goaway');
  const answers = [https(port, { path: '/1' }), h2call(session, { headers: { ':path': '/2' } })];
  const idle = await tlsWire(t, port, { ALPNProtocols: ['http/1.1'], servername: 'localhost' });
  const unsaid = await tlsWire(t, port, { servername: 'localhost' });
  const stalled = new Wire(await tcp(t, port));
  stalled.send(hello);
  const halfway = new Wire(await tcp(t, port));
  halfway.send(hello.subarray(0, 50));
  await stalled.when(() => stalled.total > 0, 'a ServerHello');
  await sleep(100);
  const drained = gateway.drain();
  await Promise.all([goaway, idle.end(), unsaid.end(), stalled.end(), halfway.end()]);
  for (const wire of [idle, unsaid, stalled, halfway]) wire.socket.destroy();
  await assert.rejects(tls(t, port));
  release();
  for (const { status, body } of await Promise.all(answers)) assert.deepEqual([status, String(body)], [200, 'at last']);
  await within(2500, 'the drain', drained);
  await settled();
  assert.deepEqual(
    exchanges.map(({ failure }) => failure),
    [null, null],
  );
});

test('a drain whose time is over answers what is open, and ends tunnels within TLS', async (t) => {
  const web = await webEngine(t, () => undefined);
  const echo = await echoEngine(t);
  const rpc = await plainEngine(t, (socket) => void socket.resume());
  const { gateway, port, settled } = await stage(t, {
    upstreams: {
      web: { at: web.address, protocol: 'http1' },
      echo: { at: echo.address, protocol: 'tcp' },
      rpc: { at: rpc.address },
    },
    routes: [
      { protocols: ['tcp'], upstream: 'echo' },
      { protocols: ['grpc'], upstream: 'rpc' },
    ],
    drainTimeout: 500,
  });
  const session = await h2(t, port);
  const answers = Promise.all([https(port, { path: '/1' }), h2call(session, { headers: { ':path': '/2' } })]);
  const tunnel = await tlsWire(t, port);
  tunnel.send('\0');
  await tunnel.take(1);
  await sleep(100);
  await within(3000, 'the drain', gateway.drain());
  for (const { status } of await answers) assert.equal(status >= 500, true, `${status}`);
  await tunnel.end();
  tunnel.socket.destroy();
  await settled();
});

test('closing cuts everything at once: streams, tunnels, handshakes', async (t) => {
  const { made } = await held(t, 60_000);
  const { gateway, port, settled } = made;
  const session = await h2(t, port);
  const lost = [https(port, { path: '/1' }), h2call(session, { headers: { ':path': '/2' } })];
  const stalled = new Wire(await tcp(t, port));
  stalled.send(await clientHello(t, { servername: 'localhost' }));
  await stalled.when(() => stalled.total > 0, 'a ServerHello');
  const unsaid = await tlsWire(t, port, { servername: 'localhost' });
  await sleep(50);
  const outcomes = Promise.allSettled(lost);
  await gateway.close();
  for (const { status } of await within(2000, 'the end of requests', outcomes)) assert.equal(status, 'rejected');
  await Promise.all([stalled.end(), unsaid.end()]);
  for (const wire of [stalled, unsaid]) wire.socket.destroy();
  await settled();
  await buffersFree();
});

test('what is read and written is logged, and counted, within TLS as in clear text', async (t) => {
  const rpc = await grpcEngine(t);
  const web = await webEngine(t);
  const { port, settled, exchanges, count } = await stage(t, {
    upstreams: { web: { at: web.address, protocol: 'http1' }, rpc: { at: `127.0.0.1:${rpc}` } },
    routes: [{ protocols: ['grpc'], upstream: 'rpc' }],
  });
  const client = grpc(t, port);
  await unary(client, 'twelve bytes');
  await chat(client, ['a', 'b', 'c']);
  client.close();
  await https(port, { path: '/logged?x', method: 'POST', body: 'hello' });
  await settled();
  const [one, two, three] = exchanges;
  assert.deepEqual(
    [
      one!.path,
      one!.grpcStatus,
      one!.receivedBytes,
      one!.sentBytes,
      one!.receivedMessages,
      one!.sentMessages,
      one!.peer,
      one!.listener,
    ],
    ['/test.Echo/Say', 0, 17, 17, 1, 1, '127.0.0.1', 'front'],
  );
  assert.deepEqual([two!.grpcStatus, two!.receivedMessages, two!.sentMessages, two!.upstream], [0, 3, 3, 'rpc']);
  assert.deepEqual(
    [three!.method, three!.path, three!.httpStatus, three!.grpcStatus, three!.receivedBytes, three!.upstream],
    ['POST', '/logged?x', 200, null, 5, 'web'],
  );
  assert.deepEqual(
    [
      count('frameway_downstream_connections_total'),
      count('frameway_exchanges_ended_total', 'OK'),
      count('frameway_exchanges_ended_total', 'none'),
    ],
    [2, 2, 1],
  );
  assert.equal(count('frameway_downstream_received_bytes_total'), 17 + 18 + 5);
});
