import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Upstream as Count } from '../../src/counters.ts';
import { Random } from '../support/random.ts';
import { until } from '../io/wire.ts';
import { answer, bench, engine } from './stage.ts';
import type { Call } from './stage.ts';

test('more calls than max_pending are refused at once, and those that wait keep their place', async (t) => {
  const one = await engine(t);
  const { placed, call, upstream } = bench(t, [one], { maxStreams: 1, maxPending: 2 });
  await placed(1);
  await until(() => one.requests === 1);
  const [first, second, third] = [call(), call(), call()];
  assert.deepEqual([first.waiting, second.waiting, third.failure?.cause], [true, true, 'pool_full']);
  assert.deepEqual([upstream.counters.get(Count.WAITING), upstream.counters.get(Count.REFUSED)], [2, 1]);
  second.cancel();
  const fourth = call();
  assert.equal(fourth.waiting, true);
  answer(one.sessions[0]!, 1);
  await first.settled();
  assert.equal(first.endpoint, one.address);
});

test('more calls than max_active, waiting or served, are refused at once', async (t) => {
  const one = await engine(t);
  const { placed, call } = bench(t, [one], { maxStreams: 2, maxActive: 3 });
  const [served] = (await placed(2)) as [Call, Call];
  await until(() => one.requests === 2);
  const waiting = call();
  const refused = call();
  assert.deepEqual([waiting.waiting, refused.failure?.cause, refused.failure?.grpc], [true, 'pool_full', 8]);
  answer(one.sessions[0]!, 1);
  await served.answered();
  await waiting.settled();
  const next = call();
  assert.equal(next.waiting, true);
  next.cancel();
  assert.equal(call().waiting, true, 'who has left counts no more');
});

test('whoever leaves the queue, the others are served in the order in which they came', async (t) => {
  for (let seed = 1; seed <= 5; seed++) {
    const random = new Random(seed);
    const one = await engine(t);
    const { placed, call, upstream } = bench(t, [one], { maxStreams: 1 });
    await placed(1);
    await until(() => one.requests === 1);
    let calls: Call[] = Array.from({ length: 20 }, call);
    const served: Call[] = [];
    for (let id = 1; calls.length > 0; id += 2) {
      for (const each of calls) if (random.chance(0.1)) each.cancel();
      calls = calls.filter(({ place }) => place !== null);
      if (random.chance(0.2)) calls.push(call());
      const next = calls.shift();
      if (next === undefined) break;
      answer(one.sessions[0]!, id);
      await next.settled();
      served.push(next);
      assert.ok(calls.every(({ waiting }) => waiting), `seed ${seed}: overtaken`); // prettier-ignore
      await until(() => one.requests === served.length + 1);
    }
    assert.ok(served.length > 3, `seed ${seed}: ${served.length} served`);
    assert.equal(upstream.counters.get(Count.WAITING), 0);
  }
});
