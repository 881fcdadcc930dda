import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Backoff } from '../../src/upstream/backoff.ts';

const sequence = (backoff: Backoff, n: number): number[] => Array.from({ length: n }, () => Math.round(backoff.next()));

test('waits begin at a second and grow by 1.6 to the maximum', () => {
  const backoff = new Backoff(10_000, () => 0.5);
  assert.deepEqual(sequence(backoff, 8), [1000, 1600, 2560, 4096, 6554, 10_000, 10_000, 10_000]);
});

test('each wait is off by a fifth at most, either way', () => {
  assert.deepEqual(sequence(new Backoff(10_000, () => 0), 3), [800, 1280, 2048]);
  assert.deepEqual(sequence(new Backoff(10_000, () => 0.999999), 3), [1200, 1920, 3072]);
  const backoff = new Backoff(1000);
  const waits = Array.from({ length: 200 }, () => backoff.next());
  assert.ok(waits.every((wait) => wait >= 800 && wait <= 1200));
  assert.ok(new Set(waits).size > 100, 'no jitter');
});

test('after a success waits begin anew', () => {
  const backoff = new Backoff(10_000, () => 0.5);
  sequence(backoff, 5);
  backoff.reset();
  assert.deepEqual(sequence(backoff, 2), [1000, 1600]);
});

test('a maximum below a second holds from the first wait on', () => {
  assert.deepEqual(sequence(new Backoff(100, () => 0.5), 3), [100, 100, 100]);
});
