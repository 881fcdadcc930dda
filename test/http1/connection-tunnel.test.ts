import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { TestContext } from 'node:test';
import { ErrorCode, Failures } from '../../src/errors.ts';
import { acceptOf } from '../../src/http1/websocket.ts';
import { sleep, until } from '../io/wire.ts';
import { fieldsOf, pair, pairsOf, request, send, serve, visit } from './stage.ts';
import type { Call, Peer, Serving } from './stage.ts';

const KEY = 'dGhlIHNhbXBsZSBub25jZQ==';
const UPGRADE =
  'GET /ws HTTP/1.1\r\nHost: h\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n' +
  `Sec-WebSocket-Key: ${KEY}\r\nSec-WebSocket-Version: 13\r\n\r\n`;
const CONNECT = 'CONNECT far:443 HTTP/1.1\r\nHost: far:443\r\n\r\n';
const OK = fieldsOf([[':status', '200']]);

async function opened(t: TestContext, text = UPGRADE): Promise<{ serving: Serving; peer: Peer; call: Call }> {
  const serving = await serve(t);
  const peer = await visit(t, serving.port);
  peer.say(text);
  const call = await serving.call(0);
  call.half.sendHead(OK, false);
  await peer.hears('\r\n\r\n');
  return { serving, peer, call };
}

test('a WebSocket is opened by a 101 that answers the key, and is raw from there on', async (t) => {
  const { peer, call } = await opened(t);
  assert.deepEqual([call.request.method, call.request.upgrade, call.ended], ['CONNECT', 'websocket', false]);
  assert.equal(
    peer.text,
    'HTTP/1.1 101 Switching Protocols\r\nconnection: Upgrade\r\nupgrade: websocket\r\n' +
      `sec-websocket-accept: ${acceptOf(KEY)}\r\n\r\n`,
  );
  peer.say('GET / is only bytes now');
  await until(() => call.text.length > 0);
  assert.equal(call.text, 'GET / is only bytes now');
  peer.text = '';
  call.send('0\r\n\r\n');
  await peer.hears('0\r\n\r\n');
});

test('a CONNECT is answered as such', async (t) => {
  const { peer, call } = await opened(t, CONNECT);
  assert.deepEqual(pairsOf(call.request.fields), [
    [':method', 'CONNECT'],
    [':authority', 'far:443'],
  ]);
  assert.match(peer.text, /^HTTP\/1\.1 200 Connection Established\r\n\r\n$/);
});

test('what a client sends before its tunnel stands is delivered when it does', async (t) => {
  for (const head of [UPGRADE, CONNECT]) {
    const serving = await serve(t);
    const peer = await visit(t, serving.port);
    peer.socket.end(`${head}early`);
    const call = await serving.call(0);
    await sleep(5);
    assert.deepEqual([call.text, call.ended], ['', false]);
    call.half.sendHead(OK, false);
    assert.equal(call.text, '', 'the caller was called back');
    await until(() => call.ended);
    assert.equal(call.text, 'early');
    call.send('late', true);
    await peer.hears('late');
    await until(() => serving.closed === 1 && peer.ended);
    assert.deepEqual(call.failures, []);
  }
});

test('each direction of a tunnel ends on its own', async (t) => {
  const { serving, peer, call } = await opened(t);
  call.send('bye', true);
  await until(() => peer.ended);
  peer.say('not yet');
  await until(() => call.text === 'not yet');
  assert.equal(call.ended, false);
  peer.socket.end();
  await until(() => serving.closed === 1);
  assert.deepEqual([call.ended, call.failures], [true, []]);
});

test('an RST of the client is a failure of the tunnel, and a reset of the half an RST', async (t) => {
  const first = await opened(t);
  first.peer.socket.resetAndDestroy();
  await until(() => first.call.failures.length > 0);
  assert.deepEqual(first.call.failures, [[Failures.clientGone, ErrorCode.CANCEL]]);
  const second = await opened(t, CONNECT);
  second.call.half.reset(ErrorCode.CONNECT_ERROR);
  assert.equal(await second.peer.cut(), true);
});

test('a refused upgrade is an ordinary answer, and the connection goes on', async (t) => {
  const serving = await serve(t, (call) => call.answer([[':status', call.request.method === 'GET' ? '200' : '403']]));
  const peer = await visit(t, serving.port);
  peer.say(UPGRADE + 'GET /next HTTP/1.1\r\nHost: h\r\n\r\n');
  await peer.hears('200 OK');
  assert.match(peer.text, /^HTTP\/1\.1 403 Forbidden\r\ncontent-length: 0\r\n\r\nHTTP/);
  peer.say(CONNECT);
  await serving.call(2);
  peer.say('GET /next HTTP/1.1\r\nHost: h\r\n\r\n');
  await serving.call(3);
});

test('what was meant for a tunnel that was refused is never read as a request', async (t) => {
  const serving = await serve(t);
  const peer = await visit(t, serving.port);
  peer.say(CONNECT + 'GET /smuggled HTTP/1.1\r\nHost: h\r\n\r\n');
  (await serving.call(0)).answer([[':status', '407']]);
  await until(() => peer.ended);
  assert.equal(serving.calls.length, 1);
  assert.match(peer.text, /connection: close/);
});

// --- Towards an engine -----------------------------------------------------------------------------------------------

const websocket = (): ReturnType<typeof request> =>
  request('CONNECT', '/ws', [['sec-websocket-version', '13']], 'websocket');
const keyIn = (engine: Peer): string => /sec-websocket-key: (\S+)/.exec(engine.text)![1]!;
const switching = (accept: string): string =>
  `HTTP/1.1 101 Switching Protocols\r\nConnection: upgrade\r\nUpgrade: WebSocket\r\nSec-WebSocket-Accept: ${accept}\r\n` +
  'Sec-WebSocket-Protocol: chat\r\n\r\n';

test('an engine that answers the key opens the tunnel; what waited for it follows', async (t) => {
  const { http, engine, events } = await pair(t);
  const told = send(http, websocket(), false);
  const early = Buffer.from('early');
  assert.equal(told.half.sendData(early, 0, early.length, false), 0);
  await engine.hears('\r\n\r\n');
  assert.match(engine.text, /^GET \/ws HTTP\/1\.1\r\nhost: engine\.test\r\n/);
  assert.deepEqual([engine.text.endsWith('\r\n\r\n'), told.half.flushed], [true, false]);
  engine.say(`${switching(acceptOf(keyIn(engine)))}at once`);
  await engine.hears('\r\n\r\nearly');
  assert.deepEqual(pairsOf(told.head!.fields), [
    [':status', '200'],
    ['sec-websocket-protocol', 'chat'],
  ]);
  assert.deepEqual([told.text, told.sent, told.half.flushed, events], ['at once', 5, true, ['retired']]);
  engine.socket.end();
  await until(() => told.ended);
  told.half.sendData(early, 0, early.length, true);
  await until(() => events.includes('closed'));
  assert.ok(engine.text.endsWith('earlyearly'), engine.text);
  assert.deepEqual([told.failures, http.usable], [[], false]);
});

test('an engine that answers an upgrade wrongly has not answered', async (t) => {
  for (const answer of [
    switching(acceptOf(KEY)),
    'HTTP/1.1 101 Switching Protocols\r\nConnection: upgrade\r\nUpgrade: websocket\r\n\r\n',
    'HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n',
  ]) {
    const { http, engine, events } = await pair(t);
    const told = send(http, websocket(), false);
    await engine.hears('\r\n\r\n');
    engine.say(answer);
    await until(() => events.includes('closed'));
    assert.deepEqual([told.failure, told.head], [Failures.badResponse, null], answer);
  }
});

test('a refused upgrade is the answer of the engine, and its connection is kept', async (t) => {
  const { http, engine, events } = await pair(t);
  const told = send(http, websocket(), false);
  const early = Buffer.from('never sent');
  told.half.sendData(early, 0, early.length, false);
  await engine.hears('\r\n\r\n');
  engine.say('HTTP/1.1 403 Forbidden\r\nContent-Length: 2\r\n\r\nno');
  await until(() => events.includes('free'));
  assert.deepEqual([told.head!.status, told.text, told.ended], [403, 'no', true]);
  engine.text = '';
  send(http, request('GET', '/'));
  await engine.hears('\r\n\r\n');
  assert.match(engine.text, /^GET \/ HTTP/);
});

test('a CONNECT opens on any 2xx, whatever length that speaks of', async (t) => {
  const { http, engine } = await pair(t);
  const told = send(http, request('CONNECT', 'far:443'), false);
  await engine.hears('\r\n\r\n');
  assert.match(engine.text, /^CONNECT far:443 HTTP\/1\.1\r\nhost: far:443\r\n\r\n$/);
  engine.say('HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nabcdef');
  await until(() => told.text === 'abcdef');
  assert.deepEqual(pairsOf(told.head!.fields), [[':status', '200']]);
  engine.socket.resetAndDestroy();
  await until(() => told.failures.length > 0);
  assert.deepEqual(told.failures, [[Failures.sessionLost, ErrorCode.CANCEL]]);
});

test('a protocol that HTTP/1.1 has no upgrade for is refused', async (t) => {
  const { http, events } = await pair(t);
  const told = send(http, request('CONNECT', '/', [], 'connect-udp'), false);
  assert.deepEqual(told.failures, []);
  await until(() => events.includes('closed'));
  assert.equal(told.failure, Failures.tunnelRefused);
});
