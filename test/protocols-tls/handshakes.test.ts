import assert from 'node:assert/strict';
import { once } from 'node:events';
import type { Socket } from 'node:net';
import { test } from 'node:test';
import type { TestContext } from 'node:test';
import { connect as connectTls } from 'node:tls';
import { Duplex } from 'node:stream';
import { eventually } from '../edge/eventually.ts';
import { clientHello, entry } from '../listener/tls-ends.ts';
import { echoEngine, webEngine } from '../protocols/engines.ts';
import { Wire } from '../protocols/wire.ts';
import { sleep } from '../io/wire.ts';
import { Random } from '../support/random.ts';
import { AUTHORITIES, https, tcp, tls, tlsWire } from './clients.ts';
import { stage, type Plan, type Stage } from './stage.ts';

async function web(t: TestContext, plan: Partial<Plan> = {}): Promise<Stage> {
  const { address } = await webEngine(t);
  return stage(t, { upstreams: { web: { at: address, protocol: 'http1' } }, ...plan });
}

/** How long until the peer ends it, in milliseconds. */
async function lifetime(socket: Socket): Promise<number> {
  const begin = performance.now();
  socket.resume();
  await Promise.race([once(socket, 'end'), once(socket, 'close')]);
  socket.destroy();
  return performance.now() - begin;
}

test('a ClientHello that stops in the middle is ended by sniff_timeout, wherever it stops', async (t) => {
  const { port, settled, count } = await web(t, { listener: { sniffTimeout: 400 } });
  const hello = await clientHello(t, { servername: 'localhost' });
  const lengths = [0, 1, 3, 5, 6, 60, hello.length - 1];
  const lives = await Promise.all(
    lengths.map(async (length) => {
      const socket = await tcp(t, port);
      socket.write(hello.subarray(0, length));
      return lifetime(socket);
    }),
  );
  for (const [i, life] of lives.entries())
    assert.equal(life > 300 && life < 2000, true, `${lengths[i]} octets: ${life} ms`);
  await settled();
  assert.equal(count('frameway_limited_total', 'handshake'), lengths.length);
});

test('a handshake that stops after the ClientHello is ended by the handshake timeout', async (t) => {
  const { port, settled, connections } = await web(t, { limits: { handshakeTimeout: 400 } });
  const hello = await clientHello(t, { servername: 'localhost' });
  const socket = await tcp(t, port);
  socket.write(hello);
  const life = await lifetime(socket);
  assert.equal(life > 300 && life < 2000, true, `${life} ms`);
  await settled();
  assert.deepEqual(
    connections.map(({ event, message }) => [event, message]),
    [['limited', 'TLS: the handshake took too long']],
  );
});

test('a handshake that stalled is counted as a limit that was met', async (t) => {
  const { port, settled, count } = await web(t, { limits: { handshakeTimeout: 200 } });
  const socket = await tcp(t, port);
  socket.write(await clientHello(t, { servername: 'localhost' }));
  await lifetime(socket);
  await settled();
  assert.equal(count('frameway_limited_total', 'handshake'), 1);
});

test('who says nothing once the handshake is done is ended by sniff_timeout, and with ALPN by none', async (t) => {
  const { port, settled } = await web(t, { listener: { sniffTimeout: 400 } });
  const silent = await tls(t, port, { servername: 'localhost' });
  const known = await tls(t, port, { servername: 'localhost', ALPNProtocols: ['http/1.1'] });
  const life = await lifetime(silent);
  assert.equal(life > 300 && life < 2000, true, `${life} ms`);
  await sleep(200);
  assert.equal(known.destroyed, false);
  known.destroy();
  await settled();
});

/** A client whose every write goes out in pieces, each in a turn of its own. */
function choppy(below: Socket, pieces: (bytes: Buffer) => Buffer[]): Duplex {
  const above = new Duplex({
    read: () => undefined,
    write(bytes: Buffer, _encoding, done) {
      void (async () => {
        for (const piece of pieces(bytes)) {
          below.write(piece);
          await new Promise((resolve) => setImmediate(resolve));
        }
        done();
      })();
    },
    final(done) {
      below.end(done);
    },
  });
  below.on('data', (bytes: Buffer) => above.push(bytes));
  below.on('end', () => above.push(null));
  below.on('close', () => above.destroy());
  return above;
}

const octets = (bytes: Buffer): Buffer[] => Array.from(bytes, (octet) => Buffer.of(octet));

for (const ALPNProtocols of [undefined, ['http/1.1']]) {
  test(
    `a client that sends an octet at a time is served, ALPN ${ALPNProtocols?.join() ?? 'none'}`,
    { timeout: 30_000 },
    async (t) => {
      const { port, settled } = await web(t);
      const below = await tcp(t, port);
      const settings = { ca: AUTHORITIES, servername: 'localhost', ...(ALPNProtocols && { ALPNProtocols }) };
      const socket = connectTls({ socket: choppy(below, octets), ...settings });
      socket.on('error', () => undefined);
      t.after(() => socket.destroy());
      await once(socket, 'secureConnect');
      const wire = new Wire(socket);
      for (const path of ['/1', '/2']) {
        wire.send(`GET ${path} HTTP/1.1\r\nHost: localhost\r\n\r\n`);
        assert.equal((await wire.message()).body.toString(), `GET ${path} 0`);
      }
      socket.destroy();
      below.destroy();
      await settled();
    },
  );
}

test('a ClientHello is read wherever it is split', { timeout: 60_000 }, async (t) => {
  const { port, settled } = await web(t);
  const random = new Random(20);
  for (let i = 0; i < 40; i++) {
    const below = await tcp(t, port);
    const pieces = (bytes: Buffer): Buffer[] => {
      const cuts = [0, ...random.cuts(bytes.length, 2), bytes.length];
      return cuts.slice(1).map((to, j) => bytes.subarray(cuts[j], to));
    };
    const socket = connectTls({ socket: choppy(below, pieces), ca: AUTHORITIES, servername: 'localhost' });
    socket.on('error', () => undefined);
    await once(socket, 'secureConnect');
    const wire = new Wire(socket);
    wire.send(`GET /${i} HTTP/1.1\r\nHost: localhost\r\n\r\n`);
    assert.equal((await wire.message()).body.toString(), `GET /${i} 0`);
    socket.destroy();
    below.destroy();
  }
  await settled();
});

test('what looks like TLS and is none is refused with an alert, and closed', async (t) => {
  const { port, settled } = await web(t);
  const hello = await clientHello(t, { servername: 'localhost' });
  const longer = Buffer.from(hello);
  // The handshake message says that it is longer than its record, and no more comes that continues it.
  longer.writeUIntBE(0xfffff, 6, 3);
  for (const [name, bytes] of [
    ['noise after the first octets', Buffer.concat([hello.subarray(0, 6), new Random(3).octets(hello.length - 6)])],
    ['a record of another kind after the first', Buffer.concat([longer, Buffer.of(0x17, 3, 3, 0, 1, 0)])],
    ['SSL 3.0', Buffer.concat([Buffer.of(0x16, 3, 0), hello.subarray(3, 9), Buffer.of(3, 0), hello.subarray(11)])],
  ] as const) {
    const wire = new Wire(await tcp(t, port));
    wire.send(bytes);
    const { rest } = await wire.end();
    assert.equal(rest.charCodeAt(0), 0x15, `${name}: an alert, not ${JSON.stringify(rest.slice(0, 40))}`);
    wire.socket.destroy();
  }
  await settled();
});

test('clients that go away in the middle of a handshake leave nothing behind', async (t) => {
  const { port, settled, count } = await web(t);
  const hello = await clientHello(t, { servername: 'localhost' });
  const clients: Promise<void>[] = [];
  for (const length of [0, 3, 100, hello.length]) {
    for (const end of ['end', 'resetAndDestroy', 'destroy'] as const) {
      for (const wait of [0, 20]) {
        clients.push(
          (async () => {
            const socket = await tcp(t, port);
            socket.write(hello.subarray(0, length));
            await sleep(wait);
            socket[end]();
            socket.resume();
            await once(socket, 'close');
          })(),
        );
      }
    }
  }
  await Promise.all(clients);
  await settled();
  assert.equal(count('frameway_downstream_connections_total'), clients.length);
  assert.equal((await https(port, { path: '/after' })).status, 200);
});

test('a stalled handshake holds nobody else up', async (t) => {
  const { port, settled } = await web(t);
  const hello = await clientHello(t, { servername: 'localhost' });
  const stalled = await Promise.all(Array.from({ length: 50 }, () => tcp(t, port)));
  for (const [i, socket] of stalled.entries()) socket.write(hello.subarray(0, i % 2 ? hello.length : 40));
  await Promise.all([1, 2, 3].map(async (n) => assert.equal((await https(port, { path: `/${n}` })).status, 200)));
  for (const socket of stalled) socket.destroy();
  await settled();
});

test('where only TLS is allowed, what is not TLS is refused in its own words, and inside TLS what is narrowed is too', async (t) => {
  const [engine, echo] = await Promise.all([webEngine(t), echoEngine(t)]);
  const upstreams = {
    web: { at: engine.address, protocol: 'http1' },
    echo: { at: echo.address, protocol: 'tcp' },
  } as const;
  const routes = [{ protocols: ['tcp'], upstream: 'echo' }] as const;
  const only = await stage(t, { upstreams, routes, listener: { protocols: ['tls', 'http1'] } });
  const inside = await tlsWire(t, only.port, { servername: 'localhost' });
  inside.send('\0\x01 bytes\n');
  assert.equal((await inside.end()).rest, '');
  const h2 = await tlsWire(t, only.port, { servername: 'localhost' });
  h2.send('PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0');
  const { rest } = await h2.end();
  assert.equal(rest.includes('HTTP/1'), false);
  // SETTINGS, then GOAWAY.
  assert.deepEqual([rest.charCodeAt(3), rest.charCodeAt(12)], [4, 7]);
  h2.socket.destroy();
  inside.socket.destroy();
  await only.settled();
  assert.equal(only.count('frameway_limited_total', 'protocol'), 2);
});

test('as many handshakes as there are clients, at once', { timeout: 30_000 }, async (t) => {
  const { port, settled, count } = await web(t, { tls: [entry('server', ['localhost'])] });
  const answers = await Promise.all(Array.from({ length: 100 }, (_, i) => https(port, { path: `/${i}` })));
  assert.deepEqual(
    answers.map(({ body }) => body.toString()),
    answers.map((_, i) => `GET /${i} 0`),
  );
  await settled();
  assert.equal(count('frameway_downstream_connections_total'), 100);
});

test('connections over the limit are closed, TLS or not', async (t) => {
  const { port, settled, count } = await web(t, { listener: { maxConnections: 2 } });
  const held = [await tls(t, port, { servername: 'localhost' }), await tls(t, port, { servername: 'localhost' })];
  await assert.rejects(tls(t, port, { servername: 'localhost' }));
  assert.equal(count('frameway_limited_total', 'connections'), 1);
  for (const socket of held) socket.destroy();
  await settled();
  await eventually(
    () => count('frameway_downstream_connections') === 0,
    () => 'room again',
  );
  assert.equal((await https(port)).status, 200);
});

test('a ClientHello without an end is refused before it fills the memory', { timeout: 30_000 }, async (t) => {
  const { port, settled } = await web(t);
  const wire = new Wire(await tcp(t, port));
  // A handshake message of 16 MiB, in records that are full.
  const record = Buffer.concat([Buffer.of(0x16, 3, 1, 0x40, 0), Buffer.alloc(0x4000)]);
  const first = Buffer.from(record);
  first.set([1, 0xff, 0xff, 0xff, 3, 3], 5);
  wire.send(first);
  let sent = 1;
  while (wire.ended === null && sent < 1024) {
    wire.send(record);
    sent++;
    await new Promise((resolve) => setImmediate(resolve));
  }
  await wire.end();
  assert.equal(sent < 1024, true, `${sent} records were taken`);
  wire.socket.destroy();
  await settled();
});

test('what the gateway itself ends is not said to be the doing of the client', async (t) => {
  const { gateway, port, settled, connections } = await web(t);
  const stalled = new Wire(await tcp(t, port));
  stalled.send(await clientHello(t, { servername: 'localhost' }));
  await stalled.when(() => stalled.total > 0, 'a ServerHello');
  const unsaid = await tlsWire(t, port, { servername: 'localhost' });
  await sleep(50);
  await gateway.drain();
  stalled.socket.destroy();
  unsaid.socket.destroy();
  await settled();
  assert.deepEqual(
    connections.map(({ message }) => message).filter((message) => message.includes('client')),
    [],
  );
});

test('who spoke in time is not taken for silent because the process was busy', async (t) => {
  const [engine, echo] = await Promise.all([webEngine(t), echoEngine(t)]);
  const { port, settled, count } = await stage(t, {
    upstreams: { web: { at: engine.address, protocol: 'http1' }, echo: { at: echo.address, protocol: 'tcp' } },
    routes: [{ protocols: ['tcp'], upstream: 'echo' }],
    listener: { serverFirstDelay: 100 },
  });
  const wire = new Wire(await tcp(t, port));
  await eventually(
    () => count('frameway_downstream_connections') === 1,
    () => 'nobody was accepted',
  );
  // The octets are in the kernel at once; the timer is due before anybody reads them.
  wire.send('GET /busy HTTP/1.1\r\nHost: a\r\n\r\n');
  for (const end = performance.now() + 250; performance.now() < end;);
  assert.equal((await wire.message()).body.toString(), 'GET /busy 0');
  wire.socket.destroy();
  await settled();
});
