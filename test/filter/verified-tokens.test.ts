import assert from 'node:assert/strict';
import { test } from 'node:test';
import { VerifiedTokens } from '../../src/filter/verified-tokens.ts';
import { Random } from '../support/random.ts';

const of = (most: number): VerifiedTokens<{ expiresAt: number; n: number }> => new VerifiedTokens(most);
const entry = (n: number, expiresAt = Infinity) => ({ n, expiresAt });

test('a token is found until the moment at which it expires', () => {
  const tokens = of(10);
  tokens.keep(1, 'token', entry(7, 1000));
  assert.equal(tokens.find(1, 'token', 999)?.n, 7);
  assert.equal(tokens.find(1, 'token', 1000), undefined);
  assert.equal(tokens.size, 0, 'it is gone');
});

test('another text of the same hash is not found', () => {
  const tokens = of(10);
  tokens.keep(1, 'token', entry(1));
  assert.equal(tokens.find(1, 'tokem', 0), undefined);
  assert.equal(tokens.find(1, 'toke', 0), undefined);
  tokens.keep(1, 'tokem', entry(2));
  assert.equal(tokens.find(1, 'token', 0), undefined, 'the place is taken');
  assert.equal(tokens.find(1, 'tokem', 0)?.n, 2);
  assert.equal(tokens.size, 1);
});

test('no more tokens are kept than may be, and those in use stay', () => {
  const tokens = of(100);
  tokens.keep(0, 'in use', entry(0));
  for (let n = 1; n < 10_000; n++) {
    tokens.keep(n, `token ${n}`, entry(n));
    assert.ok(tokens.size <= 100, `${tokens.size}`);
    assert.equal(tokens.find(0, 'in use', 0)?.n, 0, `after ${n}`);
  }
  for (let n = 9951; n < 10_000; n++) assert.equal(tokens.find(n, `token ${n}`, 0)?.n, n);
});

test('long tokens take the place of several', () => {
  const tokens = of(100);
  for (let n = 0; n < 100; n++) tokens.keep(n, `${n}`.padEnd(8192), entry(n));
  assert.ok(tokens.size <= 25, `${tokens.size}`);
  assert.equal(tokens.find(99, '99'.padEnd(8192), 0)?.n, 99);
});

test('a cache of none keeps none', () => {
  const tokens = of(0);
  tokens.keep(1, 'token', entry(1));
  assert.equal(tokens.find(1, 'token', 0), undefined);
});

test('cleared, it knows nothing', () => {
  const tokens = of(4);
  for (let n = 0; n < 4; n++) tokens.keep(n, `${n}`, entry(n));
  tokens.clear();
  assert.equal(tokens.size, 0);
  for (let n = 0; n < 4; n++) assert.equal(tokens.find(n, `${n}`, 0), undefined);
});

test('what is found is always what was last kept under that text, in 100,000 random steps', () => {
  const random = new Random(6);
  const tokens = of(32);
  const model = new Map<string, { n: number; expiresAt: number }>();
  for (let step = 0; step < 100_000; step++) {
    const text = `token ${random.below(200)}`.padEnd(random.pick([10, 5000]));
    const hash = (text.length + text.charCodeAt(6)) % 40;
    if (random.chance(0.3)) {
      const value = entry(step, step + random.below(500));
      model.set(text, value);
      tokens.keep(hash, text, value);
    } else {
      const found = tokens.find(hash, text, step);
      if (found === undefined) continue;
      assert.equal(found, model.get(text));
      assert.ok(found.expiresAt > step, 'it has not expired');
    }
    assert.ok(tokens.size <= 32, `${tokens.size}`);
  }
});
