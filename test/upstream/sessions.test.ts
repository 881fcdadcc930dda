import assert from 'node:assert/strict';
import { tmpdir } from 'node:os';
import { test } from 'node:test';
import { Endpoint as Count } from '../../src/counters.ts';
import { goawayFrame, settingsFrame, Setting } from '../support/frames.ts';
import { sleep, until } from '../io/wire.ts';
import { answer, bench, engine } from './stage.ts';
import type { Call, Engine } from './stage.ts';

const spread = (calls: readonly Call[], engines: readonly Engine[]): number[] =>
  engines.map(({ address }) => calls.filter(({ endpoint }) => endpoint === address).length);

test('a session is opened when the first call comes, and the next calls share it', async (t) => {
  const one = await engine(t);
  const { placed, upstream } = bench(t, [one]);
  await sleep(10);
  assert.equal(one.sessions.length, 0);
  const calls = await placed(20);
  await until(() => one.requests === 20);
  assert.equal(one.sessions.length, 1);
  const counted = (slot: number): number => upstream.scopes[1]!.get(slot);
  assert.deepEqual([Count.SESSIONS, Count.STREAMS, Count.STREAMS_OPEN].map(counted), [1, 20, 20]);
  for (let i = 0; i < 20; i++) answer(one.sessions[0]!, 2 * i + 1);
  for (const call of calls) await call.answered();
  assert.ok(calls.every(({ status }) => status === 200));
  assert.equal(counted(Count.STREAMS_OPEN), 0);
});

test('another session is opened when the streams that the engine allows are in use', async (t) => {
  const one = await engine(t, [[Setting.MAX_CONCURRENT_STREAMS, 3]]);
  const { placed } = bench(t, [one]);
  await placed(1);
  await until(() => one.requests === 1);
  await placed(8);
  await until(() => one.requests === 9);
  assert.equal(one.sessions.length, 3);
  for (const { frames } of one.sessions) assert.equal(frames.filter((f) => f.typeName === 'HEADERS').length, 3);
});

test('a burst on a cold pool settles within what the engine allows, once it has said so', async (t) => {
  const one = await engine(t, [[Setting.MAX_CONCURRENT_STREAMS, 1]]);
  const { call, placed } = bench(t, [one], { maxConnections: 4 });
  // The first session of all cannot know, and is given what may be given before SETTINGS.
  const burst = Array.from({ length: 3 }, call);
  await until(() => one.requests === 3);
  assert.ok(burst.every(({ endpoint }) => endpoint === one.address));
  await sleep(10);
  await placed(3);
  await until(() => one.requests === 6);
  assert.deepEqual(
    one.sessions.map(({ frames }) => frames.filter((f) => f.typeName === 'HEADERS').length),
    [3, 1, 1, 1],
  );
});

test('another session is opened when the streams that we allow are in use', async (t) => {
  const one = await engine(t, [[Setting.MAX_CONCURRENT_STREAMS, 100]]);
  const { placed } = bench(t, [one], { maxStreamsPerConnection: 2 });
  await placed(7);
  await until(() => one.requests === 7);
  assert.equal(one.sessions.length, 4);
});

test('a call takes the place of one that ended', async (t) => {
  const one = await engine(t, [[Setting.MAX_CONCURRENT_STREAMS, 2]]);
  const { placed } = bench(t, [one]);
  const [first] = (await placed(2)) as [Call];
  await until(() => one.requests === 2);
  answer(one.sessions[0]!, 1);
  await first.answered();
  await placed(1);
  await until(() => one.requests === 3);
  assert.equal(one.sessions.length, 1);
});

test('a session has room for more when the engine says so', async (t) => {
  const one = await engine(t, [[Setting.MAX_CONCURRENT_STREAMS, 1]]);
  const { placed, call } = bench(t, [one], { maxConnections: 1 });
  await placed(1);
  await until(() => one.requests === 1);
  const waiting = call();
  await sleep(10);
  assert.equal(waiting.waiting, true);
  one.sessions[0]!.send(settingsFrame([Setting.MAX_CONCURRENT_STREAMS, 2]));
  await waiting.settled();
  assert.equal(waiting.endpoint, one.address);
});

test('endpoints take turns, and their shares differ by one call at most', async (t) => {
  const engines = [await engine(t), await engine(t), await engine(t)];
  const { placed, call } = bench(t, engines);
  await placed(1);
  await until(() => engines.every(({ sessions }) => sessions.length === 1));
  await sleep(10);
  const calls = Array.from({ length: 100 }, call);
  const shares = spread(calls, engines);
  assert.equal(shares.reduce((a, b) => a + b), 100); // prettier-ignore
  assert.ok(Math.max(...shares) - Math.min(...shares) <= 1, shares.join());
});

test('after a GOAWAY a session takes no new streams, and its old ones finish', async (t) => {
  const one = await engine(t);
  const { placed } = bench(t, [one]);
  const [old] = (await placed(1)) as [Call];
  await until(() => one.requests === 1);
  one.sessions[0]!.send(goawayFrame(1, 0));
  await sleep(10);
  const [young] = (await placed(1)) as [Call];
  await until(() => one.requests === 2);
  assert.equal(one.sessions.length, 2);
  answer(one.sessions[0]!, 1);
  answer(one.sessions[1]!, 1);
  await Promise.all([old.answered(), young.answered()]);
  assert.deepEqual([old.status, young.status], [200, 200]);
  await one.sessions[0]!.gone();
  assert.equal(one.sessions[1]!.isClosed, false);
});

test('streams above the last id of a GOAWAY may be tried elsewhere', async (t) => {
  const one = await engine(t);
  const { placed } = bench(t, [one]);
  const [below, above] = (await placed(2)) as [Call, Call];
  await until(() => one.requests === 2);
  one.sessions[0]!.send(goawayFrame(1, 0));
  await above.answered();
  assert.deepEqual([above.failure?.cause, above.failure?.retryable, below.failure], ['unprocessed', true, null]);
});

test('an engine that closes an idle session is no error for the next call', async (t) => {
  const goodbyes: ((one: Engine) => unknown)[] = [
    (one) => one.sessions.at(-1)!.send(goawayFrame(2 ** 31 - 1, 0)),
    (one) => one.sessions.at(-1)!.socket.end(),
    (one) => one.sessions.at(-1)!.socket.resetAndDestroy(),
    (one) => {
      one.sessions.at(-1)!.send(goawayFrame(1, 0));
      one.sessions.at(-1)!.socket.end();
    },
  ];
  const one = await engine(t);
  const { placed } = bench(t, [one]);
  for (const goodbye of [...goodbyes, () => undefined]) {
    const [call] = (await placed(1)) as [Call];
    await until(() => one.open.length === 1 && one.open[0]!.frames.some(({ typeName }) => typeName === 'HEADERS'));
    answer(one.sessions.at(-1)!, 1);
    await call.answered();
    assert.deepEqual([call.status, call.failure], [200, null]);
    goodbye(one);
    await sleep(10);
  }
  assert.equal(one.sessions.length, goodbyes.length + 1);
});

test('an endpoint may be a Unix socket', async (t) => {
  const one = await engine(t, [], { path: `${tmpdir()}/frameway-upstream-${process.pid}.sock` });
  assert.match(one.address, /^unix:\//);
  const { placed } = bench(t, [one]);
  const [call] = (await placed(1)) as [Call];
  await until(() => one.requests === 1);
  answer(one.sessions[0]!, 1);
  await call.answered();
  assert.deepEqual([call.endpoint, call.status], [one.address, 200]);
});

test('an endpoint may be an IPv6 address', async (t) => {
  const one = await engine(t, [], { host: '::1', port: 0 });
  assert.match(one.address, /^\[::1\]:\d+$/);
  const { placed } = bench(t, [one]);
  const [call] = (await placed(1)) as [Call];
  await until(() => one.requests === 1);
  answer(one.sessions[0]!, 1);
  await call.answered();
  assert.deepEqual([call.endpoint, call.status], [one.address, 200]);
});

test('closing says goodbye to the engines, when the open calls have ended', async (t) => {
  const one = await engine(t);
  const { placed, call, upstream } = bench(t, [one]);
  const [open] = (await placed(1)) as [Call];
  await until(() => one.requests === 1);
  upstream.close();
  assert.equal(call().failure?.cause, 'draining');
  await one.sessions[0]!.next('GOAWAY');
  answer(one.sessions[0]!, 1);
  await open.answered();
  assert.equal(open.status, 200);
  await one.sessions[0]!.gone();
});
