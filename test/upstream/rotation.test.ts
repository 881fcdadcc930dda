import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Endpoint as EndpointCount, Upstream as Count } from '../../src/counters.ts';
import { DEFAULT_BALANCE } from '../../src/snapshot.ts';
import type { HealthSpec, OutlierSpec, UpstreamSpec } from '../../src/snapshot.ts';
import { sleep, until } from '../io/wire.ts';
import { bench, Clock, engine, nobody, serve, UNASKED } from './stage.ts';
import type { Bench, Call, Engine } from './stage.ts';

const TCP: HealthSpec = {
  kind: 'tcp',
  service: '',
  watch: false,
  path: '/',
  interval: 20,
  timeout: 1000,
  jitter: 0,
  unhealthyThreshold: 2,
  healthyThreshold: 2,
};
const OUTLIER: OutlierSpec = {
  consecutiveFailures: 3,
  failureShare: 0.5,
  minimumRequests: 10,
  interval: 10_000,
  baseEjection: 30_000,
  maxEjection: 300_000,
  maxEjected: 0.5,
};

const weighted = (engines: readonly Engine[], weights: readonly number[]): UpstreamSpec['endpoints'] =>
  engines.map(({ address }, i) => ({ address, weight: weights[i]!, maxStreams: null }));

/** How many of `count` calls, one after the other and each to its end, went to each engine. */
async function shares({ call }: Bench, engines: readonly Engine[], count: number): Promise<number[]> {
  const calls: Call[] = [];
  for (let i = 0; i < count; i++) {
    const each = call();
    calls.push(each);
    await each.answered();
  }
  return engines.map(({ address }) => calls.filter(({ endpoint }) => endpoint === address).length);
}

/** All endpoints are connected to. */
async function ready(made: Bench): Promise<Bench> {
  const first = made.call();
  await until(() => made.upstream.endpoints.every(({ pool }) => pool.sessions.length > 0));
  await first.answered();
  await sleep(10);
  return made;
}

test('by default calls follow the weights of endpoints', async (t) => {
  const engines = [await engine(t), await engine(t)];
  for (const each of engines) serve(each);
  const made = await ready(bench(t, [], { endpoints: weighted(engines, [3, 1]) }));
  assert.deepEqual(await shares(made, engines, 100), [75, 25]);
});

test('round_robin knows no weights', async (t) => {
  const engines = [await engine(t), await engine(t)];
  for (const each of engines) serve(each);
  const balance = { ...DEFAULT_BALANCE, policy: 'round_robin' } as const;
  const made = await ready(bench(t, [], { endpoints: weighted(engines, [3, 1]), balance }));
  assert.deepEqual(await shares(made, engines, 100), [50, 50]);
});

test('an endpoint that comes back begins with a tenth of its share and has all of it after slow_start', async (t) => {
  for (const policy of ['round_robin', 'weighted_round_robin', 'weighted_random'] as const) {
    const clock = new Clock();
    const engines = [await engine(t), await nobody(t)] as const;
    const back = engines[1];
    for (const each of engines) serve(each);
    const balance = { ...DEFAULT_BALANCE, policy };
    const spec = { balance, slowStart: 100_000, backoffMax: 1000, keepalive: UNASKED, idleTimeout: 0 };
    const made = bench(t, engines, spec, clock.wheel);
    await made.placed(1);
    await clock.pass(200_000);
    await back.start();
    await made.placed(1);
    await until(() => made.upstream.endpoints[1]!.pool.sessions.length === 1);
    await sleep(20);
    const early = (await shares(made, engines, 220))[1]!;
    await clock.pass(50_000);
    const later = (await shares(made, engines, 220))[1]!;
    await clock.pass(60_000);
    const full = (await shares(made, engines, 220))[1]!;
    const told = `${policy}: ${early}, ${later}, ${full} of 220`;
    // Expected: 0.1 of 1.1, 0.55 of 1.55, 1 of 2; chance is allowed five deviations.
    const slack = policy === 'weighted_random' ? 5 : 0.5;
    const near = (share: number, expected: number): boolean =>
      Math.abs(share - 220 * expected) <= slack * Math.sqrt(220 * expected * (1 - expected));
    assert.ok(near(early, 0.1 / 1.1) && near(later, 0.55 / 1.55) && near(full, 0.5), told);
  }
});

test('an engine that is exhausted gets less for a while, and is not thrown out', async (t) => {
  for (const policy of ['weighted_round_robin', 'round_robin'] as const) {
    const clock = new Clock();
    const engines = [await engine(t), await engine(t)];
    serve(engines[0]!, [['grpc-status', '8']]);
    serve(engines[1]!, [['grpc-status', '0']]);
    const spec = { balance: { ...DEFAULT_BALANCE, policy }, outlier: OUTLIER, keepalive: UNASKED };
    const made = await ready(bench(t, engines, spec, clock.wheel));
    for (let i = 0; i < 8; i++) {
      await shares(made, engines, 30);
      await clock.pass(200);
    }
    const [exhausted] = (await shares(made, engines, 200)) as [number];
    assert.ok(exhausted > 0 && exhausted <= 0.25 * 200, `${policy}: ${exhausted} of 200`);
    const [{ counters, inRotation }] = made.upstream.endpoints as [(typeof made.upstream.endpoints)[0]];
    assert.deepEqual([counters.get(EndpointCount.EJECTIONS), inRotation], [0, true]);
    assert.ok(counters.get(EndpointCount.EXHAUSTED) > 10, 'not counted');
  }
});

test('an engine whose calls fail is left out, and comes back by one call', async (t) => {
  const clock = new Clock();
  const engines = [await engine(t), await engine(t)] as const;
  let status = '14';
  const [bad, good] = engines;
  serve(good, [['grpc-status', '0']]);
  serve(bad);
  const plain = bad.script;
  bad.script = (session) => {
    const headers = session.headers.bind(session);
    session.headers = (id, fields, flags) => headers(id, [...fields, ['grpc-status', status]], flags);
    plain(session);
  };
  const made = bench(t, engines, { outlier: OUTLIER, keepalive: UNASKED, idleTimeout: 0 }, clock.wheel);
  await made.placed(1);
  await until(() => made.upstream.endpoints.every(({ pool }) => pool.sessions.length > 0));
  await shares(made, engines, 20);
  assert.deepEqual(await shares(made, engines, 20), [0, 20]);
  status = '0';
  await clock.pass(29_000);
  assert.deepEqual(await shares(made, engines, 20), [0, 20], 'its ban is not over');
  await clock.pass(2000);
  const [again] = (await shares(made, engines, 40)) as [number];
  assert.ok(again >= 10, `${again} of 40`);
  const { counters } = made.upstream.endpoints[0]!;
  assert.equal(counters.get(EndpointCount.EJECTIONS), 1);
});

test('endpoints that are not healthy get no calls while enough others are', async (t) => {
  const engines = [await engine(t), await engine(t), await engine(t)];
  for (const each of engines) serve(each);
  const made = bench(t, engines);
  made.upstream.endpoints[0]!.healthy = false;
  await ready(made);
  const [out, ...others] = await shares(made, engines, 30);
  assert.deepEqual([out, others], [0, [15, 15]]);
  assert.equal(made.upstream.counters.get(Count.PANICS), 0);
});

test('where too few are healthy, calls go to all of them', async (t) => {
  const engines = [await engine(t), await engine(t), await engine(t)];
  for (const each of engines) serve(each);
  const made = bench(t, engines, { panicThreshold: 0.5 });
  for (const endpoint of made.upstream.endpoints.slice(0, 2)) endpoint.healthy = false;
  await ready(made);
  assert.deepEqual(await shares(made, engines, 30), [10, 10, 10]);
  assert.equal(made.upstream.counters.get(Count.PANICS), 1);
});

test('without a panic threshold calls go to the last that is healthy, and fail at once where none is', async (t) => {
  for (const healthy of [1, 0]) {
    const engines = [await engine(t), await engine(t)];
    for (const each of engines) serve(each);
    const made = bench(t, engines, { panicThreshold: 0 });
    made.upstream.endpoints.forEach((endpoint, i) => (endpoint.healthy = i < healthy));
    if (healthy === 1) {
      await ready(made);
      assert.deepEqual(await shares(made, engines, 10), [10, 0]);
    } else {
      const call = made.call();
      assert.deepEqual([call.failure?.cause, call.failure?.grpc], ['no_endpoint', 14]);
    }
  }
});

test('an endpoint that fails its checks is left out though its session stands, and back when they go well', async (t) => {
  const engines = [await engine(t), await engine(t)] as const;
  const [down] = engines;
  for (const each of engines) serve(each);
  const made = bench(t, engines, { health: TCP });
  made.upstream.start();
  await ready(made);
  down.refuse();
  await until(() => !made.upstream.endpoints[0]!.healthy);
  assert.deepEqual(await shares(made, engines, 10), [0, 10]);
  await down.start();
  await until(() => made.upstream.endpoints[0]!.healthy);
  assert.deepEqual(await shares(made, engines, 10), [5, 5]);
});

test('calls that wait are served when an endpoint gets healthy, and fail when the last one is not', async (t) => {
  const engines = [await engine(t), await engine(t)] as const;
  const [full, other] = engines;
  const made = bench(t, engines, { health: TCP, panicThreshold: 0, maxStreams: 1 });
  made.upstream.start();
  other.refuse();
  await until(() => !made.upstream.endpoints[1]!.healthy);
  const [holder] = (await made.placed(1)) as [Call];
  assert.equal(holder.endpoint, full.address);
  const next = made.call();
  assert.equal(next.waiting, true);
  await other.start();
  await next.settled();
  assert.equal(next.endpoint, other.address);
  const last = made.call();
  assert.equal(last.waiting, true);
  full.refuse();
  other.refuse();
  await last.settled();
  assert.equal(last.failure?.grpc, 14);
});
