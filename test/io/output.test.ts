import assert from 'node:assert/strict';
import { EventEmitter } from 'node:events';
import type { Socket } from 'node:net';
import { test } from 'node:test';
import { budget } from '../../src/io/budget.ts';
import { SLAB_SIZE } from '../../src/io/buffer-pool.ts';
import { Output, PROMPT } from '../../src/io/output.ts';
import { borrowed, counters, sleep, turnOver } from './wire.ts';

/** A socket that takes what it is given when the test says so. */
class Slow {
  readonly writes: string[] = [];
  readonly sizes: number[] = [];
  ended = false;
  private taken: (() => void) | null = null;
  readonly output: Output;
  drains = 0;

  constructor() {
    this.output = new Output(this as unknown as Socket, counters(), this);
    this.output.awaited = true;
  }
  drained(): void {
    this.drains++;
    this.output.awaited = true;
  }
  write(bytes: Buffer, taken: () => void): boolean {
    assert.equal(this.taken, null, 'two writes in flight');
    assert.equal(this.ended, false, 'a write after FIN');
    assert.ok(bytes.length > 0, 'an empty write');
    this.writes.push(bytes.toString('latin1'));
    this.sizes.push(bytes.length);
    this.taken = taken;
    return false;
  }
  end(): void {
    assert.equal(this.taken, null, 'FIN before the last write was taken');
    this.ended = true;
  }
  get busy(): boolean {
    return this.taken !== null;
  }
  take(): void {
    const { taken } = this;
    this.taken = null;
    taken!();
  }
  put(text: string): void {
    this.output.reserve(text.length);
    this.output.at += this.output.buffer.write(text, this.output.at, 'latin1');
  }
  fill(bytes: number): void {
    this.output.reserve(bytes);
    this.output.at += bytes;
  }
}

test('what a turn puts together leaves at its end as one write', async () => {
  const balanced = borrowed();
  const slow = new Slow();
  slow.put('one ');
  slow.put('two ');
  slow.put('three');
  assert.deepEqual([slow.writes, slow.output.empty], [[], false]);
  await turnOver();
  assert.deepEqual(slow.writes, ['one two three']);
  slow.take();
  assert.deepEqual([slow.output.empty, slow.output.unsent, slow.drains], [true, 0, 1]);
  assert.ok(balanced());
});

test('one write is in flight, and what comes meanwhile waits for it', async () => {
  const slow = new Slow();
  slow.put('first');
  await turnOver();
  slow.put('second ');
  await turnOver();
  slow.put('third');
  await turnOver();
  assert.deepEqual(slow.writes, ['first']);
  slow.take();
  await turnOver();
  assert.deepEqual(slow.writes, ['first', 'second third']);
  slow.take();
});

test('full slabs queue up and are written one at a time, in order', async () => {
  const balanced = borrowed();
  const slow = new Slow();
  const parts = ['a', 'b', 'c', 'd', 'e', 'f', 'g', 'h'].map((letter) => letter.repeat(30_000));
  for (const part of parts) slow.put(part);
  assert.equal(slow.output.unsent, 4 * SLAB_SIZE);
  assert.equal(slow.output.flowing, false);
  await turnOver();
  for (let i = 1; i <= 4; i++) {
    assert.equal(slow.writes.length, i);
    slow.take();
    await turnOver();
  }
  assert.ok(slow.sizes.every((size) => size <= SLAB_SIZE));
  assert.equal(slow.writes.join(''), parts.join(''));
  assert.deepEqual([slow.output.unsent, slow.output.flowing, slow.busy], [0, true, false]);
  assert.ok(balanced());
});

test('nothing flows while slabs wait, or anything while the budget is spent', async () => {
  const slow = new Slow();
  slow.fill(SLAB_SIZE);
  assert.equal(slow.output.flowing, true);
  await turnOver();
  slow.fill(SLAB_SIZE);
  assert.equal(slow.output.flowing, true, 'less than a slab behind the one in flight');
  slow.fill(1);
  assert.equal(slow.output.flowing, false);
  for (let i = 0; i < 3; i++) {
    slow.take();
    await turnOver();
  }
  assert.equal(slow.output.flowing, true);
  const { limit } = budget;
  budget.limit = budget.used - 1;
  assert.equal(slow.output.flowing, true, 'its socket holds nothing');
  slow.fill(1);
  await turnOver();
  assert.equal(slow.output.flowing, false);
  budget.limit = limit;
});

test('a block over one slab leaves whole, in its place, and is not kept', async () => {
  const balanced = borrowed();
  const slow = new Slow();
  slow.put('before ');
  slow.put('x'.repeat(3 * SLAB_SIZE + 1));
  slow.put(' after');
  assert.ok(slow.output.unsent >= 3 * SLAB_SIZE);
  await turnOver();
  while (slow.busy) {
    slow.take();
    await turnOver();
  }
  assert.equal(slow.writes.join(''), `before ${'x'.repeat(3 * SLAB_SIZE + 1)} after`);
  assert.equal(slow.output.unsent, 0);
  assert.ok(balanced());
});

test('finish sends all that is there, and then FIN, once', async () => {
  for (const slabsFull of [0, 1, 3]) {
    const slow = new Slow();
    for (let i = 0; i < slabsFull; i++) slow.fill(SLAB_SIZE);
    if (slabsFull > 1) await turnOver();
    slow.output.finish();
    await turnOver();
    while (slow.busy) {
      assert.equal(slow.ended, false);
      slow.take();
      await turnOver();
    }
    assert.equal(slow.ended, true);
    assert.equal(slow.sizes.length, slabsFull);
  }
});

test('closing gives back all slabs, the one in flight once: the write ends before the socket is gone', async () => {
  const balanced = borrowed();
  const slow = new Slow();
  for (let i = 0; i < 5; i++) slow.fill(SLAB_SIZE - 10);
  await turnOver();
  slow.output.close();
  slow.output.close();
  assert.ok(balanced());
  slow.take();
  await turnOver();
  assert.ok(balanced());
  assert.deepEqual([slow.sizes.length, slow.drains, slow.output.unsent], [1, 0, 0]);
  assert.throws(() => slow.output.reserve(1), /closed/);
});

/** A socket that says at once whether it took a write, as `Connection` makes them. */
class Prompt extends EventEmitter {
  readonly writableHighWaterMark = PROMPT;
  readonly lengths: number[] = [];
  takes = true;
  ended = false;
  drains = 0;
  readonly output = new Output(this as unknown as Socket, counters(), this);

  constructor() {
    super();
    this.output.awaited = true;
  }
  drained(): void {
    this.drains++;
    this.output.awaited = true;
  }
  write(bytes: Buffer, taken?: () => void): boolean {
    assert.equal(taken, undefined, 'a callback costs a tick');
    this.lengths.push(bytes.length);
    return this.takes;
  }
  end(): void {
    this.ended = true;
  }
}

test('a socket that takes everything at once gets it all in one turn, without callbacks', async () => {
  const balanced = borrowed();
  const prompt = new Prompt();
  for (const bytes of [SLAB_SIZE - 10, SLAB_SIZE - 20, 100]) {
    prompt.output.reserve(bytes);
    prompt.output.at += bytes;
  }
  prompt.output.finish();
  await turnOver();
  assert.deepEqual(prompt.lengths, [SLAB_SIZE - 10, SLAB_SIZE - 20, 100]);
  assert.deepEqual([prompt.output.empty, prompt.drains, prompt.ended], [true, 1, true]);
  assert.ok(balanced());
});

test('the owner who waits for nothing is not told that the socket took something', async () => {
  const prompt = new Prompt();
  for (const awaited of [false, true]) {
    prompt.output.awaited = awaited;
    prompt.output.reserve(1);
    prompt.output.at++;
    await turnOver();
    assert.deepEqual([prompt.output.empty, prompt.drains], [true, awaited ? 1 : 0]);
  }
});

test('a socket that could not take a write at once gets nothing more until it says drain', async () => {
  const balanced = borrowed();
  const prompt = new Prompt();
  prompt.takes = false;
  for (const bytes of [SLAB_SIZE - 10, 100]) {
    prompt.output.reserve(bytes);
    prompt.output.at += bytes;
  }
  await turnOver();
  assert.deepEqual([prompt.lengths, prompt.drains, prompt.output.empty], [[SLAB_SIZE - 10], 0, false]);
  prompt.takes = true;
  prompt.emit('drain');
  await turnOver();
  assert.deepEqual([prompt.lengths, prompt.output.empty], [[SLAB_SIZE - 10, 100], true]);
  assert.ok(prompt.drains > 0 && balanced());
});

test('closing before the turn is over writes nothing', async () => {
  const balanced = borrowed();
  const slow = new Slow();
  slow.put('never');
  slow.output.close();
  await turnOver();
  assert.deepEqual(slow.writes, []);
  assert.ok(balanced());
});

test('progress is when something began to wait, or when the socket took some of what waits', async () => {
  const slow = new Slow();
  slow.put('x');
  await turnOver();
  const given = slow.output.progressAt;
  await sleep(10);
  assert.equal(slow.output.progressAt, given);
  slow.put('y');
  slow.take();
  const taken = slow.output.progressAt;
  assert.ok(taken >= given + 9, `${taken - given} ms`);
  slow.take();
  await sleep(10);
  slow.put('z');
  assert.ok(slow.output.progressAt >= taken + 9, `${slow.output.progressAt - taken} ms`);
});
