import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Endpoint as Count } from '../../src/counters.ts';
import { deaf } from '../support/deaf.ts';
import { Setting } from '../support/frames.ts';
import { startGateway } from '../support/gateway.ts';
import { RawClient } from '../support/raw-peer.ts';
import { sleep, until } from '../io/wire.ts';
import { answer, bench, engine, nobody } from './stage.ts';
import type { Call } from './stage.ts';

test('calls go to the other endpoint when one refuses, and nobody notices', async (t) => {
  for (const dead of [0, 1]) {
    const one = await engine(t);
    const endpoints = [one, await nobody(t)];
    if (dead === 0) endpoints.reverse();
    const { call, upstream } = bench(t, endpoints);
    const calls = Array.from({ length: 10 }, call);
    for (const each of calls) await each.settled();
    assert.ok(calls.every(({ endpoint }) => endpoint === one.address));
    await until(() => one.requests === 10);
    const failures = upstream.endpoints.map(({ counters }) => counters.get(Count.CONNECT_FAILURES));
    assert.deepEqual(failures, dead === 0 ? [1, 0] : [0, 1], 'backoff holds');
  }
});

test('when all refuse the call fails, and during the backoff at once', async (t) => {
  const { call, upstream, records } = bench(t, [await nobody(t), await nobody(t)]);
  const first = call();
  assert.equal(first.waiting, true);
  await first.settled();
  assert.equal(first.failure?.cause, 'connect_refused');
  const second = call();
  assert.equal(second.failure?.cause, 'connect_refused', 'at once');
  for (const { counters } of upstream.endpoints) assert.equal(counters.get(Count.CONNECT_FAILURES), 1);
  const refused = records.filter(({ event }) => event === 'connect_failed');
  assert.equal(refused.length, 2);
  assert.match(refused[0]!.message, /ECONNREFUSED/);
});

test('all who wait for an engine that refuses are told so together', async (t) => {
  const { call } = bench(t, [await nobody(t)]);
  const calls = Array.from({ length: 5 }, call);
  for (const each of calls) await each.settled();
  assert.ok(calls.every(({ failure }) => failure?.cause === 'connect_refused'));
});

test('an engine that comes back is used again, once the backoff is over', async (t) => {
  const one = await engine(t);
  const { placed, call } = bench(t, [one], { backoffMax: 60 });
  await placed(1);
  await until(() => one.requests === 1);
  await one.stop();
  await sleep(10);
  const [refused] = (await placed(1)) as [Call];
  assert.equal(refused.failure?.cause, 'connect_refused');
  await one.start();
  const early = call();
  assert.equal(early.failure?.cause, 'connect_refused', 'it is not tried during the backoff');
  await sleep(80);
  const [again] = (await placed(1)) as [Call];
  assert.equal(again.endpoint, one.address);
  await until(() => one.requests === 2);
  answer(one.sessions.at(-1)!, 1);
  await again.answered();
  assert.equal(again.status, 200);
});

test('those who wait for a full engine are served by another that comes back meanwhile', async (t) => {
  const small = await engine(t, [[Setting.MAX_CONCURRENT_STREAMS, 1]]);
  const lost = await nobody(t);
  const { placed, call } = bench(t, [small, lost], { maxConnections: 1, backoffMax: 60 });
  await placed(1);
  await until(() => small.requests === 1);
  const first = call();
  await sleep(10);
  assert.equal(first.waiting, true);
  await lost.start();
  await sleep(80);
  const second = call();
  await Promise.all([first.settled(), second.settled()]);
  assert.deepEqual([first.endpoint, second.endpoint], [lost.address, lost.address]);
});

test('an engine that does not accept in time has failed with a timeout', async (t) => {
  const { call } = bench(t, [await deaf(t)], { connectTimeout: 80 });
  const start = performance.now();
  const one = call();
  await one.settled();
  const took = performance.now() - start;
  assert.deepEqual([one.failure?.cause, one.failure?.grpc], ['connect_timeout', 14]);
  assert.ok(took >= 80 && took < 1000, `${took} ms`);
  assert.equal(call().failure?.cause, 'connect_timeout', 'at once during the backoff');
});

test('calls go to the other endpoint while one does not accept', async (t) => {
  const one = await engine(t);
  const { placed } = bench(t, [await deaf(t), one], { connectTimeout: 500 });
  const start = performance.now();
  const calls = await placed(5);
  assert.ok(performance.now() - start < 400);
  assert.ok(calls.every(({ endpoint }) => endpoint === one.address));
});

test('closing does not wait for a connect that does not come about', async (t) => {
  const { call, upstream } = bench(t, [await deaf(t)], { connectTimeout: 60_000 });
  const one = call();
  await sleep(10);
  const open = (): number => process.getActiveResourcesInfo().filter((name) => name.endsWith('ConnectWrap')).length;
  const before = open();
  upstream.close();
  assert.equal(one.failure?.cause, 'draining');
  await until(() => open() === before - 1);
});

test('a session that comes about after closing does not stay', async (t) => {
  const one = await engine(t);
  const { call, upstream } = bench(t, [one]);
  const waiting = call();
  upstream.close();
  assert.equal(waiting.failure?.cause, 'draining');
  await sleep(30);
  assert.deepEqual([one.open.length, one.requests], [0, 0]);
});

test('a client of the gateway sees nothing of an endpoint that refuses, and is told when all do', async (t) => {
  const one = await engine(t);
  const other = await nobody(t);
  const gateway = await startGateway({ endpoints: [other.address, one.address] });
  t.after(() => gateway.close());
  const client = await RawClient.connect(gateway.port);
  t.after(() => client.close());
  const open = (): number =>
    client.open([
      [':method', 'POST'],
      [':scheme', 'http'],
      [':path', '/'],
      [':authority', 'localhost'],
      ['content-type', 'application/grpc'],
    ], 1); // prettier-ignore
  const id = open();
  await until(() => one.requests === 1);
  answer(one.sessions[0]!, 1);
  assert.equal((await client.message(id)).status, 200);
  assert.equal(gateway.exchanges[0]?.attempts, 1);
  await one.stop();
  await sleep(20);
  const { status, grpcStatus } = await client.message(open());
  assert.deepEqual([status, grpcStatus], [200, 14]);
  assert.equal(gateway.count('frameway_failures_total', 'connect_refused'), 1);
});
