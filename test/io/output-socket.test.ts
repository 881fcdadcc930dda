import assert from 'node:assert/strict';
import { test } from 'node:test';
import { budget } from '../../src/io/budget.ts';
import { adopt } from '../../src/io/adopt.ts';
import { SLAB_SIZE, slabs } from '../../src/io/buffer-pool.ts';
import { PROMPT } from '../../src/io/output.ts';
import { Random } from '../support/random.ts';
import { pattern } from './pattern.ts';
import { borrowed, dial, drink, joined, listen, Recorder, sleep, turnOver, until } from './wire.ts';

const MIB = 1024 * 1024;

test('octets keep their order under any sizes, before a reader that is slow', async (t) => {
  for (const seed of [1, 2]) {
    const random = new Random(seed);
    const balanced = borrowed();
    const all = pattern(4 * MIB);
    const recorder = new Recorder();
    const { peer } = await joined(t, recorder);
    const { output } = recorder.connection;
    const chunks: Buffer[] = [];
    peer.on('data', (chunk: Buffer) => {
      chunks.push(chunk);
      if (random.next() < 0.1) {
        peer.pause();
        setTimeout(() => peer.resume(), random.between(0, 2));
      }
    });
    let at = 0;
    while (at < all.length) {
      for (let burst = random.between(1, 20); burst > 0 && at < all.length; burst--) {
        const large = random.next() < 0.05;
        const n = Math.min(all.length - at, large ? random.between(60_000, 140_000) : random.between(1, 17_000));
        output.reserve(n + random.between(0, 50));
        output.at += all.copy(output.buffer, output.at, at, at + n);
        at += n;
      }
      if (random.next() < 0.5) await turnOver();
    }
    recorder.connection.finish();
    await new Promise((resolve) => peer.once('end', resolve));
    assert.ok(Buffer.concat(chunks).equals(all), `seed ${seed}`);
    peer.end();
    await until(() => recorder.closes.length > 0);
    assert.ok(balanced());
  }
});

test('19 MiB that the peer does not read pin no more than that and a few slabs', async (t) => {
  const before = budget.used;
  const balanced = borrowed();
  const { recorder, peer } = await joined(t);
  peer.pause();
  const piece = pattern(4096);
  let most = 0;
  for (let sent = 0; sent < 19 * MIB; sent += piece.length) {
    recorder.say(piece);
    most = Math.max(most, budget.used - before);
    if (sent % (256 * 1024) === 0) await turnOver();
  }
  assert.ok(most <= 19 * MIB + 4 * SLAB_SIZE, `${most} bytes`);
  assert.ok(recorder.connection.output.unsent > 4 * MIB, 'the kernel took nearly all of it: nothing was tried');
  recorder.connection.destroy();
  await until(() => recorder.closes.length > 0);
  assert.ok(balanced());
});

test('what was unread leaves when the peer reads again, and every slab comes back', async (t) => {
  const balanced = borrowed();
  const { recorder, peer } = await joined(t);
  const all = pattern(12 * MIB);
  recorder.say(all);
  await sleep(20);
  assert.ok(recorder.connection.output.unsent > 0);
  recorder.connection.finish();
  const got = await drink(peer);
  assert.ok(got.equals(all));
  await until(() => recorder.connection.output.empty);
  assert.ok(balanced());
  assert.ok(recorder.drains > 0);
});

test('a reset in the middle of a write gives every slab back, once', async (t) => {
  const balanced = borrowed();
  const { recorder, peer } = await joined(t);
  peer.pause();
  recorder.say(pattern(12 * MIB));
  await sleep(10);
  assert.ok(!recorder.connection.output.empty);
  peer.resetAndDestroy();
  await until(() => recorder.closes.length > 0);
  await sleep(10);
  assert.ok(balanced());
  assert.equal(recorder.closes.length, 1);
});

test('what is put down between destroy and close goes back too', async (t) => {
  const balanced = borrowed();
  const { recorder } = await joined(t);
  recorder.connection.destroy();
  recorder.say('nobody reads this');
  await until(() => recorder.closes.length > 0);
  await sleep(5);
  assert.ok(balanced());
  assert.deepEqual(recorder.closes, [null]);
});

test('an idle connection holds no slab', async (t) => {
  const balanced = borrowed();
  const free = slabs.freeBuffers;
  const { recorder, peer } = await joined(t);
  recorder.say('hello');
  await new Promise((resolve) => peer.once('data', resolve));
  await until(() => recorder.connection.output.empty);
  assert.ok(balanced());
  assert.ok(slabs.freeBuffers >= Math.max(free, 1));
});

test('on this Node a write that the kernel takes at once leaves nothing behind, and returns true', async (t) => {
  const server = await listen(t, (accepted) => {
    const { socket } = adopt(accepted, { buffer: Buffer.alloc(10), callback: () => true });
    assert.equal(socket.writableHighWaterMark, PROMPT);
    assert.deepEqual([socket.write(Buffer.from('short')), socket.writableLength], [true, 0]);
    socket.end();
  });
  const peer = await dial(t, server.port);
  assert.equal((await drink(peer)).toString(), 'short');
});
