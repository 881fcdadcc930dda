import assert from 'node:assert/strict';
import { test } from 'node:test';
import { AffinityTable } from '../../src/upstream/affinity.ts';
import { Random } from '../support/random.ts';

const START = 86_400_000;
const TTL = 60_000;
const A = { name: 'a' };
const B = { name: 'b' };

test('a key finds the endpoint of its last call', () => {
  const table = new AffinityTable<typeof A>(10, TTL);
  assert.equal(table.get('k', START), null);
  table.set('k', A, START);
  assert.equal(table.get('k', START), A);
  table.set('k', B, START);
  assert.equal(table.get('k', START), B);
  assert.equal(table.size, 1);
});

test('a hash and a text are different keys, even if they look the same', () => {
  const table = new AffinityTable<typeof A>(10, TTL);
  table.set(7, A, START);
  table.set('7', B, START);
  assert.deepEqual([table.get(7, START), table.get('7', START)], [A, B]);
});

test('a key is forgotten a time after its last use, whether it was set or found', () => {
  const table = new AffinityTable<typeof A>(10, TTL);
  table.set('k', A, START);
  assert.equal(table.get('k', START + TTL - 1), A);
  assert.equal(table.get('k', START + 2 * TTL - 2), A);
  table.set('k', A, START + 3 * TTL - 3);
  assert.equal(table.get('k', START + 4 * TTL - 3), null);
  assert.equal(table.size, 0);
});

test('of too many keys the one that was used longest ago goes', () => {
  const table = new AffinityTable<typeof A>(3, TTL);
  for (const key of ['x', 'y', 'z']) table.set(key, A, START);
  table.get('x', START + 1);
  table.set('w', B, START + 2);
  assert.deepEqual(
    ['w', 'x', 'y', 'z'].map((key) => table.get(key, START + 3)?.name),
    ['b', 'a', undefined, 'a'],
  );
  assert.equal(table.size, 3);
});

test('a table for one key holds the last', () => {
  const table = new AffinityTable<typeof A>(1, TTL);
  for (let key = 0; key < 100; key++) {
    table.set(key, A, START);
    assert.equal(table.get(key, START), A);
    assert.equal(table.get(key - 1, START), null);
    assert.equal(table.size, 1);
  }
});

test('an endpoint that is gone is forgotten by all its keys, and by no other', () => {
  const table = new AffinityTable<typeof A>(10, TTL);
  for (let key = 0; key < 10; key++) table.set(key, key % 2 === 0 ? A : B, START);
  table.forget(A);
  table.forget({ name: 'unknown' });
  for (let key = 0; key < 10; key++) assert.equal(table.get(key, START), key % 2 === 0 ? null : B);
});

test('an endpoint that comes back has only the keys that are new', () => {
  const table = new AffinityTable<typeof A>(10, TTL);
  table.set('old', A, START);
  table.set('moved', A, START);
  table.forget(A);
  table.set('new', A, START);
  table.set('moved', A, START);
  assert.deepEqual(
    ['old', 'new', 'moved'].map((key) => table.get(key, START)),
    [null, A, A],
  );
});

test('expired keys make room as others are used: none is left when as many have come', () => {
  const table = new AffinityTable<typeof A>(10_000, TTL);
  for (let key = 0; key < 1000; key++) table.set(key, A, START);
  for (let n = 0; n < 500; n++) table.get('nobody', START + TTL);
  assert.equal(table.size, 0);
});

test('no operation looks at more than a few keys, however many there are', () => {
  const table = new AffinityTable<typeof A>(1000, TTL);
  for (let key = 0; key < 1000; key++) table.set(key, A, START);
  table.forget(A);
  assert.equal(table.size, 1000);
  for (let n = 1; n <= 10; n++) {
    table.get('nobody', START + TTL);
    assert.ok(table.size >= 1000 - 2 * n, `${1000 - table.size} gone after ${n} operations`);
  }
});

/** The same rules without a thought for cost. */
class NaiveTable {
  private entries: { key: number; endpoint: object; usedAt: number }[] = [];
  private readonly maxKeys: number;
  constructor(maxKeys: number) {
    this.maxKeys = maxKeys;
  }
  get(key: number, now: number): object | null {
    const entry = this.entries.find((other) => other.key === key && now - other.usedAt < TTL);
    if (entry !== undefined) this.set(key, entry.endpoint, now);
    return entry?.endpoint ?? null;
  }
  set(key: number, endpoint: object, now: number): void {
    this.entries = this.entries.filter((other) => other.key !== key);
    this.entries.push({ key, endpoint, usedAt: now });
    // What has expired is older than all that has not, so it never costs a living key its place.
    this.entries = this.entries.slice(-this.maxKeys);
  }
  forget(endpoint: object): void {
    for (const entry of this.entries) if (entry.endpoint === endpoint) entry.usedAt = -Infinity;
  }
}

test('it does what a plain list would do', () => {
  for (let seed = 1; seed <= 40; seed++) {
    const random = new Random(seed);
    const keys = random.between(1, 80);
    // The places of forgotten keys are freed at no set time: so either there is a place for all, or none is forgotten.
    const forgets = seed % 2 === 0;
    const maxKeys = forgets ? keys : random.between(1, 40);
    const endpoints = Array.from({ length: 4 }, (_, i) => ({ i }));
    const table = new AffinityTable<object>(maxKeys, TTL);
    const naive = new NaiveTable(maxKeys);
    let now = START;
    for (let step = 0; step < 4000; step++) {
      now += random.below(random.chance(0.01) ? TTL + 10 : 3000);
      const key = random.below(keys);
      const endpoint = random.pick(endpoints);
      const where = `seed ${seed}, step ${step}, key ${key}`;
      const action = random.next();
      if (forgets && action < 0.02) {
        table.forget(endpoint);
        naive.forget(endpoint);
      } else if (action < 0.4) {
        table.set(key, endpoint, now);
        naive.set(key, endpoint, now);
      } else assert.equal(table.get(key, now), naive.get(key, now), where);
      assert.ok(table.size <= maxKeys, where);
    }
  }
});

test('where keys are forgotten and pushed out at once, none is ever found at an endpoint that is not its last', () => {
  for (let seed = 1; seed <= 40; seed++) {
    const random = new Random(seed);
    const endpoints = Array.from({ length: 4 }, (_, i) => ({ i }));
    const maxKeys = random.between(1, 40);
    const table = new AffinityTable<object>(maxKeys, TTL);
    const last = new Map<number, object>();
    let found = 0;
    for (let step = 0; step < 4000; step++) {
      const key = random.below(60);
      const endpoint = random.pick(endpoints);
      const where = `seed ${seed}, step ${step}, key ${key}`;
      const action = random.next();
      if (action < 0.02) {
        table.forget(endpoint);
        for (const [other, its] of last) if (its === endpoint) last.delete(other);
      } else if (action < 0.4) {
        table.set(key, endpoint, START);
        last.set(key, endpoint);
      } else {
        const its = table.get(key, START);
        if (its === null) continue;
        found++;
        assert.equal(its, last.get(key), where);
      }
      assert.ok(table.size <= maxKeys, where);
    }
    assert.ok(found > 10, `seed ${seed}: only ${found} found`);
  }
});
