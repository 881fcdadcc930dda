import assert from 'node:assert/strict';
import { test } from 'node:test';
import { BufferPool } from '../../src/io/buffer-pool.ts';
import { budget } from '../../src/io/budget.ts';

const takeAll = (pool: BufferPool, n: number): Buffer[] => Array.from({ length: n }, () => pool.take());
const giveAll = (pool: BufferPool, buffers: readonly Buffer[]): void => buffers.forEach((buffer) => pool.give(buffer));

test('the last buffer given back is the first taken', () => {
  const pool = new BufferPool(64, 8);
  const [first, second] = takeAll(pool, 2) as [Buffer, Buffer];
  pool.give(first);
  pool.give(second);
  assert.equal(pool.take(), second);
  assert.equal(pool.take(), first);
  giveAll(pool, [first, second]);
});

test('no more than so many are kept', () => {
  const pool = new BufferPool(64, 8);
  giveAll(pool, takeAll(pool, 20));
  assert.equal(pool.freeBuffers, 8);
});

test('the budget counts what is out, not what is free', () => {
  const before = budget.used;
  const pool = new BufferPool(100, 2);
  const buffers = takeAll(pool, 5);
  assert.equal(budget.used - before, 500);
  giveAll(pool, buffers);
  assert.equal(budget.used, before);
});

test('each trim lets go half of what nobody needed since the last', () => {
  const pool = new BufferPool(64, 100);
  giveAll(pool, takeAll(pool, 64));
  pool.trim();
  assert.equal(pool.freeBuffers, 64, 'all were needed just now');
  const sizes = [1, 2, 3, 4].map(() => {
    pool.trim();
    return pool.freeBuffers;
  });
  assert.deepEqual(sizes, [32, 16, 8, 4]);
});

test('what a busy time needs is not trimmed away between two rushes', () => {
  const pool = new BufferPool(64, 100);
  giveAll(pool, takeAll(pool, 50));
  for (let round = 0; round < 5; round++) {
    pool.trim();
    giveAll(pool, takeAll(pool, 40));
  }
  pool.trim();
  assert.ok(pool.freeBuffers >= 40);
});

test('a pool that is used up allocates, and counts that as need', () => {
  const pool = new BufferPool(64, 100);
  giveAll(pool, takeAll(pool, 4));
  pool.trim();
  giveAll(pool, takeAll(pool, 9));
  pool.trim();
  assert.equal(pool.freeBuffers, 9);
});

test('above its limit the budget is spent, and below it again not', () => {
  const { limit } = budget;
  const pool = new BufferPool(1024, 4);
  budget.limit = budget.used + 1500;
  const buffers = takeAll(pool, 1);
  assert.equal(budget.spent, false);
  buffers.push(pool.take());
  assert.equal(budget.spent, true);
  giveAll(pool, buffers);
  assert.equal(budget.spent, false);
  budget.limit = limit;
});
