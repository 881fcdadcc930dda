/** WebSockets on HTTP/2 streams (RFC 8441), joined to HTTP/1.1 upgrades and to each other. */
import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { once } from 'node:events';
import type { ClientHttp2Session, ClientHttp2Stream, IncomingHttpHeaders, ServerHttp2Stream } from 'node:http2';
import { test, type TestContext } from 'node:test';
import { WebSocket, type RawData } from 'ws';
import { digest, h2call, http1, http2 } from './clients.ts';
import { h2Engine, pattern, wsEngine } from './engines.ts';
import { stage, type Plan } from './stage.ts';
import { Wire, values, wireEngine } from './wire.ts';

const HEAD = {
  ':method': 'CONNECT',
  ':protocol': 'websocket',
  ':scheme': 'http',
  ':authority': 'chat.test',
  'sec-websocket-version': '13',
};

const opened = (session: ClientHttp2Session, path: string, more = {}): ClientHttp2Stream => {
  const stream = session.request({ ...HEAD, ':path': path, ...more });
  stream.on('error', () => undefined);
  return stream;
};
const head = async (stream: ClientHttp2Stream): Promise<IncomingHttpHeaders> =>
  ((await once(stream, 'response')) as [IncomingHttpHeaders])[0];

/** Waits for the end of a stream, however it comes. */
const closed = (stream: ClientHttp2Stream): Promise<number> =>
  new Promise((resolve) => stream.once('close', () => resolve(stream.rstCode)));

/** A masked text or binary frame, with a mask of zeros. */
const frame = (opcode: number, payload: Buffer): Buffer => {
  const { length } = payload;
  const prefix = Buffer.from([
    0x80 | opcode,
    0x80 | (length < 126 ? length : 127),
    ...(length < 126 ? [] : Array<number>(8).fill(0)),
    0,
    0,
    0,
    0,
  ]);
  if (length >= 126) prefix.writeBigUInt64BE(BigInt(length), 2);
  return Buffer.concat([prefix, payload]);
};
async function take(stream: ClientHttp2Stream, length: number): Promise<Buffer> {
  const parts: Buffer[] = [];
  for (let got = 0; got < length;) {
    const part = stream.read() as Buffer | null;
    if (part === null) {
      await once(stream, 'readable');
      continue;
    }
    parts.push(part);
    got += part.length;
  }
  return Buffer.concat(parts);
}

/** An engine that speaks 8441, and echoes octets. */
const echo8441 = (t: TestContext, requests: IncomingHttpHeaders[], more = {}) =>
  h2Engine(t, (stream: ServerHttp2Stream, headers) => {
    requests.push(headers);
    if (headers[':protocol'] !== 'websocket') {
      stream.respond({ ':status': 200 });
      stream.end('plain');
    } else if (headers[':path'] === '/refused') {
      stream.respond({ ':status': 403 });
      stream.end('not you');
    } else {
      stream.respond({ ':status': 200, ...more });
      stream.pipe(stream);
    }
  });

test('the setting is advertised where WebSocket is allowed, and only there', async (t) => {
  const engine = await wsEngine(t);
  const at = { upstreams: { ws: { at: engine.address, protocol: 'http1' } } } as const;
  const yes = await http2(t, (await stage(t, at)).port);
  const no = await http2(t, (await stage(t, { ...at, listener: { websocket: false } })).port);
  assert.deepEqual([yes.remoteSettings.enableConnectProtocol, no.remoteSettings.enableConnectProtocol], [true, false]);
  const stream = opened(no, '/');
  const answered = await new Promise<number>((resolve) => {
    stream.once('response', (headers) => resolve(Number(headers[':status'])));
    stream.once('close', () => resolve(stream.rstCode));
  });
  assert.ok(answered === 1 || answered >= 400, `${answered}`);
  assert.equal(engine.requests.length, 0);
});

async function toHttp1(t: TestContext, options = {}, plan: Partial<Plan> = {}) {
  const engine = await wsEngine(t, options);
  const made = await stage(t, { upstreams: { ws: { at: engine.address, protocol: 'http1' } }, ...plan });
  return { ...made, engine, session: await http2(t, made.port) };
}

test('a stream is joined to an upgrade: messages of all sizes, subprotocol, 101 becomes 200', async (t) => {
  const { engine, session, gateway } = await toHttp1(t, { handleProtocols: () => 'asr.v2' });
  const stream = opened(session, '/a?b', { 'sec-websocket-protocol': 'asr.v1, asr.v2', origin: 'http://page.test' });
  const headers = await head(stream);
  assert.deepEqual([headers[':status'], headers['sec-websocket-protocol']], [200, 'asr.v2']);
  for (const name of ['connection', 'upgrade', 'sec-websocket-accept']) assert.equal(headers[name], undefined, name);
  const [request] = engine.requests;
  assert.deepEqual(
    [request!.url, request!.headers.host, request!.headers.origin, request!.headers['sec-websocket-protocol']],
    ['/a?b', 'chat.test', 'http://page.test', 'asr.v1, asr.v2'],
  );
  for (const size of [1, 125, 3000, 70_000, 3 << 20]) {
    const payload = pattern(size);
    stream.write(frame(2, payload));
    const prefix = size < 126 ? 2 : size < 65_536 ? 4 : 10;
    assert.equal(digest((await take(stream, prefix + size)).subarray(prefix)), digest(payload), `message of ${size}`);
  }
  stream.end(frame(8, Buffer.from([0x03, 0xe8])));
  stream.resume();
  await closed(stream);
  assert.equal(stream.rstCode, 0);
  assert.equal(gateway.count('frameway_failures_total'), 0);
});

test('END_STREAM is FIN, both ways, each direction on its own', async (t) => {
  const engine = await wireEngine(t, async (wire) => {
    const request = await wire.message();
    const key = values(request, 'sec-websocket-key')[0]!;
    wire.send(
      `HTTP/1.1 101 x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Accept: ${acceptOf(key)}\r\n\r\n`,
    );
    if ((await wire.end()).how === 'fin') {
      wire.send('heard ', wire.received);
      wire.finish();
    }
  });
  const { port } = await stage(t, { upstreams: { ws: { at: engine.address, protocol: 'http1' } } });
  const session = await http2(t, port);
  const stream = opened(session, '/');
  await head(stream);
  stream.end('everything');
  const parts: Buffer[] = [];
  for await (const part of stream) parts.push(part as Buffer);
  assert.equal(Buffer.concat(parts).toString(), 'heard everything');
  // The reset of one end is the reset of the other.
  const cancelled = opened(session, '/');
  await head(cancelled);
  cancelled.close(8);
  assert.equal((await engine.wires[1]!.end()).how, 'rst');
  const cut = opened(session, '/');
  await head(cut);
  engine.wires[2]!.reset();
  cut.resume();
  // "RST exceptions are represented with the RST_STREAM frame with the CANCEL (0x8) error code" (RFC 8441 section 5).
  assert.equal(await closed(cut), 8);
});

const acceptOf = (key: string): string =>
  createHash('sha1').update(`${key}258EAFA5-E914-47DA-95CA-C5AB0DC85B11`).digest('base64');

test('an engine whose Sec-WebSocket-Accept is wrong has not accepted', async (t) => {
  const engine = await wireEngine(t, async (wire) => {
    await wire.message();
    wire.send(
      `HTTP/1.1 101 x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Accept: ${acceptOf('x')}\r\n\r\n`,
    );
  });
  const { port } = await stage(t, { upstreams: { ws: { at: engine.address, protocol: 'http1' } } });
  assert.equal((await head(opened(await http2(t, port), '/')))[':status'], 502);
});

test("an HTTP/1.1 engine's refusal reaches the stream, and ends it", async (t) => {
  const { session, settled } = await toHttp1(t, {
    verifyClient: (_info: unknown, done: (...args: unknown[]) => void) => done(false, 403, 'not you'),
  });
  const stream = opened(session, '/');
  assert.equal((await head(stream))[':status'], 403);
  const parts: Buffer[] = [];
  for await (const part of stream) parts.push(part as Buffer);
  assert.equal(Buffer.concat(parts).toString(), 'not you');
  // The client's own direction is still open: nobody would read it, and it must not keep the exchange.
  await settled(1);
});

test('an HTTP/1.1 client is joined to a stream of an engine that speaks RFC 8441', async (t) => {
  const requests: IncomingHttpHeaders[] = [];
  const engine = await echo8441(t, requests, { 'sec-websocket-protocol': 'asr.v2' });
  const { port, settled, gateway } = await stage(t, { upstreams: { modern: { at: engine.address } } });
  // The engine echoes octets, masks and all, so that a `ws` client would refuse what it hears: a bare one is played instead.
  const wire = await Wire.connect(t, port);
  const key = 'dGhlIHNhbXBsZSBub25jZQ==';
  wire.send(
    `GET /a?b HTTP/1.1\r\nHost: chat.test\r\nConnection: keep-alive, Upgrade\r\nUpgrade: websocket\r\n`,
    `Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: ${key}\r\nSec-WebSocket-Protocol: asr.v1, asr.v2\r\n\r\nearly`,
  );
  const start = await wire.upTo('\r\n\r\n');
  assert.match(start, /^HTTP\/1\.1 101 /);
  assert.ok(start.includes(acceptOf(key)), start);
  assert.match(start, /sec-websocket-protocol: asr\.v2\r\n/i);
  assert.equal((await wire.take(5)).toString(), 'early');
  const [request] = requests;
  assert.deepEqual(
    [request![':method'], request![':protocol'], request![':path'], request![':authority'], request![':scheme']],
    ['CONNECT', 'websocket', '/a?b', 'chat.test', 'http'],
  );
  for (const name of ['sec-websocket-key', 'connection', 'upgrade', 'host'])
    assert.equal(request![name], undefined, name);
  assert.equal(request!['sec-websocket-version'], '13');
  const bytes = pattern(2 << 20);
  wire.send(bytes);
  assert.equal(digest(await wire.take(bytes.length)), digest(bytes));
  wire.finish();
  assert.deepEqual(await wire.end(), { how: 'fin', rest: '' });
  await settled();
  assert.equal(gateway.count('frameway_failures_total'), 0);
});

test('a `ws` client talks to an engine that speaks RFC 8441', async (t) => {
  const engine = await h2Engine(t, (stream) => {
    stream.respond({ ':status': 200 });
    // Unmasked, as servers speak: "hello", then a close.
    stream.write(Buffer.from([0x81, 5, ...Buffer.from('hello')]));
    stream.end(Buffer.from([0x88, 2, 0x03, 0xe8]));
    stream.resume();
  });
  const { port, settled } = await stage(t, { upstreams: { modern: { at: engine.address } } });
  const socket = new WebSocket(`ws://127.0.0.1:${port}/`);
  const [message, [code]] = (await Promise.all([once(socket, 'message'), once(socket, 'close')])) as [
    [RawData],
    [number],
  ];
  assert.deepEqual([(message[0] as Buffer).toString(), code], ['hello', 1000]);
  await settled();
});

test('a refusal of an engine that speaks RFC 8441 reaches clients of both versions, and calls go on beside', async (t) => {
  const requests: IncomingHttpHeaders[] = [];
  const engine = await echo8441(t, requests);
  const { port } = await stage(t, { upstreams: { modern: { at: engine.address } } });
  const session = await http2(t, port);
  const stream = opened(session, '/refused');
  assert.equal((await head(stream))[':status'], 403);
  stream.resume();
  const refused = once(new WebSocket(`ws://127.0.0.1:${port}/refused`), 'error') as Promise<[Error]>;
  assert.match((await refused)[0].message, /403/);
  assert.equal((await http1(port, { path: '/' })).body.toString(), 'plain');
});

test('a stream is joined to a stream: octets, half-close, resets', async (t) => {
  const requests: IncomingHttpHeaders[] = [];
  const engine = await echo8441(t, requests);
  const { port, gateway } = await stage(t, { upstreams: { modern: { at: engine.address } } });
  const session = await http2(t, port);
  const stream = opened(session, '/a?b');
  assert.equal((await head(stream))[':status'], 200);
  assert.deepEqual([requests[0]![':protocol'], requests[0]![':path']], ['websocket', '/a?b']);
  const bytes = pattern(1 << 20);
  stream.write(bytes);
  assert.equal(digest(await take(stream, bytes.length)), digest(bytes));
  stream.end('last');
  assert.equal((await take(stream, 4)).toString(), 'last');
  stream.resume();
  await closed(stream);
  assert.equal(stream.rstCode, 0);
  assert.equal(gateway.count('frameway_failures_total'), 0);
  assert.equal((await h2call(session)).body.toString(), 'plain');
});

test('an engine without RFC 8441 gets no extended CONNECT: clients are told 501', async (t) => {
  const requests: IncomingHttpHeaders[] = [];
  const engine = await h2Engine(
    t,
    (stream, headers) => {
      requests.push(headers);
      stream.respond({ ':status': 200 });
      stream.end('plain');
    },
    false,
  );
  const { port } = await stage(t, { upstreams: { old: { at: engine.address } } });
  const session = await http2(t, port);
  assert.equal((await head(opened(session, '/')))[':status'], 501);
  const error = once(new WebSocket(`ws://127.0.0.1:${port}/`), 'error') as Promise<[Error]>;
  assert.match((await error)[0].message, /501/);
  assert.deepEqual(requests, []);
  assert.equal((await h2call(session)).body.toString(), 'plain');
});

test('a stream in which nothing moves is closed, and its neighbours on the connection are not', async (t) => {
  const { session, gateway } = await toHttp1(t, {}, { listener: { tunnelIdleTimeout: 300 } });
  const [quiet, lively] = [opened(session, '/q'), opened(session, '/l')];
  await Promise.all([head(quiet), head(lively)]);
  lively.resume();
  quiet.resume();
  const talk = setInterval(() => lively.write(frame(1, Buffer.from('x'))), 50);
  t.after(() => clearInterval(talk));
  await closed(quiet);
  assert.equal(lively.closed, false);
  clearInterval(talk);
  await closed(lively);
  assert.equal(gateway.count('frameway_failures_total', 'tunnel_idle'), 2);
});

test('another :protocol is not served', async (t) => {
  const { session, engine } = await toHttp1(t);
  const stream = opened(session, '/', { ':protocol': 'connect-udp' });
  assert.equal((await head(stream))[':status'], 501);
  assert.equal(engine.accepted, 0);
});
