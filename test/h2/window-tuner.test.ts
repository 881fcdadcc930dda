import assert from 'node:assert/strict';
import { test } from 'node:test';
import { WindowTuner } from '../../src/h2/window-tuner.ts';

const KIB = 1024;

/** A peer at the given distance that sends all that its window lets it: the sizes that it is offered. */
function offered(roundTrip: number, spends = (window: number): number => (window === 0 ? 0 : roundTrip / 2)): number[] {
  const tuner = new WindowTuner();
  tuner.acknowledged(roundTrip);
  const sizes: number[] = [];
  for (let i = 0; i < 100; i++) {
    const size = tuner.spentHalf(spends(tuner.size));
    if (size === 0) break;
    if (tuner.announced(size) > 0) sizes.push(size);
    tuner.acknowledged(roundTrip);
  }
  return sizes;
}

test('a distant peer that its window holds back is offered up to 1 MiB', () => {
  assert.deepEqual(offered(50), [256 * KIB, 1024 * KIB]);
});

test('on a short path 256 KiB is the end', () => {
  assert.deepEqual(offered(0.3), [256 * KIB]);
});

test('a peer that sends slower than its window lets it keeps what it has', () => {
  assert.deepEqual(
    offered(50, () => 40),
    [],
  );
});

test('growth ends where the window no longer binds', () => {
  const bytesPerMs = 2000;
  assert.deepEqual(
    offered(50, (window) => window / 2 / bytesPerMs),
    [256 * KIB],
  );
});

test('nothing is judged before a round trip is known, and four are measured before anything grows', () => {
  const tuner = new WindowTuner();
  assert.equal(tuner.spentHalf(0), 0);
  for (let trips = 1; trips < 4; trips++) {
    tuner.acknowledged(50);
    assert.equal(tuner.spentHalf(1), 65_535, 'the same again');
  }
  tuner.acknowledged(50);
  assert.equal(tuner.spentHalf(1), 256 * KIB);
});

test('the shortest of the round trips counts, for a busy loop only lengthens them', () => {
  const tuner = new WindowTuner();
  for (const trip of [30, 0.5, 30, 30]) tuner.acknowledged(trip);
  assert.equal(tuner.spentHalf(10), 0);
});
