/** TCP passed through: octets, ends, limits and failover. */
import assert from 'node:assert/strict';
import { connect } from 'node:net';
import { test } from 'node:test';
import { eventually } from '../edge/eventually.ts';
import { Random } from '../support/random.ts';
import { digest } from './clients.ts';
import { echoEngine, pattern, tcpEngine, webEngine } from './engines.ts';
import { stage, type Place } from './stage.ts';
import { Wire, wireEngine } from './wire.ts';

const MIB = 1 << 20;
const tcp = (at: string | readonly string[], more: Partial<Place> = {}) => ({
  tcp: { at, protocol: 'tcp' as const, ...more },
});
/** Nothing listens there. */
const NOBODY = '127.0.0.1:1';

test('megabytes come back whole, byte for byte, and are counted', async (t) => {
  const echo = await echoEngine(t);
  const { port, settled, gateway } = await stage(t, { upstreams: tcp(echo.address) });
  const random = new Random(3);
  await Promise.all(
    [0, 1, 2, 3].map(async (i) => {
      const bytes = random.octets(4 * MIB + i);
      const wire = await Wire.connect(t, port);
      wire.send(bytes);
      wire.finish();
      assert.equal(digest(await wire.take(bytes.length)), digest(bytes));
      assert.deepEqual(await wire.end(), { how: 'fin', rest: '' });
    }),
  );
  await settled();
  assert.equal(gateway.count('frameway_downstream_received_bytes_total'), 16 * MIB + 6);
  assert.equal(gateway.count('frameway_downstream_sent_bytes_total'), 16 * MIB + 6);
  for (const { endpoint, upstream, failure, sentBytes, receivedBytes, peer } of gateway.exchanges) {
    assert.deepEqual([endpoint, upstream, failure, peer], [echo.address, 'tcp', null, '127.0.0.1']);
    assert.equal(sentBytes, receivedBytes);
  }
  await eventually(
    () => echo.open === 0,
    () => `${echo.open} connections are left at the engine`,
  );
});

test('a client may end first and hear all the rest, and so may an engine', async (t) => {
  const engine = await wireEngine(t, async (wire) => {
    if ((await wire.take(1)).toString() === 'c') {
      await wire.end();
      wire.send(pattern(MIB), wire.received);
      wire.finish();
    } else {
      wire.finish();
      await wire.end();
    }
  });
  const { port, settled } = await stage(t, { upstreams: tcp(engine.address) });
  const first = await Wire.connect(t, port);
  first.send('client first');
  first.finish();
  assert.equal(digest(await first.take(MIB)), digest(pattern(MIB)));
  assert.deepEqual(await first.end(), { how: 'fin', rest: 'lient first' });
  const second = await Wire.connect(t, port);
  second.send('engine first');
  assert.deepEqual(await second.end(), { how: 'fin', rest: '' });
  second.send(pattern(MIB));
  second.finish();
  const [, at] = engine.wires as [Wire, Wire];
  assert.equal((await at.end()).how, 'fin');
  assert.equal(at.received.length, 'ngine first'.length + MIB);
  await settled();
});

test('a reset of one side is a reset of the other', async (t) => {
  // It answers what it has read: an RST on the heels of unread bytes looks like a FIN to libuv.
  const engine = await wireEngine(t, async (wire) => {
    await wire.take(1);
    wire.send('hello');
  });
  const { port, settled, gateway } = await stage(t, { upstreams: tcp(engine.address) });
  for (const side of ['client', 'engine']) {
    const wire = await Wire.connect(t, port);
    wire.send('\0');
    await wire.take(5);
    const at = engine.wires.at(-1)!;
    if (side === 'client') wire.reset();
    else at.reset();
    assert.equal((await (side === 'client' ? at : wire).end()).how, 'rst', `reset by the ${side}`);
  }
  await settled();
  assert.equal(gateway.exchanges.filter(({ failure }) => failure !== null).length, 2);
});

test('an endpoint that refuses is passed over for the next, and nothing of what the client said is lost', async (t) => {
  const echo = await echoEngine(t);
  const { port, settled, gateway } = await stage(t, { upstreams: tcp([NOBODY, echo.address]) });
  for (let i = 0; i < 10; i++) {
    const wire = await Wire.connect(t, port);
    wire.send(`number ${i}`);
    wire.finish();
    assert.deepEqual(await wire.end(), { how: 'fin', rest: `number ${i}` });
  }
  await settled();
  assert.equal(gateway.count('frameway_failures_total'), 0);
});

test('where no endpoint answers, the client is closed, not kept waiting', async (t) => {
  const { port, settled, gateway } = await stage(t, { upstreams: tcp(NOBODY, { acquireTimeout: 500 }) });
  const wire = await Wire.connect(t, port);
  wire.send('anyone?');
  await wire.end();
  await settled();
  assert.equal(gateway.exchanges.length, 1);
  assert.notEqual(gateway.exchanges[0]!.failure, null);
});

test('a tunnel in which nothing moves is closed on both sides, one that talks is not', async (t) => {
  const echo = await echoEngine(t);
  const { port, settled, gateway } = await stage(t, {
    upstreams: tcp(echo.address),
    listener: { tunnelIdleTimeout: 400 },
  });
  const [quiet, lively] = await Promise.all([Wire.connect(t, port), Wire.connect(t, port)]);
  quiet.send('once');
  lively.send('x');
  const talk = setInterval(() => lively.send('x'), 50);
  t.after(() => clearInterval(talk));
  await quiet.end();
  await new Promise((resolve) => setTimeout(resolve, 300));
  assert.equal(lively.ended, null);
  clearInterval(talk);
  await lively.end();
  await settled();
  assert.equal(gateway.count('frameway_failures_total', 'tunnel_idle'), 2);
  await eventually(
    () => echo.open === 0,
    () => `${echo.open} connections are left at the engine`,
  );
});

test('a half-closed tunnel is idle too', async (t) => {
  const engine = await wireEngine(t);
  const { port, settled } = await stage(t, { upstreams: tcp(engine.address), listener: { tunnelIdleTimeout: 300 } });
  const wire = await Wire.connect(t, port);
  wire.send('x');
  wire.finish();
  await wire.end();
  await settled();
});

test('max_streams bounds the tunnels of an engine, and the next waits for its turn', async (t) => {
  const echo = await echoEngine(t);
  const { port, settled } = await stage(t, { upstreams: tcp(echo.address, { maxStreams: 2, acquireTimeout: 3000 }) });
  const wires: Wire[] = [];
  for (let i = 0; i < 3; i++) {
    const wire = await Wire.connect(t, port);
    wire.send(`${i}`);
    wires.push(wire);
    if (i < 2) await wire.take(1);
  }
  await new Promise((resolve) => setTimeout(resolve, 200));
  assert.deepEqual([wires[2]!.total, echo.open], [0, 2]);
  wires[0]!.finish();
  assert.equal((await wires[2]!.take(1)).toString(), '2');
  for (const wire of wires) wire.finish();
  await settled();
});

test('clients outside of allow, or inside of deny, are closed at once', async (t) => {
  const echo = await echoEngine(t);
  for (const listener of [
    { deny: ['127.0.0.0/8'] },
    { allow: ['10.0.0.0/8'] },
    { allow: ['127.0.0.1'], deny: ['127.0.0.1'] },
  ]) {
    const { port, gateway, settled } = await stage(t, { upstreams: tcp(echo.address), listener });
    const wire = await Wire.connect(t, port);
    wire.send('x');
    assert.equal((await wire.end()).rest, '');
    assert.equal(gateway.count('frameway_limited_total', 'denied'), 1);
    await settled();
  }
  assert.equal(echo.accepted, 0);
  const { port } = await stage(t, {
    upstreams: tcp(echo.address),
    listener: { allow: ['127.0.0.0/8'], deny: ['127.1.0.0/16'] },
  });
  const wire = await Wire.connect(t, port);
  wire.send('x');
  assert.equal((await wire.take(1)).toString(), 'x');
});

test('a denied client that resets before it is accepted gets nothing to the engine', async (t) => {
  const engine = await webEngine(t);
  const { port, settled } = await stage(t, {
    upstreams: { web: { at: engine.address, protocol: 'http1' } },
    listener: { deny: ['127.0.0.0/8'] },
  });
  for (let round = 0; round < 4; round++) {
    const wires = await Promise.all(Array.from({ length: 50 }, () => Wire.connect(t, port)));
    for (const wire of wires) {
      wire.send('POST /evil HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\n\r\n');
      wire.reset();
    }
  }
  await settled();
  // The same in one turn each: the kernel has the request and the reset before anybody accepts.
  await Promise.all(
    Array.from(
      { length: 100 },
      () =>
        new Promise<void>((resolve) => {
          const socket = connect(port, '127.0.0.1', () => {
            socket.write('POST /evil HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\n\r\n', () => {
              socket.resetAndDestroy();
              resolve();
            });
          });
          socket.on('error', () => resolve());
        }),
    ),
  );
  // Whoever is still in the backlog is accepted before this one.
  assert.equal((await (await Wire.connect(t, port)).end()).rest, '');
  await settled();
  assert.deepEqual(engine.seen, []);
});

test('whoever does not read holds up the other side, in bounded memory', async (t) => {
  let written = 0;
  let done = false;
  const source = await tcpEngine(t, (socket) => {
    const block = pattern(MIB / 4);
    socket.resume();
    void (async () => {
      for (let i = 0; i < 256 && !socket.destroyed; i++) {
        await new Promise((resolve) => socket.write(block, resolve));
        written += block.length;
      }
      socket.end();
      done = true;
    })();
  });
  const { port, settled } = await stage(t, { upstreams: tcp(source.address) });
  const wire = await Wire.connect(t, port);
  wire.send('go');
  wire.socket.pause();
  await new Promise((resolve) => setTimeout(resolve, 600));
  const stalled = written;
  await new Promise((resolve) => setTimeout(resolve, 200));
  assert.equal(written, stalled);
  assert.ok(stalled < 24 * MIB, `${stalled} octets were taken from the engine`);
  const counted = count(wire);
  wire.socket.resume();
  await wire.end(20_000);
  assert.deepEqual([counted(), done], [64 * MIB, true]);
  wire.finish();
  await settled();
});

/** Counts instead of keeping. */
function count(wire: Wire): () => number {
  let received = wire.received.length;
  wire.socket.removeAllListeners('data');
  wire.socket.on('data', (part: Buffer) => (received += part.length));
  return () => received;
}

test('an engine that does not read holds up its client, and one that stalls for ever is given up', async (t) => {
  const engine = await tcpEngine(t, (socket) => socket.pause());
  const { port, settled, gateway } = await stage(t, {
    upstreams: tcp(engine.address),
    limits: { writeStallTimeout: 1000 },
  });
  const wire = await Wire.connect(t, port);
  let sent = 0;
  const block = pattern(MIB / 4);
  const pump = async (): Promise<void> => {
    for (let i = 0; i < 256; i++) {
      const failed = await new Promise<unknown>((resolve) => wire.socket.write(block, resolve));
      if (failed) return;
      sent += block.length;
    }
  };
  void pump();
  await wire.end(8000);
  assert.ok(sent < 24 * MIB, `${sent} octets were taken from the client`);
  await settled();
  assert.equal(gateway.count('frameway_limited_total', 'write_stall'), 1);
});
