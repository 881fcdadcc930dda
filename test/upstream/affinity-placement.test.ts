import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { TestContext } from 'node:test';
import { DEFAULT_BALANCE } from '../../src/snapshot.ts';
import type { AffinitySpec, UpstreamSpec } from '../../src/snapshot.ts';
import { sleep, until } from '../io/wire.ts';
import { bench, Clock, engine, UNASKED } from './stage.ts';
import type { Bench, Call, Engine } from './stage.ts';

const AFFINITY: AffinitySpec = { key: { source: 'header', name: 'x-call-key' }, ttl: 600_000, maxKeys: 100 };

interface Stage extends Bench {
  readonly engines: readonly Engine[];
  readonly keyed: (key: string) => Call;
}

/** Engines that are connected to, and calls with a key. */
async function stage(t: TestContext, count: number, spec: Partial<UpstreamSpec>, clock?: Clock): Promise<Stage> {
  const engines: Engine[] = [];
  for (let i = 0; i < count; i++) engines.push(await engine(t));
  const made = bench(t, engines, { affinity: AFFINITY, keepalive: UNASKED, ...spec }, clock?.wheel);
  const [first] = (await made.placed(1)) as [Call];
  await until(() => made.upstream.endpoints.every(({ pool }) => pool.sessions.length === 1));
  await until(() => engines.some(({ requests }) => requests === 1));
  first.cancel();
  await sleep(10);
  return { ...made, engines, keyed: (key) => made.callWith([['x-call-key', key]]) };
}

const at = (engines: readonly Engine[], { endpoint }: Call): Engine =>
  engines.find(({ address }) => address === endpoint)!;

test('calls of one key go to one endpoint, and different keys to all', async (t) => {
  const { engines, keyed } = await stage(t, 3, {});
  const homes = new Map<string, string>();
  for (let i = 0; i < 60; i++) {
    const key = `key ${i % 12}`;
    const { endpoint } = keyed(key);
    assert.equal(endpoint, homes.get(key) ?? endpoint, key);
    homes.set(key, endpoint!);
  }
  assert.equal(new Set(homes.values()).size, engines.length);
});

test('a call without a key goes anywhere', async (t) => {
  const { engines, call } = await stage(t, 2, {});
  const calls = Array.from({ length: 10 }, call);
  assert.equal(new Set(calls.map(({ endpoint }) => endpoint)).size, engines.length);
});

test('a key stays with its endpoint while that has no session because nobody called', async (t) => {
  const clock = new Clock();
  const { engines, keyed, upstream } = await stage(t, 3, { idleTimeout: 60_000 }, clock);
  const first = keyed('a');
  await until(() => at(engines, first).requests > 0);
  first.cancel();
  await clock.pass(61_000);
  await clock.pass(61_000);
  await until(() => upstream.endpoints.every(({ pool }) => !pool.alive));
  for (let i = 0; i < 3; i++) {
    const next = keyed('a');
    await next.settled();
    assert.equal(next.endpoint, first.endpoint);
  }
});

test('a key is forgotten after its ttl', async (t) => {
  const clock = new Clock();
  const { keyed } = await stage(t, 4, { idleTimeout: 0 }, clock);
  const homes = new Set<string | null>();
  for (let i = 0; i < 12; i++) {
    homes.add(keyed('a').endpoint);
    await clock.pass(601_000);
  }
  assert.ok(homes.size > 1, 'it never moved');
});

test('a call waits for its own endpoint while that is full, and others pass it', async (t) => {
  const { engines, keyed, call } = await stage(t, 2, { maxStreams: 1, affinityWait: 2000 });
  const first = keyed('a');
  await until(() => at(engines, first).requests > 0);
  const next = keyed('a');
  const other = call();
  assert.deepEqual([next.waiting, other.waiting], [true, false]);
  assert.notEqual(other.endpoint, first.endpoint);
  first.cancel();
  await next.settled();
  assert.equal(next.endpoint, first.endpoint);
});

test('a call goes elsewhere when it has waited for affinity_wait, not sooner, and its key stays there', async (t) => {
  const { keyed } = await stage(t, 2, { maxStreams: 2, affinityWait: 50 });
  const home = keyed('a');
  keyed('a');
  const start = performance.now();
  const next = keyed('a');
  assert.equal(next.waiting, true);
  await next.settled();
  assert.ok(performance.now() - start >= 50, `${performance.now() - start} ms`);
  assert.ok(next.endpoint !== null && next.endpoint !== home.endpoint, 'it did not go elsewhere');
  home.cancel();
  assert.equal(keyed('a').endpoint, next.endpoint);
});

test('a call that comes while others wait still waits for its own endpoint', async (t) => {
  const { engines, keyed, call } = await stage(t, 2, { maxStreams: 1, affinityWait: 2000 });
  const home = keyed('a');
  const away = call();
  assert.deepEqual([home.waiting, away.waiting], [false, false]);
  await until(() => engines.every(({ requests }) => requests > 0));
  const crowd = call();
  const next = keyed('a');
  assert.deepEqual([crowd.waiting, next.waiting], [true, true]);
  away.cancel();
  await crowd.settled();
  crowd.cancel();
  await sleep(20);
  assert.equal(next.waiting, true, 'it went elsewhere');
  home.cancel();
  await next.settled();
  assert.equal(next.endpoint, home.endpoint);
});

test('another session is opened to the endpoint that a call waits for, and none to the others', async (t) => {
  for (let round = 0; round < 2; round++) {
    const { engines, keyed } = await stage(t, 3, { maxStreamsPerConnection: 1, affinityWait: 2000 });
    const first = keyed('a');
    for (let i = 0; i < 3; i++) {
      const next = keyed('a');
      await next.settled();
      assert.equal(next.endpoint, first.endpoint);
    }
    await sleep(20);
    assert.deepEqual(engines.map(({ sessions }) => sessions.length).sort(), [1, 1, 4]);
  }
});

test('a key goes elsewhere at once when its endpoint is down, also for those that wait for it', async (t) => {
  const { engines, keyed } = await stage(t, 2, { maxStreams: 1, affinityWait: 60_000, acquireTimeout: 60_000 });
  const first = keyed('a');
  await until(() => at(engines, first).requests > 0);
  const next = keyed('a');
  assert.equal(next.waiting, true);
  await at(engines, first).stop();
  await next.settled();
  assert.ok(next.failure === null && next.endpoint !== first.endpoint, 'it did not go elsewhere');
  next.cancel();
  assert.equal(keyed('a').endpoint, next.endpoint);
});

test('with consistent_hash calls go by their header, and only those of a lost endpoint move', async (t) => {
  const balance = { ...DEFAULT_BALANCE, policy: 'consistent_hash', key: AFFINITY.key, maxLoad: 0 } as const;
  const { engines, callWith, keyed } = await stage(t, 3, { affinity: null, balance });
  const keys = Array.from({ length: 60 }, (_, i) => `key ${i}`);
  const homes = new Map(keys.map((key) => [key, keyed(key).endpoint!]));
  for (const key of keys) assert.equal(keyed(key).endpoint, homes.get(key), key);
  assert.equal(new Set(homes.values()).size, 3);
  const [lost] = engines as [Engine];
  await lost.stop();
  await sleep(20);
  for (const key of keys) {
    const moved = callWith([['x-call-key', key]]);
    await moved.settled();
    if (homes.get(key) === lost.address) assert.notEqual(moved.endpoint, lost.address);
    else assert.equal(moved.endpoint, homes.get(key), key);
  }
});
