import assert from 'node:assert/strict';
import { test } from 'node:test';
import { announce, grow, receive, release, spend, windowsOf, worthTaking } from '../../src/h2/flow-control.ts';
import { Random } from '../support/random.ts';

const MAX = 2 ** 31 - 1;

test('a send window shrinks by what is sent and grows by what is announced', () => {
  const window = windowsOf(65_535, 0);
  spend(window, 65_535);
  assert.equal(window.sendable, 0);
  assert.ok(grow(window, 1));
  assert.equal(window.sendable, 1);
});

test('a send window may reach 2^31-1, and is left as it was by what would exceed it', () => {
  const cases: [initial: number, by: number, legal: boolean][] = [
    [0, MAX, true],
    [1, MAX, false],
    [65_535, MAX - 65_535, true],
    [65_535, MAX - 65_534, false],
    [MAX, 0, true],
    [MAX, 1, false],
    [MAX, MAX, false],
    [-1, MAX, true],
    [-MAX, MAX, true],
  ];
  for (const [initial, by, legal] of cases) {
    const window = windowsOf(initial, 0);
    assert.equal(grow(window, by), legal, `${initial} + ${by}`);
    assert.equal(window.sendable, legal ? initial + by : initial, `${initial} + ${by}`);
  }
});

test('a lowered initial window makes a send window negative, and it grows back from there', () => {
  const window = windowsOf(65_535, 0);
  spend(window, 60_000);
  assert.ok(grow(window, 16_384 - 65_535));
  assert.equal(window.sendable, 16_384 - 60_000);
  assert.ok(grow(window, 60_000 - 16_384));
  assert.equal(window.sendable, 0);
});

test('a receive window takes as much as it has and not one octet more', () => {
  for (const size of [0, 1, 65_535, MAX]) {
    assert.ok(receive(windowsOf(0, size), size), `${size}`);
    assert.ok(!receive(windowsOf(0, size), size + 1), `${size}`);
  }
  const window = windowsOf(0, 10);
  assert.ok(receive(window, 4) && receive(window, 0) && receive(window, 6) && receive(window, 0));
  assert.ok(!receive(window, 1));
});

test('increments are saved up until they are half the window', () => {
  const window = windowsOf(0, 1000);
  receive(window, 900);
  assert.equal(release(window, 499), 0);
  assert.equal(window.owing, 499);
  assert.equal(release(window, 0), 0);
  assert.equal(release(window, 1), 500);
  assert.equal(window.owing, 0);
  assert.equal(window.receivable, 600);
  assert.equal(release(window, 400), 0);
});

test('what is owed goes along with something else once it is a quarter of the window', () => {
  const window = windowsOf(0, 1000);
  receive(window, 500);
  release(window, 249);
  assert.ok(!worthTaking(window));
  release(window, 1);
  assert.ok(worthTaking(window));
  assert.equal(announce(window), 250);
  assert.deepEqual([window.owing, window.receivable, worthTaking(window)], [0, 750, false]);
});

test('at any time available, owed and held octets together are the window', () => {
  for (let seed = 0; seed < 200; seed++) {
    const random = new Random(seed);
    const size = random.pick([1, 2, 3, 100, 65_535, 1_048_576, MAX]);
    const window = windowsOf(0, size);
    let held = 0;
    for (let n = 0; n < 200; n++) {
      if (random.chance(1 / 2)) {
        const bytes = random.below(Math.min(window.receivable, random.chance(1 / 9) ? MAX : 20_000) + 1);
        held += bytes;
        assert.ok(receive(window, bytes));
      } else {
        const bytes = random.below(held + 1);
        const before = window.receivable;
        held -= bytes;
        const increment = release(window, bytes);
        assert.equal(window.receivable, before + increment, `seed ${seed}`);
        assert.ok(increment === 0 || increment * 2 >= size, `seed ${seed}: an increment of ${increment}`);
      }
      if (worthTaking(window) && random.chance(1 / 2)) announce(window);
      assert.equal(window.receivable + window.owing + held, size, `seed ${seed}`);
      assert.ok(window.owing * 2 < size, `seed ${seed}: half the window is owed`);
    }
    release(window, held);
    assert.ok(window.receivable * 2 > size, `seed ${seed}: the peer could starve`);
  }
});
