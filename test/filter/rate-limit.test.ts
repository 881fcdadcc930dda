import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { Failures } from '../../src/errors.ts';
import { BucketTable } from '../../src/filter/bucket-table.ts';
import { RateLimit } from '../../src/filter/rate-limit.ts';
import { TokenBucket } from '../../src/filter/token-bucket.ts';
import type { LimitKeySpec, RateLimitSpec } from '../../src/policy.ts';
import { Random } from '../support/random.ts';
import { callOf } from './calls.ts';

const CLIENT: LimitKeySpec = { source: 'client', name: '' };

class Stage {
  time = 1000;
  readonly limit: RateLimit;

  constructor(spec: Partial<RateLimitSpec> = {}) {
    this.limit = new RateLimit({ by: CLIENT, rate: 1, burst: 2, maxKeys: 100, ...spec }, () => this.time);
  }
  /** Whether each of these may go on. */
  ask(...clients: readonly string[]): boolean[] {
    return clients.map((client) => this.limit.check(callOf({ client })) === null);
  }
}

test('each key has its own tokens', () => {
  const stage = new Stage();
  assert.deepEqual(stage.ask('a', 'a', 'a', 'b', 'b', 'b'), [true, true, false, true, true, false]);
  stage.time += 1000;
  assert.deepEqual(stage.ask('a', 'a', 'b'), [true, false, true]);
});

test('a refusal says in whole milliseconds when another try may go well', () => {
  const stage = new Stage({ rate: 3, burst: 1 });
  stage.ask('a');
  stage.time += 100;
  const refusal = stage.limit.check(callOf({ client: 'a' }));
  assert.deepEqual(refusal, { failure: Failures.rateLimited, retryAfter: 234 });
  stage.time += 234;
  assert.deepEqual(stage.ask('a'), [true]);
});

test('refusing makes no objects', () => {
  const stage = new Stage({ burst: 1 });
  stage.ask('a');
  const call = callOf({ client: 'a' });
  assert.equal(stage.limit.check(call), stage.limit.check(call));
});

test('calls without a key are not counted', () => {
  const stage = new Stage({ by: { source: 'header', name: 'x-tenant' }, burst: 1 });
  assert.deepEqual(stage.ask('a', 'a', 'a'), [true, true, true]);
  assert.equal(stage.limit.size, 0);
});

describe('a table of buckets', () => {
  test('never has more of them than it may', () => {
    const stage = new Stage({ maxKeys: 10 });
    for (let n = 0; n < 1000; n++) {
      stage.ask(`client-${n}`);
      assert.ok(stage.limit.size <= 10, `${stage.limit.size} buckets`);
    }
    assert.equal(stage.limit.size, 10);
  });

  test('forgets full ones first, and keeps what others lack', () => {
    const stage = new Stage({ maxKeys: 3, rate: 1, burst: 10 });
    stage.ask('first', ...Array.from({ length: 5 }, () => 'second'));
    stage.time += 2000;
    stage.ask('third');
    assert.equal(stage.limit.size, 2, 'the first is full');
    stage.ask('fourth', 'fifth');
    assert.equal(stage.limit.size, 3);
    // Five tokens less than it may have, but for two that have come since.
    assert.equal(stage.ask(...Array.from({ length: 10 }, () => 'second')).filter(Boolean).length, 7);
  });

  test('shrinks again after a flood of keys', () => {
    const stage = new Stage({ maxKeys: 1000 });
    for (let n = 0; n < 1000; n++) stage.ask(`client-${n}`);
    stage.time += 10_000;
    for (let n = 0; n < 2000; n++) {
      stage.ask('one');
      stage.ask(`late-${n}`);
      stage.time += 10_000;
    }
    assert.ok(stage.limit.size < 10, `${stage.limit.size} buckets`);
  });

  test('keeps the empty bucket of a busy key whatever number of new keys comes', () => {
    const stage = new Stage({ maxKeys: 50, rate: 1, burst: 5 });
    let passed = 0;
    const seconds = 60;
    for (let n = 0; n < seconds * 100; n++) {
      passed += stage.ask('busy').filter(Boolean).length;
      for (let k = 0; k < 20; k++) stage.ask(`made-up-${n}-${k}`);
      stage.time += 10;
    }
    assert.ok(passed <= 5 + seconds, `${passed} calls of one key in ${seconds} s`);
  });

  test('gives what buckets without a bound would, as long as its keys have room', () => {
    const random = new Random(63);
    const keys = Array.from({ length: 200 }, (_, n) => `key-${n}`);
    const table = new BucketTable(2, 3, 200);
    const naive = new Map<string, TokenBucket>();
    let now = 0;
    for (let n = 0; n < 50_000; n++) {
      now += random.next() * 10;
      const key = keys[Math.floor(random.next() ** 3 * keys.length)]!;
      let bucket = naive.get(key);
      if (bucket === undefined) naive.set(key, (bucket = new TokenBucket(2, 3, now)));
      // A forgotten bucket was full, so that nobody can tell: but for rounding, which may move a wait by far less than this.
      const [wait, expected] = [table.take(key, now), bucket.take(now)];
      assert.ok(Math.abs(wait - expected) < 1e-3, `${key} at ${now}: ${wait} ms, not ${expected}`);
    }
  });

  test('forgets the one that is full soonest, whatever came before', () => {
    const random = new Random(64);
    const table = new BucketTable(1, 100, 20);
    const fullAt = new Map<string, number>();
    let now = 0;
    for (let n = 0; n < 20_000; n++) {
      now += random.next() * 200;
      const key = `key-${random.below(60)}`;
      if (!fullAt.has(key)) {
        const oldest = [...fullAt].sort((a, b) => a[1] - b[1]);
        const full = oldest.filter(([, at]) => at <= now).length;
        const gone = Math.max(Math.min(2, full), oldest.length === 20 ? 1 : 0);
        for (const [forgotten] of oldest.slice(0, gone)) fullAt.delete(forgotten);
      }
      const wait = table.take(key, now);
      assert.equal(wait, 0, 'a hundred at once is more than anybody asks for here');
      fullAt.set(key, Math.max(fullAt.get(key) ?? now, now) + 1000);
      assert.equal(table.size, fullAt.size);
    }
  });
});
