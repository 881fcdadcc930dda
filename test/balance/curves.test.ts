import assert from 'node:assert/strict';
import { test } from 'node:test';
import { PeakEwma } from '../../src/balance/latency.ts';
import { Overload } from '../../src/balance/overload.ts';
import { SlowStart } from '../../src/balance/slow-start.ts';

/** Some moment in the life of a process. */
const START = 86_400_000;

/** Equal but for rounding. */
function near(actual: number, expected: number, message = ''): void {
  assert.ok(Math.abs(actual - expected) <= 1e-9 * Math.max(1, expected), `${actual}, not ${expected} ${message}`);
}

test('a latency is 0 while unknown, and the first answer is believed', () => {
  const latency = new PeakEwma();
  assert.equal(latency.value(START), 0);
  latency.observe(120, START);
  near(latency.value(START), 120);
});

test('a peak counts at once, however fast the answers before it were', () => {
  const latency = new PeakEwma();
  for (let n = 0; n < 1000; n++) latency.observe(20, START + n * 100);
  latency.observe(3000, START + 100_000);
  near(latency.value(START + 100_000), 3000);
});

test('without news a latency falls to 1/e in 10 s, and after a minute it is unknown again', () => {
  const latency = new PeakEwma();
  latency.observe(1000, START);
  near(latency.value(START + 5_000), 1000 * Math.exp(-0.5));
  near(latency.value(START + 10_000), 1000 / Math.E);
  near(latency.value(START + 60_000), 1000 * Math.exp(-6));
  assert.equal(latency.value(START + 60_001), 0);
  latency.observe(7, START + 60_001);
  near(latency.value(START + 60_001), 7);
});

test('after a peak faster answers bring it down with the same constant, however many there are', () => {
  for (const step of [10, 100, 1000]) {
    const latency = new PeakEwma();
    latency.observe(2000, START);
    for (let at = step; at <= 10_000; at += step) latency.observe(100, START + at);
    near(latency.value(START + 10_000), 100 + 1900 / Math.E, `every ${step} ms`);
  }
});

test('reading changes nothing, and a clock that stands still or an answer in no time does no harm', () => {
  const latency = new PeakEwma();
  latency.observe(500, START);
  for (let n = 0; n < 100; n++) latency.value(START + 1000);
  near(latency.value(START + 1000), 500 * Math.exp(-0.1));
  for (let n = 0; n < 100; n++) latency.observe(1, START);
  near(latency.value(START), 500);
  const quick = new PeakEwma();
  quick.observe(0, START);
  assert.ok(quick.value(START) > 0, 'known, though 0');
});

test('slow start goes from a tenth to all in a straight line, and begins anew', () => {
  const slow = new SlowStart(30_000);
  assert.equal(slow.share(START), 1, 'before it begins');
  slow.begin(START);
  for (const [elapsed, share] of [
    [0, 0.1],
    [10_000, 0.4],
    [15_000, 0.55],
    [30_000, 1],
    [3_600_000, 1],
  ] as const) {
    near(slow.share(START + elapsed), share);
  }
  slow.begin(START + 3_600_000);
  near(slow.share(START + 3_600_000), 0.1);
});

test('a slow start of 0 is none', () => {
  const slow = new SlowStart(0);
  slow.begin(START);
  assert.equal(slow.share(START), 1);
});

test('an exhausted engine has half of its share, and all of it after ten seconds in a straight line', () => {
  const overload = new Overload();
  assert.equal(overload.share(START), 1);
  overload.exhausted(START);
  for (const [elapsed, share] of [
    [0, 0.5],
    [5_000, 0.75],
    [9_000, 0.95],
    [10_000, 1],
    [60_000, 1],
  ] as const) {
    near(overload.share(START + elapsed), share);
  }
});

test('a burst of refusals counts once', () => {
  const overload = new Overload();
  for (let at = 0; at < 100; at++) overload.exhausted(START + at);
  near(overload.share(START), 0.5);
  overload.exhausted(START + 100);
  near(overload.share(START + 100), (0.5 + 0.5 * 0.01) / 2);
});

test('whoever goes on refusing keeps a tenth, and recovers from there within the same ten seconds', () => {
  const overload = new Overload();
  for (let at = 0; at <= 60_000; at += 100) {
    overload.exhausted(START + at);
    assert.ok(overload.share(START + at) >= 0.1, `${overload.share(START + at)} after ${at} ms`);
  }
  near(overload.share(START + 60_000), 0.1);
  near(overload.share(START + 65_000), 0.55);
  near(overload.share(START + 70_000), 1);
});
