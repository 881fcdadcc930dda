import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Worker } from 'node:worker_threads';
import { Connection } from '../../src/io/connection.ts';
import { now } from '../../src/io/turn.ts';
import { pattern } from './pattern.ts';
import { adoptAs, borrowed, counters, dial, drink, joined, listen, Recorder, sleep, until } from './wire.ts';

const FULL = 256 * 1024;

test('bytes go both ways, and a half-open connection still sends', async (t) => {
  const { recorder, peer } = await joined(t);
  const answer = drink(peer);
  peer.end('question');
  await until(() => recorder.ends > 0);
  await sleep(10);
  assert.deepEqual(recorder.closes, []);
  recorder.say('answer');
  recorder.connection.finish();
  assert.equal((await answer).toString(), 'answer');
  await until(() => recorder.closes.length > 0);
  assert.deepEqual([recorder.text, recorder.ends, recorder.closes], ['question', 1, [null]]);
});

test('a connection that sent its FIN still reads', async (t) => {
  const { recorder, peer } = await joined(t);
  const answer = drink(peer);
  recorder.connection.finish();
  assert.equal((await answer).length, 0);
  peer.end('late');
  await until(() => recorder.closes.length > 0);
  assert.deepEqual([recorder.text, recorder.ends, recorder.closes], ['late', 1, [null]]);
});

test('a connection knows its peer', async (t) => {
  const { recorder, peer } = await joined(t);
  assert.deepEqual(recorder.connection.remote, { address: '127.0.0.1', port: peer.localPort });
});

test('a reset by the peer is told once, with its error', async (t) => {
  const { recorder, peer } = await joined(t);
  peer.write('x');
  await until(() => recorder.text === 'x');
  peer.resetAndDestroy();
  await until(() => recorder.closes.length > 0);
  await sleep(10);
  assert.deepEqual([recorder.ends, recorder.closes.length], [0, 1]);
  assert.equal((recorder.closes[0] as NodeJS.ErrnoException).code, 'ECONNRESET');
});

test('a connection that is destroyed in the middle of a read hears its end and nothing else', async (t) => {
  const balanced = borrowed();
  const recorder: Recorder = new Recorder({
    onRead: () => {
      recorder.say('never sent');
      recorder.connection.destroy();
    },
  });
  const { peer } = await joined(t, recorder);
  peer.write(pattern(2_000_000));
  await until(() => recorder.closes.length > 0);
  await sleep(10);
  assert.deepEqual([recorder.reads.length, recorder.ends, recorder.closes], [1, 0, [null]]);
  assert.ok(balanced());
});

test('the error that a connection is destroyed with is the one that is told', async (t) => {
  const { recorder } = await joined(t);
  const reason = new Error('the reason');
  recorder.connection.destroy(reason);
  recorder.connection.destroy(new Error('a later one'));
  await until(() => recorder.closes.length > 0);
  assert.deepEqual(recorder.closes, [reason]);
});

test('a handler that throws ends its own connection and no other', async (t) => {
  const bug = new Error('bug');
  const throws = (): never => {
    throw bug;
  };
  const server = await listen(t, (socket) => adoptAs(recorders[accepted++]!, socket));
  const recorders = [
    new Recorder({ onRead: throws }),
    new Recorder({ onEnd: throws }),
    new Recorder({ onDrain: throws }),
    new Recorder({ onClose: throws, onBug: () => undefined }),
    new Recorder({ onRead: throws, onBug: throws }),
    new Recorder(),
  ];
  let accepted = 0;
  const peers = [];
  for (let i = 1; i <= recorders.length; i++) {
    peers.push(await dial(t, server.port));
    await until(() => accepted === i);
  }
  const [reads, ends, drains, closes, twice, well] = recorders as [Recorder, Recorder, Recorder, Recorder, Recorder, Recorder]; // prettier-ignore
  peers[0]!.write('x');
  peers[1]!.end();
  drains.say('x');
  closes.connection.destroy();
  peers[4]!.write('x');
  for (const recorder of [reads, ends, drains, closes, twice]) {
    await until(() => recorder.closes.length > 0);
    assert.deepEqual([recorder.bugs, recorder.closes.length], [[bug], 1]);
  }
  peers[5]!.write('well');
  await until(() => well.text === 'well');
  assert.deepEqual([well.bugs, well.closes], [[], []]);
  well.connection.destroy();
});

test('reads do not nest: the inner one is a bug of its connection', async (t) => {
  const inner = new Recorder();
  await joined(t, inner);
  const outer = new Recorder({ onRead: () => void inner.connection.deliver(Buffer.from('nested'), 6) });
  const { peer } = await joined(t, outer);
  peer.write('x');
  await until(() => inner.closes.length > 0);
  assert.match(inner.bugs[0]!.message, /must not nest/);
  assert.deepEqual([inner.text, outer.text, outer.bugs], ['', 'x', []]);
});

test('reading goes on when the last reason to pause has gone', async (t) => {
  const { recorder, peer } = await joined(t);
  const { connection } = recorder;
  connection.pause(1);
  connection.pause(2);
  connection.pause(2);
  peer.end('x');
  await sleep(15);
  connection.resume(2);
  connection.resume(4);
  await sleep(15);
  assert.deepEqual([recorder.text, recorder.ends], ['', 0]);
  connection.resume(1);
  await until(() => recorder.ends > 0);
  assert.equal(recorder.text, 'x');
});

test('a connection paused within a read delivers nothing until it is resumed', async (t) => {
  const all = pattern(3_000_000);
  const recorder: Recorder = new Recorder({ onRead: () => recorder.connection.pause(1) });
  const { peer } = await joined(t, recorder);
  peer.end(all);
  for (let reads = 1; recorder.received.length < all.length; reads++) {
    await until(() => recorder.reads.length === reads);
    await sleep(2);
    assert.equal(recorder.reads.length, reads);
    recorder.connection.resume(1);
  }
  await until(() => recorder.ends > 0);
  assert.ok(recorder.received.equals(all));
});

test('a pause taken back within the same read loses nothing', async (t) => {
  const all = pattern(2_000_000);
  const recorder: Recorder = new Recorder({
    onRead: () => {
      recorder.connection.pause(1);
      recorder.connection.resume(1);
    },
  });
  const { peer } = await joined(t, recorder);
  peer.end(all);
  await until(() => recorder.ends > 0);
  assert.ok(recorder.received.equals(all));
});

/** A sender in a thread of its own: it fills the socket while this thread is reading. */
const BULK = `
  const { workerData } = require('node:worker_threads');
  const socket = require('node:net').connect(workerData.port, '127.0.0.1');
  const chunk = Buffer.alloc(1024 * 1024);
  let left = workerData.chunks;
  const more = () => { while (left > 0) { left--; if (!socket.write(chunk)) return socket.once('drain', more); } socket.end(); };
  socket.on('connect', more).on('error', () => {});
`;

test('a bulk sender gets 256 KiB a turn, and a small echo beside it does not wait', async (t) => {
  const CHUNKS = 64;
  const perTurn = new Map<number, number>();
  let echoes = 0;
  let total = 0;
  let fullReads = 0;
  let first = true;
  const server = await listen(t, (socket) => {
    const echo = first;
    first = false;
    const recorder: Recorder = new Recorder();
    Connection.accept(socket, counters(), (connection) => {
      recorder.connection = connection;
      return {
        onRead(_buffer, start, end) {
          if (echo) {
            recorder.say('pong');
            return;
          }
          total += end - start;
          if (end - start === FULL) fullReads++;
          perTurn.set(now(), (perTurn.get(now()) ?? 0) + end - start);
        },
        onEnd: () => connection.finish(),
        onClose: () => undefined,
        onDrain: () => undefined,
        onBug: (error) => connection.destroy(error),
      };
    });
  });
  const small = await dial(t, server.port);
  small.on('data', () => {
    echoes++;
    small.write('ping');
  });
  small.write('ping');
  await until(() => echoes > 0);
  const before = echoes;
  const worker = new Worker(BULK, { eval: true, workerData: { port: server.port, chunks: CHUNKS } });
  t.after(() => worker.terminate());
  await until(() => total === CHUNKS * 1024 * 1024, 'the bulk transfer', 10_000);
  small.destroy();
  assert.ok(fullReads > 0, 'the buffer was never full: nothing was tried');
  assert.ok([...perTurn.values()].every((bytes) => bytes <= FULL));
  assert.ok(echoes - before > 10, `${echoes - before} echoes beside ${perTurn.size} turns of bulk`);
});

test('a connection that rests for a turn and is resumed meanwhile is still read once a turn', async (t) => {
  const recorder: Recorder = new Recorder();
  const { peer } = await joined(t, recorder);
  const { connection } = recorder;
  const full = Buffer.alloc(FULL);
  assert.equal(connection.deliver(full, 100), true, 'more may be read after a partial read');
  assert.equal(connection.deliver(full, FULL), false, 'a full read is the last of its turn');
  connection.pause(1);
  connection.resume(1);
  peer.write('x');
  await until(() => recorder.reads.length === 3);
});
