import assert from 'node:assert/strict';
import { test } from 'node:test';
import { LIMITS, Session } from '../../src/counters.ts';
import type { Limit } from '../../src/counters.ts';
import { ErrorCode, Failures } from '../../src/errors.ts';
import { sleep, until } from '../io/wire.ts';
import { fieldsOf, serve, visit } from './stage.ts';
import type { Call, Serving } from './stage.ts';

const GET = 'GET / HTTP/1.1\r\nHost: h\r\n\r\n';
const OK = [[':status', '200']] as const;
const LENGTH_2 = [...OK, ['content-length', '2']] as const;
const ok = (call: Call): void => call.answer(LENGTH_2, 'ok');
const post = (length: number): string => `POST / HTTP/1.1\r\nHost: h\r\nContent-Length: ${length}\r\n\r\n`;
const limited = ({ world }: Serving, limit: Limit): number =>
  world.counters.get(Session.LIMITED + LIMITS.indexOf(limit));

test('a head that does not come to its end in time is answered 408, however steadily it drips', async (t) => {
  const serving = await serve(t, ok, { handshakeTimeout: 80 });
  const peer = await visit(t, serving.port);
  peer.say(GET);
  await peer.hears('ok');
  for (let n = 0; n < 40 && !peer.ended; n++) {
    peer.say(n === 0 ? 'GET / HTTP/1.1\r\nX: ' : 'x');
    await sleep(10);
  }
  assert.equal(peer.ended, true);
  assert.match(peer.text, /okHTTP\/1\.1 408 Request Timeout\r\n.*connection: close/s);
  assert.deepEqual([serving.refused, limited(serving, 'handshake')], [[[Failures.requestTooSlow, '']], 1]);
});

test('a connection that idles is closed, one with an exchange is not', async (t) => {
  const serving = await serve(t, () => undefined, { idleTimeout: 60 });
  const fresh = await visit(t, serving.port);
  const busy = await visit(t, serving.port);
  busy.say(GET);
  const call = await serving.call(0);
  await until(() => fresh.ended);
  await sleep(80);
  assert.equal(busy.ended, false);
  ok(call);
  await until(() => busy.ended);
  assert.match(busy.text, /ok$/);
});

test('a client that takes nothing of its answer is cut off', async (t) => {
  const serving = await serve(t, () => undefined, { writeStallTimeout: 60 });
  const peer = await visit(t, serving.port);
  peer.socket.pause();
  peer.say(GET);
  const call = await serving.call(0);
  call.half.sendHead(fieldsOf(OK), false);
  const block = Buffer.alloc(1 << 20);
  let done = 0;
  for (let n = 0; n < 16; n++) done += call.send(block);
  assert.ok(done < block.length * 16, `${done} bytes credited`);
  await until(() => serving.closed === 1);
  assert.deepEqual(call.failures, [[Failures.slowRead, ErrorCode.CANCEL]]);
  assert.equal(limited(serving, 'write_stall'), 1);
});

test('what is owed to an engine is paid as the client takes its answer', async (t) => {
  const serving = await serve(t);
  const peer = await visit(t, serving.port);
  peer.socket.pause();
  peer.say(GET);
  const call = await serving.call(0);
  call.half.sendHead(fieldsOf(OK), false);
  const block = Buffer.alloc(1 << 20);
  let done = 0;
  for (let n = 0; n < 16; n++) done += call.send(block);
  assert.ok(done < block.length * 16, `${done} bytes credited`);
  peer.socket.resume();
  await until(() => done + call.sent === block.length * 16, 'what is owed', 10_000);
});

test('a client is not read while its body has not left, and goes on with credit', async (t) => {
  const serving = await serve(t, (call) => (call.generous = false));
  const peer = await visit(t, serving.port);
  const size = 16 << 20;
  peer.say(post(size));
  peer.socket.write(Buffer.alloc(size));
  const call = await serving.call(0);
  await until(() => call.received.length > 64 * 1024);
  await sleep(30);
  const first = call.received.length;
  assert.ok(first <= (64 + 256) * 1024, `${first} bytes`);
  call.generous = true;
  call.half.credit(first);
  await until(() => call.ended, 'all of it', 10_000);
  assert.equal(call.received.length, size);
  ok(call);
  await peer.hears('ok');
});

test('pipelined requests are read ahead only so far, and all are served in the end', async (t) => {
  const serving = await serve(t, () => undefined, { pipelineBuffer: 4096 });
  const peer = await visit(t, serving.port);
  const count = 60_000;
  peer.socket.write(GET.repeat(count));
  const first = await serving.call(0);
  await sleep(30);
  const read = serving.world.counters.get(Session.BYTES_READ);
  assert.ok(read <= 256 * 1024 + 4096, `${read} bytes were read`);
  serving.onCall = ok;
  ok(first);
  await until(() => serving.calls.length === count, 'all of them', 10_000);
});

test('a client that does not read its answers has no more requests served', async (t) => {
  const body = 'x'.repeat(20_000);
  const serving = await serve(t, (call) => call.answer([...OK, ['content-length', '20000']], body));
  const peer = await visit(t, serving.port);
  peer.socket.pause();
  peer.socket.write(GET.repeat(2000));
  await serving.call(10);
  await sleep(50);
  const served = serving.calls.length;
  assert.ok(served < 2000, `${served} answers`);
  peer.socket.resume();
  await until(() => serving.calls.length === 2000, 'the rest', 10_000);
});

test('an answer before its request is complete reaches the client, and then the connection ends', async (t) => {
  const serving = await serve(t, (call) => {
    call.generous = false;
    call.answer([[':status', '413'], ...LENGTH_2.slice(1)], 'no');
    call.half.stop();
  });
  const peer = await visit(t, serving.port);
  peer.say(post(64 << 20));
  // Without the lingering read an RST would overtake the answer.
  for (let n = 0; n < 20; n++) peer.socket.write(Buffer.alloc(1 << 20));
  await until(() => peer.ended, 'the FIN');
  assert.match(peer.text, /413.*no$/s);
  const { closed } = serving;
  peer.socket.end();
  assert.equal(closed, 0);
  await until(() => serving.closed === 1);
});

test('a client that does not close its end is closed on a second later', async (t) => {
  const serving = await serve(t, (call) => {
    ok(call);
    call.half.stop();
  });
  const peer = await visit(t, serving.port);
  peer.say(post(100_000));
  await until(() => peer.ended);
  const since = performance.now();
  await until(() => serving.closed === 1);
  assert.ok(performance.now() - since > 900, 'it was not waited for');
});

test('a slow client gets the whole of its last answer, though its connection is given up meanwhile', async (t) => {
  const body = Buffer.alloc(200_000, 'x');
  const serving = await serve(t, (call) => call.answer(OK, body));
  const peer = await visit(t, serving.port);
  peer.socket.pause();
  peer.say('GET / HTTP/1.0\r\n\r\n');
  await until(() => serving.closed === 1);
  peer.socket.resume();
  await until(() => peer.ended, 'the FIN');
  assert.ok(peer.text.endsWith('x'.repeat(body.length)), `${peer.text.length} bytes`);
});

test('an answer may come first if the body still does: then the connection is kept', async (t) => {
  const serving = await serve(t, ok);
  const peer = await visit(t, serving.port);
  peer.say(post(4));
  await peer.hears('ok');
  peer.say('body');
  await until(() => serving.calls[0]!.ended);
  peer.say(GET);
  await serving.call(1);
  assert.deepEqual(serving.calls[0]!.failures, []);
});

test('a client that waits for 100 is asked for its body, or answered and let go', async (t) => {
  const serving = await serve(t);
  const expecting = post(4).replace('\r\n\r\n', '\r\nExpect: 100-continue\r\n\r\n');
  const peer = await visit(t, serving.port);
  peer.say(expecting);
  const call = await serving.call(0);
  assert.equal(call.request.fields.at(-1)!.value, '100-continue');
  call.half.sendHead(fieldsOf([[':status', '100']]), false, true);
  await peer.hears('HTTP/1.1 100 Continue\r\n\r\n');
  peer.say('body');
  await until(() => call.ended);
  ok(call);
  await peer.hears('ok');
  assert.equal(peer.text.includes('close'), false);

  peer.text = '';
  peer.say(expecting);
  const refused = await serving.call(1);
  ok(refused);
  assert.deepEqual(refused.failures, [], 'the caller was called back');
  await until(() => peer.ended);
  assert.match(peer.text, /connection: close\r\n\r\nok$/);
  assert.deepEqual(refused.failures, [[Failures.clientGone, ErrorCode.NO_ERROR]]);
});

test('a drain ends what idles at once, and what is open after its answer', async (t) => {
  const serving = await serve(t);
  const idle = await visit(t, serving.port);
  const open = await visit(t, serving.port);
  const begun = await visit(t, serving.port);
  open.say(GET + GET);
  begun.say('GET / HTTP/1.1\r\n');
  const call = await serving.call(0);
  await sleep(5);
  for (const connection of serving.connections) connection.drain();
  await until(() => idle.ended);
  assert.deepEqual([open.ended, begun.ended], [false, false]);
  ok(call);
  begun.say('Host: h\r\n\r\n');
  ok(await serving.call(1));
  for (const peer of [open, begun]) {
    await until(() => peer.ended);
    assert.match(peer.text, /connection: close\r\n\r\nok$/);
  }
  assert.equal(serving.calls.length, 2);
});

test('an abort is told to the sink of what is open', async (t) => {
  const serving = await serve(t);
  const peer = await visit(t, serving.port);
  peer.say(GET);
  const call = await serving.call(0);
  serving.connections[0]!.abort(Failures.draining);
  assert.deepEqual(call.aborts, [Failures.draining]);
  const idle = await visit(t, serving.port);
  await until(() => serving.connections.length === 2);
  serving.connections[1]!.abort(Failures.draining);
  await until(() => idle.ended);
});
