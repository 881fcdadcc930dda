import assert from 'node:assert/strict';
import { test } from 'node:test';
import { ErrorCode, Failures } from '../../src/errors.ts';
import { borrowed, sleep, until } from '../io/wire.ts';
import { Random } from '../support/random.ts';
import { fieldsOf, pairsOf, serve, visit } from './stage.ts';
import type { Call } from './stage.ts';

const GET = 'GET / HTTP/1.1\r\nHost: h\r\n\r\n';
const get = (path: string, more = ''): string => `GET ${path} HTTP/1.1\r\nHost: h\r\n${more}\r\n`;
const OK = [[':status', '200']] as const;
const ok = (call: Call): void => call.answer([...OK, ['content-length', '2']], 'ok');

test('requests follow each other on one connection, each an exchange of its own', async (t) => {
  const serving = await serve(t);
  const peer = await visit(t, serving.port);
  for (let n = 0; n < 3; n++) {
    peer.say(get(`/${n}`));
    const call = await serving.call(n);
    assert.deepEqual(pairsOf(call.request.fields), [
      [':method', 'GET'],
      [':scheme', 'http'],
      [':authority', 'h'],
      [':path', `/${n}`],
    ]);
    assert.equal(serving.connections[0]!.open, 1);
    call.answer([...OK, ['content-length', '1']], `${n}`);
    await peer.hears(`\r\n\r\n${n}`);
    assert.equal(serving.connections[0]!.open, 0);
  }
  assert.equal(peer.text.slice(0, 38), 'HTTP/1.1 200 OK\r\ncontent-length: 1\r\n\r\n'.slice(0, 38));
  assert.deepEqual([serving.connections.length, peer.ended], [1, false]);
});

test('pipelined requests are answered one by one, in their order', async (t) => {
  const serving = await serve(t);
  const peer = await visit(t, serving.port);
  peer.say(get('/a') + 'POST /b HTTP/1.1\r\nHost: h\r\nContent-Length: 4\r\n\r\nbody' + get('/c'));
  for (const [n, path] of ['/a', '/b', '/c'].entries()) {
    const call = await serving.call(n);
    await sleep(5);
    assert.deepEqual([serving.calls.length, call.request.path], [n + 1, path]);
    call.answer([...OK, ['content-length', '2']], path);
  }
  await peer.hears('/c');
  assert.equal(serving.calls[1]!.text, 'body');
  assert.deepEqual(peer.text.match(/\/[abc]/g), ['/a', '/b', '/c']);
});

test('pipelined requests that are answered at once are all answered', async (t) => {
  const serving = await serve(t, (call) => call.answer([...OK, ['content-length', '4']], call.request.path));
  const peer = await visit(t, serving.port);
  const paths = Array.from({ length: 500 }, (_, n) => `/${n + 100}`);
  peer.say(paths.map((path) => get(path)).join(''));
  await peer.hears(paths.at(-1)!);
  assert.deepEqual(peer.text.match(/\/\d+(?=HTTP|$)/g), paths);
});

test('requests cut anywhere give the same exchanges', async (t) => {
  const all =
    get('/1') +
    'POST /2 HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n2\r\nde\r\n0\r\nX-T: v\r\n\r\n' +
    'POST /3 HTTP/1.1\r\nHost: h\r\nContent-Length: 3\r\n\r\nxyz' +
    get('/4', 'Connection: close\r\n');
  for (let seed = 1; seed <= 8; seed++) {
    const random = new Random(seed);
    const serving = await serve(t, (call) => {
      if (random.chance(0.5)) ok(call);
      else setTimeout(() => ok(call), 1);
    });
    const peer = await visit(t, serving.port);
    let at = 0;
    for (const cut of [...random.cuts(all.length, 6), all.length]) {
      if (cut > at) peer.say(all.slice(at, cut));
      at = cut;
      await sleep(1);
    }
    await until(() => peer.ended, `the end, seed ${seed}`);
    const bodies = serving.calls.map((call) => [call.request.path, call.text, call.ended]);
    assert.deepEqual(
      bodies,
      [
        ['/1', '', true],
        ['/2', 'abcde', true],
        ['/3', 'xyz', true],
        ['/4', '', true],
      ],
      `seed ${seed}`,
    );
    assert.deepEqual(pairsOf(serving.calls[1]!.trailers ?? []), [['x-t', 'v']]);
    assert.equal(peer.text.split('HTTP/1.1 200').length, 5);
  }
});

test('a response without a length is chunked towards HTTP/1.1, with its trailers', async (t) => {
  const serving = await serve(t, (call) => {
    call.half.sendHead(fieldsOf(OK), false);
    call.send('some');
    call.send('');
    call.send('thing');
    call.half.sendTrailers(fieldsOf([['x-t', 'v']]));
  });
  const peer = await visit(t, serving.port);
  peer.say(GET);
  await peer.hears('x-t');
  assert.equal(
    peer.text,
    'HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n4\r\nsome\r\n5\r\nthing\r\n0\r\nx-t: v\r\n\r\n',
  );
  peer.say(GET);
  await serving.call(1);
});

test('towards HTTP/1.0 it ends with the connection, and has no trailers', async (t) => {
  const serving = await serve(t, (call) => {
    call.half.sendHead(fieldsOf(OK), false);
    call.send('something');
    call.half.sendTrailers(fieldsOf([['x-t', 'v']]));
  });
  const peer = await visit(t, serving.port);
  peer.say('GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n');
  await until(() => peer.ended);
  assert.equal(peer.text, 'HTTP/1.1 200 OK\r\nconnection: close\r\n\r\nsomething');
  peer.socket.end();
  await until(() => serving.closed === 1);
});

test('an HTTP/1.0 connection is kept only for a client that asks, and a known length', async (t) => {
  const serving = await serve(t, ok);
  const kept = await visit(t, serving.port);
  for (let n = 0; n < 2; n++) {
    kept.say('GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n');
    await serving.call(n);
    await until(() => kept.text.endsWith('ok'));
    assert.match(kept.text, /connection: keep-alive/);
    kept.text = '';
  }
  const other = await visit(t, serving.port);
  other.say('GET / HTTP/1.0\r\n\r\n');
  await until(() => other.ended);
  assert.match(other.text, /connection: close\r\n\r\nok$/);
});

test('a client that asks for the end gets it after its answer', async (t) => {
  const serving = await serve(t, ok);
  const peer = await visit(t, serving.port);
  peer.say(get('/', 'Connection: close\r\n') + GET);
  await until(() => peer.ended);
  assert.equal(peer.text, 'HTTP/1.1 200 OK\r\ncontent-length: 2\r\nconnection: close\r\n\r\nok');
  assert.equal(serving.calls.length, 1);
  peer.socket.end();
  await until(() => serving.closed === 1);
});

test('a head that is all there is has a content-length, unless there can be no body', async (t) => {
  const answers: Record<string, (call: Call) => void> = {
    '/empty': (call) => call.answer(OK),
    '/204': (call) => call.answer([[':status', '204']]),
    '/304': (call) =>
      call.answer([
        [':status', '304'],
        ['content-length', '7'],
      ]),
    '/head': (call) => call.answer([...OK, ['content-length', '7']]),
    '/headless': (call) => {
      call.half.sendHead(fieldsOf(OK), false);
      assert.equal(call.send('dropped', true), 7);
    },
  };
  const serving = await serve(t, (call) => answers[call.request.path]!(call));
  const peer = await visit(t, serving.port);
  peer.say(get('/empty') + get('/204') + get('/304'));
  peer.say('HEAD /head HTTP/1.1\r\nHost: h\r\n\r\nHEAD /headless HTTP/1.1\r\nHost: h\r\n\r\n' + get('/empty'));
  await serving.call(5);
  await until(() => peer.text.split('HTTP/1.1').length === 7);
  assert.equal(
    peer.text,
    'HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n' +
      'HTTP/1.1 204 No Content\r\n\r\n' +
      'HTTP/1.1 304 Not Modified\r\ncontent-length: 7\r\n\r\n' +
      'HTTP/1.1 200 OK\r\ncontent-length: 7\r\n\r\n' +
      'HTTP/1.1 200 OK\r\n\r\n' +
      'HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n',
  );
});

test('informational responses and reasons are passed on, the former not to HTTP/1.0', async (t) => {
  const serving = await serve(t, (call) => {
    call.half.sendHead(
      fieldsOf([
        [':status', '103'],
        ['link', '</a>'],
      ]),
      false,
      true,
    );
    call.half.sendHead(fieldsOf([[':status', '200']]), true, false, 'Fine');
  });
  const peer = await visit(t, serving.port);
  peer.say(GET);
  await peer.hears('200 Fine\r\ncontent-length: 0\r\n\r\n');
  assert.match(peer.text, /^HTTP\/1\.1 103 Early Hints\r\nlink: <\/a>\r\n\r\nHTTP\/1\.1 200 Fine/);
  const old = await visit(t, serving.port);
  old.say('GET / HTTP/1.0\r\n\r\n');
  await until(() => old.ended);
  assert.match(old.text, /^HTTP\/1\.1 200 Fine/);
});

test('an engine that sends more or less than it declared does not end the answer cleanly', async (t) => {
  const scripts: ((call: Call) => void)[] = [
    (call) => call.answer([...OK, ['content-length', '5']], 'four'),
    (call) => call.answer([...OK, ['content-length', '5']], 'sixsix'),
    (call) => call.answer([...OK, ['content-length', '5']]),
    (call) => {
      call.half.sendHead(fieldsOf([...OK, ['content-length', '5']]), false);
      call.half.sendTrailers([]);
    },
  ];
  const serving = await serve(t, (call) => scripts[serving.calls.length - 1]!(call));
  for (let n = 0; n < scripts.length; n++) {
    const peer = await visit(t, serving.port);
    peer.say(GET);
    assert.equal(await peer.cut(), true, `script ${n}`);
    const call = await serving.call(n);
    await until(() => call.failures.length > 0);
    assert.deepEqual(call.failures, [[Failures.badResponse, ErrorCode.CANCEL]]);
  }
});

test('a half that is reset in the middle of its answer never looks complete, not even without a length', async (t) => {
  const serving = await serve(t, (call) => {
    call.half.sendHead(fieldsOf(OK), false);
    call.send('part');
  });
  const peer = await visit(t, serving.port);
  peer.say('GET / HTTP/1.0\r\n\r\n');
  await peer.hears('part');
  serving.calls[0]!.half.reset(ErrorCode.INTERNAL_ERROR);
  assert.equal(serving.calls[0]!.send('late', true), 4);
  assert.equal(await peer.cut(), true);
  await until(() => serving.closed === 1);
  assert.deepEqual(serving.calls[0]!.failures, []);
});

test('malformed requests are answered by what is wrong with them, and end the connection', async (t) => {
  const serving = await serve(t, ok, { maxHeaderListSize: 4096 });
  for (const [text, status] of [
    ['GET /\r\n\r\n', 400],
    ['GET / HTTP/1.1\r\n\r\n', 400],
    ['GET / HTTP/2.0\r\nHost: h\r\n\r\n', 505],
    [get('/', `X: ${'x'.repeat(8192)}\r\n`), 431],
    [get('/', 'Transfer-Encoding: gzip\r\n'), 501],
    [get('http://other/'), 400],
    ['POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n', 400],
    ['HEAD nowhere HTTP/1.1\r\nHost: h\r\n\r\n', 400],
  ] as const) {
    serving.onCall = text.startsWith('POST') ? () => undefined : ok;
    const peer = await visit(t, serving.port);
    peer.say(text + GET);
    await until(() => peer.ended, `the end after ${text.slice(0, 30)}`);
    assert.match(peer.text, new RegExp(`^HTTP/1\\.1 ${status} `), text.slice(0, 40));
    assert.match(peer.text, /connection: close/);
    assert.equal(peer.text.split('HTTP/1.1 ').length, 2, 'one answer');
    if (text.startsWith('HEAD')) assert.match(peer.text, /\r\n\r\n$/);
  }
  const [post] = serving.calls;
  assert.deepEqual(
    [serving.calls.length, post!.failure!.http, post!.failures[0]![1]],
    [1, 400, ErrorCode.PROTOCOL_ERROR],
  );
  assert.equal(serving.world.records.filter(({ event }) => event === 'protocol_error').length, 8);
});

test('a body that goes wrong when its answer has begun cuts the connection', async (t) => {
  const serving = await serve(t, (call) => call.half.sendHead(fieldsOf(OK), false));
  const peer = await visit(t, serving.port);
  peer.say('POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n');
  await peer.hears('200 OK');
  peer.say('zz\r\n');
  assert.equal(await peer.cut(), true);
  assert.equal(serving.calls[0]!.failure!.http, 400);
});

test('a FIN after a complete request cancels nothing, and the connection ends after the answer', async (t) => {
  const serving = await serve(t);
  const peer = await visit(t, serving.port);
  peer.socket.end(get('/a') + get('/b'));
  (await serving.call(0)).answer([...OK, ['content-length', '2']], 'aa');
  const second = await serving.call(1);
  await sleep(5);
  assert.equal(peer.ended, false);
  second.answer([...OK, ['content-length', '2']], 'bb');
  await until(() => serving.closed === 1);
  assert.match(peer.text, /aaHTTP.*connection: close\r\n\r\nbb$/s);
  assert.deepEqual([...serving.calls[0]!.failures, ...second.failures], []);
});

test('a FIN in the middle of a request, and an RST at any time, fail the exchange', async (t) => {
  const serving = await serve(t);
  const half = await visit(t, serving.port);
  half.socket.end('POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 10\r\n\r\nfive!');
  const first = await serving.call(0);
  await until(() => first.failures.length > 0);
  assert.deepEqual(first.failures, [[Failures.clientGone, ErrorCode.CANCEL]]);

  const gone = await visit(t, serving.port);
  gone.say(GET);
  const second = await serving.call(1);
  gone.socket.resetAndDestroy();
  await until(() => second.failures.length > 0);
  assert.deepEqual(second.failures, [[Failures.clientGone, ErrorCode.CANCEL]]);

  const headless = await visit(t, serving.port);
  headless.socket.end('GET / HT');
  await until(() => headless.ended);
  await until(() => serving.closed === 3);
  assert.equal(headless.text, '');
});

test('an error of the owner is a bug of that connection only', async (t) => {
  const serving = await serve(t, (call) => {
    if (call.request.path === '/bug') throw new Error('thrown on purpose');
    ok(call);
  });
  const well = await visit(t, serving.port);
  const peer = await visit(t, serving.port);
  peer.say(get('/bug'));
  assert.equal(await peer.cut(), true);
  await until(() => serving.closed === 1);
  assert.deepEqual(serving.calls[0]!.failures, [[Failures.bug, ErrorCode.CANCEL]]);
  assert.match(serving.world.records[0]!.message, /thrown on purpose/);
  // Out of the backlog there is nobody else to catch it.
  const later = await visit(t, serving.port);
  serving.onCall = () => undefined;
  later.say(get('/first') + get('/bug'));
  const first = await serving.call(1);
  serving.onCall = () => {
    throw new Error('thrown on purpose');
  };
  ok(first);
  assert.equal(await later.cut(), true);
  serving.onCall = ok;
  well.say(GET);
  await well.hears('ok');
  assert.deepEqual(serving.world.bugs, []);
});

test('what was borrowed for a thousand exchanges and their ends is given back', async (t) => {
  const balanced = borrowed();
  const random = new Random(7);
  const serving = await serve(t, (call) => {
    if (random.chance(0.2)) call.half.reset(ErrorCode.CANCEL);
    else if (random.chance(0.5)) setTimeout(() => ok(call), random.below(4));
    else ok(call);
  });
  for (let n = 0; n < 40; n++) {
    const peer = await visit(t, serving.port);
    for (let i = 0; i < 25; i++) peer.say(get(`/${i}`, random.chance(0.1) ? 'Bad Field\r\n' : ''));
    await sleep(random.below(6));
    if (random.chance(0.5)) peer.socket.resetAndDestroy();
    else peer.socket.end();
  }
  await until(() => serving.closed === 40, 'all to be closed', 5000);
  assert.ok(balanced(), 'buffers are missing');
  assert.deepEqual(serving.world.bugs, []);
});
