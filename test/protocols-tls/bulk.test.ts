import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { once } from 'node:events';
import type { Socket } from 'node:net';
import { test } from 'node:test';
import type { TestContext } from 'node:test';
import { buffersFree, eventually } from '../edge/eventually.ts';
import { budget } from '../../src/io/budget.ts';
import { digest, h2call } from '../protocols/clients.ts';
import { echoEngine, h2Engine, pattern, tcpEngine, webEngine } from '../protocols/engines.ts';
import { sleep } from '../io/wire.ts';
import { entry, pair } from '../listener/tls-ends.ts';
import { h2, https, tls } from './clients.ts';
import { h2TlsEngine, httpsEngine, tlsEngine } from './engines.ts';
import { stage, type Place, type Stage } from './stage.ts';

const MIB = 1024 * 1024;
const BODY = pattern(8 * MIB + 12_345);
const DIGEST = digest(BODY);

for (const engine of ['http1', 'h2'] as const) {
  test(`MiB pass in both directions over TLS, to an engine that speaks ${engine}`, { timeout: 60_000 }, async (t) => {
    const { address } = engine === 'h2' ? await h2Engine(t) : await webEngine(t);
    const { port, settled } = await stage(t, { upstreams: { web: { at: address, protocol: engine } } });
    const path = `/?bytes=${BODY.length}`;
    const session = await h2(t, port);
    const answers = await Promise.all([
      https(port, { method: 'POST', path, body: BODY }),
      https(port, { method: 'POST', path, body: BODY, headers: { 'transfer-encoding': 'chunked' } }),
      h2call(session, { headers: { ':path': path }, body: BODY }),
      h2call(session, { headers: { ':path': path }, body: BODY }),
    ]);
    for (const [i, { headers, body }] of answers.entries()) {
      assert.deepEqual([headers['x-digest'], digest(body)], [DIGEST, DIGEST], `number ${i}`);
    }
    session.destroy();
    await settled();
    await buffersFree();
  });
}

test(
  'MiB pass through a tunnel within TLS, both ways at once, before a reader that is slow',
  { timeout: 60_000 },
  async (t) => {
    const echo = await echoEngine(t);
    const { port, settled, exchanges } = await stage(t, { upstreams: { echo: { at: echo.address, protocol: 'tcp' } } });
    const socket = await tls(t, port);
    const hash = createHash('sha256');
    let received = 0;
    socket.on('data', (part: Buffer) => {
      hash.update(part);
      received += part.length;
      if (received % 7 === 0) {
        socket.pause();
        setTimeout(() => socket.resume(), 1);
      }
    });
    socket.write('\0');
    socket.end(BODY);
    await once(socket, 'end');
    assert.equal(received, BODY.length + 1);
    assert.equal(hash.digest('hex'), digest(Buffer.concat([Buffer.of(0), BODY])));
    await settled();
    await buffersFree();
    assert.deepEqual([exchanges[0]!.receivedBytes, exchanges[0]!.sentBytes], [received, received]);
  },
);

const BLOCK = 64 * 1024;
/** Writes until nothing is taken for a while; gives how much was. */
async function fill(socket: Socket): Promise<number> {
  const block = Buffer.alloc(BLOCK, 1);
  let taken = 0;
  for (let still = 0; still < 10;) {
    if (taken > 64 * MIB) throw new Error('all is taken: nothing holds it back');
    if (socket.writableLength === 0) {
      socket.write(block, () => (taken += block.length));
      still = 0;
    } else still++;
    await sleep(20);
  }
  return taken;
}

/** What sockets may hold in the kernel on the way, beside us. */
const KERNEL = 16 * MIB;
const OURS = 2 * MIB;

/** Engines that read nothing before `read` is called. */
async function deaf(t: TestContext, secure: boolean): Promise<{ place: Place; read: () => void; heard: () => number }> {
  const sockets: Socket[] = [];
  let heard = 0;
  const script = (socket: Socket): void => {
    socket.pause();
    sockets.push(socket);
  };
  const engine = secure ? await tlsEngine(t, script) : await tcpEngine(t, script);
  const tlsSpec = secure ? { ca: null, certificate: null, key: null, serverName: '', verify: false } : null;
  const read = (): void =>
    sockets.forEach((socket) => {
      socket.on('data', (part: Buffer) => (heard += part.length));
      socket.on('end', () => socket.end());
      socket.resume();
    });
  return { place: { at: engine.address, protocol: 'tcp', tls: tlsSpec }, read, heard: () => heard };
}

for (const secure of [false, true]) {
  test(
    `an engine ${secure ? 'over TLS ' : ''}that does not read holds its client back, and memory is bounded`,
    { timeout: 60_000 },
    async (t) => {
      const { place, read, heard } = await deaf(t, secure);
      const { port, settled } = await stage(t, { upstreams: { deaf: place } });
      const socket = await tls(t, port);
      socket.write('\0');
      const before = process.memoryUsage().rss;
      const taken = await fill(socket);
      assert.equal(taken < KERNEL, true, `${taken} octets were taken`);
      assert.equal(budget.used < OURS, true, `${budget.used} octets wait here`);
      assert.equal(process.memoryUsage().rss - before < 128 * MIB, true, 'the process grew');
      read();
      socket.end();
      socket.resume();
      await once(socket, 'end');
      // What was written and not yet taken is one block, and the first octet.
      assert.equal(heard(), taken + 1 + (heard() > taken + 1 ? BLOCK : 0));
      await settled();
      await buffersFree();
    },
  );
}

/** A client that asks for much, and reads nothing for a while. */
async function idler(t: TestContext, made: Stage, request: string, ALPNProtocols?: string[]): Promise<void> {
  const { port, settled, exchanges } = made;
  const socket = await tls(t, port, ALPNProtocols ? { ALPNProtocols } : {});
  socket.pause();
  socket.write(request);
  await sleep(500);
  assert.equal(exchanges.length, 0, 'it is not done');
  assert.equal(budget.used < OURS, true, `${budget.used} octets wait here`);
  let received = 0;
  socket.on('data', (part: Buffer) => (received += part.length));
  socket.resume();
  await eventually(
    () => exchanges.length === 1,
    () => `${received} octets so far`,
    20_000,
  );
  assert.equal(exchanges[0]!.failure, null);
  await eventually(
    () => received >= exchanges[0]!.sentBytes,
    () => `${received} octets of ${exchanges[0]!.sentBytes}`,
  );
  socket.destroy();
  await settled();
  await buffersFree();
}

test('a client that does not read its tunnel holds the engine back', { timeout: 60_000 }, async (t) => {
  let said = 0;
  const talker = await tcpEngine(t, (socket) => {
    const block = Buffer.alloc(64 * 1024, 7);
    socket.on('data', () => undefined);
    socket.on('end', () => undefined);
    const talk = (): void => {
      while (said < 64 * MIB) {
        said += block.length;
        if (!socket.write(block)) {
          socket.once('drain', talk);
          return;
        }
      }
      socket.end();
    };
    talk();
  });
  const made = await stage(t, { upstreams: { talker: { at: talker.address, protocol: 'tcp' } } });
  const { port, settled } = made;
  const socket = await tls(t, port);
  socket.pause();
  socket.write('\0');
  await sleep(700);
  const stood = said;
  assert.equal(stood < KERNEL, true, `${stood} octets were said`);
  assert.equal(budget.used < OURS, true, `${budget.used} octets wait here`);
  let received = 0;
  socket.on('data', (part: Buffer) => (received += part.length));
  socket.resume();
  await once(socket, 'end');
  assert.equal(received, 64 * MIB);
  socket.end();
  await settled();
  await buffersFree();
});

test('a client that does not read its HTTP/1.1 response holds the engine back', { timeout: 60_000 }, async (t) => {
  const web = await webEngine(t);
  const made = await stage(t, { upstreams: { web: { at: web.address, protocol: 'http1' } } });
  await idler(t, made, `GET /?bytes=${48 * MIB} HTTP/1.1\r\nHost: localhost\r\n\r\n`, ['http/1.1']);
});

test(
  'a client that takes nothing for too long is cut off, and its engine hears of it',
  { timeout: 30_000 },
  async (t) => {
    const web = await webEngine(t);
    const { port, settled, exchanges, count } = await stage(t, {
      upstreams: { web: { at: web.address, protocol: 'http1' } },
      limits: { writeStallTimeout: 1000 },
    });
    const socket = await tls(t, port, { ALPNProtocols: ['http/1.1'] });
    socket.pause();
    socket.write(`GET /?bytes=${48 * MIB} HTTP/1.1\r\nHost: localhost\r\n\r\n`);
    await eventually(
      () => exchanges.length === 1,
      () => 'it goes on',
      8000,
    );
    assert.equal(exchanges[0]!.failure === null, false);
    assert.equal(count('frameway_limited_total', 'write_stall'), 1);
    await settled();
    await eventually(
      () => web.open === 0,
      () => 'the engine is still held',
    );
    await buffersFree();
  },
);

test(
  'TLS on both sides carries MiB: h2 to h2, http/1.1 to http/1.1, bytes to bytes',
  { timeout: 60_000 },
  async (t) => {
    const serverTls = { ...pair('server') };
    const [web, two, echo] = await Promise.all([httpsEngine(t, serverTls), h2TlsEngine(t, serverTls), tlsEngine(t)]);
    const spec = { ca: null, certificate: null, key: null, serverName: '', verify: false };
    const { port, settled } = await stage(t, {
      upstreams: {
        web: { at: web.address, protocol: 'http1', tls: spec },
        two: { at: two.address, protocol: 'h2', tls: spec },
        echo: { at: echo.address, protocol: 'tcp', tls: spec },
      },
      routes: [
        { protocols: ['tcp'], upstream: 'echo' },
        { hosts: ['two.test'], upstream: 'two' },
      ],
      tls: [entry('server', ['*'])],
    });
    const path = `/?bytes=${BODY.length}`;
    const socket = await tls(t, port);
    const parts: Buffer[] = [];
    socket.on('data', (part: Buffer) => parts.push(part));
    socket.write('\0');
    socket.end(BODY);
    const session = await h2(t, port, { servername: 'two.test' });
    const [answer, reply] = await Promise.all([
      https(port, { method: 'POST', path, body: BODY }),
      h2call(session, { headers: { ':path': '/two', ':authority': 'two.test' }, body: BODY }),
      once(socket, 'end'),
    ]);
    assert.deepEqual([answer.headers['x-digest'], digest(answer.body)], [DIGEST, DIGEST]);
    assert.equal(reply.body.toString(), 'POST /two');
    assert.equal(digest(Buffer.concat(parts).subarray(1)), DIGEST);
    session.destroy();
    await settled();
    await buffersFree();
  },
);
