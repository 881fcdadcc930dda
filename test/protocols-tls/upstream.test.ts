import assert from 'node:assert/strict';
import { once } from 'node:events';
import { createServer as createHttps } from 'node:https';
import { test } from 'node:test';
import { WebSocketServer } from 'ws';
import type { UpstreamTlsSpec } from '../../src/snapshot.ts';
import { LISTENER_CA, pair, pem } from '../listener/tls-ends.ts';
import { h2call, http1, http2 } from '../protocols/clients.ts';
import { webEngine } from '../protocols/engines.ts';
import { Wire } from '../protocols/wire.ts';
import { chat, grpc, h2, https, tcp, tlsWire, unary, wss } from './clients.ts';
import { grpcEngine, h2TlsEngine, httpsEngine, listening, plainEngine, tlsEngine } from './engines.ts';
import { stage } from './stage.ts';

/** Believes the authority that signed `server`, which is localhost and 127.0.0.1. */
const KNOWN: UpstreamTlsSpec = { ca: pem('ca.pem'), certificate: null, key: null, serverName: '', verify: true };
const WRONG: UpstreamTlsSpec = { ...KNOWN, ca: pem('other-ca.pem') };

test('engines over TLS are reached by h2, http/1.1 with and without ALPN, and as bytes', async (t) => {
  const [two, alpn, bare, echo] = await Promise.all([
    h2TlsEngine(t),
    httpsEngine(t, { ALPNProtocols: ['http/1.1'] }),
    tlsEngine(t, (socket) => {
      // A server that knows of no ALPN, and answers one request.
      socket.once('data', () => socket.end('HTTP/1.1 200 OK\r\nContent-Length: 4\r\nConnection: close\r\n\r\nbare'));
    }),
    tlsEngine(t),
  ]);
  const { port, settled } = await stage(t, {
    upstreams: {
      two: { at: two.address, protocol: 'h2', tls: KNOWN },
      alpn: { at: alpn.address, protocol: 'http1', tls: KNOWN },
      bare: { at: bare.address, protocol: 'http1', tls: KNOWN },
      echo: { at: echo.address, protocol: 'tcp', tls: KNOWN },
    },
    routes: [
      { protocols: ['tcp'], upstream: 'echo' },
      { hosts: ['alpn.test'], upstream: 'alpn' },
      { hosts: ['bare.test'], upstream: 'bare' },
    ],
  });
  const session = await h2(t, port);
  const clear = await http2(t, port);
  for (const [host, expected] of [
    ['two.test', 'GET /x'],
    ['alpn.test', 'GET /x 0'],
    ['bare.test', 'bare'],
  ] as const) {
    const headers = { ':path': '/x', ':authority': host };
    const bodies = [
      await https(port, { path: '/x', headers: { host } }),
      await http1(port, { path: '/x', headers: { host } }),
      await h2call(session, { headers }),
      await h2call(clear, { headers }),
    ].map(({ body }) => body.toString());
    assert.deepEqual(bodies, [expected, expected, expected, expected], host);
  }
  for (const wire of [await tlsWire(t, port), new Wire(await tcp(t, port))]) {
    wire.send('\0 to and fro');
    wire.finish();
    assert.deepEqual(await wire.end(), { how: 'fin', rest: '\0 to and fro' });
  }
  session.destroy();
  clear.destroy();
  await settled();
  assert.deepEqual(new Set(two.hellos.map(([, protocol]) => protocol)), new Set(['h2']));
  assert.deepEqual(new Set(alpn.hellos.map(([, protocol]) => protocol)), new Set(['http/1.1']));
});

test('an engine whose certificate a wrong authority signed gets nothing: 502, UNAVAILABLE, and a closed tunnel', async (t) => {
  let heard = 0;
  const hear = (): void => {
    heard++;
  };
  const rpc = await grpcEngine(t, true);
  const engines = await Promise.all([
    httpsEngine(t),
    tlsEngine(t, (socket) => socket.on('data', hear)),
    h2TlsEngine(t, { ALPNProtocols: ['h2'] }),
  ]);
  const [web, echo, two] = engines;
  const { port, settled, exchanges, connections } = await stage(t, {
    upstreams: {
      web: { at: web.address, protocol: 'http1', tls: WRONG },
      echo: { at: echo.address, protocol: 'tcp', tls: WRONG },
      two: { at: two.address, protocol: 'h2', tls: WRONG },
      rpc: { at: `127.0.0.1:${rpc}`, protocol: 'h2', tls: WRONG },
    },
    routes: [
      { protocols: ['tcp'], upstream: 'echo' },
      { protocols: ['grpc'], upstream: 'rpc' },
      { hosts: ['two.test'], upstream: 'two' },
    ],
  });
  const statuses = [
    (await https(port, { path: '/' })).status,
    (await https(port, { path: '/', headers: { host: 'two.test' } })).status,
    (await http1(port, { path: '/' })).status,
  ];
  assert.deepEqual(statuses, [502, 502, 502]);
  const client = grpc(t, port);
  await assert.rejects(unary(client, 'x'), { code: 14 });
  client.close();
  const wire = await tlsWire(t, port);
  wire.send('\0secret');
  assert.equal((await wire.end()).rest, '');
  wire.socket.destroy();
  await settled();
  assert.equal(heard, 0, 'not an octet was said to it');
  for (const { failure } of exchanges) assert.equal(failure?.side, 'upstream');
  const told = connections.filter(({ event }) => event === 'connect_failed');
  assert.equal(told.length >= 4, true, 'the operator is told of each');
  for (const { message } of told) assert.match(message, /certificate/i);
});

test('the name in the certificate has to be that of the engine, or the one that is configured', async (t) => {
  const other = await httpsEngine(t, pair('other-name'));
  const upstreams = (tls: UpstreamTlsSpec) => ({
    upstreams: { web: { at: other.address, protocol: 'http1' as const, tls } },
  });
  const wrong = await stage(t, upstreams(KNOWN));
  assert.equal((await https(wrong.port)).status, 502);
  const right = await stage(t, upstreams({ ...KNOWN, serverName: 'other.test' }));
  assert.equal((await https(right.port)).status, 200);
  const blind = await stage(t, upstreams({ ...WRONG, verify: false }));
  assert.equal((await https(blind.port)).status, 200);
  assert.deepEqual(other.hellos.at(0)?.[0], 'other.test');
});

test('engines ask for a certificate, and are shown that of the gateway', async (t) => {
  const asks = { ca: LISTENER_CA, requestCert: true, rejectUnauthorized: true };
  const [web, echo] = await Promise.all([httpsEngine(t, asks), tlsEngine(t, undefined, asks)]);
  const { cert: certificate, key } = pair('reader');
  const { port, settled } = await stage(t, {
    upstreams: {
      web: { at: web.address, protocol: 'http1', tls: { ...KNOWN, certificate, key } },
      echo: { at: echo.address, protocol: 'tcp', tls: { ...KNOWN, certificate, key } },
      naked: { at: web.address, protocol: 'http1', tls: KNOWN },
    },
    routes: [
      { protocols: ['tcp'], upstream: 'echo' },
      { hosts: ['naked.test'], upstream: 'naked' },
    ],
  });
  assert.equal((await https(port)).status, 200);
  const { status } = await https(port, { headers: { host: 'naked.test' } });
  assert.equal(status === 502 || status === 503, true, `${status}`);
  const wire = await tlsWire(t, port);
  wire.send('\0x');
  wire.finish();
  assert.equal((await wire.end()).rest, '\0x');
  await settled();
});

test('an engine in clear text where TLS is asked for, and one that stalls in its handshake, are no engines', async (t) => {
  const [clear, stalled] = await Promise.all([webEngine(t), plainEngine(t, (socket) => void socket.resume())]);
  const { port, settled } = await stage(t, {
    upstreams: {
      clear: { at: clear.address, protocol: 'http1', tls: KNOWN },
      stalled: { at: stalled.address, protocol: 'http1', tls: KNOWN, connectTimeout: 300 },
    },
    routes: [{ hosts: ['stalled.test'], upstream: 'stalled' }],
  });
  assert.equal((await https(port)).status, 502);
  const begin = performance.now();
  assert.equal((await https(port, { headers: { host: 'stalled.test' } })).status, 504);
  assert.equal(performance.now() - begin < 2000, true);
  await settled();
  assert.equal(clear.seen.length, 0);
});

test('where one engine has a wrong certificate, the calls go to the other', async (t) => {
  const [bad, good] = await Promise.all([httpsEngine(t, pair('other-name')), httpsEngine(t)]);
  const [badEcho, goodEcho] = await Promise.all([tlsEngine(t, undefined, pair('other-name')), tlsEngine(t)]);
  const { port, settled } = await stage(t, {
    upstreams: {
      web: { at: [bad.address, good.address], protocol: 'http1', tls: KNOWN },
      echo: { at: [badEcho.address, goodEcho.address], protocol: 'tcp', tls: KNOWN },
    },
    routes: [{ protocols: ['tcp'], upstream: 'echo' }],
  });
  for (let i = 0; i < 6; i++) {
    assert.equal((await https(port, { path: `/${i}` })).status, 200, `request ${i}`);
    const wire = await tlsWire(t, port);
    wire.send(`\0${i}`);
    wire.finish();
    assert.equal((await wire.end()).rest, `\0${i}`, `tunnel ${i}`);
  }
  await settled();
  assert.deepEqual([bad.hellos.length, badEcho.hellos.length], [0, 0]);
});

for (const secure of [true, false]) {
  test(`an engine that is named localhost serves gRPC ${secure ? 'over TLS' : 'in clear text'}`, async (t) => {
    const rpc = await grpcEngine(t, secure);
    const { port, settled, exchanges } = await stage(t, {
      upstreams: { rpc: { at: `localhost:${rpc}`, tls: secure ? KNOWN : null } },
    });
    const client = grpc(t, port);
    assert.equal(String(await unary(client, 'hello')), 'hello');
    assert.equal((await chat(client, ['a', 'b'])).code, 0);
    client.close();
    await settled();
    assert.deepEqual(
      exchanges.map(({ grpcStatus, endpoint, failure }) => [grpcStatus, endpoint?.split(':').at(-1), failure]),
      [
        [0, String(rpc), null],
        [0, String(rpc), null],
      ],
    );
  });
}

test('the name of an engine is what its certificate has to bear, whatever address it stands for', async (t) => {
  // `other.test` is the certificate of 127.0.0.1 here; localhost is not in it.
  const other = await h2TlsEngine(t, pair('other-name'));
  const { port } = await stage(t, { upstreams: { rpc: { at: `localhost:${other.port}`, tls: KNOWN } } });
  assert.equal((await https(port)).status, 502);
  const named = await h2TlsEngine(t);
  const right = await stage(t, { upstreams: { rpc: { at: `localhost:${named.port}`, tls: KNOWN } } });
  assert.equal((await https(right.port)).status, 200);
  assert.deepEqual(named.hellos[0], ['localhost', 'h2']);
});

test('an engine over TLS whose keep-alive ends between requests costs no request', { timeout: 30_000 }, async (t) => {
  const bare = await tlsEngine(t, (socket) => {
    // Answers two requests, and then closes as if it had been idle for too long.
    let answers = 0;
    socket.on('data', () => {
      socket.write('HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok');
      if (++answers === 2) socket.end();
    });
  });
  const { port, settled, exchanges } = await stage(t, {
    upstreams: { bare: { at: bare.address, protocol: 'http1', tls: KNOWN } },
  });
  for (let i = 0; i < 20; i++) assert.equal((await https(port, { path: `/${i}` })).status, 200, `request ${i}`);
  await settled();
  assert.equal(exchanges.filter(({ failure }) => failure !== null).length, 0);
});

for (const [how, head, go] of [
  ['cut off within its content-length', 'Content-Length: 100', 'destroy'],
  ['ended by close_notify within its content-length', 'Content-Length: 100', 'end'],
  ['ended by close_notify within its chunks', 'Transfer-Encoding: chunked', 'end'],
  ['cut off within its chunks', 'Transfer-Encoding: chunked', 'destroy'],
] as const) {
  test(`an engine over TLS that is ${how} never looks like a clean end`, async (t) => {
    const engine = await tlsEngine(t, (socket) => {
      socket.once('data', () => {
        socket.write(`HTTP/1.1 200 OK\r\n${head}\r\n\r\n5\r\nhello\r\n`);
        setTimeout(() => socket[go](), 30);
      });
    });
    const { port, settled, exchanges } = await stage(t, {
      upstreams: { web: { at: engine.address, protocol: 'http1', tls: KNOWN } },
    });
    await assert.rejects(https(port, { path: '/1' }));
    const session = await h2(t, port);
    await assert.rejects(h2call(session, { headers: { ':path': '/2' } }));
    session.destroy();
    await settled();
    for (const { failure } of exchanges) assert.equal(failure?.side, 'upstream');
  });
}

test('wss is carried to an engine that speaks wss', async (t) => {
  const server = createHttps(pair('server'));
  const sockets = new WebSocketServer({ server });
  sockets.on('connection', (socket) => {
    socket.on('message', (data, isBinary) => socket.send(data, { binary: isBinary }));
  });
  const engine = await listening(t, server);
  const { port, settled } = await stage(t, {
    upstreams: { ws: { at: engine.address, protocol: 'http1', tls: KNOWN } },
  });
  const client = wss(t, port);
  await once(client, 'open');
  client.send('over and over');
  const [back] = (await once(client, 'message')) as [Buffer];
  assert.equal(String(back), 'over and over');
  client.close();
  await once(client, 'close');
  await settled();
});
