import assert from 'node:assert/strict';
import { test } from 'node:test';
import { PeakEwma } from '../../src/balance/latency.ts';
import { Random } from '../support/random.ts';
import { engines, equal, load, picker } from './engines.ts';

test('least_request takes the fewest streams relative to weight', () => {
  const all = engines([1, 2, 4]);
  const balancer = picker('least_request', all, 1);
  [all[0]!.active, all[1]!.active, all[2]!.active] = [2, 3, 7];
  assert.equal(balancer.pick(0, null), all[1], '2, 1.5 and 1.75');
  all[1]!.available = false;
  assert.equal(balancer.pick(0, null), all[2]);
  assert.equal(balancer.pick(0, all[2]!), all[0]);
});

test('least_request fills up empty engines in proportion to their weights', () => {
  const all = engines([1, 2, 3, 4]);
  const balancer = picker('least_request', all, 1);
  for (let n = 0; n < 100; n++) balancer.pick(0, null)!.active++;
  assert.deepEqual(
    all.map(({ active }) => active),
    [10, 20, 30, 40],
  );
});

test('least_request breaks ties in turn', () => {
  const all = equal(3);
  const balancer = picker('least_request', all, 1);
  const idle = Array.from({ length: 6 }, () => all.indexOf(balancer.pick(0, null)!));
  assert.deepEqual(idle, [0, 1, 2, 0, 1, 2]);
  all[0]!.active = 1;
  const two = Array.from({ length: 4 }, () => all.indexOf(balancer.pick(0, null)!));
  assert.deepEqual(two, [1, 2, 1, 2]);
});

test('least_request gives an engine in slow start a stream, but not a second while it has less than its share', () => {
  const all = engines([1, 1, 0.1]);
  const balancer = picker('least_request', all, 1);
  for (let n = 0; n < 15; n++) balancer.pick(0, null)!.active++;
  assert.deepEqual(
    all.map(({ active }) => active),
    [7, 7, 1],
  );
});

test('power_of_two takes the less loaded of two, and never the most loaded of all', () => {
  const all = equal(5);
  const balancer = picker('power_of_two', all, 2);
  all.forEach((engine, index) => (engine.active = index));
  const counts = load(balancer, all, 10_000, 0, new Random(3));
  assert.equal(counts[4], 0);
  for (let n = 1; n < 5; n++) assert.ok(counts[n]! < counts[n - 1]!, counts.join(' '));
});

test('power_of_two keeps a hundred engines within a few streams of each other, where lots alone do not', () => {
  const spread = (policy: 'power_of_two' | 'random'): number => {
    const all = equal(100);
    load(picker(policy, all, 4), all, 20_000, 2000, new Random(5));
    return Math.max(...all.map(({ active }) => active)) - 20;
  };
  assert.ok(spread('power_of_two') <= 5, `${spread('power_of_two')}`);
  assert.ok(spread('random') >= 8, `${spread('random')}`);
});

test('peak_ewma prefers the fast', () => {
  const all = equal(4);
  all.forEach((engine, index) => (engine.latency = index === 2 ? 20 : 200));
  const counts = load(picker('peak_ewma', all, 6), all, 10_000, 0, new Random(7));
  // Whenever it is drawn: 3 of 6 pairs.
  assert.ok(Math.abs(counts[2]! - 5000) < 200, counts.join(' '));
});

test('peak_ewma weighs load against latency: under load streams are as the speed is', () => {
  const all = engines([1, 1, 1, 1]);
  all.forEach((engine, index) => (engine.latency = index < 2 ? 50 : 100));
  load(picker('peak_ewma', all, 8), all, 20_000, 600, new Random(9));
  for (const [index, engine] of all.entries()) {
    const fair = index < 2 ? 200 : 100;
    assert.ok(Math.abs(engine.active - fair) < 20, `${engine.active}, not ${fair}`);
  }
});

test('peak_ewma tries the unknown with one call at a time while others are known', () => {
  const all = equal(3);
  const balancer = picker('peak_ewma', all, 10);
  all[0]!.latency = all[1]!.latency = 100;
  for (let n = 0; n < 50; n++) balancer.pick(0, null)!.active++;
  const [one, other, tried] = all.map(({ active }) => active);
  assert.equal(tried, 1);
  assert.ok(Math.abs(one! - other!) <= 2, `${one} and ${other}`);
  // It spills over before the others drown.
  for (let n = 0; n < 1000; n++) balancer.pick(0, null)!.active++;
  const later = all[2]!.active;
  assert.ok(later > 1 && later < 20, `${later}`);
});

test('peak_ewma spreads calls by load while nobody has answered yet', () => {
  const all = equal(4);
  const balancer = picker('peak_ewma', all, 11);
  for (let n = 0; n < 400; n++) balancer.pick(0, null)!.active++;
  for (const { active } of all) assert.ok(Math.abs(active - 100) <= 5, `${active}`);
});

test('peak_ewma leaves an engine that became slow within one answer, and returns when it has recovered', () => {
  const clock = { time: 1_000_000 };
  const all = equal(3);
  const latencies = all.map(() => new PeakEwma());
  const balancer = picker('peak_ewma', all, 12, {}, clock);
  let slow = false;
  /** Picks of the first in so many seconds of 50 calls each, one after the other. */
  const seconds = (count: number): number => {
    let first = 0;
    for (let n = 0; n < count * 50; n++) {
      all.forEach((engine, index) => (engine.latency = latencies[index]!.value(clock.time)));
      const picked = all.indexOf(balancer.pick(0, null)!);
      if (picked === 0) first++;
      clock.time += 20;
      latencies[picked]!.observe(picked === 0 && slow ? 2000 : 100, clock.time);
    }
    return first;
  };
  seconds(10);
  const even = seconds(20);
  assert.ok(Math.abs(even - 333) < 100, `a third of 1000: ${even}`);
  slow = true;
  const left = seconds(20);
  assert.ok(left >= 1 && left < 20, `${left} of 1000 while it is slow`);
  slow = false;
  seconds(40);
  const back = seconds(20);
  assert.ok(Math.abs(back - 333) < 100, `${back} of 1000 once it has recovered`);
});

test('peak_ewma does not fall for an engine that refuses quickly, and tries it again after a success, or once the failure has faded', () => {
  const clock = { time: 0 };
  const all = equal(2);
  all[1]!.latency = 100;
  const balancer = picker('peak_ewma', all, 13, {}, clock);
  assert.equal(balancer.pick(0, null), all[0], 'unknown and idle');
  balancer.report(all[0]!, false);
  for (let n = 0; n < 100; n++) assert.equal(balancer.pick(0, null), all[1]);
  balancer.update([...all]);
  assert.equal(balancer.pick(0, null), all[1], 'an update forgets nothing');
  // 10 s faded to 111 ms, and to 91 ms.
  clock.time = 45_000;
  assert.equal(balancer.pick(0, null), all[1]);
  clock.time = 47_000;
  assert.equal(balancer.pick(0, null), all[0]);
  balancer.report(all[0]!, false);
  balancer.report(all[0]!, true);
  assert.equal(balancer.pick(0, null), all[0]);
});
