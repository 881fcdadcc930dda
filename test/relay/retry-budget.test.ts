import assert from 'node:assert/strict';
import { test } from 'node:test';
import { RetryBudget } from '../../src/relay/retry-budget.ts';
import { Random } from '../support/random.ts';

/** Some moment in the life of a process, in the middle of a step of the window. */
const START = 86_400_123;

function calls(budget: RetryBudget, count: number, at: number): void {
  for (let n = 0; n < count; n++) budget.called(at);
}
/** How many retries may be made now. */
function allowed(budget: RetryBudget, at: number): number {
  let count = 0;
  while (count < 100_000 && budget.take(at)) count++;
  return count;
}

test('a fifth of the calls may be tried again', () => {
  const budget = new RetryBudget(0.2, 0);
  assert.equal(allowed(budget, START), 0);
  calls(budget, 4, START);
  assert.equal(allowed(budget, START), 0);
  calls(budget, 1, START);
  assert.equal(allowed(budget, START), 1);
  calls(budget, 995, START);
  assert.equal(allowed(budget, START), 199);
});

test('the share is exact at any figure', () => {
  for (let percent = 1; percent <= 100; percent++) {
    const budget = new RetryBudget(percent / 100, 0);
    calls(budget, 100, START);
    assert.equal(allowed(budget, START), percent);
  }
});

test('calls of more than 10 s ago allow nothing, those of less than 9.5 s do', () => {
  const young = new RetryBudget(0.2, 0);
  calls(young, 100, START);
  assert.equal(allowed(young, START + 9500), 20);
  const old = new RetryBudget(0.2, 0);
  calls(old, 100, START);
  assert.equal(allowed(old, START + 10_000), 0);
});

test('retries of more than 10 s ago are not charged any more', () => {
  const budget = new RetryBudget(0.2, 0);
  calls(budget, 100, START);
  assert.equal(allowed(budget, START), 20);
  calls(budget, 100, START + 5000);
  assert.equal(allowed(budget, START + 5000), 20);
  assert.equal(allowed(budget, START + 9000), 0);
  calls(budget, 50, START + 12_000);
  assert.equal(allowed(budget, START + 12_000), 10);
});

test('some retries a second are allowed always, and those take nothing from the share', () => {
  const budget = new RetryBudget(0.2, 3);
  for (let second = 0; second < 60; second++) assert.equal(allowed(budget, START + second * 1000), 3, `${second} s`);
  calls(budget, 100, START + 60_000);
  assert.equal(allowed(budget, START + 60_000), 23);
});

test('what is allowed always is not saved up', () => {
  const budget = new RetryBudget(0, 3);
  assert.equal(allowed(budget, START), 3);
  assert.equal(allowed(budget, START + 3_600_000), 3);
});

test('less than one retry a second is one now and then', () => {
  const budget = new RetryBudget(0, 0.25);
  const seconds = [0, 1, 2, 3, 4, 5, 6, 7, 8, 9].map((second) => allowed(budget, START + second * 1000));
  assert.deepEqual(seconds, [1, 0, 0, 0, 1, 0, 0, 0, 1, 0]);
});

test('without a share and a minimum there are no retries', () => {
  const budget = new RetryBudget(0, 0);
  calls(budget, 1000, START);
  assert.equal(allowed(budget, START), 0);
});

test('an outage of everything costs a fifth more than no retries at all, not three times as much', () => {
  const budget = new RetryBudget(0.2, 1);
  let retries = 0;
  for (let n = 0; n < 60_000; n++) {
    const at = START + n;
    budget.called(at);
    for (let attempt = 2; attempt <= 3 && budget.take(at); attempt++) retries++;
  }
  assert.ok(retries > 60_000 * 0.19 && retries <= 60_000 * 0.2 + 61, `${retries}`);
});

test('within any ten seconds retries stay within the share and the minimum, whatever the traffic', () => {
  for (let seed = 1; seed <= 20; seed++) {
    const random = new Random(seed);
    const share = random.below(50) / 100;
    const minimum = random.below(4);
    const budget = new RetryBudget(share, minimum);
    const called: number[] = [];
    const retried: number[] = [];
    let at = START;
    for (let step = 0; step < 3000; step++) {
      at += random.below(random.chance(0.01) ? 15_000 : 40);
      if (random.chance(0.6)) {
        budget.called(at);
        called.push(at);
      } else if (budget.take(at)) {
        retried.push(at);
        // A retry is paid for by calls before it, so the calls of ten seconds more may have paid for those in the window.
        const window = (times: number[], length: number): number => times.filter((time) => time > at - length).length;
        const most = share * window(called, 20_000) + minimum * 11;
        const made = window(retried, 10_000);
        assert.ok(made <= most, `seed ${seed}, step ${step}: ${made} retries, ${most} allowed`);
      }
    }
  }
});
