import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import type { BalanceSpec } from '../../src/snapshot.ts';
import { Random } from '../support/random.ts';
import { engines, equal, load, picker } from './engines.ts';

const PICKS = 100_000;
/** As the seeds write them, mixed, one heavy, all the same, and many with one heavy among them. */
const WEIGHTS = [
  [10, 10],
  [5, 1, 1],
  [1, 2, 3, 4],
  [90, 10],
  [1, 1, 1, 1, 1],
  [20, ...Array<number>(30).fill(1)],
];

/** The most that a share is away from its weight, in percentage points. */
function deviation(counts: readonly number[], weights: readonly number[]): number {
  const picks = counts.reduce((sum, count) => sum + count, 0);
  const total = weights.reduce((sum, weight) => sum + weight, 0);
  return Math.max(...counts.map((count, index) => 100 * Math.abs(count / picks - weights[index]! / total)));
}

/** Streams under way, for each policy that follows weights. Those that do not look at load follow them at any. */
const FOLLOWS: readonly (readonly [BalanceSpec['policy'], readonly number[]])[] = [
  ['weighted_round_robin', [0, 1000]],
  ['weighted_random', [0, 1000]],
  ['least_request', [0, 1000]],
  ['power_of_two', [0, 1000]],
];

for (const [policy, loads] of FOLLOWS) {
  describe(policy, () => {
    for (const streams of loads) {
      for (const weights of WEIGHTS) {
        test(`with ${streams} streams live, shares are within 1 point of ${String(weights).slice(0, 20)}`, () => {
          const all = engines(weights);
          const counts = load(picker(policy, all, 11), all, PICKS, streams, new Random(12));
          const off = deviation(counts, weights);
          assert.ok(off <= 1, `${off.toFixed(2)} points: ${counts.join(' ')}`);
        });
      }
    }
  });
}

for (const policy of ['round_robin', 'random'] as const) {
  test(`${policy} gives all the same, whatever their weights`, () => {
    const all = engines([9, 1, 5, 100]);
    const off = deviation(load(picker(policy, all, 13), all, PICKS, 0, new Random(14)), [1, 1, 1, 1]);
    assert.ok(off <= 1, `${off.toFixed(2)} points`);
  });

  test(`${policy} is as even while others are not available`, () => {
    const all = equal(12);
    for (const engine of all.slice(4)) engine.available = false;
    const counts = load(picker(policy, all, 15), all, PICKS, 0, new Random(16));
    const off = deviation(counts.slice(0, 4), [1, 1, 1, 1]);
    assert.ok(off <= 1, `${off.toFixed(2)} points: ${counts.join(' ')}`);
  });
}

test('peak_ewma with equal latencies keeps the load in proportion to weights', () => {
  const weights = [1, 2, 3, 4];
  const all = engines(weights);
  for (const engine of all) engine.latency = 80;
  const off = deviation(load(picker('peak_ewma', all, 17), all, PICKS, 1000, new Random(18)), weights);
  assert.ok(off <= 1, `${off.toFixed(2)} points`);
});

test('a weight that changes between picks counts at once', () => {
  for (const [policy] of FOLLOWS) {
    const all = engines([1000, 1000, 1000]);
    const balancer = picker(policy, all, 19);
    load(balancer, all, 1001, 0, new Random(20));
    all[0]!.weight = 0.1;
    all[1]!.weight = 0.8;
    all[2]!.weight = 0.1;
    const off = deviation(load(balancer, all, 1000, 0, new Random(21)), [1, 8, 1]);
    assert.ok(off <= 3, `${policy}: ${off.toFixed(2)} points`);
  }
});

test('two of the same seed pick the same', () => {
  for (const policy of ['random', 'weighted_random', 'power_of_two', 'peak_ewma'] as const) {
    const all = engines([1, 2, 3]);
    const row = (seed: number): unknown[] => {
      const balancer = picker(policy, all, seed);
      return Array.from({ length: 100 }, () => balancer.pick(0, null)!.address);
    };
    assert.deepEqual(row(22), row(22));
    assert.notDeepEqual(row(22), row(23));
  }
});
