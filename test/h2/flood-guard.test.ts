import assert from 'node:assert/strict';
import { test } from 'node:test';
import { FloodGuard } from '../../src/h2/flood-guard.ts';
import { DEFAULT_LIMITS } from '../../src/snapshot.ts';
import { Random } from '../support/random.ts';

const guard = (): FloodGuard => new FloodGuard(DEFAULT_LIMITS);
/** Some moment in the life of a process. */
const START = 86_400_000;

/** How often `account` may be charged before it is overdrawn. */
function allowed(account: (n: number) => boolean, most = 1_000_000): number {
  for (let n = 0; n < most; n++) if (!account(n)) return n;
  return Infinity;
}
function open(flood: FloodGuard, streams: number): void {
  for (let n = 0; n < streams; n++) flood.opened();
}

test('an hour of audio in frames of 20 ms passes', () => {
  const flood = guard();
  const random = new Random(1);
  flood.opened();
  for (let at = START; at < START + 3_600_000; at += 20) assert.ok(flood.data(20 + random.below(41), at), `${at}`);
});

test('audio that the network delivers seconds at a time passes', () => {
  const flood = guard();
  for (let second = 0; second < 3600; second += 4) {
    for (let n = 0; n < 200; n++) assert.ok(flood.data(20, START + second * 1000), `after ${second} s`);
  }
});

test('ten minutes of the smallest gRPC messages on a hundred streams, ten a second each, pass', () => {
  const flood = guard();
  open(flood, 100);
  for (let at = START; at < START + 600_000; at++) assert.ok(flood.data(7, at));
});

test('a bulk transfer passes, whatever its frames', () => {
  const flood = guard();
  for (let n = 0; n < 100_000; n++) assert.ok(flood.data([16_384, 1, 256, 4000][n % 4]!, START));
});

// Each costs one and pays a quarter back.
test('frames of one octet are cut off after their budget of 10,000', () => {
  const flood = guard();
  const count = allowed(() => flood.data(1, START));
  assert.ok(count >= 13_330 && count < 14_000, `${count}`);
});

test('good octets and time pay the budget back', () => {
  const flood = guard();
  allowed(() => flood.data(1, START));
  assert.ok(flood.data(16_384, START));
  const paid = allowed(() => flood.data(1, START));
  assert.ok(paid >= 5400 && paid <= 5500, `${paid}`);
  const rested = allowed(() => flood.data(1, START + 2000));
  assert.ok(rested >= 2600 && rested <= 2700, `${rested}`);
  assert.ok(allowed(() => flood.data(1, START + 3_600_000)) < 14_000, 'the budget has an upper end');
});

test('one-octet frames at ten times the honest rate are cut off within seconds', () => {
  const flood = guard();
  const count = allowed((n) => flood.data(1, START + n / 10));
  assert.ok(count < 16_000, `${count}`);
});

test('no rate of gRPC messages is a flood, however small they are', () => {
  const flood = guard();
  assert.equal(
    allowed(() => flood.data(5, START), 100_000),
    Infinity,
  );
});

test('a hundred empty DATA frames in a row are borne, and one with content begins the row anew', () => {
  const flood = guard();
  assert.equal(
    allowed(() => flood.data(0, START)),
    100,
  );
  const other = guard();
  for (let n = 0; n < 1000; n++) assert.ok(other.data(n % 100 === 99 ? 1 : 0, START));
});

test('200 resets at once and 33 a second are borne, and no more', () => {
  const flood = guard();
  const reset = (at: number): boolean => {
    open(flood, 10);
    return flood.reset(at);
  };
  assert.equal(
    allowed(() => reset(START)),
    200,
  );
  const steady = guard();
  for (let n = 0; n < 10_000; n++) {
    open(steady, 4);
    assert.ok(steady.reset(START + n * (1000 / 33)), `reset ${n}`);
  }
  const faster = guard();
  const count = allowed((n) => {
    open(faster, 4);
    return faster.reset(START + n * (1000 / 66));
  });
  assert.ok(count >= 398 && count <= 402, `${count}`);
});

test('a peer that resets more than half of its last 500 streams is cut off, however slowly it does so', () => {
  const flood = guard();
  const count = allowed((n) => {
    flood.opened();
    return flood.reset(START + n * 1000);
  });
  assert.equal(count, 250);
  const half = guard();
  for (let n = 0; n < 5000; n++) {
    open(half, 2);
    assert.ok(half.reset(START + n * 1000), `reset ${n}`);
  }
});

test('a hundred refused streams are borne', () => {
  const flood = guard();
  assert.equal(
    allowed(() => flood.refusedStream()),
    100,
  );
});

test('WINDOW_UPDATE is borne in proportion to streams and DATA: 5 + 2 x (streams + 10 x DATA)', () => {
  for (const [streams, data] of [
    [0, 0],
    [1, 0],
    [7, 3],
    [100, 1000],
  ] as const) {
    const flood = guard();
    open(flood, streams);
    for (let n = 0; n < data; n++) flood.sentData();
    assert.equal(
      allowed(() => flood.windowUpdate()),
      5 + 2 * (streams + 10 * data),
    );
  }
});

test('a client that answers each DATA with two WINDOW_UPDATEs is borne for ever', () => {
  const flood = guard();
  flood.opened();
  for (let n = 0; n < 100_000; n++) {
    flood.sentData();
    assert.ok(flood.windowUpdate() && flood.windowUpdate());
  }
});

test('frames that do nothing are borne in proportion to streams: 100 x (1 + streams)', () => {
  for (const streams of [0, 1, 50]) {
    const flood = guard();
    open(flood, streams);
    assert.equal(
      allowed(() => flood.other()),
      100 * (1 + streams),
    );
  }
});

test('a thousand answers may wait, and begin anew once they have left', () => {
  const flood = guard();
  assert.equal(
    allowed(() => flood.answer()),
    1000,
  );
  flood.answers = 0;
  assert.equal(
    allowed(() => flood.answer()),
    1000,
  );
});

test('the limits are those of the configuration', () => {
  const limits = { ...DEFAULT_LIMITS, resetBurst: 3, resetRate: 0, maxRefusedStreams: 2, maxEmptyDataFrames: 1 };
  const flood = new FloodGuard({ ...limits, maxQueuedAnswersHard: 4 });
  assert.deepEqual(
    [
      allowed((n) => flood.reset(START + n * 60_000)),
      allowed(() => flood.refusedStream()),
      allowed(() => flood.data(0, START)),
      allowed(() => flood.answer()),
    ],
    [3, 2, 1, 4],
  );
});
