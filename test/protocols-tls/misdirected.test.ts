import assert from 'node:assert/strict';
import { once } from 'node:events';
import { test } from 'node:test';
import type { TestContext } from 'node:test';
import { entry } from '../listener/tls-ends.ts';
import { h2call, http1 } from '../protocols/clients.ts';
import { webEngine, wsEngine, type WebEngine } from '../protocols/engines.ts';
import { values } from '../protocols/wire.ts';
import { grpc, h2, https, READER, tlsWire, unary, wss } from './clients.ts';
import { grpcEngine } from './engines.ts';
import { stage, type Stage } from './stage.ts';

// Two names of the default policy, one that wants a certificate, one that wants TLS 1.3.
const NAMES = [
  entry('server', ['open.test']),
  entry('wild', ['also.open.test', '*.wild.test']),
  entry('server', ['closed.test'], { clientCertificate: 'required' }),
  entry('server', ['modern.test'], { minVersion: 'TLSv1.3' }),
];

async function ends(t: TestContext): Promise<Stage & { web: WebEngine }> {
  const [web, ws, rpc] = await Promise.all([webEngine(t), wsEngine(t), grpcEngine(t)]);
  const made = await stage(t, {
    upstreams: {
      web: { at: web.address, protocol: 'http1' },
      ws: { at: ws.address, protocol: 'http1' },
      rpc: { at: `127.0.0.1:${rpc}` },
    },
    routes: [
      { protocols: ['grpc'], upstream: 'rpc' },
      { protocols: ['websocket'], upstream: 'ws' },
    ],
    tls: NAMES,
  });
  return { ...made, web };
}

const MISDIRECTED = ['closed.test', 'closed.test:443', 'CLOSED.test', 'closed.test.', 'modern.test'];
const WELCOME = ['open.test', 'open.test:8443', 'also.open.test', 'a.wild.test', 'unknown.test', '127.0.0.1'];

test('over h2 a request for a name of another policy gets 421, and the connection goes on', async (t) => {
  const { port, settled, web, exchanges } = await ends(t);
  const session = await h2(t, port, { servername: 'open.test' });
  for (const authority of [...MISDIRECTED, ...WELCOME]) {
    const { status } = await h2call(session, { headers: { ':authority': authority } });
    assert.equal(status, MISDIRECTED.includes(authority) ? 421 : 200, authority);
  }
  assert.equal(session.destroyed, false);
  // A body that is refused is not carried, and those beside it are.
  const body = Buffer.alloc(200_000, 1);
  const both = await Promise.all([
    h2call(session, { headers: { ':authority': 'closed.test' }, body }).then(
      ({ status }) => status,
      (error: unknown) => String(error),
    ),
    h2call(session, { headers: { ':authority': 'open.test' }, body }).then(({ status }) => status),
  ]);
  assert.deepEqual(both, [421, 200]);
  session.destroy();
  await settled();
  assert.equal(web.seen.length, WELCOME.length + 1);
  assert.equal(exchanges.filter(({ failure }) => failure?.cause === 'misdirected').length, MISDIRECTED.length + 1);
});

test('over http/1.1 the same, on one connection', async (t) => {
  const { port, settled, web } = await ends(t);
  const wire = await tlsWire(t, port, { servername: 'open.test', ALPNProtocols: ['http/1.1'] });
  for (const authority of [...MISDIRECTED, ...WELCOME, ...MISDIRECTED]) {
    wire.send(`GET / HTTP/1.1\r\nHost: ${authority}\r\n\r\n`);
    const { start } = await wire.message();
    assert.match(start, MISDIRECTED.includes(authority) ? /^HTTP\/1.1 421 / : /^HTTP\/1.1 200 /, authority);
  }
  // The absolute form names the authority: RFC 9112 section 3.2.2.
  wire.send('GET https://closed.test/ HTTP/1.1\r\nHost: closed.test\r\n\r\n');
  assert.match((await wire.message()).start, /^HTTP\/1.1 421 /);
  wire.send('GET https://open.test/ HTTP/1.1\r\nHost: open.test\r\n\r\n');
  assert.match((await wire.message()).start, /^HTTP\/1.1 200 /);
  // The refusal does not wait for a body; what comes of that all the same is read away.
  wire.send('POST / HTTP/1.1\r\nHost: closed.test\r\nContent-Length: 5\r\n\r\n');
  const refused = await wire.message();
  assert.match(refused.start, /^HTTP\/1.1 421 /);
  assert.deepEqual(values(refused, 'connection'), []);
  wire.send('helloGET /next HTTP/1.1\r\nHost: open.test\r\n\r\n');
  assert.equal((await wire.message()).body.toString(), 'GET /next 0');
  wire.socket.destroy();
  await settled();
  assert.equal(web.seen.length, WELCOME.length + 2);
});

test('no name is the default policy', async (t) => {
  const { port, settled } = await ends(t);
  const session = await h2(t, port, { servername: '' });
  for (const authority of [...MISDIRECTED, ...WELCOME]) {
    const { status } = await h2call(session, { headers: { ':authority': authority } });
    assert.equal(status, MISDIRECTED.includes(authority) ? 421 : 200, authority);
  }
  session.destroy();
  await settled();
});

test('who came in by a stricter policy is misdirected, too, where another one holds', async (t) => {
  const { port, settled } = await ends(t);
  const session = await h2(t, port, { servername: 'closed.test', ...READER });
  for (const authority of ['open.test', 'modern.test', 'unknown.test']) {
    assert.equal((await h2call(session, { headers: { ':authority': authority } })).status, 421, authority);
  }
  assert.equal((await h2call(session, { headers: { ':authority': 'closed.test' } })).status, 200);
  session.destroy();
  await settled();
});

test('a gRPC call is told UNAVAILABLE, and a WebSocket 421', async (t) => {
  const { port, settled } = await ends(t);
  const session = await h2(t, port, { servername: 'open.test' });
  const headers = { ':authority': 'closed.test', 'content-type': 'application/grpc', te: 'trailers' };
  const answer = await h2call(session, { headers: { ...headers, ':path': '/test.Echo/Say' }, body: Buffer.alloc(5) });
  assert.equal(answer.status === 421 || answer.headers['grpc-status'] === '14', true, JSON.stringify(answer.headers));
  const client = grpc(t, port, 'open.test');
  assert.equal(String(await unary(client, 'hi')), 'hi');
  client.close();
  const ws = wss(t, port, '/', [], { servername: 'open.test', headers: { host: 'closed.test' } });
  const [, response] = (await once(ws, 'unexpected-response')) as [unknown, { statusCode: number; resume(): void }];
  assert.equal(response.statusCode, 421);
  ws.on('error', () => undefined);
  ws.terminate();
  session.destroy();
  await settled();
});

test('in clear text no name is misdirected', async (t) => {
  const { port } = await ends(t);
  for (const host of [...MISDIRECTED, ...WELCOME]) {
    assert.equal((await http1(port, { headers: { host } })).status, 200, host);
  }
});

test('certificates alone do not misdirect: names of one policy share a connection', async (t) => {
  const { port } = await ends(t);
  const answer = await https(port, { servername: 'a.wild.test', headers: { host: 'open.test' } });
  assert.equal(answer.status, 200);
});
