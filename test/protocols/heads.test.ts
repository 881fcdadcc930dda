/** What is said in heads: it arrives as it was sent, but for what belongs to one hop. */
import assert from 'node:assert/strict';
import { test, type TestContext } from 'node:test';
import { h2call, http2 } from './clients.ts';
import { h2Engine } from './engines.ts';
import { stage } from './stage.ts';
import { Wire, answeringEngine, values, type WireMessage } from './wire.ts';

const HOST = 'Host: asr.test\r\n';
const names = ({ fields }: WireMessage): string[] => fields.map(([name]) => name.toLowerCase());

async function http1Stage(t: TestContext, answer?: Parameters<typeof answeringEngine>[1]) {
  const engine = await answeringEngine(t, answer);
  const made = await stage(t, { upstreams: { web: { at: engine.address, protocol: 'http1' } } });
  return { ...made, engine, wire: await Wire.connect(t, made.port) };
}

test("an engine's status, reason, and fields in their order and number reach an HTTP/1.1 client", async (t) => {
  const { wire } = await http1Stage(
    t,
    () =>
      'HTTP/1.1 299 Wie es gef\xe4llt\r\nX-B: 1\r\nSet-Cookie: a=1; Path=/\r\nX-A: 2\r\n' +
      'Set-Cookie: b=2\r\nX-B: 3\r\nContent-Length: 0\r\n\r\n',
  );
  wire.send(`GET / HTTP/1.1\r\n${HOST}\r\n`);
  const answer = await wire.message();
  assert.equal(answer.start, 'HTTP/1.1 299 Wie es gef\xe4llt');
  const sent = ['x-b', 'set-cookie', 'x-a', 'set-cookie', 'x-b', 'content-length'];
  assert.deepEqual(
    names(answer).filter((name) => sent.includes(name)),
    sent,
  );
  assert.deepEqual(values(answer, 'x-b'), ['1', '3']);
  assert.deepEqual(values(answer, 'set-cookie'), ['a=1; Path=/', 'b=2']);
});

test("a client's fields reach an HTTP/1.1 engine in their order and number, but for those of one hop", async (t) => {
  const { wire, engine } = await http1Stage(t);
  wire.send(
    `GET /x HTTP/1.1\r\n${HOST}X-B: 1\r\nAccept: a\r\nX-A: 2\r\nAccept: b\r\nX-B: 3\r\n`,
    'Connection: x-mine, keep-alive\r\nX-Mine: 1\r\nKeep-Alive: timeout=5\r\nProxy-Connection: keep-alive\r\n',
    'TE: gzip\r\n\r\n',
  );
  await wire.message();
  const [seen] = engine.seen as [WireMessage];
  assert.equal(seen.start, 'GET /x HTTP/1.1');
  assert.deepEqual(
    names(seen).filter((name) => ['x-b', 'accept', 'x-a'].includes(name)),
    ['x-b', 'accept', 'x-a', 'accept', 'x-b'],
  );
  assert.deepEqual(values(seen, 'x-b'), ['1', '3']);
  assert.deepEqual(values(seen, 'accept'), ['a', 'b']);
  assert.deepEqual(values(seen, 'host'), ['asr.test']);
  for (const name of ['x-mine', 'keep-alive', 'proxy-connection', 'te']) assert.deepEqual(values(seen, name), [], name);
});

test("an engine's hop-by-hop fields stay at the gateway", async (t) => {
  const { wire, port } = await http1Stage(
    t,
    () =>
      'HTTP/1.1 200 OK\r\nConnection: keep-alive, x-engine-only\r\nX-Engine-Only: 1\r\nKeep-Alive: timeout=7\r\n' +
      'Proxy-Authenticate: Basic\r\nX-Kept: 1\r\nContent-Length: 0\r\n\r\n',
  );
  wire.send(`GET / HTTP/1.1\r\n${HOST}\r\n`);
  const answer = await wire.message();
  for (const name of ['x-engine-only', 'keep-alive']) assert.deepEqual(values(answer, name), [], name);
  assert.deepEqual(values(answer, 'x-kept'), ['1']);
  const session = await http2(t, port);
  const { headers } = await h2call(session);
  assert.deepEqual(
    [headers['x-kept'], headers['connection'], headers['keep-alive'], headers['x-engine-only']],
    ['1', undefined, undefined, undefined],
  );
});

test('nothing that Connection names can remove what the gateway adds or the engine must know', async (t) => {
  const { wire, engine } = await http1Stage(t);
  wire.send(
    `GET /x HTTP/1.1\r\n${HOST}X-Forwarded-For: 6.6.6.6\r\nCookie: a=1\r\n`,
    'Connection: x-forwarded-for, x-forwarded-proto, host, forwarded, content-length\r\n\r\n',
  );
  const answer = await wire.message();
  if (answer.start.startsWith('HTTP/1.1 4')) {
    assert.equal(engine.seen.length, 0);
    return;
  }
  const [seen] = engine.seen as [WireMessage];
  assert.deepEqual(values(seen, 'x-forwarded-for'), ['127.0.0.1']);
  assert.deepEqual(values(seen, 'x-forwarded-proto'), ['http']);
  assert.deepEqual(values(seen, 'host'), ['asr.test']);
});

test('a body whose length Connection names still has its borders', async (t) => {
  const { wire, engine } = await http1Stage(t);
  wire.send(`POST /x HTTP/1.1\r\n${HOST}Connection: content-length\r\nContent-Length: 5\r\n\r\nhello`);
  wire.send(`GET /next HTTP/1.1\r\n${HOST}\r\n`);
  const first = await wire.message();
  if (first.start.startsWith('HTTP/1.1 400')) return;
  await wire.message();
  assert.deepEqual(
    engine.seen.map(({ start, body }) => [start, body.toString()]),
    [
      ['POST /x HTTP/1.1', 'hello'],
      ['GET /next HTTP/1.1', ''],
    ],
  );
});

test('cookie crumbs of an HTTP/2 client are joined for an HTTP/1.1 engine', async (t) => {
  const { port, engine } = await http1Stage(t);
  const session = await http2(t, port);
  await h2call(session, { headers: { cookie: ['a=1', 'b=2', 'c=3'] } });
  assert.deepEqual(values(engine.seen[0]!, 'cookie'), ['a=1; b=2; c=3']);
});

test('Host and :authority are each other', async (t) => {
  const { port, engine } = await http1Stage(t);
  const session = await http2(t, port);
  await h2call(session, { headers: { ':authority': 'asr.test:8080' } });
  assert.deepEqual(values(engine.seen[0]!, 'host'), ['asr.test:8080']);
  const modern = await h2Engine(t);
  const other = await stage(t, { upstreams: { modern: { at: modern.address } } });
  const wire = await Wire.connect(t, other.port);
  wire.send('GET /y HTTP/1.1\r\nHost: tts.test:81\r\n\r\n');
  await wire.message();
  const { headers } = modern.seen[0]!;
  assert.deepEqual([headers[':authority'], headers[':scheme'], headers['host']], ['tts.test:81', 'http', undefined]);
});

test('an absolute target wins over Host, and a disagreement is refused', async (t) => {
  const { wire, port, engine } = await http1Stage(t);
  wire.send('GET http://asr.test/a?b HTTP/1.1\r\nHost: asr.test\r\n\r\n');
  await wire.message();
  assert.deepEqual([engine.seen[0]!.start, values(engine.seen[0]!, 'host')], ['GET /a?b HTTP/1.1', ['asr.test']]);
  wire.send('GET http://asr.test HTTP/1.1\r\nHost: asr.test\r\n\r\n');
  await wire.message();
  assert.equal(engine.seen[1]!.start, 'GET / HTTP/1.1');
  const second = await Wire.connect(t, port);
  second.send('GET http://asr.test/a HTTP/1.1\r\nHost: other.test\r\n\r\n');
  assert.match((await second.message()).start, /^HTTP\/1\.1 400 /);
  assert.equal(engine.seen.length, 2);
});

test('OPTIONS * arrives as it was, in either version', async (t) => {
  const { wire, port, engine } = await http1Stage(t);
  wire.send('OPTIONS * HTTP/1.1\r\nHost: asr.test\r\n\r\n');
  await wire.message();
  await h2call(await http2(t, port), { headers: { ':method': 'OPTIONS', ':path': '*', ':authority': 'asr.test' } });
  assert.deepEqual(
    engine.seen.map(({ start }) => start),
    ['OPTIONS * HTTP/1.1', 'OPTIONS * HTTP/1.1'],
  );
  wire.send('GET * HTTP/1.1\r\nHost: asr.test\r\n\r\n');
  assert.match((await wire.message()).start, /^HTTP\/1\.1 400 /);
});

test('TE: trailers crosses with its Connection: TE, and no other coding does', async (t) => {
  const { wire, port, engine } = await http1Stage(t);
  wire.send(`GET / HTTP/1.1\r\n${HOST}TE: trailers, deflate;q=0.5\r\nConnection: TE\r\n\r\n`);
  await wire.message();
  const [seen] = engine.seen as [WireMessage];
  assert.deepEqual(values(seen, 'te'), ['trailers']);
  assert.match(values(seen, 'connection').join(), /\bte\b/i);
  await h2call(await http2(t, port), { headers: { te: 'trailers' } });
  assert.deepEqual(values(engine.seen[1]!, 'te'), ['trailers']);
  assert.match(values(engine.seen[1]!, 'connection').join(), /\bte\b/i);
});

test('a client without Host, or with two, is refused, and HTTP/1.0 needs none', async (t) => {
  const { port, engine } = await http1Stage(t);
  for (const head of ['GET / HTTP/1.1\r\n', `GET / HTTP/1.1\r\n${HOST}Host: b.test\r\n`]) {
    const wire = await Wire.connect(t, port);
    wire.send(head, '\r\n');
    assert.match((await wire.message()).start, /^HTTP\/1\.1 400 /);
    assert.equal((await wire.end()).how, 'fin');
  }
  assert.equal(engine.seen.length, 0);
  const old = await Wire.connect(t, port);
  old.send('GET /old HTTP/1.0\r\n\r\n');
  assert.match((await old.message()).start, /^HTTP\/1\.[01] 200 /);
  assert.equal(engine.seen[0]!.start, 'GET /old HTTP/1.1');
  assert.equal(values(engine.seen[0]!, 'host').length, 1, 'RFC 9112 section 3.2: an HTTP/1.1 request has a Host');
});
