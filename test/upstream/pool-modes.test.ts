import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Setting } from '../support/frames.ts';
import { sleep, until } from '../io/wire.ts';
import { answer, bench, engine, serve } from './stage.ts';
import type { Call, Engine } from './stage.ts';

const waiting = (calls: readonly Call[]): number => calls.filter((call) => call.waiting).length;
const perSession = (one: Engine): number[] =>
  one.sessions.map(({ frames }) => frames.filter(({ typeName }) => typeName === 'HEADERS').length);
/** Answers the first request of each session. */
const answerFirst = (one: Engine): void => {
  for (const session of one.sessions) answer(session, 1);
};

test('a loose pool exceeds max_connections for those that wait, up to overflow_factor, and never by more', async (t) => {
  const one = await engine(t);
  const { call } = bench(t, [one], { mode: 'loose', overflowFactor: 2, maxConnections: 2, maxStreamsPerConnection: 1 });
  const calls = Array.from({ length: 9 }, call);
  await until(() => one.requests === 4);
  await sleep(20);
  assert.deepEqual([one.sessions.length, waiting(calls)], [4, 5]);
});

test('an overflow_factor that is no whole number of sessions is not rounded up', async (t) => {
  const one = await engine(t);
  const loose = { mode: 'loose', overflowFactor: 1.5, maxConnections: 3, maxStreamsPerConnection: 1 } as const;
  const { call } = bench(t, [one], loose);
  const calls = Array.from({ length: 9 }, call);
  await until(() => one.requests === 4);
  await sleep(20);
  assert.deepEqual([one.sessions.length, waiting(calls)], [4, 5]);
});

test('sessions beyond max_connections close once they are idle, the others stay', async (t) => {
  const one = await engine(t);
  const { call } = bench(t, [one], { mode: 'loose', overflowFactor: 3, maxConnections: 1, maxStreamsPerConnection: 1 });
  const calls = Array.from({ length: 3 }, call);
  await until(() => one.requests === 3);
  assert.equal(one.open.length, 3);
  answerFirst(one);
  for (const each of calls) await each.answered();
  await until(() => one.open.length === 1);
  await sleep(30);
  assert.equal(one.open.length, 1);
  assert.ok(
    calls.every(({ status }) => status === 200),
    'a call failed',
  );
});

test('a session beyond max_connections is not idle while calls wait that it can carry', async (t) => {
  const one = await engine(t);
  serve(one);
  const { call } = bench(t, [one], { mode: 'loose', overflowFactor: 2, maxConnections: 1, maxStreamsPerConnection: 1 });
  const calls = Array.from({ length: 20 }, call);
  for (const each of calls) await each.answered();
  assert.deepEqual([one.sessions.length, one.requests], [2, 20]);
});

test('a session beyond max_connections that comes too late for those that waited closes as well', async (t) => {
  const one = await engine(t);
  const { call } = bench(t, [one], { mode: 'loose', overflowFactor: 3, maxConnections: 1, maxStreamsPerConnection: 1 });
  const [first, ...late] = Array.from({ length: 3 }, call) as [Call, Call, Call];
  for (const each of late) each.cancel();
  await first.settled();
  await until(() => one.sessions.length === 3);
  await until(() => one.open.length === 1);
  answer(one.open[0]!, 1);
  await first.answered();
  assert.equal(first.status, 200);
});

test('a loose pool opens nothing ahead beyond max_connections', async (t) => {
  const one = await engine(t);
  const { placed } = bench(t, [one], { mode: 'loose', maxConnections: 1, maxStreamsPerConnection: 10 });
  await placed(10);
  await until(() => one.requests === 10);
  await sleep(20);
  assert.equal(one.sessions.length, 1);
});

test('an exclusive session carries one call at a time', async (t) => {
  const one = await engine(t, [[Setting.MAX_CONCURRENT_STREAMS, 100]]);
  const { call } = bench(t, [one], { exclusive: true, maxConnections: 3 });
  const calls = Array.from({ length: 5 }, call);
  await until(() => one.requests === 3);
  await sleep(20);
  assert.deepEqual([perSession(one), waiting(calls)], [[1, 1, 1], 2]);
  answer(one.sessions[1]!, 1);
  await until(() => one.requests === 4);
  assert.deepEqual([perSession(one), waiting(calls)], [[1, 2, 1], 1]);
});

test('exclusive sessions are used again, one call after another', async (t) => {
  const one = await engine(t);
  serve(one);
  const { call } = bench(t, [one], { exclusive: true });
  for (let i = 0; i < 10; i++) {
    const each = call();
    await each.answered();
    assert.equal(each.status, 200);
  }
  assert.deepEqual(perSession(one), [10]);
});

test('a burst opens as many sessions as it will fill, all at once', async (t) => {
  const bursts = [
    { spec: { exclusive: true }, calls: 5, sessions: 5 },
    { spec: { exclusive: true, maxConnections: 4 }, calls: 9, sessions: 4 },
    { spec: { maxStreamsPerConnection: 10 }, calls: 7, sessions: 1 },
    { spec: { maxStreamsPerConnection: 10 }, calls: 25, sessions: 3 },
    { spec: { maxStreamsPerConnection: 10, maxStreams: 15 }, calls: 25, sessions: 2 },
  ];
  for (const { spec, calls, sessions } of bursts) {
    const one = await engine(t);
    const { call, upstream } = bench(t, [one], spec);
    const burst = Array.from({ length: calls }, call);
    assert.equal(upstream.endpoints[0]!.pool.connecting.size, sessions, JSON.stringify(spec));
    await until(() => one.sessions.length === sessions && one.requests + waiting(burst) === calls);
    await sleep(10);
    assert.equal(one.sessions.length, sessions, JSON.stringify(spec));
  }
});

test('what an endpoint cannot carry for its max_streams is not counted on', async (t) => {
  const [capped, free] = [await engine(t), await engine(t)];
  const endpoints = [
    { address: capped.address, weight: 1, maxStreams: 1 },
    { address: free.address, weight: 1, maxStreams: null },
  ];
  const { call, upstream } = bench(t, [], { endpoints, maxStreamsPerConnection: 2 });
  const calls = Array.from({ length: 6 }, call);
  assert.deepEqual(
    upstream.endpoints.map(({ pool }) => pool.connecting.size),
    [1, 3],
  );
  for (const each of calls) await each.settled();
});

test('another session is opened ahead when a fifth of the streams is free, before anybody waits', async (t) => {
  const one = await engine(t, [[Setting.MAX_CONCURRENT_STREAMS, 10]]);
  const { placed, call, upstream } = bench(t, [one]);
  const { pool } = upstream.endpoints[0]!;
  await placed(1);
  await until(() => one.requests === 1);
  await sleep(10);
  for (let i = 2; i <= 7; i++) call();
  assert.equal(pool.connecting.size, 0);
  const eighth = call();
  assert.deepEqual([pool.connecting.size, eighth.waiting], [1, false]);
  const more = [call(), call()];
  assert.deepEqual([pool.connecting.size, waiting(more)], [1, 0]);
  await until(() => one.sessions.length === 2);
  await sleep(10);
  assert.equal(call().waiting, false);
  assert.equal(one.sessions.length, 2);
});

test('where sessions carry few streams none is opened ahead', async (t) => {
  for (const limit of [1, 4]) {
    const one = await engine(t, [[Setting.MAX_CONCURRENT_STREAMS, limit]]);
    const { placed, call, upstream } = bench(t, [one]);
    await placed(1);
    await until(() => one.requests === 1);
    await sleep(10);
    const calls = Array.from({ length: limit - 1 }, call);
    assert.deepEqual([upstream.endpoints[0]!.pool.connecting.size, waiting(calls)], [0, 0]);
  }
});
