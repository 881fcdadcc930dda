import assert from 'node:assert/strict';
import { test } from 'node:test';
import { TokenBucket } from '../../src/filter/token-bucket.ts';
import { Random } from '../support/random.ts';

const taken = (bucket: TokenBucket, now: number): boolean => bucket.take(now) === 0;
const near = (is: number, expected: number): void =>
  assert.ok(Math.abs(is - expected) < 1e-6, `${is} is not ${expected}`);

test('a bucket gives its burst at once, then a token each interval', () => {
  const bucket = new TokenBucket(10, 3, 1000);
  assert.deepEqual(
    [1, 2, 3, 4].map(() => taken(bucket, 1000)),
    [true, true, true, false],
  );
  assert.equal(taken(bucket, 1099.9), false);
  assert.equal(taken(bucket, 1100), true);
  assert.equal(taken(bucket, 1100), false);
});

test('it is never fuller than its burst, however long nobody asks', () => {
  const bucket = new TokenBucket(1000, 2, 0);
  for (const now of [0, 1e6, 1e12]) {
    assert.deepEqual(
      [1, 2, 3].map(() => taken(bucket, now)),
      [true, true, false],
    );
  }
});

test('it says how long it takes to the next token, and when it is full', () => {
  const bucket = new TokenBucket(4, 2, 0);
  assert.equal(bucket.fullAt, 0);
  bucket.take(0);
  near(bucket.fullAt, 250);
  bucket.take(0);
  near(bucket.fullAt, 500);
  near(bucket.take(0), 250);
  near(bucket.take(100), 150);
  near(bucket.fullAt, 500);
});

test('a clock that goes back makes no tokens', () => {
  const bucket = new TokenBucket(1, 1, 5000);
  assert.equal(taken(bucket, 5000), true);
  near(bucket.take(1000), 5000);
  assert.equal(taken(bucket, 5999), false);
  assert.equal(taken(bucket, 6000), true);
});

test('whatever is asked, no time gives more than burst + rate x time, and who asks all the time gets all of it', () => {
  const random = new Random(61);
  for (let round = 0; round < 200; round++) {
    const rate = random.pick([0.1, 1, 3, 7.5, 100, 1e5]);
    const burst = random.pick([1, 1.5, 2, 10, 1000]);
    const start = random.pick([0, 1, 1e9]) + random.next();
    const bucket = new TokenBucket(rate, burst, start);
    const times: number[] = [];
    let now = start;
    for (let n = 0; n < 2000; n++) {
      if (random.chance(0.6)) now += (random.next() * 3000) / rate;
      if (taken(bucket, now)) times.push(now);
    }
    // From any grant to any later one; the first of them is one of the burst.
    for (let n = 0; n < 300; n++) {
      const a = random.below(times.length);
      const b = random.between(a, times.length - 1);
      const most = burst + ((times[b]! - times[a]!) / 1000) * rate;
      assert.ok(b - a + 1 <= most + 1e-3, `rate ${rate}, burst ${burst}: ${b - a + 1} tokens where ${most} may be`);
    }
  }
  const bucket = new TokenBucket(30, 5, 0);
  let given = 0;
  for (let ms = 0; ms <= 10_000; ms++) if (taken(bucket, ms)) given++;
  assert.equal(given, 305);
});

test('who waits as long as it says gets a token', () => {
  const random = new Random(62);
  for (let round = 0; round < 500; round++) {
    const bucket = new TokenBucket(random.pick([0.3, 1, 3, 7, 1000 / 3]), random.between(1, 5), 0);
    let now = random.next() * 1e6;
    for (let n = 0; n < 50; n++) {
      const wait = bucket.take(now);
      now += wait;
      if (wait > 0) assert.equal(bucket.take(now + 1e-6), 0, `after ${wait} ms`);
    }
  }
});
