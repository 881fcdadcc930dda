import assert from 'node:assert/strict';
import { once } from 'node:events';
import type { Socket } from 'node:net';
import { describe, test } from 'node:test';
import type { TestContext } from 'node:test';
import { Session } from '../../src/counters.ts';
import { budget } from '../../src/io/budget.ts';
import { Connection } from '../../src/io/connection.ts';
import type { HalfSink } from '../../src/relay/half.ts';
import { ForwardProxy } from '../../src/tunnel/forward-proxy.ts';
import { RawHalf } from '../../src/tunnel/raw-half.ts';
import { pattern } from '../io/pattern.ts';
import { dial, drink, sleep, until } from '../io/wire.ts';
import { Random } from '../support/random.ts';
import { closed, digest, ending, gateway, serve, trickle, tunnel, World } from './stage.ts';
import type { Ends } from './stage.ts';

const MiB = 1 << 20;
/** The window and one more read, in slabs of which the first few may have left half empty. */
const HELD_AT_MOST = 768 * 1024;

const buffersFree = (): Promise<void> => until(() => budget.used === 0, 'all buffers to be given back');
const over = ({ world }: Ends): Promise<void> => until(() => world.exchanges.length === 1, 'the end of the exchange');

/** Both ways of looking at a tunnel: who does something, and who notices. */
const ways: readonly (readonly [string, (ends: Ends) => readonly [Socket, Socket]])[] = [
  ['client', ({ client, engine }) => [client, engine]],
  ['engine', ({ client, engine }) => [engine, client]],
];

describe('bytes cross both ways unchanged, however they are cut', () => {
  for (let seed = 1; seed <= 4; seed++) {
    test(`seed ${seed}`, async (t) => {
      const random = new Random(seed);
      const ends = await tunnel(t);
      const { client, engine, world } = ends;
      const [up, down] = [pattern(random.between(3 * MiB, 6 * MiB)), pattern(random.between(3 * MiB, 6 * MiB))];
      const [atEngine, atClient] = await Promise.all([
        drink(engine),
        drink(client),
        trickle(client, up, random),
        trickle(engine, down, random),
      ]);
      assert.deepEqual([digest(atEngine), digest(atClient)], [digest(up), digest(down)]);
      await over(ends);
      const [record] = world.exchanges;
      assert.deepEqual(
        [record!.receivedBytes, record!.sentBytes, record!.httpStatus, record!.failure],
        [up.length, down.length, 200, null],
      );
      await buffersFree();
    });
  }
});

describe('a FIN crosses, and the other direction goes on', () => {
  for (const [who, sides] of ways) {
    test(`of the ${who}`, async (t) => {
      const ends = await tunnel(t);
      const [first, last] = sides(ends);
      first.end('all I have');
      assert.equal((await drink(last)).toString(), 'all I have');
      const answer = drink(first);
      for (const part of ['and ', 'still ', 'more']) {
        last.write(part);
        await sleep(5);
      }
      assert.equal(ends.world.exchanges.length, 0);
      last.end();
      assert.equal((await answer).toString(), 'and still more');
      await over(ends);
      assert.deepEqual(ends.world.causes, [null]);
    });
  }
});

test('an engine that speaks first is heard', async (t) => {
  const { client, engine } = await tunnel(t);
  engine.write('220 ready');
  const [banner] = (await once(client, 'data')) as [Buffer];
  assert.equal(banner.toString(), '220 ready');
});

test('what a client says before the tunnel stands arrives, its FIN included', async (t) => {
  const world = new World();
  const heard: Promise<Buffer>[] = [];
  const port = await serve(t, (socket) => {
    heard.push(drink(socket));
    socket.end('bye');
  });
  const slow = async (): Promise<string[]> => {
    await sleep(30);
    return ['127.0.0.1'];
  };
  const proxy = new ForwardProxy({ allow: ['*'] }, world, 2000, slow);
  const client = await dial(t, await gateway(t, world, proxy, `engine.test:${port}`));
  const body = pattern(200_000);
  client.end(body);
  assert.equal((await drink(client)).toString(), 'bye');
  assert.equal(digest(await heard[0]!), digest(body));
  await until(() => world.exchanges.length === 1);
  assert.deepEqual(world.causes, [null]);
});

test('a client whose tunnel never stands is told nothing but the end', async (t) => {
  const world = new World();
  const proxy = new ForwardProxy({ allow: ['*'] }, world, 2000);
  const port = await gateway(t, world, proxy, '127.0.0.1:1');
  const client = await dial(t, port);
  client.write('hello');
  const heard = await drink(client);
  assert.deepEqual([heard.length, world.causes, world.exchanges[0]!.endpoint], [0, ['connect_refused'], null]);
  await buffersFree();
});

describe('an RST crosses as an RST', () => {
  for (const [who, sides] of ways) {
    const cause = who === 'client' ? 'client_gone' : 'session_lost';
    test(`of the ${who}`, async (t) => {
      const ends = await tunnel(t);
      const [first, last] = sides(ends);
      const ended = ending(last);
      first.write('half of ');
      await once(last, 'data');
      first.resetAndDestroy();
      assert.equal(await ended, 'RST');
      await over(ends);
      assert.deepEqual(ends.world.causes, [cause]);
      await buffersFree();
    });
    test(`of the ${who}, after the FIN of the other`, async (t) => {
      const ends = await tunnel(t);
      const [first, last] = sides(ends);
      last.end('bye');
      await drink(first);
      const errors: string[] = [];
      last.on('error', (error: NodeJS.ErrnoException) => errors.push(error.code!)).resume();
      first.resetAndDestroy();
      await closed(last);
      assert.deepEqual(errors, ['ECONNRESET']);
      await over(ends);
      await buffersFree();
    });
    test(`of the ${who}, though the other does not read`, async (t) => {
      const ends = await tunnel(t);
      const [first, last] = sides(ends);
      last.pause();
      first.write(pattern(400_000));
      await until(() => ends.world.counters.get(Session.BYTES_READ) === 400_000, 'all to be read');
      first.resetAndDestroy();
      await over(ends);
      assert.equal(await ending(last), 'RST');
      await buffersFree();
    });
  }
});

describe('one that does not read stops the other, and gets all in the end', () => {
  for (const [who, sides] of ways) {
    test(`the ${who}`, async (t) => {
      const ends = await tunnel(t);
      const [slow, source] = sides(ends);
      const total = 64 * MiB;
      const piece = pattern(MiB);
      let written = 0;
      const writing = (async () => {
        for (; written < total; written += piece.length) {
          if (!source.write(piece)) await once(source, 'drain');
        }
        source.end();
      })();
      for (let before = -1; before !== written;) {
        before = written;
        await sleep(150);
      }
      assert.ok(written < 32 * MiB, `${written} octets were taken`);
      assert.ok(budget.used <= HELD_AT_MOST, `${budget.used} octets are held`);
      // The other way is free meanwhile.
      slow.write('hello');
      const [hello] = (await once(source, 'data')) as [Buffer];
      assert.equal(hello.toString(), 'hello');

      let got = 0;
      slow.on('data', (chunk: Buffer) => (got += chunk.length));
      await Promise.all([writing, once(slow, 'end')]);
      assert.equal(got, total);
      await buffersFree();
    });
  }
});

test('who takes nothing for too long is cut off, and the other with it', async (t) => {
  const ends = await tunnel(t, { limits: { writeStallTimeout: 300 } });
  const { client, engine, world } = ends;
  const ended = ending(engine);
  engine.write(pattern(32 * MiB));
  await over(ends);
  assert.equal(await ended, 'RST');
  assert.equal(await ending(client), 'RST');
  assert.deepEqual([world.limited('write_stall'), world.causes], [1, ['client_gone']]);
  assert.deepEqual(
    world.connections.map(({ side, event, message }) => [side, event, message]),
    [['downstream', 'limited', 'write_stall']],
  );
  await buffersFree();
});

describe('a tunnel in which nothing moves for too long is cut', () => {
  test('from the beginning', async (t) => {
    const began = performance.now();
    const ends = await tunnel(t, { idleTimeout: 60 });
    const endings = [ending(ends.client), ending(ends.engine)];
    await over(ends);
    assert.ok(performance.now() - began >= 60, 'no sooner than configured');
    assert.deepEqual(await Promise.all(endings), ['RST', 'RST']);
    assert.deepEqual(ends.world.causes, ['tunnel_idle']);
  });
  for (const [who, sides] of ways) {
    test(`but not while the ${who} sends`, async (t) => {
      const ends = await tunnel(t, { idleTimeout: 120 });
      const [first, last] = sides(ends);
      last.resume();
      for (let n = 0; n < 20; n++) {
        first.write('.');
        await sleep(20);
        assert.deepEqual(ends.world.causes, []);
      }
      const ended = ending(first);
      await over(ends);
      assert.equal(await ended, 'RST');
    });
  }
  test('half-closed or not', async (t) => {
    const ends = await tunnel(t, { idleTimeout: 60 });
    ends.client.end();
    await over(ends);
    assert.deepEqual(ends.world.causes, ['tunnel_idle']);
  });
});

test('an engine that is gone after its FIN takes nothing away from what it said', async (t) => {
  const ends = await tunnel(t);
  const { client, engine } = ends;
  const said = pattern(3 * MiB);
  client.pause();
  engine.end(said);
  await until(() => engine.writableFinished, 'the FIN to be sent', 200).catch(() => undefined);
  const got = drink(client);
  client.resume();
  await until(() => engine.writableFinished, 'the FIN to be sent');
  // The client goes on sending, to an engine that resets what it gets.
  const sending = setInterval(() => client.write(pattern(1000)), 1);
  t.after(() => clearInterval(sending));
  await sleep(10);
  engine.resetAndDestroy();
  assert.equal(digest(await got), digest(said));
  await over(ends);
  assert.deepEqual(ends.world.causes, [null]);
  // It is not borne for ever.
  await until(() => client.closed, 'the client to be cut', 5000);
});

/** A sink that remembers what it is told. */
class Listening implements HalfSink {
  readonly told: string[] = [];
  onInformational(): void {
    this.told.push('informational');
  }
  onHead({ status }: { status: number }): void {
    this.told.push(`head ${status}`);
  }
  onData(buffer: Buffer, from: number, to: number, end: boolean): void {
    if (to > from) this.told.push(buffer.toString('latin1', from, to));
    if (end) this.told.push('end');
  }
  onTrailers(): void {
    this.told.push('trailers');
  }
  onSent(): void {
    this.told.push('sent');
  }
  onFailed(failure: { cause: string }, code: number): void {
    this.told.push(`${failure.cause} ${code}`);
  }
  onAborted(): void {
    this.told.push('aborted');
  }
}

/** A half of an engine's connection that stands, and that nobody listens to yet. */
async function standing(t: TestContext, onSocket: (socket: Socket) => void) {
  const world = new World();
  const port = await serve(t, onSocket);
  let stands: () => void;
  let closed: () => void;
  const up = new Promise<void>((resolve) => (stands = resolve));
  const gone = new Promise<void>((resolve) => (closed = resolve));
  const connection = Connection.open({ host: '127.0.0.1', port }, world.counters, () => stands());
  const half = new RawHalf(connection, world, { opening: true }, () => closed());
  connection.begin(half, true);
  t.after(() => connection.destroy());
  await up;
  return { half, world, gone };
}

test('what an engine says before its connection is used is kept, and told after the head', async (t) => {
  const { half } = await standing(t, (socket) => socket.end('220 ready'));
  await sleep(20);
  const sink = new Listening();
  half.sink = sink;
  assert.deepEqual(sink.told, []);
  await sleep(5);
  assert.deepEqual(sink.told, ['head 200', '220 ready', 'end']);
  await buffersFree();
});

test('the head is told at the end of the turn, though the engine is silent', async (t) => {
  const { half } = await standing(t, () => undefined);
  const sink = new Listening();
  half.sink = sink;
  assert.deepEqual(sink.told, []);
  await sleep(5);
  assert.deepEqual(sink.told, ['head 200']);
});

test('an engine that is gone is told of once, whether before its connection is used or later', async (t) => {
  for (const late of [false, true]) {
    const sockets: Socket[] = [];
    const { half, gone } = await standing(t, (socket) => void sockets.push(socket));
    const sink = new Listening();
    if (!late) half.sink = sink;
    await until(() => sockets.length === 1);
    await sleep(5);
    sockets[0]!.resetAndDestroy();
    await gone;
    if (late) half.sink = sink;
    await sleep(5);
    assert.deepEqual(sink.told, late ? ['session_lost 10'] : ['head 200', 'session_lost 10']);
  }
});

test('after a reset the sink hears no more', async (t) => {
  const sockets: Socket[] = [];
  const { half, gone } = await standing(t, (socket) => void sockets.push(socket));
  const sink = new Listening();
  half.sink = sink;
  await sleep(5);
  const ended = ending(sockets[0]!);
  sockets[0]!.write('late');
  half.reset();
  await gone;
  assert.deepEqual([sink.told, await ended], [['head 200'], 'RST']);
  assert.equal(half.sendData(Buffer.from('too late'), 0, 8, true), 8);
});

test('a sink that throws ends its own connection, and is told', async (t) => {
  const { half, world, gone } = await standing(t, (socket) => setTimeout(() => socket.write('x'), 10));
  const sink = new Listening();
  sink.onData = () => {
    throw new Error('a bug');
  };
  half.sink = sink;
  await gone;
  assert.deepEqual(sink.told, ['head 200', 'internal_error 10']);
  assert.match(world.connections[0]!.message, /a bug/);
});
