import assert from 'node:assert/strict';
import { once } from 'node:events';
import { connect } from 'node:net';
import type { Socket } from 'node:net';
import { test } from 'node:test';
import type { TestContext } from 'node:test';
import { RawWriter, readRaw } from '../../src/io/raw.ts';
import { dial, drink, listen, sleep, until } from './wire.ts';

const MIB = 1024 * 1024;

/** A connected socket that reads into `buffer`, what Node's streams would make of its reads, and its peer. */
async function pair(t: TestContext): Promise<{ socket: Socket; peer: Socket; buffer: Buffer; usual: number[] }> {
  const usual: number[] = [];
  const buffer = Buffer.alloc(64 * 1024);
  const accepted: Socket[] = [];
  const server = await listen(t, (one) => accepted.push(one.resume()));
  const onread = { buffer, callback: (n: number) => usual.push(n) > 0 };
  const socket = connect({ port: server.port, host: '127.0.0.1', allowHalfOpen: true, onread });
  socket.on('error', () => undefined);
  t.after(() => socket.destroy());
  await once(socket, 'connect');
  await until(() => accepted.length > 0);
  return { socket, peer: accepted[0]!.on('error', () => undefined), buffer, usual };
}
/** A writer, and how often it was called back. */
function writing(socket: Socket): { writer: RawWriter; taken: { times: number } } {
  const taken = { times: 0 };
  const writer = RawWriter.over(socket, { taken: () => taken.times++ });
  assert.notEqual(writer, null, 'this Node has no handles that raw.ts knows: it fell back to streams');
  return { writer: writer!, taken };
}

test('on this Node octets are read beneath its streams, and a FIN is told as ever', async (t) => {
  const { socket, peer, buffer, usual } = await pair(t);
  const seen: string[] = [];
  readRaw(socket, { onOctets: (n) => seen.push(buffer.toString('latin1', 0, n)) > 0 });
  socket.resume();
  peer.write('straight');
  await until(() => seen.length > 0);
  let ended = false;
  socket.on('end', () => (ended = true));
  peer.end();
  await until(() => ended);
  assert.deepEqual([seen, usual], [['straight'], []]);
});

test('a reader that has enough is told nothing more until the socket is resumed', async (t) => {
  const { socket, peer, usual } = await pair(t);
  let reads = 0;
  readRaw(socket, { onOctets: () => ++reads > 1 });
  socket.resume();
  peer.write('one');
  await until(() => reads === 1);
  peer.write('two');
  await sleep(20);
  assert.equal(reads, 1);
  socket.resume();
  await until(() => reads === 2);
  assert.deepEqual(usual, []);
});

test('what the kernel takes at once leaves without a callback', async (t) => {
  const { socket, peer } = await pair(t);
  const { writer, taken } = writing(socket);
  const slab = Buffer.from('..one and more');
  assert.equal(writer.write(slab.subarray(2), 3), true);
  const got = drink(peer);
  socket.end();
  assert.equal((await got).toString(), 'one');
  assert.equal(taken.times, 0);
});

test('what it does not is in order, and called back for once it has left; a FIN waits for it', async (t) => {
  const { socket, peer } = await pair(t);
  const { writer, taken } = writing(socket);
  peer.pause();
  const slabs = Array.from({ length: 4 }, (_, i) => Buffer.alloc(8 * MIB, 65 + i));
  let written = 0;
  while (written < slabs.length && writer.write(slabs[written]!, 8 * MIB)) written++;
  assert.ok(written < slabs.length, 'the kernel took all of it: nothing was tried');
  socket.end();
  const got = await drink(peer.resume());
  assert.ok(got.equals(Buffer.concat(slabs.slice(0, written + 1))));
  assert.equal(taken.times, 1);
});

test('other sockets are written to while one waits', async (t) => {
  const [slow, quick] = [await pair(t), await pair(t)];
  slow.peer.pause();
  const waiting = writing(slow.socket);
  const octets = Buffer.alloc(16 * MIB, 1);
  assert.equal(waiting.writer.write(octets, octets.length), false);
  const { writer } = writing(quick.socket);
  for (const text of ['a', 'b']) assert.equal(writer.write(Buffer.from(text), 1), true);
  quick.socket.end();
  assert.equal((await drink(quick.peer)).toString(), 'ab');
  slow.peer.resume();
  await until(() => waiting.taken.times === 1);
});

test('a write to a peer that is gone ends the socket with the reason, in flight or not', async (t) => {
  for (const inFlight of [true, false]) {
    const { socket, peer } = await pair(t);
    const { writer, taken } = writing(socket);
    const failed = once(socket, 'error') as Promise<[NodeJS.ErrnoException]>;
    const octets = Buffer.alloc(16 * MIB, 1);
    if (inFlight) {
      peer.pause();
      assert.equal(writer.write(octets, octets.length), false);
    }
    peer.resetAndDestroy();
    // Unless the reset is noticed first, it takes a write.
    for (let n = 0; n < 20 && !inFlight && !socket.destroyed; n++) {
      await sleep(1);
      writer.write(octets, 10);
    }
    const [error] = await failed;
    assert.match(error.code ?? '', /^(EPIPE|ECONNRESET)$/);
    assert.equal(taken.times, 0);
  }
});

test('what is written to a socket that was destroyed is done with', async (t) => {
  const { socket } = await pair(t);
  const { writer, taken } = writing(socket);
  socket.destroy();
  assert.equal(writer.write(Buffer.from('late'), 4), true);
  await once(socket, 'close');
  assert.equal(writer.write(Buffer.from('later'), 5), true);
  assert.equal(taken.times, 0);
});

test('what is in flight when a socket is destroyed is not called back for', async (t) => {
  const { socket, peer } = await pair(t);
  peer.pause();
  const { writer, taken } = writing(socket);
  const octets = Buffer.alloc(16 * MIB, 1);
  assert.equal(writer.write(octets, octets.length), false);
  socket.destroy();
  await once(socket, 'close');
  await sleep(5);
  assert.equal(taken.times, 0);
});

test('a socket that has lost its handle is not written to beneath its streams', async (t) => {
  const server = await listen(t, (one) => one.resume());
  const socket = await dial(t, server.port);
  socket.destroy();
  assert.equal(RawWriter.over(socket, { taken: () => undefined }), null);
});
