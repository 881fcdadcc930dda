import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import type { Picker } from '../../src/balance/picker.ts';
import { BALANCE_POLICIES } from '../../src/snapshot.ts';
import { Random } from '../support/random.ts';
import { Engine, engines, equal, picker } from './engines.ts';

const IN_TURN = ['round_robin', 'weighted_round_robin', 'least_request'] as const;

for (const policy of BALANCE_POLICIES) {
  describe(policy, () => {
    test('without candidates there is none to pick', () => {
      const balancer = picker(policy, [], 1);
      assert.equal(balancer.pick(7, null), null);
      balancer.update(equal(3));
      balancer.update([]);
      assert.equal(balancer.pick(7, null), null);
    });

    test('if none is available, or only the one to avoid, there is none to pick', () => {
      const all = equal(3);
      const balancer = picker(policy, all, 2);
      for (const engine of all) engine.available = false;
      assert.equal(balancer.pick(7, null), null);
      all[1]!.available = true;
      assert.equal(balancer.pick(7, all[1]!), null);
      assert.equal(balancer.pick(7, null), all[1]);
    });

    test('the only one is picked, however loaded, slow and failing it is', () => {
      const [one] = engines([0.01]);
      const balancer = picker(policy, [one!], 3);
      for (let n = 0; n < 100; n++) {
        assert.equal(balancer.pick(n * 0x3ffffff, null), one);
        one!.active += 1000;
        one!.latency = 60_000;
        balancer.report(one!, false);
      }
    });

    test('whatever joins, leaves, fails or fills up: an eligible one is picked if there is one, and no other', () => {
      for (let seed = 1; seed <= 20; seed++) turmoil(policy, seed);
    });

    test('a report about one that is not, or no longer, among the candidates is harmless', () => {
      const [one, two] = engines([1, 1]);
      const balancer = picker(policy, [one!, two!], 4);
      balancer.update([one!]);
      balancer.report(two!, false);
      balancer.report(new Engine('127.0.0.1:1'), true);
      assert.equal(balancer.pick(0, null), one);
    });

    test('the list that was given may change afterwards', () => {
      const all = equal(2);
      const balancer = picker(policy, all, 5);
      all.length = 0;
      assert.notEqual(balancer.pick(0, null), null);
    });

    test('hashes at both ends of their range find somebody', () => {
      const balancer = picker(policy, equal(3), 6);
      for (const hash of [0, 1, 0x7fffffff, 0x80000000, 0xffffffff]) assert.notEqual(balancer.pick(hash, null), null);
    });
  });
}

/** A thousand picks while everything that may change does. */
function turmoil(policy: (typeof BALANCE_POLICIES)[number], seed: number): void {
  const random = new Random(seed);
  const clock = { time: 0 };
  const all = engines(Array.from({ length: 8 }, () => random.between(1, 20)));
  let present = all.slice(0, 4);
  const balancer: Picker<Engine> = picker(policy, present, seed, { virtualNodes: 20 }, clock);
  for (let n = 0; n < 1000; n++) {
    clock.time += random.below(1000);
    for (const engine of all) {
      if (random.chance(0.2)) engine.available = random.chance(0.5);
      if (random.chance(0.1)) engine.weight = random.pick([0.01, 0.5, 1, 3, 1000]);
      if (random.chance(0.1)) engine.active = random.below(100);
      if (random.chance(0.1)) engine.latency = random.pick([0, 0.2, 30, 5000]);
      if (random.chance(0.1)) balancer.report(engine, random.chance(0.5));
    }
    if (random.chance(0.05)) {
      present = all.filter(() => random.chance(0.5));
      balancer.update(present);
    }
    const avoid = random.chance(0.3) ? random.pick(all) : null;
    const picked = balancer.pick(random.below(2 ** 32), avoid);
    const eligible = present.filter((engine) => engine.available && engine !== avoid);
    const where = `seed ${seed}, pick ${n}: ${picked?.address ?? 'none'} of ${eligible.length}`;
    assert.ok(picked === null ? eligible.length === 0 : eligible.includes(picked), where);
  }
}

for (const policy of IN_TURN) {
  test(`${policy}: updates before every pick, with joins and leaves, starve nobody`, () => {
    const stay = equal(3);
    const guests = Array.from({ length: 5 }, (_, index) => new Engine(`127.0.0.2:${index}`));
    const balancer = picker(policy, stay, 1);
    const counts = new Map(stay.map((engine) => [engine, 0]));
    for (let n = 0; n < 900; n++) {
      const guest = guests[n % 5]!;
      balancer.update(n % 2 === 0 ? [guest, ...stay] : stay);
      const picked = balancer.pick(0, null)!;
      if (counts.has(picked)) counts.set(picked, counts.get(picked)! + 1);
    }
    for (const [engine, count] of counts) assert.ok(count >= 150, `${engine.address}: ${count} of 900`);
  });

  test(`${policy}: while neighbours fill up and free, whoever stays is picked again within a few rounds`, () => {
    const all = equal(6);
    const random = new Random(9);
    const balancer = picker(policy, all, 1);
    let since = 0;
    for (let n = 0; n < 10_000; n++) {
      for (const engine of all.slice(1)) engine.available = random.chance(0.7);
      since = balancer.pick(0, null) === all[0] ? 0 : since + 1;
      assert.ok(since < 18, `pick ${n}: ${since} picks without the one that is always there`);
    }
  });
}

test('round_robin goes round, past who cannot be picked, and an update keeps the turn', () => {
  const [a, b, c, d] = engines([1, 5, 1, 1]);
  const balancer = picker('round_robin', [a!, b!, c!], 1);
  const turns = (count: number): (Engine | null)[] => Array.from({ length: count }, () => balancer.pick(0, null));
  assert.deepEqual(turns(4), [a, b, c, a]);
  b!.available = false;
  assert.deepEqual(turns(3), [c, a, c]);
  b!.available = true;
  balancer.update([d!, c!, b!, a!]);
  assert.deepEqual(turns(2), [a, d]);
  balancer.update([a!, b!, d!]);
  assert.deepEqual(turns(3), [b, d, a], 'c, whose turn it was, has left: it goes to who came after c');
});
