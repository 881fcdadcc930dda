import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Thresholds } from '../../src/health/thresholds.ts';
import { Random } from '../support/random.ts';

/** Counts `+` and `-` answers; returns health after each. */
const after = (thresholds: Thresholds, answers: string): string =>
  answers.replace(/[+-]/g, (answer) => {
    thresholds.count(answer === '+');
    return thresholds.healthy ? '+' : '-';
  });

test('an engine that has not answered is unknown, and counts as healthy', () => {
  const thresholds = new Thresholds(3, 2);
  assert.equal(thresholds.state, 'unknown');
  assert.equal(thresholds.healthy, true);
});

test('one success settles the unknown, and is no change', () => {
  const thresholds = new Thresholds(3, 2);
  assert.equal(thresholds.count(true), false);
  assert.equal(thresholds.state, 'healthy');
});

test('it takes so many failures in a row to be out, from the unknown as from health', () => {
  assert.equal(after(new Thresholds(3, 2), '---'), '++-');
  assert.equal(after(new Thresholds(3, 2), '+---'), '+++-');
});

test('a failure too few leaves the unknown unknown', () => {
  const thresholds = new Thresholds(3, 2);
  after(thresholds, '--');
  assert.equal(thresholds.state, 'unknown');
});

test('it takes so many successes in a row to come back', () => {
  assert.equal(after(new Thresholds(1, 3), '-+++'), '---+');
});

test('an answer to the contrary begins the count anew, in both directions', () => {
  assert.equal(after(new Thresholds(3, 3), '--+--+--+---'), '+++++++++++-');
  assert.equal(after(new Thresholds(1, 3), '-++-++-+++'), '---------+');
});

test('an answer that needs no second decides at once, and begins the count anew', () => {
  const thresholds = new Thresholds(3, 3);
  assert.equal(thresholds.settle(false), true);
  assert.equal(thresholds.settle(false), false);
  after(thresholds, '++');
  assert.equal(thresholds.settle(false), false);
  assert.equal(after(thresholds, '+++'), '--+');
  after(thresholds, '--');
  assert.equal(thresholds.settle(true), false);
  assert.equal(after(thresholds, '---'), '++-');
});

test('any run of answers does what looking at the last few of them would do', () => {
  const random = new Random(1);
  for (let round = 0; round < 200; round++) {
    const [unhealthy, healthy] = [random.between(1, 5), random.between(1, 5)];
    const thresholds = new Thresholds(unhealthy, healthy);
    const answers: boolean[] = [];
    let expected = true;
    for (let n = 0; n < 200; n++) {
      answers.push(random.chance(0.5));
      const run = answers.slice(expected ? -unhealthy : -healthy);
      const flips: boolean =
        run.length === (expected ? unhealthy : healthy) && run.every((answer) => answer !== expected);
      if (flips) expected = !expected;
      assert.equal(thresholds.count(answers.at(-1)!), flips);
      assert.equal(thresholds.healthy, expected);
    }
  }
});
