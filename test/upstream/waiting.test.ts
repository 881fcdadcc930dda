import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Setting } from '../support/frames.ts';
import { sleep, until } from '../io/wire.ts';
import { answer, bench, Call, engine } from './stage.ts';
import type { Bench, Engine } from './stage.ts';
import type { TestContext } from 'node:test';

/** An engine of one stream, a pool of one session, and a call that has it. */
async function full(t: TestContext, acquireTimeout = 2000): Promise<Bench & { one: Engine; holder: Call }> {
  const one = await engine(t, [[Setting.MAX_CONCURRENT_STREAMS, 1]]);
  const made = bench(t, [one], { maxConnections: 1, acquireTimeout });
  const [holder] = (await made.placed(1)) as [Call];
  await until(() => one.requests === 1);
  return { ...made, one, holder };
}

test('no more sessions are opened than allowed, and the rest of the calls wait', async (t) => {
  const one = await engine(t, [[Setting.MAX_CONCURRENT_STREAMS, 2]]);
  const { placed, call } = bench(t, [one], { maxConnections: 3 });
  await placed(1);
  await until(() => one.requests === 1);
  const calls = Array.from({ length: 9 }, call);
  await until(() => one.requests === 6);
  await sleep(20);
  assert.equal(one.sessions.length, 3);
  assert.equal(calls.filter(({ waiting }) => waiting).length, 4);
});

test('those who wait are served first come first served', async (t) => {
  const { one, call } = await full(t);
  const calls = Array.from({ length: 5 }, call);
  for (let i = 0; i < 5; i++) {
    assert.equal(calls.filter(({ waiting }) => waiting).length, 5 - i);
    answer(one.sessions[0]!, 2 * i + 1);
    await calls[i]!.settled();
  }
  const orders = calls.map(({ order }) => order);
  assert.deepEqual(
    orders,
    [...orders].sort((a, b) => a - b),
  );
  assert.equal(one.sessions.length, 1);
});

test('a newcomer does not overtake those who wait', async (t) => {
  const { one, call, upstream } = await full(t);
  const [first, second] = [call(), call()];
  const late: Call[] = [];
  // Comes at the very moment at which the first is served.
  const serve = first.onCarrier.bind(first);
  first.onCarrier = (carrier) => {
    serve(carrier);
    late.push(new Call(upstream));
  };
  answer(one.sessions[0]!, 1);
  await first.settled();
  assert.deepEqual([first.endpoint, second.waiting, late[0]?.waiting], [one.address, true, true]);
  answer(one.sessions[0]!, 3);
  await second.settled();
  assert.equal(late[0]?.waiting, true);
});

test('who waits longer than acquire_timeout is told that the pool is full, and not before', async (t) => {
  const { call } = await full(t, 60);
  const start = performance.now();
  const first = call();
  await sleep(25);
  const second = call();
  await first.settled();
  const waited = performance.now() - start;
  assert.deepEqual([first.failure?.cause, first.failure?.grpc, second.waiting], ['pool_full', 8, true]);
  assert.ok(waited >= 60, `${waited} ms`);
  await second.settled();
  assert.ok(performance.now() - start >= 85);
  assert.equal(second.failure?.cause, 'pool_full');
});

test('who comes after a timeout gets the whole time', async (t) => {
  const { call } = await full(t, 50);
  await call().settled();
  const start = performance.now();
  const next = call();
  await next.settled();
  assert.ok(performance.now() - start >= 50);
  assert.equal(next.failure?.cause, 'pool_full');
});

test('a caller that cancels leaves the queue at once, and the next takes its turn', async (t) => {
  const { one, call } = await full(t);
  const [gone, next] = [call(), call()];
  gone.cancel();
  answer(one.sessions[0]!, 1);
  await next.settled();
  await sleep(10);
  assert.deepEqual([gone.waiting, next.endpoint], [true, one.address]);
  assert.equal(one.requests, 2);
});

test('a caller that cancels does not time out later', async (t) => {
  const { call } = await full(t, 40);
  const gone = call();
  gone.cancel();
  await sleep(80);
  assert.equal(gone.waiting, true);
});

test('a call that is cancelled gives its stream to the next', async (t) => {
  const { one, call, holder } = await full(t);
  const next = call();
  holder.cancel();
  await next.settled();
  assert.equal(next.endpoint, one.address);
  assert.equal((await one.sessions[0]!.next('RST_STREAM')).errorCode, 8);
});

test('those who wait go on with another session when theirs is lost', async (t) => {
  const { one, call, holder } = await full(t);
  const next = call();
  one.sessions[0]!.close();
  await next.settled();
  assert.deepEqual([holder.failure?.cause, next.endpoint], ['session_lost', one.address]);
  await until(() => one.sessions.length === 2);
});

test('those who wait when the upstream closes are told that the gateway is going', async (t) => {
  const { call, upstream } = await full(t);
  const waiting = call();
  upstream.close();
  assert.equal(waiting.failure?.cause, 'draining');
});

test('a caller that throws when it is served does not keep the others from being served', async (t) => {
  const { one, call, upstream } = await full(t);
  const bad = call();
  bad.onCarrier = () => {
    throw new Error('bug');
  };
  answer(one.sessions[0]!, 1);
  const next = new Call(upstream);
  await next.settled();
  assert.equal(next.endpoint, one.address);
});
