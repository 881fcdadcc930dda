import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Failures } from '../../src/errors.ts';
import { answer, bench, engine } from './stage.ts';
import { sleep, until } from '../io/wire.ts';

test('an engine that is drained gets no new calls, and its open ones end in peace', async (t) => {
  const [old, other] = [await engine(t), await engine(t)];
  const { upstream, call, placed } = bench(t, [old, other]);
  const first = await placed(2);
  const staying = first.find(({ endpoint }) => endpoint === old.address)!;
  assert.equal(upstream.drain(old.address, 60_000), true);
  for (const { endpoint } of await placed(6)) assert.equal(endpoint, other.address);
  await until(() => old.requests === 1);
  answer(old.sessions[0]!, 1);
  await staying.answered();
  assert.deepEqual([staying.status, staying.failure], [200, null]);
  // The session has said goodbye, and goes with its last call.
  await until(() => old.open.length === 0);
  assert.equal(call().waiting, false);
});

test('after the deadline the rest is told that its engine is going, each within a tenth of it', async (t) => {
  const one = await engine(t);
  const { upstream, placed } = bench(t, [one]);
  const calls = await placed(20);
  const begun = performance.now();
  upstream.drain(one.address, 200);
  await until(() => calls.every(({ failure }) => failure !== null));
  const took = performance.now() - begun;
  assert.ok(took >= 195, `${took} ms`);
  for (const { failure } of calls) assert.equal(failure, Failures.engineDraining);
});

test('while all engines are drained calls fail at once, in a panic too', async (t) => {
  const one = await engine(t);
  const { upstream, call, placed } = bench(t, [one], { panicThreshold: 1 });
  await placed(1);
  upstream.drain(one.address, 60_000);
  assert.equal(call().failure, Failures.noEndpoint);
});

test('an engine that is brought back gets calls again, and its open ones are left alone', async (t) => {
  const [old, other] = [await engine(t), await engine(t)];
  const { upstream, placed } = bench(t, [old, other]);
  const first = await placed(2);
  upstream.drain(old.address, 50);
  assert.equal(upstream.undrain(old.address), true);
  await sleep(120);
  for (const { failure } of first) assert.equal(failure, null);
  await placed(1);
  await until(() => old.open.length === 2, 'a new session beside the one that ends');
  const again = await placed(4);
  assert.equal(again.filter(({ endpoint }) => endpoint === old.address).length, 2);
});

test('an endpoint that the configuration drains gets no calls, and nobody connects to it', async (t) => {
  const [one, two] = [await engine(t), await engine(t)];
  const { upstream, placed } = bench(t, [one, two], { draining: [one.address], minConnections: 1 });
  upstream.start();
  for (const { endpoint } of await placed(4)) assert.equal(endpoint, two.address);
  assert.equal(one.sessions.length, 0);
});
