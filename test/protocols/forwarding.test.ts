/** Who the client is, as engines are told; and the forward proxy. */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { test } from 'node:test';
import { digest, h2call, http1, http2 } from './clients.ts';
import { echoEngine, h2Engine, pattern, webEngine, type Seen } from './engines.ts';
import { stage } from './stage.ts';
import { Wire } from './wire.ts';

const LIES = {
  'x-forwarded-for': '6.6.6.6',
  'x-forwarded-proto': 'https',
  'x-forwarded-host': 'evil.test',
  'x-forwarded-port': '1',
  forwarded: 'for=6.6.6.6',
};
const told = ({ headers }: Seen): unknown[] => Object.keys(LIES).map((name) => headers[name]);

for (const protocol of ['http1', 'h2'] as const) {
  test(`what an untrusted client says of itself is replaced, towards ${protocol}`, async (t) => {
    const { address, seen } = await (protocol === 'http1' ? webEngine(t) : h2Engine(t));
    const { port } = await stage(t, { upstreams: { main: { at: address, protocol } } });
    await http1(port, { headers: LIES });
    await h2call(await http2(t, port), { headers: LIES });
    for (const one of seen) assert.deepEqual(told(one), ['127.0.0.1', 'http', undefined, undefined, undefined]);
    assert.equal(seen.length, 2);
  });
}

test("a trusted proxy's word is kept, and its own address added", async (t) => {
  const engine = await webEngine(t);
  const { port, gateway } = await stage(t, {
    upstreams: { main: { at: engine.address, protocol: 'http1' } },
    listener: { trustedProxies: ['127.0.0.0/8'] },
  });
  await http1(port, { headers: { ...LIES, 'x-forwarded-for': '6.6.6.6, 203.0.113.9' } });
  const [forwardedFor, proto, host] = told(engine.seen[0]!);
  assert.deepEqual([forwardedFor, proto, host], ['6.6.6.6, 203.0.113.9, 127.0.0.1', 'https', 'evil.test']);
  assert.equal(gateway.exchanges[0]!.peer, '203.0.113.9');
});

test('CONNECT is off unless it is allowed: 405, and the connection goes on', async (t) => {
  const engine = await webEngine(t);
  const { port } = await stage(t, { upstreams: { main: { at: engine.address, protocol: 'http1' } } });
  const wire = await Wire.connect(t, port);
  wire.send(`CONNECT ${engine.address} HTTP/1.1\r\nHost: ${engine.address}\r\n\r\n`);
  assert.match((await wire.message()).start, /^HTTP\/1\.1 405 /);
  const stream = (await http2(t, port)).request({ ':method': 'CONNECT', ':authority': engine.address });
  const [headers] = (await once(stream, 'response')) as [Record<string, unknown>];
  assert.equal(headers[':status'], 405);
  assert.equal(engine.accepted, 0);
});

test('CONNECT opens a tunnel to an allowed destination, and 403 is the answer for any other', async (t) => {
  const echo = await echoEngine(t);
  const other = await echoEngine(t);
  const web = await webEngine(t);
  const { port, settled, gateway } = await stage(t, {
    upstreams: { main: { at: web.address, protocol: 'http1' } },
    listener: { connect: { allow: [echo.address] } },
  });
  const wire = await Wire.connect(t, port);
  wire.send(`CONNECT ${echo.address} HTTP/1.1\r\nHost: ${echo.address}\r\n\r\nearly`);
  const head = await wire.upTo('\r\n\r\n');
  assert.match(head, /^HTTP\/1\.1 200 /);
  // "A server MUST NOT send any Transfer-Encoding or Content-Length header fields in a 2xx response to CONNECT" (RFC 9110 section 9.3.6).
  assert.ok(!/transfer-encoding|content-length/i.test(head), head);
  const bytes = pattern(1 << 20);
  wire.send(bytes);
  wire.finish();
  assert.equal((await wire.take(5)).toString(), 'early');
  assert.equal(digest(await wire.take(bytes.length)), digest(bytes));
  assert.deepEqual(await wire.end(), { how: 'fin', rest: '' });

  for (const target of [other.address, '127.0.0.1:1', 'localhost:80', '[::1]:80']) {
    const refused = await Wire.connect(t, port);
    refused.send(`CONNECT ${target} HTTP/1.1\r\nHost: ${target}\r\n\r\n`);
    assert.match((await refused.message()).start, /^HTTP\/1\.1 403 /, target);
    refused.finish();
  }
  assert.equal(other.accepted, 0);
  // What is not CONNECT goes its way.
  assert.equal((await http1(port, { path: '/x' })).body.toString(), 'GET /x 0');

  const session = await http2(t, port);
  const stream = session.request({ ':method': 'CONNECT', ':authority': echo.address });
  const [headers] = (await once(stream, 'response')) as [Record<string, unknown>];
  assert.equal(headers[':status'], 200);
  stream.end('over a stream');
  const parts: Buffer[] = [];
  for await (const part of stream) parts.push(part as Buffer);
  assert.equal(Buffer.concat(parts).toString(), 'over a stream');
  session.close();
  await settled();
  assert.equal(echo.open, 0);
  assert.ok(gateway.count('frameway_exchanges_total') >= 7, 'each CONNECT is counted');
});

test('CONNECT with a malformed target is 400', async (t) => {
  const web = await webEngine(t);
  const { port } = await stage(t, {
    upstreams: { main: { at: web.address, protocol: 'http1' } },
    listener: { connect: { allow: ['*:*'] } },
  });
  for (const target of ['/path', 'http://a/', 'host', 'host:', 'host:99999', ':80', '*']) {
    const wire = await Wire.connect(t, port);
    wire.send(`CONNECT ${target} HTTP/1.1\r\nHost: ${target}\r\n\r\n`);
    assert.match((await wire.message()).start, /^HTTP\/1\.1 40[03] /, target);
  }
});

test('where nobody listens, CONNECT is answered 502', async (t) => {
  const web = await webEngine(t);
  const { port } = await stage(t, {
    upstreams: { main: { at: web.address, protocol: 'http1' } },
    listener: { connect: { allow: ['127.0.0.0/8:*'] } },
  });
  const wire = await Wire.connect(t, port);
  wire.send('CONNECT 127.0.0.1:1 HTTP/1.1\r\nHost: 127.0.0.1:1\r\n\r\n');
  assert.match((await wire.message()).start, /^HTTP\/1\.1 50[23] /);
});
