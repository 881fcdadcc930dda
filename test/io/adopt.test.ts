import assert from 'node:assert/strict';
import { once } from 'node:events';
import { Socket } from 'node:net';
import { test } from 'node:test';
import type { TestContext } from 'node:test';
import { adopt } from '../../src/io/adopt.ts';
import { pattern } from './pattern.ts';
import { adoptAs, dial, drink, listen, Recorder, sleep, until } from './wire.ts';

/** Adopts an accepted socket when `ripe`: read by `readable` events until then, as a sniffer would. */
async function sniffed(
  t: TestContext,
  ripe: (socket: Socket) => boolean,
): Promise<{ recorder: Recorder; peer: Socket }> {
  const recorder = new Recorder();
  const server = await listen(t, (socket) => {
    const look = (): void => {
      if (ripe(socket)) adoptAs(recorder, socket);
    };
    socket.on('readable', look);
  });
  const peer = await dial(t, server.port);
  t.after(() => recorder.connection.destroy());
  return { recorder, peer };
}
const sawEnd = (socket: Socket): boolean =>
  (socket as unknown as { _readableState: { ended: boolean } })._readableState.ended;

test('on this Node an adopted socket reads straight into the buffer that it is given', async (t) => {
  const buffer = Buffer.alloc(1000);
  const seen: [number, unknown][] = [];
  const server = await listen(t, (socket) => {
    const adopted = adopt(socket, { buffer, callback: (n, into) => (seen.push([n, into]), true) });
    assert.equal(adopted.direct, true, 'this Node has no innards that adopt() knows: it fell back to data events');
    assert.notEqual(adopted.socket, socket);
    adopted.socket.on('data', () => assert.fail('a data event: onread is not in place'));
    t.after(() => adopted.socket.destroy());
  });
  const peer = await dial(t, server.port);
  peer.write('straight');
  await until(() => seen.length > 0);
  assert.deepEqual(seen, [[8, buffer]]);
  assert.equal(buffer.toString('latin1', 0, 8), 'straight');
});

test('all connections read into one buffer', async (t) => {
  const recorders: Recorder[] = [];
  const server = await listen(t, (socket) => recorders.push(adoptAs(new Recorder(), socket)));
  for (let i = 0; i < 3; i++) (await dial(t, server.port)).write('x'.repeat(100_000));
  await until(() => recorders.length === 3 && recorders.every(({ received }) => received.length === 100_000));
  const buffers = new Set(recorders.flatMap((recorder) => [...recorder.buffers]));
  assert.equal(buffers.size, 1);
  assert.equal([...buffers][0]!.length, 256 * 1024);
  for (const { connection } of recorders) connection.destroy();
});

test('a FIN together with the first bytes comes after them', async (t) => {
  const order: string[] = [];
  const recorder = new Recorder({ onRead: () => order.push('read'), onEnd: () => order.push('end') });
  const server = await listen(t, (socket) => setTimeout(() => adoptAs(recorder, socket), 20));
  const peer = await dial(t, server.port);
  peer.end('first and last');
  await until(() => recorder.ends > 0);
  assert.deepEqual([recorder.text, order], ['first and last', ['read', 'end']]);
  recorder.connection.finish();
  await until(() => recorder.closes.length > 0);
  assert.deepEqual([recorder.ends, recorder.closes], [1, [null]]);
});

test('a FIN alone, not read before the adoption, is seen after it', async (t) => {
  const recorder = new Recorder();
  const server = await listen(t, (socket) => setTimeout(() => adoptAs(recorder, socket), 20));
  (await dial(t, server.port)).end();
  await until(() => recorder.ends > 0);
  recorder.connection.finish();
  await until(() => recorder.closes.length > 0);
  assert.deepEqual([recorder.reads, recorder.ends, recorder.closes], [[], 1, [null]]);
});

test('a FIN that was read while sniffing is told once, after the bytes', async (t) => {
  for (const bytes of ['', 'sniffed']) {
    const { recorder, peer } = await sniffed(t, sawEnd);
    const answer = drink(peer);
    peer.end(bytes);
    await until(() => recorder.ends > 0);
    recorder.say('still open');
    recorder.connection.finish();
    assert.equal((await answer).toString(), 'still open');
    await until(() => recorder.closes.length > 0);
    assert.deepEqual([recorder.text, recorder.ends, recorder.closes], [bytes, 1, [null]]);
  }
});

test('two chunks before the adoption and one after it arrive once and in order', async (t) => {
  const { recorder, peer } = await sniffed(t, ({ readableLength }) => readableLength >= 6);
  peer.write('one');
  await sleep(20);
  peer.write('two');
  await sleep(20);
  peer.write('three');
  await until(() => recorder.text.length >= 11);
  assert.equal(recorder.text, 'onetwothree');
});

test('every byte of a stream that is adopted in its middle arrives once and in order', async (t) => {
  const all = pattern(3_000_001);
  for (const after of [1, 20_000]) {
    const { recorder, peer } = await sniffed(t, ({ readableLength }) => readableLength >= after);
    peer.write(all.subarray(0, 1));
    await sleep(5);
    peer.end(all.subarray(1));
    await until(() => recorder.ends > 0);
    assert.ok(recorder.received.equals(all));
    assert.equal(recorder.ends, 1);
  }
});

test('a server closes when the last adopted socket has gone, and not before', async (t) => {
  const recorders: Recorder[] = [];
  const server = await listen(t, (socket) => recorders.push(adoptAs(new Recorder(), socket)));
  for (let i = 0; i < 4; i++) await dial(t, server.port);
  await until(() => recorders.length === 4);
  let closed = false;
  server.close(() => (closed = true)); // prettier-ignore
  for (const { connection } of recorders) {
    await sleep(5);
    assert.equal(closed, false);
    connection.destroy();
  }
  await until(() => closed);
});

test('the server counts adopted sockets, and holds to its maximum', async (t) => {
  const recorders: Recorder[] = [];
  const server = await listen(t, (socket) => recorders.push(adoptAs(new Recorder(), socket)));
  const count = (): Promise<number> =>
    new Promise((resolve, reject) => server.getConnections((error, n) => (error ? reject(error) : resolve(n))));
  server.maxConnections = 2;
  for (let i = 1; i <= 2; i++) {
    await dial(t, server.port);
    await until(() => recorders.length === i);
    assert.equal(await count(), i);
  }
  const dropped = once(server, 'drop');
  await dial(t, server.port);
  await dropped;
  recorders[0]!.connection.destroy();
  await until(() => recorders[0]!.closes.length > 0);
  assert.equal(await count(), 1);
  await dial(t, server.port);
  await until(() => recorders.length === 3);
  assert.equal(await count(), 2);
  for (const { connection } of recorders) connection.destroy();
});

/** A Node whose handles know nothing of user buffers, for as long as `run` takes. */
function withoutUserBuffer<T>(socket: Socket, run: () => T): T {
  let owner = (socket as unknown as { _handle: object })._handle;
  while (!Object.hasOwn(owner, 'useUserBuffer')) owner = Object.getPrototypeOf(owner) as object;
  const method = Object.getOwnPropertyDescriptor(owner, 'useUserBuffer')!;
  Reflect.deleteProperty(owner, 'useUserBuffer');
  try {
    return run();
  } finally {
    Object.defineProperty(owner, 'useUserBuffer', method);
  }
}

async function fallenBack(t: TestContext, recorder: Recorder): Promise<Socket> {
  let accepted: Socket | undefined;
  const server = await listen(t, (socket) => (accepted = socket)); // prettier-ignore
  const peer = await dial(t, server.port);
  peer.write('early ');
  await sleep(10);
  await until(() => accepted !== undefined);
  withoutUserBuffer(accepted!, () => adoptAs(recorder, accepted!));
  t.after(() => recorder.connection.destroy());
  return peer;
}

test('where the handle cannot be taken, data events serve', async (t) => {
  const recorder = new Recorder();
  const peer = await fallenBack(t, recorder);
  const all = pattern(1_000_000);
  const answer = drink(peer);
  peer.end(all);
  await until(() => recorder.ends > 0);
  assert.ok(recorder.received.equals(Buffer.concat([Buffer.from('early '), all])));
  assert.ok(![...recorder.buffers].some(({ length }) => length === 256 * 1024), 'this was no fallback');
  recorder.say('answer');
  recorder.connection.finish();
  assert.equal((await answer).toString(), 'answer');
  await until(() => recorder.closes.length > 0);
  assert.deepEqual([recorder.ends, recorder.closes], [1, [null]]);
});

test('a fallen back connection pauses and resumes as any other', async (t) => {
  const recorder = new Recorder();
  const peer = await fallenBack(t, recorder);
  await until(() => recorder.text === 'early ');
  recorder.connection.pause(1);
  peer.write('late');
  await sleep(20);
  assert.equal(recorder.text, 'early ');
  recorder.connection.resume(1);
  await until(() => recorder.text === 'early late');
});

test('a fallen back connection that its handler pauses at the early bytes stays paused', async (t) => {
  const recorder: Recorder = new Recorder({ onRead: () => recorder.connection.pause(1) });
  let accepted: Socket | undefined;
  const server = await listen(t, (socket) => {
    accepted = socket;
    // Reads without a listener, whose removal would make the stream flow.
    socket.read(0);
  });
  const peer = await dial(t, server.port);
  t.after(() => recorder.connection.destroy());
  peer.write('early ');
  await until(() => accepted?.readableLength === 6);
  withoutUserBuffer(accepted!, () => adoptAs(recorder, accepted!));
  await until(() => recorder.text === 'early ');
  peer.write('late');
  await sleep(20);
  assert.equal(recorder.text, 'early ');
  recorder.connection.resume(1);
  await until(() => recorder.text === 'early late');
});

test('a handler that gives up at the first early bytes hears no more', async (t) => {
  const recorder = new Recorder({ onRead: () => recorder.connection.destroy() });
  let accepted: Socket | undefined;
  const server = await listen(t, (socket) => {
    socket.on('readable', () => {
      if (socket.readableLength >= 6) accepted = socket;
    });
  });
  const peer = await dial(t, server.port);
  peer.write('one');
  await sleep(10);
  peer.write('two');
  await until(() => accepted !== undefined);
  // What `read()` returns is one chunk or more; the rule holds for each.
  const chunks = [Buffer.from('one'), Buffer.from('two')];
  accepted!.read = () => chunks.shift() ?? null;
  adoptAs(recorder, accepted!);
  await until(() => recorder.closes.length > 0);
  assert.deepEqual([recorder.text, recorder.ends, recorder.closes], ['one', 0, [null]]);
});
