import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Random } from '../support/random.ts';
import { Engine, engines, load, picker } from './engines.ts';

const NAMES = 'abcdefgh';

/** The names of the next picks, a for the first. */
function row(balancer: ReturnType<typeof picker>, all: readonly Engine[], count: number): string {
  let names = '';
  for (let n = 0; n < count; n++) names += NAMES[all.indexOf(balancer.pick(0, null)!)]!;
  return names;
}
/** The share of each in a hundred picks. */
const shares = (balancer: ReturnType<typeof picker>, all: readonly Engine[]): number[] =>
  load(balancer, all, 100, 0, new Random(1));

/** The algorithm as nginx has it, without failures. */
function* nginx(weights: readonly number[]): Generator<number> {
  const total = weights.reduce((sum, weight) => sum + weight, 0);
  const current = weights.map(() => 0);
  for (;;) {
    let best = 0;
    weights.forEach((weight, index) => {
      current[index]! += weight;
      if (current[index]! > current[best]!) best = index;
    });
    current[best]! -= total;
    yield best;
  }
}

test("weights of 5, 1 and 1 give nginx's sequence", () => {
  const all = engines([5, 1, 1]);
  assert.equal(row(picker('weighted_round_robin', all, 1), all, 14), 'aabacaaaabacaa');
});

test('any weights give the sequence that nginx gives', () => {
  const random = new Random(2);
  for (let n = 0; n < 200; n++) {
    const weights = Array.from({ length: random.between(1, 8) }, () => random.pick([1, 2, 3, 7, 10, 500]));
    const all = engines(weights);
    const balancer = picker('weighted_round_robin', all, 1);
    const reference = nginx(weights);
    for (let pick = 0; pick < 1000; pick++) {
      const expected = all[reference.next().value as number];
      assert.equal(balancer.pick(0, null), expected, `pick ${pick} of ${weights.join(' ')}`);
    }
  }
});

test('a failure takes a step off the share, a success gives one back, never more than the weight', () => {
  const all = engines([10, 10]);
  const balancer = picker('weighted_round_robin', all, 1, { maxFails: 4 });
  balancer.report(all[0]!, false);
  assert.deepEqual(shares(balancer, all), [43, 57], '7.5 to 10');
  balancer.report(all[0]!, false);
  assert.deepEqual(shares(balancer, all), [33, 67], '5 to 10');
  balancer.report(all[0]!, true);
  balancer.report(all[0]!, true);
  assert.deepEqual(shares(balancer, all), [50, 50]);
  for (let n = 0; n < 100; n++) balancer.report(all[1]!, true);
  assert.deepEqual(shares(balancer, all), [50, 50]);
});

test('so many failures within the time take one out for as long, and it returns with a small share', () => {
  const all = engines([1, 1]);
  const clock = { time: 5_000 };
  const balancer = picker('weighted_round_robin', all, 1, { maxFails: 3, failTimeout: 10_000 }, clock);
  for (const time of [5_000, 9_000]) {
    clock.time = time;
    balancer.report(all[0]!, false);
    assert.match(row(balancer, all, 10), /a/);
  }
  clock.time = 15_000;
  balancer.report(all[0]!, false);
  for (const time of [15_000, 20_000, 24_999]) {
    clock.time = time;
    assert.equal(row(balancer, all, 10), 'bbbbbbbbbb', `at ${time}`);
  }
  clock.time = 25_000;
  const [small] = shares(balancer, all);
  assert.ok(Math.abs(small! - 100 / 11) <= 2, `a tenth to one: ${small} of 100`);
  for (let n = 0; n < 3; n++) balancer.report(all[0]!, true);
  assert.deepEqual(shares(balancer, all), [50, 50]);
});

test('failures that are further apart do not take it out', () => {
  const all = engines([1, 1]);
  const clock = { time: 0 };
  const balancer = picker('weighted_round_robin', all, 1, { maxFails: 3, failTimeout: 10_000 }, clock);
  for (let n = 0; n < 50; n++) {
    clock.time += 5_001;
    balancer.report(all[0]!, false);
    assert.match(row(balancer, all, 30), /a/, `failure ${n}`);
  }
});

test('a max_fails of 1 takes it out at the first failure, and one of 0 never does', () => {
  const all = engines([1, 1]);
  const strict = picker('weighted_round_robin', all, 1, { maxFails: 1 });
  strict.report(all[0]!, false);
  assert.equal(row(strict, all, 4), 'bbbb');
  const blind = picker('weighted_round_robin', all, 1, { maxFails: 0 });
  for (let n = 0; n < 100; n++) blind.report(all[0]!, false);
  assert.equal(row(blind, all, 4), 'abab');
});

test('if all are out, all are picked from; if all but the unavailable are, none of those is', () => {
  const all = engines([1, 1, 1]);
  const balancer = picker('weighted_round_robin', all, 1, { maxFails: 1 });
  for (const engine of all) balancer.report(engine, false);
  for (const count of shares(balancer, all)) assert.ok(Math.abs(count - 33) <= 1, `${count} of 100`);
  all[0]!.available = false;
  assert.doesNotMatch(row(balancer, all, 6), /a/);
  assert.notEqual(balancer.pick(0, all[1]!), all[1]);
});

test('who is out stays out over an update, even as a new object, and is new after it had left', () => {
  const all = engines([1, 1]);
  const balancer = picker('weighted_round_robin', all, 1, { maxFails: 1 });
  balancer.report(all[0]!, false);
  const again = engines([1, 1]);
  balancer.update(again);
  assert.equal(row(balancer, again, 4), 'bbbb');
  balancer.update([again[1]!]);
  balancer.update(again);
  assert.match(row(balancer, again, 4), /a/);
});
