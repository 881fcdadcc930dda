import assert from 'node:assert/strict';
import { test } from 'node:test';
import { ResetBucket } from '../../src/h2/reset-bucket.ts';

const START = 1_000_000;

function takeAll(bucket: ResetBucket, now: number): number {
  let taken = 0;
  while (bucket.take(now)) taken++;
  return taken;
}

test('100 resets may go at once, then 30 a second', () => {
  const bucket = new ResetBucket();
  assert.equal(takeAll(bucket, START), 100);
  assert.equal(takeAll(bucket, START + 10), 0);
  assert.equal(takeAll(bucket, START + 1000), 30);
  assert.equal(takeAll(bucket, START + 1500), 15);
  assert.equal(takeAll(bucket, START + 3_600_000), 100);
});

test('over a minute of asking no more go than the bucket and its rate allow', () => {
  const bucket = new ResetBucket();
  let taken = 0;
  for (let now = START; now <= START + 60_000; now++) if (bucket.take(now)) taken++;
  assert.ok(taken >= 100 + 30 * 60 - 1 && taken <= 100 + 30 * 60, `${taken}`);
});

test('what was deferred goes later, first come first served, and counts as waiting until then', () => {
  const bucket = new ResetBucket();
  takeAll(bucket, START);
  for (let n = 0; n < 50; n++) bucket.defer(2 * n + 1, n);
  assert.equal(bucket.waiting, 50);
  assert.equal(bucket.next(START), null);
  const gone: unknown[] = [];
  for (const now of [START + 1000, START + 2000, START + 3000]) {
    for (let due = bucket.next(now); due !== null; due = bucket.next(now)) gone.push(due);
    assert.equal(bucket.waiting, 50 - gone.length);
    assert.equal(gone.length, Math.min(50, ((now - START) / 1000) * 30));
  }
  assert.deepEqual(
    gone,
    Array.from({ length: 50 }, (_, n) => ({ streamId: 2 * n + 1, code: n })),
  );
});

test('asking for what is not there spends nothing', () => {
  const bucket = new ResetBucket();
  for (let n = 0; n < 1000; n++) assert.equal(bucket.next(START), null);
  assert.equal(takeAll(bucket, START), 100);
});
