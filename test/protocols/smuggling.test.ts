/** One request in is exactly one request out: seen from the engine, which reads by the RFC. */
import assert from 'node:assert/strict';
import { test, type TestContext } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { RawClient } from '../support/raw-peer.ts';
import { http1 } from './clients.ts';
import { stage } from './stage.ts';
import { OK, Wire, answeringEngine, values, wireEngine } from './wire.ts';

const HOST = 'Host: a\r\n';
const SMUGGLED = 'GET /smuggled HTTP/1.1\r\nHost: evil\r\n\r\n';

async function watched(t: TestContext) {
  const engine = await answeringEngine(t);
  const made = await stage(t, { upstreams: { web: { at: engine.address, protocol: 'http1' } } });
  const wire = (): Promise<Wire> => Wire.connect(t, made.port);
  const starts = (): string[] => engine.seen.map(({ start }) => start);
  return { ...made, engine, wire, starts };
}

/** Each of these has two readings, or none. */
const REFUSED: Readonly<Record<string, string>> = {
  'Content-Length and Transfer-Encoding': `POST / HTTP/1.1\r\n${HOST}Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n${SMUGGLED}`,
  'Transfer-Encoding and Content-Length': `POST / HTTP/1.1\r\n${HOST}Transfer-Encoding: chunked\r\nContent-Length: 4\r\n\r\n5c\r\n${SMUGGLED}\r\n0\r\n\r\n`,
  'two lengths that differ': `POST / HTTP/1.1\r\n${HOST}Content-Length: 0\r\nContent-Length: ${SMUGGLED.length}\r\n\r\n${SMUGGLED}`,
  'a list of lengths that differ': `POST / HTTP/1.1\r\n${HOST}Content-Length: 0, ${SMUGGLED.length}\r\n\r\n${SMUGGLED}`,
  'a length with a sign': `POST / HTTP/1.1\r\n${HOST}Content-Length: +5\r\n\r\nhello`,
  'a length in hex': `POST / HTTP/1.1\r\n${HOST}Content-Length: 0x5\r\n\r\nhello`,
  'an empty length': `POST / HTTP/1.1\r\n${HOST}Content-Length: \r\n\r\n${SMUGGLED}`,
  'a length beyond all': `POST / HTTP/1.1\r\n${HOST}Content-Length: 99999999999999999999\r\n\r\nhello`,
  'a coding that is not the last chunked': `POST / HTTP/1.1\r\n${HOST}Transfer-Encoding: chunked, identity\r\n\r\n0\r\n\r\n${SMUGGLED}`,
  'a coding nobody knows': `POST / HTTP/1.1\r\n${HOST}Transfer-Encoding: xchunked\r\n\r\n0\r\n\r\n${SMUGGLED}`,
  'chunked twice': `POST / HTTP/1.1\r\n${HOST}Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n${SMUGGLED}`,
  'a vertical tab before chunked': `POST / HTTP/1.1\r\n${HOST}Transfer-Encoding: \x0bchunked\r\n\r\n0\r\n\r\n${SMUGGLED}`,
  'a space before the colon': `POST / HTTP/1.1\r\n${HOST}Transfer-Encoding : chunked\r\n\r\n0\r\n\r\n${SMUGGLED}`,
  'a folded field': `POST / HTTP/1.1\r\n${HOST}Transfer-Encoding:\r\n chunked\r\n\r\n0\r\n\r\n${SMUGGLED}`,
  'a bare LF': `POST / HTTP/1.1\r\n${HOST}X: y\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n${SMUGGLED}`,
  'a bare CR': `POST / HTTP/1.1\r\n${HOST}X: y\rTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n${SMUGGLED}`,
  'a NUL in a value': `GET / HTTP/1.1\r\n${HOST}X: a\0b\r\n\r\n`,
  'a space before the first field': `GET / HTTP/1.1\r\n X: y\r\n${HOST}\r\n`,
  'HTTP/1.0 with chunks': `POST / HTTP/1.0\r\n${HOST}Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n${SMUGGLED}`,
  'a field without a colon': `GET / HTTP/1.1\r\n${HOST}nonsense\r\n\r\n`,
  'an empty name': `GET / HTTP/1.1\r\n${HOST}: x\r\n\r\n`,
  'a target with a space': `GET /a b HTTP/1.1\r\n${HOST}\r\n`,
  'a fragment in the target': `GET /a#b HTTP/1.1\r\n${HOST}\r\n`,
  'HTTP/2.0 in text': `GET / HTTP/2.0\r\n${HOST}\r\n`,
  'HTTP/1.2': `GET / HTTP/1.2x\r\n${HOST}\r\n`,
  'a Host with a slash': 'GET / HTTP/1.1\r\nHost: a/b\r\n\r\n',
  'a Host with user information': 'GET / HTTP/1.1\r\nHost: u@a\r\n\r\n',
};

for (const [name, bytes] of Object.entries(REFUSED)) {
  test(`${name}: refused, the connection closed, and nothing of it reaches the engine`, async (t) => {
    const { wire, starts, port } = await watched(t);
    const client = await wire();
    client.send(bytes);
    const { rest } = await client.end();
    assert.match(rest, /^HTTP\/1\.1 (400|501|505) /);
    assert.equal(rest.match(/HTTP\/1\.1/g)!.length, 1, rest);
    assert.deepEqual(starts(), []);
    assert.equal((await http1(port, { path: '/next' })).status, 200);
  });
}

/** A body that is found malformed when the head has long gone: the engine must not take it for whole, nor hear of what follows. */
const BODIES: Readonly<Record<string, string>> = {
  'a chunk longer than it says': `5\r\nhello!\r\n0\r\n\r\n`,
  'a size with a sign': `+5\r\nhello\r\n0\r\n\r\n`,
  'a size in 0x form': `0x5\r\nhello\r\n0\r\n\r\n`,
  'a size beyond all': `fffffffffffffffff\r\nhello\r\n0\r\n\r\n`,
  'a size ended by a bare LF': `5\nhello\r\n0\r\n\r\n`,
  'an extension with a bare LF': `5;a\n\r\nhello\r\n0\r\n\r\n`,
  'an extension that is a quoted line end': `5;a="\r\nhello"\r\n0\r\n\r\n`,
  'a chunk ended by a bare LF': `5\r\nhello\n0\r\n\r\n`,
  'a trailer with a space before its colon': `5\r\nhello\r\n0\r\nx : y\r\n\r\n`,
};

for (const [name, body] of Object.entries(BODIES)) {
  test(`${name}: the request ends broken at the engine, and what follows it is not read`, async (t) => {
    const engine = await wireEngine(t);
    const { port, settled } = await stage(t, { upstreams: { web: { at: engine.address, protocol: 'http1' } } });
    const client = await Wire.connect(t, port);
    client.send(`POST / HTTP/1.1\r\n${HOST}Transfer-Encoding: chunked\r\n\r\n`);
    await sleep(50);
    client.send(body, SMUGGLED);
    const { rest } = await client.end();
    assert.ok(rest === '' || rest.startsWith('HTTP/1.1 400 '), rest);
    await settled();
    await sleep(20);
    for (const { text, ended } of engine.wires) {
      assert.ok(!text.includes('smuggled') && !text.includes('0\r\n\r\n'), text);
      assert.ok(ended !== null || text === '', 'the engine still waits');
    }
  });
}

test('what is accepted is written anew: one framing, one Host, plain chunks', async (t) => {
  const { wire, engine, starts } = await watched(t);
  const client = await wire();
  client.send(
    `\r\nPOST /one HTTP/1.1\r\nhOsT:a\r\ntransfer-encoding:\t CHUNKED \r\n\r\n`,
    `5;ext="quoted; \\" text"\r\nhello\r\n00000\r\nX-Trailer: 1\r\nContent-Length: 7\r\nHost: evil\r\nTransfer-Encoding: chunked\r\n\r\n`,
    `POST /two HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\nContent-Length: 5\r\n\r\nhello`,
  );
  const first = await client.message();
  if (first.start.includes(' 200 ')) {
    const [one] = engine.seen;
    assert.deepEqual(
      [one!.body.toString(), values(one!, 'host'), values(one!, 'transfer-encoding')],
      ['hello', ['a'], ['chunked']],
    );
    for (const [name] of one!.trailers) assert.ok(!/^(content-length|host|transfer-encoding)$/i.test(name), name);
  }
  await Promise.race([client.message().catch(() => undefined), client.end()]);
  for (const request of engine.seen) assert.ok(values(request, 'content-length').length <= 1, request.start);
  assert.ok(starts().length <= 2, starts().join());
});

/** HTTP/2 requests that would be two on an HTTP/1.1 connection. */
const DOWNGRADES: Readonly<Record<string, readonly (readonly [string, string])[]>> = {
  'CR LF in a value': [['x-a', `b\r\n\r\n${SMUGGLED}`]],
  'LF in a value': [['x-a', 'b\nc: d']],
  'CR LF in a name': [['x-a: b\r\nc', 'd']],
  'a colon in a name': [['x-a: b', 'd']],
  'transfer-encoding': [['transfer-encoding', 'chunked']],
  connection: [['connection', 'close']],
  'a space in a name': [['x a', 'b']],
  'an upper-case name': [['X-A', 'b']],
  'two hosts': [['host', 'evil']],
};

for (const [name, more] of Object.entries(DOWNGRADES)) {
  test(`${name} in an HTTP/2 request: never two requests at an HTTP/1.1 engine`, async (t) => {
    const { port, starts } = await watched(t);
    const client = await RawClient.connect(port);
    t.after(() => client.close());
    const fields = [[':method', 'GET'], [':scheme', 'http'], [':path', '/'], [':authority', 'a'], ...more] as const;
    const id = client.open(fields, 1);
    const { status, reset } = await client.message(id);
    assert.ok(reset !== null || status === 400, `${status}`);
    assert.deepEqual(starts(), []);
  });
}

for (const path of [`/ HTTP/1.1\r\nHost: evil\r\n\r\n${SMUGGLED}`, '/a b', '/a\tb', 'http://evil/', 'a', '']) {
  test(`:path ${JSON.stringify(path.slice(0, 20))} is no target of an HTTP/1.1 request`, async (t) => {
    const { port, starts } = await watched(t);
    const client = await RawClient.connect(port);
    t.after(() => client.close());
    const id = client.open(
      [
        [':method', 'GET'],
        [':scheme', 'http'],
        [':path', path],
        [':authority', 'a'],
      ],
      1,
    );
    const { status, reset } = await client.message(id);
    assert.ok(reset !== null || status === 400, `${status} ${starts().join()}`);
    assert.deepEqual(starts(), []);
  });
}

for (const method of ['GET / HTTP/1.1\r\nX:', 'G T', 'GET\n']) {
  test(`:method ${JSON.stringify(method)} is refused`, async (t) => {
    const { port, starts } = await watched(t);
    const client = await RawClient.connect(port);
    t.after(() => client.close());
    const id = client.open(
      [
        [':method', method],
        [':scheme', 'http'],
        [':path', '/'],
        [':authority', 'a'],
      ],
      1,
    );
    const { status, reset } = await client.message(id);
    assert.ok(reset !== null || status === 400, `${status}`);
    assert.deepEqual(starts(), []);
  });
}

test('more DATA than its content-length never leaves for an HTTP/1.1 engine (H2.CL)', async (t) => {
  const engine = await wireEngine(t);
  const { port } = await stage(t, { upstreams: { web: { at: engine.address, protocol: 'http1' } } });
  const client = await RawClient.connect(port);
  t.after(() => client.close());
  const id = client.open(
    [
      [':method', 'POST'],
      [':scheme', 'http'],
      [':path', '/'],
      [':authority', 'a'],
      ['content-length', '2'],
    ],
    0,
  );
  client.data(id, `ok${SMUGGLED}`, 1);
  const { reset } = await client.message(id);
  assert.notEqual(reset, null);
  await sleep(50);
  for (const { text } of engine.wires) assert.ok(!text.includes('smuggled'), text);
});

/** Answers that have two readings, or none. */
const ANSWERS: Readonly<Record<string, string>> = {
  'Content-Length and Transfer-Encoding':
    'HTTP/1.1 200 OK\r\nContent-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n',
  'two lengths that differ': 'HTTP/1.1 200 OK\r\nContent-Length: 3\r\nContent-Length: 2\r\n\r\nabc',
  'a folded field': 'HTTP/1.1 200 OK\r\nX: a\r\n b\r\nContent-Length: 0\r\n\r\n',
  'a bare LF': 'HTTP/1.1 200 OK\nContent-Length: 0\r\n\r\n',
  'a status of two digits': 'HTTP/1.1 20 OK\r\nContent-Length: 0\r\n\r\n',
  'not HTTP at all': '220 smtp ready\r\n',
  'CR in a value': 'HTTP/1.1 200 OK\r\nX: a\rSet-Cookie: evil=1\r\nContent-Length: 0\r\n\r\n',
};
for (const [name, answer] of Object.entries(ANSWERS)) {
  test(`an engine's answer with ${name} is 502, and its connection is not used again`, async (t) => {
    const engine = await wireEngine(t, async (wire, number) => {
      for (;;) {
        await wire.message();
        wire.send(number === 0 ? answer : OK);
      }
    });
    const { port } = await stage(t, { upstreams: { web: { at: engine.address, protocol: 'http1' } } });
    assert.equal((await http1(port)).status, 502);
    assert.equal((await http1(port)).status, 200);
    assert.equal(engine.wires.length, 2);
  });
}

test('an answer longer than its length does not reach the next client', async (t) => {
  const engine = await wireEngine(t, async (wire) => {
    for (;;) {
      await wire.message();
      wire.send('HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nokHTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nevil');
    }
  });
  const { port } = await stage(t, { upstreams: { web: { at: engine.address, protocol: 'http1' } } });
  for (let i = 0; i < 5; i++) assert.equal((await http1(port)).body.toString(), 'ok');
});
