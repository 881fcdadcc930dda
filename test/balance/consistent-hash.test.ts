import assert from 'node:assert/strict';
import { test } from 'node:test';
import { hashString } from '../../src/balance/hash.ts';
import type { Picker } from '../../src/balance/picker.ts';
import type { BalanceSpec } from '../../src/snapshot.ts';
import { Random } from '../support/random.ts';
import { Engine, engines, equal, picker } from './engines.ts';

const KEYS = Array.from({ length: 50_000 }, (_, index) => hashString(`session-${index}`));
/** 1,000 virtual nodes, no bound. */
const RING = { virtualNodes: 1000, maxLoad: 0 };

const ring = (all: readonly Engine[], spec: Partial<BalanceSpec> = RING): Picker<Engine> =>
  picker('consistent_hash', all, 1, spec);
const places = (balancer: Picker<Engine>): string[] => KEYS.map((key) => balancer.pick(key, null)!.address);
const share = (where: readonly string[], address: string): number =>
  where.filter((place) => place === address).length / where.length;

test('a key stays where it is, whatever the order in which the endpoints are named', () => {
  const all = equal(10);
  assert.deepEqual(places(ring(all)), places(ring(all.toReversed())));
});

test('whichever of ten endpoints leaves, at most 11 % of keys move, all of them its own; when it returns they do', () => {
  const all = equal(10);
  const balancer = ring(all);
  const before = places(balancer);
  for (const gone of all) {
    balancer.update(all.filter((engine) => engine !== gone));
    const after = places(balancer);
    const moved = before.filter((place, index) => place !== after[index]);
    assert.ok(moved.length <= 0.11 * KEYS.length, `${gone.address}: ${moved.length} of ${KEYS.length} moved`);
    assert.deepEqual([...new Set(moved)], [gone.address]);
  }
  balancer.update(all);
  assert.deepEqual(places(balancer), before);
});

test('an eleventh endpoint takes at most 10 % of keys, and moves no other', () => {
  const all = equal(11);
  const balancer = ring(all.slice(0, 10));
  const before = places(balancer);
  balancer.update(all);
  const after = places(balancer);
  const arrivals = after.filter((place, index) => place !== before[index]);
  assert.ok(arrivals.length <= 0.1 * KEYS.length, `${arrivals.length} of ${KEYS.length} moved`);
  assert.deepEqual([...new Set(arrivals)], [all[10]!.address]);
});

test('who is not available, or to be avoided, is as good as gone, and keeps its keys for its return', () => {
  const all = equal(10);
  const balancer = ring(all);
  const before = places(balancer);
  const without = places(ring(all.slice(1)));
  assert.deepEqual(
    KEYS.map((key) => balancer.pick(key, all[0]!)!.address),
    without,
  );
  all[0]!.available = false;
  assert.deepEqual(places(balancer), without);
  all[0]!.available = true;
  assert.deepEqual(places(balancer), before);
});

test('shares of keys are within 1 point of the weights with 1,000 virtual nodes', () => {
  for (const weights of [[10, 10], [1, 2, 3, 4], [5, 1, 1], Array<number>(10).fill(1)]) {
    const all = engines(weights);
    const total = weights.reduce((sum, weight) => sum + weight, 0);
    const where = places(ring(all));
    for (const { address, weight } of all) {
      const off = 100 * Math.abs(share(where, address) - weight / total);
      // Half of the keys are one lot of a thousand against another: the deviation of such a share is 1.1 points.
      assert.ok(off <= (weights.length < 4 ? 2.5 : 1), `${address} of ${weights.join(' ')}: ${off.toFixed(2)} points`);
    }
  }
});

test('a weight that falls gives up some of its own keys, and has them back when it rises; no other key moves', () => {
  const all = equal(10);
  const balancer = ring(all);
  const before = places(balancer);
  all[3]!.weight = 0.5;
  const after = places(balancer);
  const moved = before.filter((place, index) => place !== after[index]);
  assert.deepEqual([...new Set(moved)], [all[3]!.address]);
  assert.ok(Math.abs(moved.length / KEYS.length - 0.05) < 0.01, `${moved.length} of ${KEYS.length} moved`);
  all[3]!.weight = 1;
  assert.deepEqual(places(balancer), before);
});

test('the heaviest that falls back for a while moves no keys but its own', () => {
  const all = engines([2, 1, 1, 1]);
  const balancer = ring(all);
  const before = places(balancer);
  all[0]!.weight = 0.2;
  const after = places(balancer);
  const moved = before.filter((place, index) => place !== after[index]);
  assert.deepEqual([...new Set(moved)], [all[0]!.address]);
});

test('a newcomer whose weight rises from a tenth takes its keys little by little, without an update', () => {
  const all = equal(5);
  const newcomer = all[4]!;
  newcomer.weight = 0.1;
  const balancer = ring(all);
  let last = 0;
  for (const weight of [0.1, 0.4, 0.7, 1]) {
    newcomer.weight = weight;
    const has = share(places(balancer), newcomer.address);
    assert.ok(has > last && Math.abs(has - weight / (4 + weight)) < 0.02, `${has} at ${weight}`);
    last = has;
  }
});

for (const maxLoad of [1, 1.25, 2]) {
  test(`one hot key loads nobody over ${maxLoad} times the mean, and always finds a place`, () => {
    const weights = [1, 1, 2, 4];
    const all = engines(weights);
    const balancer = ring(all, { maxLoad });
    for (let streams = 1; streams <= 2000; streams++) {
      const picked = balancer.pick(0x12345678, null)!;
      picked.active++;
      const bound = Math.ceil((maxLoad * streams * picked.weight) / 8);
      assert.ok(picked.active <= bound, `${picked.address} has ${picked.active} of ${streams}, bound ${bound}`);
    }
  });
}

test('a bound of 0 is none: one hot key goes to one endpoint; and a bound under 1 cannot leave a call without a place', () => {
  const all = equal(4);
  const free = ring(all, { maxLoad: 0 });
  const home = free.pick(99, null)!;
  for (let n = 0; n < 1000; n++) {
    assert.equal(free.pick(99, null), home);
    home.active++;
  }
  const tight = ring(all, { maxLoad: 0.5 });
  for (let n = 0; n < 1000; n++) tight.pick(99, null)!.active++;
});

test('what spills over goes to the next on the ring, so that it too has one place', () => {
  const all = equal(5);
  const balancer = ring(all, { maxLoad: 1.25 });
  const home = balancer.pick(4711, null)!;
  const second = balancer.pick(4711, home)!;
  for (const engine of all) engine.active = 10;
  home.active = 14; // 1.25 times 55 streams in five.
  for (let n = 0; n < 10; n++) assert.equal(balancer.pick(4711, null), second);
  home.active = 10;
  assert.equal(balancer.pick(4711, null), home);
});

test('load that is under way where nobody can be picked does not widen the bound', () => {
  const all = equal(3);
  const balancer = ring(all, { maxLoad: 1 });
  all[0]!.available = false;
  all[0]!.active = 1000;
  for (let n = 0; n < 100; n++) balancer.pick(1, null)!.active++;
  assert.deepEqual([all[1]!.active, all[2]!.active], [50, 50]);
});

test('under random load with a bound, keys are still mostly at home', () => {
  const all = equal(10);
  const bound = ring(all, { virtualNodes: 100, maxLoad: 1.25 });
  const free = ring(equal(10), { virtualNodes: 100, maxLoad: 0 });
  const random = new Random(3);
  const live: Engine[] = [];
  let home = 0;
  for (let n = 0; n < 20_000; n++) {
    const key = random.pick(KEYS);
    const picked = bound.pick(key, null)!;
    if (picked.address === free.pick(key, null)!.address) home++;
    picked.active++;
    live.push(picked);
    if (live.length > 1000) live.splice(random.below(live.length), 1)[0]!.active--;
  }
  assert.ok(home > 0.9 * 20_000, `${home} of 20000`);
});
