import assert from 'node:assert/strict';
import { test } from 'node:test';
import { blocks, smallBlocks } from '../../src/io/buffer-pool.ts';
import { budget } from '../../src/io/budget.ts';
import { HeldBytes } from '../../src/io/held-bytes.ts';
import { Random } from '../support/random.ts';

const contents = (held: HeldBytes): Buffer => {
  const runs: Buffer[] = [];
  held.forEach((block, from, to) => runs.push(Buffer.from(block.subarray(from, to))));
  return Buffer.concat(runs);
};

/** Sizes around the borders of the blocks, and any others. */
const sizeOf = (random: Random): number => {
  const border = [0, 1, smallBlocks.size, blocks.size, 2 * blocks.size][random.between(0, 4)]!;
  return random.next() < 0.3 ? Math.max(0, border + random.between(-1, 1)) : random.between(0, 6000);
};

test('held bytes are what a plain concatenation of buffers would be', () => {
  const before = budget.used;
  for (let seed = 1; seed <= 60; seed++) {
    const random = new Random(seed);
    const held = new HeldBytes();
    let model = Buffer.alloc(0);
    for (let step = 0; step < 120; step++) {
      if (random.next() < 0.5) {
        const from = random.octets(sizeOf(random) + 5);
        held.append(from, 2, from.length - 3);
        model = Buffer.concat([model, from.subarray(2, from.length - 3)]);
      } else if (random.next() < 0.98) {
        const n = Math.min(model.length, random.next() < 0.2 ? model.length : sizeOf(random));
        const to = Buffer.alloc(n + 8);
        held.shift(to, 4, n);
        assert.deepEqual(to, Buffer.concat([Buffer.alloc(4), model.subarray(0, n), Buffer.alloc(4)]));
        model = model.subarray(n);
      } else {
        held.clear();
        model = Buffer.alloc(0);
      }
      assert.equal(held.length, model.length);
      assert.ok(contents(held).equals(model), `seed ${seed}, step ${step}`);
      if (model.length === 0) assert.equal(budget.used, before, 'an empty chain still holds a block');
      else assert.ok(budget.used - before <= model.length + 2 * blocks.size, 'more blocks than the bytes need');
    }
    held.clear();
    assert.equal(budget.used, before);
  }
});

test('a few bytes take a small block, and the same one again', () => {
  const held = new HeldBytes();
  const free = smallBlocks.freeBuffers;
  for (let i = 0; i < 3; i++) {
    const before = budget.used;
    held.append(Buffer.from('few'), 0, 3);
    assert.equal(budget.used - before, smallBlocks.size);
    held.shift(Buffer.alloc(3), 0, 3);
    assert.equal(smallBlocks.freeBuffers, Math.max(free, 1));
  }
});

test('many small pieces are coalesced', () => {
  const before = budget.used;
  const held = new HeldBytes();
  const piece = Buffer.from('0123456789');
  for (let i = 0; i < 10_000; i++) held.append(piece, 0, 10);
  assert.ok(budget.used - before <= 100_000 + blocks.size + smallBlocks.size);
  held.clear();
  assert.equal(budget.used, before);
});

test('bytes that are looked at are still there', () => {
  const held = new HeldBytes();
  held.append(Buffer.from('looked at'), 0, 9);
  assert.equal(contents(held).toString(), 'looked at');
  const to = Buffer.alloc(9);
  held.shift(to, 0, 9);
  assert.equal(to.toString(), 'looked at');
});
