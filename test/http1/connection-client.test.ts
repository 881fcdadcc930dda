import assert from 'node:assert/strict';
import { test } from 'node:test';
import { ErrorCode, Failures } from '../../src/errors.ts';
import { borrowed, sleep, until } from '../io/wire.ts';
import { Random } from '../support/random.ts';
import { fieldsOf, pair, pairsOf, request, send, Told } from './stage.ts';
import type { Pair } from './stage.ts';

const GET = request('GET', '/');
const OK = 'HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok';

/** One exchange that went well. */
async function exchange({ http, engine, events }: Pair): Promise<void> {
  const frees = events.filter((event) => event === 'free').length;
  const told = send(http, GET);
  await engine.hears('\r\n\r\n');
  engine.text = '';
  engine.say(OK);
  await until(() => told.ended && events.filter((event) => event === 'free').length > frees);
}

test('a connection carries one request after the other', async (t) => {
  const { http, engine, events } = await pair(t);
  for (let n = 1; n <= 3; n++) {
    assert.deepEqual([http.usable, http.busy], [true, false]);
    const told = send(http, request('GET', `/${n}`, [['x-a', 'b']]));
    assert.deepEqual([http.usable, http.busy, http.carried], [false, true, n]);
    await engine.hears('\r\n\r\n');
    assert.equal(engine.text, `GET /${n} HTTP/1.1\r\nhost: engine.test\r\nx-a: b\r\n\r\n`);
    engine.text = '';
    engine.say('HTTP/1.1 200 Fine\r\nX-B: c\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\nX-T: v\r\n\r\n');
    await until(() => told.ended);
    assert.deepEqual(pairsOf(told.head!.fields), [
      [':status', '200'],
      ['x-b', 'c'],
    ]);
    assert.deepEqual([told.head!.reason, told.text, pairsOf(told.trailers!)], ['Fine', 'abc', [['x-t', 'v']]]);
    assert.equal(events.length, n);
  }
  assert.deepEqual(events, ['free', 'free', 'free']);
});

test('a request is framed by what is known of it', async (t) => {
  const { http, engine, events } = await pair(t);
  const body = Buffer.from('body');
  const bodies: readonly [ReturnType<typeof request>, boolean, RegExp][] = [
    [request('POST', '/'), true, /content-length: 0\r\n\r\n$/],
    [request('DELETE', '/'), true, /engine\.test\r\n\r\n$/],
    [request('POST', '/', [['content-length', '4']]), false, /content-length: 4\r\n\r\nbody$/],
    [request('POST', '/'), false, /transfer-encoding: chunked\r\n\r\n4\r\nbody\r\n0\r\n\r\n$/],
  ];
  for (const [n, [head, end, expected]] of bodies.entries()) {
    const told = send(http, head, end);
    if (!end) assert.equal(told.half.sendData(body, 0, 4, true), 4);
    await until(() => expected.test(engine.text), `${engine.text} to be like ${expected}`);
    engine.text = '';
    engine.say(OK);
    await until(() => events.length === n + 1);
  }
});

test('a response cut anywhere is the same response', async (t) => {
  const text =
    'HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n' +
    'HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n2;x=y\r\nde\r\n0\r\nX-T: v\r\n\r\n';
  for (let seed = 1; seed <= 10; seed++) {
    const random = new Random(seed);
    const { http, engine, events } = await pair(t);
    const told = send(http, GET);
    await engine.hears('\r\n\r\n');
    let at = 0;
    for (const cut of [...random.cuts(text.length, 6), text.length]) {
      if (cut > at) engine.say(text.slice(at, cut));
      at = cut;
      await sleep(1);
    }
    await until(() => events.includes('free'), `the end, seed ${seed}`);
    const informational = told.informational.map((fields) => fields[0]!.value);
    assert.deepEqual(
      [informational, told.text, pairsOf(told.trailers!)],
      [['100', '103'], 'abcde', [['x-t', 'v']]],
      `seed ${seed}`,
    );
  }
});

test('a response to HEAD, and a 304, end with their heads', async (t) => {
  const { http, engine, events } = await pair(t);
  for (const [method, status] of [
    ['HEAD', 200],
    ['GET', 304],
  ] as const) {
    const told = send(http, request(method, '/'));
    await engine.hears('\r\n\r\n');
    engine.text = '';
    engine.say(`HTTP/1.1 ${status} OK\r\nContent-Length: 9\r\n\r\n`);
    await until(() => told.ended);
    assert.deepEqual([told.head!.contentLength, told.datas], [9, 0]);
  }
  assert.deepEqual(events, ['free', 'free']);
});

test('a response without a length ends with the connection: by FIN, not by RST', async (t) => {
  for (const rst of [false, true]) {
    const { http, engine, events } = await pair(t);
    const told = send(http, GET);
    await engine.hears('\r\n\r\n');
    engine.say('HTTP/1.1 200 OK\r\n\r\nall of it');
    await until(() => told.text === 'all of it');
    assert.deepEqual(events, ['retired']);
    if (rst) engine.socket.resetAndDestroy();
    else engine.socket.end();
    await until(() => events.includes('closed'));
    assert.deepEqual([told.ended, told.failure], rst ? [false, Failures.sessionLost] : [true, null]);
  }
});

test('a response that is cut short fails, however the engine ends', async (t) => {
  for (const [text, rst] of [
    ['HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nsome', false],
    ['HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nsome', true],
    ['HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nsome\r\n', false],
    ['HTTP/1.1 200 O', false],
    ['HTTP/1.1 100 Continue\r\n\r\n', false],
    ['', false],
  ] as const) {
    const { http, engine, events } = await pair(t);
    const told = send(http, GET);
    await engine.hears('\r\n\r\n');
    engine.say(text);
    await sleep(10);
    if (rst) engine.socket.resetAndDestroy();
    else engine.socket.end();
    await until(() => events.includes('closed'));
    assert.deepEqual([told.failures, told.ended], [[[Failures.sessionLost, ErrorCode.CANCEL]], false], text);
    assert.deepEqual(events, ['retired', 'closed']);
  }
});

test('a connection that had idled and dies is stale: what may be repeated is', async (t) => {
  for (const [method, rst, failure] of [
    ['GET', false, Failures.unprocessed],
    ['PUT', true, Failures.unprocessed],
    ['POST', false, Failures.sessionLost],
    ['POST', true, Failures.sessionLost],
  ] as const) {
    const both = await pair(t);
    const { http, engine, events } = both;
    await exchange(both);
    const told = send(http, request(method, '/'));
    await engine.hears('\r\n\r\n');
    if (rst) engine.socket.resetAndDestroy();
    else engine.socket.end();
    await until(() => events.includes('closed'));
    assert.deepEqual(told.failure, failure, `${method}, ${rst ? 'RST' : 'FIN'}`);
  }
});

test('a request that was never given to the socket may go anywhere', async (t) => {
  const both = await pair(t);
  await exchange(both);
  const { http, engine, events } = both;
  engine.say('HTTP/1.1 408 Request Timeout\r\n\r\n');
  await sleep(5);
  assert.deepEqual([http.usable, events], [false, ['free', 'retired']]);
  // The bytes and the request meet: the read comes first, the request would have left after it.
  const other = await pair(t);
  await exchange(other);
  const told = new Told();
  const early = Buffer.from('HTTP/1.1 408 Request Timeout\r\n\r\n');
  told.half = other.http.open(request('POST', '/'), true, told);
  other.http.onRead(early, 0, early.length);
  assert.equal(told.failure, Failures.unwritten);
  await until(() => other.events.includes('closed'));
  assert.equal(other.engine.text, '');
});

test('an engine that ends an idle connection, or speaks unasked, is not used again', async (t) => {
  for (const act of [
    ({ engine }: Pair) => engine.socket.end(),
    ({ engine }: Pair) => engine.socket.resetAndDestroy(),
    ({ engine }: Pair) => engine.say('HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n'),
  ]) {
    const both = await pair(t);
    await exchange(both);
    act(both);
    await until(() => both.events.includes('retired'));
    assert.equal(both.http.usable, false);
    both.engine.socket.end();
    await until(() => both.events.includes('closed'));
    assert.deepEqual(both.events, ['free', 'retired', 'closed']);
  }
});

test('bytes behind a response end the connection', async (t) => {
  const { http, engine, events } = await pair(t);
  const told = send(http, GET);
  await engine.hears('\r\n\r\n');
  engine.say(`${OK}HTTP/1.1 200 OK\r\n`);
  await until(() => engine.ended);
  assert.deepEqual([told.text, told.failures, events], ['ok', [], ['retired']]);
});

test('an engine that says so is asked nothing more', async (t) => {
  for (const head of ['HTTP/1.1 200 OK\r\nConnection: close', 'HTTP/1.0 200 OK']) {
    const { http, engine, events } = await pair(t);
    const told = send(http, GET);
    await engine.hears('\r\n\r\n');
    engine.say(`${head}\r\nContent-Length: 2\r\n\r\nok`);
    await until(() => engine.ended);
    engine.socket.end();
    await until(() => events.includes('closed'));
    assert.deepEqual([told.text, told.failures, events], ['ok', [], ['retired', 'closed']]);
  }
});

test('malformed and too large responses are told apart', async (t) => {
  for (const [text, failure] of [
    ['HTTP/3 200\r\n\r\n', Failures.badResponse],
    ['HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n', Failures.badResponse],
    ['HTTP/1.1 101 Switching Protocols\r\nConnection: upgrade\r\nUpgrade: websocket\r\n\r\n', Failures.badResponse],
    [`HTTP/1.1 200 OK\r\nX: ${'x'.repeat(5000)}\r\n\r\n`, Failures.responseTooLarge],
    ['HTTP/1.1 103 Early Hints\r\n\r\n'.repeat(101), Failures.badResponse],
    ['HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n', Failures.badResponse],
  ] as const) {
    const { http, engine, events } = await pair(t, { maxHeaderListSize: 4096 });
    const told = send(http, GET);
    await engine.hears('\r\n\r\n');
    engine.say(text);
    await until(() => events.includes('closed'));
    assert.equal(told.failure, failure, text.slice(0, 40));
    assert.deepEqual(events, ['retired', 'closed']);
  }
});

test('an answer before the request is complete is delivered; the connection is kept if the rest follows', async (t) => {
  const { http, engine, events } = await pair(t);
  const told = send(http, request('POST', '/', [['content-length', '4']]), false);
  const body = Buffer.from('body');
  told.half.sendData(body, 0, 2, false);
  await engine.hears('\r\n\r\nbo');
  engine.say(OK);
  await until(() => told.ended);
  assert.deepEqual([http.usable, events.length], [false, 0]);
  told.half.sendData(body, 2, 4, true);
  assert.equal(events.length, 0, 'not while somebody is calling');
  await until(() => events.includes('free'));
  await engine.hears('body');
  engine.text = '';
  const next = send(http, request('POST', '/', [['content-length', '4']]), false);
  await engine.hears('\r\n\r\n');
  engine.say(OK);
  await until(() => next.ended);
  engine.socket.end();
  await until(() => events.includes('closed'));
  assert.deepEqual(next.failures, [[Failures.sessionLost, ErrorCode.CANCEL]]);
});

test('a request that is longer or shorter than declared never looks complete to the engine', async (t) => {
  for (const length of [3, 5]) {
    const { http, engine, events } = await pair(t);
    const told = send(http, request('POST', '/', [['content-length', `${length}`]]), false);
    const body = Buffer.from('body');
    told.half.sendData(body, 0, 4, true);
    await until(() => events.includes('closed'));
    assert.deepEqual([told.failure, engine.text.includes('body')], [Failures.malformedRequest, false]);
    await engine.cut();
  }
});

test('a reset of the half ends the connection', async (t) => {
  const { http, engine, events } = await pair(t);
  const told = send(http, request('POST', '/'), false);
  await engine.hears('\r\n\r\n');
  told.half.reset(ErrorCode.CANCEL);
  assert.deepEqual([http.usable, events], [false, ['retired']]);
  assert.equal(await engine.cut(), true);
  await until(() => events.includes('closed'));
  assert.deepEqual([told.failures, events], [[], ['retired', 'closed']]);
});

test('a connection that is drained serves what is open, and ends', async (t) => {
  const { http, engine, events } = await pair(t);
  const told = send(http, GET);
  await engine.hears('\r\n\r\n');
  http.drain();
  assert.deepEqual(events, ['retired']);
  engine.say(OK);
  await until(() => engine.ended);
  assert.deepEqual([told.text, told.failures], ['ok', []]);
  const idle = await pair(t);
  idle.http.drain();
  await until(() => idle.engine.ended);
  await until(() => idle.events.includes('closed'), 'the end of the wait for a FIN');
});

test('an engine is not read while what it sent has not left, and goes on with credit', async (t) => {
  const { http, engine } = await pair(t);
  const told = new Told();
  told.generous = false;
  send(http, GET, true, told);
  await engine.hears('\r\n\r\n');
  const size = 16 << 20;
  engine.say(`HTTP/1.1 200 OK\r\nContent-Length: ${size}\r\n\r\n`);
  engine.socket.write(Buffer.alloc(size));
  await until(() => told.received.length > 64 * 1024);
  await sleep(30);
  const first = told.received.length;
  assert.ok(first <= (64 + 256) * 1024, `${first} bytes`);
  told.half.credit(first);
  await until(() => told.received.length > first);
  told.generous = true;
  told.half.credit(told.received.length - first);
  await until(() => told.ended, 'all of it', 10_000);
});

test('an engine that takes nothing is cut off, and what is owed is not paid', async (t) => {
  const { http, engine, events, world } = await pair(t, { writeStallTimeout: 60 });
  engine.socket.pause();
  const told = send(http, request('POST', '/'), false);
  const block = Buffer.alloc(256 * 1024);
  while (told.half.sendData(block, 0, block.length, false) > 0) await sleep(0);
  for (let n = 0; n < 40; n++) told.half.sendData(block, 0, block.length, false);
  await until(() => events.includes('closed'));
  assert.equal(told.failure, Failures.sessionLost);
  assert.deepEqual(
    world.records.map(({ event, message }) => [event, message]),
    [['limited', 'write_stall']],
  );
});

test('what a sender is owed is paid as the socket drains', async (t) => {
  const { http, engine } = await pair(t);
  engine.socket.pause();
  const told = send(http, request('POST', '/'), false);
  const block = Buffer.alloc(512 * 1024);
  let given = 0;
  let done = 0;
  for (let n = 0; n < 32; n++) {
    done += told.half.sendData(block, 0, block.length, false);
    given += block.length;
  }
  assert.ok(done < given, `${done} of ${given}`);
  engine.socket.resume();
  await until(() => done + told.sent === given, 'what is owed', 10_000);
});

test('a head that cannot be written is a bug of its own connection', async (t) => {
  const { http, world, events } = await pair(t);
  const told = send(http, request('GET', '/\r\nX: y'));
  await until(() => events.includes('closed'));
  assert.deepEqual([told.failure, world.records[0]!.event], [Failures.bug, 'bug']);
  assert.throws(() => http.open(GET, true, told));
});

test('what was borrowed is given back, however exchanges end', async (t) => {
  const balanced = borrowed();
  for (let seed = 1; seed <= 30; seed++) {
    const random = new Random(seed);
    const both = await pair(t);
    const { http, engine, events } = both;
    if (random.chance(0.5)) await exchange(both);
    const told = send(http, request('POST', '/', [], random.chance(0.3) ? 'websocket' : null), false);
    told.half.sendData(Buffer.alloc(5000), 0, 5000, random.chance(0.5));
    engine.say(OK.slice(0, random.below(OK.length)));
    await sleep(random.below(4));
    if (random.chance(0.3)) told.half.reset(ErrorCode.CANCEL);
    else if (random.chance(0.5)) engine.socket.resetAndDestroy();
    else engine.socket.end();
    await until(() => events.includes('closed'), `the end, seed ${seed}`);
    assert.equal(events.filter((event) => event === 'closed').length, 1);
  }
  assert.ok(balanced(), 'buffers are missing');
});

test('fields keep their order and their duplicates', async (t) => {
  const { http, engine } = await pair(t);
  const told = send(http, GET);
  await engine.hears('\r\n\r\n');
  engine.say('HTTP/1.1 200 OK\r\nSet-Cookie: a\r\nX: 1\r\nSet-Cookie: b\r\nContent-Length: 0\r\n\r\n');
  await until(() => told.ended);
  const expected = fieldsOf([
    [':status', '200'],
    ['set-cookie', 'a'],
    ['x', '1'],
    ['set-cookie', 'b'],
    ['content-length', '0'],
  ]);
  assert.deepEqual(pairsOf(told.head!.fields), pairsOf(expected));
});
