/** WebSockets of the `ws` package through the gateway, on HTTP/1.1 from end to end. */
import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { once } from 'node:events';
import { test, type TestContext } from 'node:test';
import { WebSocket, type ClientOptions, type RawData } from 'ws';
import { eventually } from '../edge/eventually.ts';
import { Random } from '../support/random.ts';
import { digest, http1 } from './clients.ts';
import { pattern, wsEngine } from './engines.ts';
import { stage, type Plan } from './stage.ts';
import { OK, Wire, values, wireEngine } from './wire.ts';

async function chat(t: TestContext, options: Parameters<typeof wsEngine>[1] = {}, plan: Partial<Plan> = {}) {
  const engine = await wsEngine(t, options);
  const made = await stage(t, { upstreams: { ws: { at: engine.address, protocol: 'http1' } }, ...plan });
  const open = async (path = '/', protocols: string[] = [], client: ClientOptions = {}): Promise<WebSocket> => {
    const socket = new WebSocket(`ws://127.0.0.1:${made.port}${path}`, protocols, client);
    t.after(() => socket.terminate());
    await once(socket, 'open');
    return socket;
  };
  return { ...made, engine, open };
}

const heard = async (socket: WebSocket): Promise<Buffer> => ((await once(socket, 'message')) as [RawData])[0] as Buffer;

test('messages of all sizes come back whole, and the close code crosses', async (t) => {
  const { open, settled, gateway, engine } = await chat(t);
  const socket = await open('/a?b=c');
  assert.equal(engine.requests[0]!.url, '/a?b=c');
  const random = new Random(7);
  for (const size of [0, 1, 125, 126, 65_535, 65_536, 1 << 20, 5 << 20]) {
    const message = random.octets(size);
    socket.send(message);
    assert.equal(digest(await heard(socket)), digest(message), `message of ${size}`);
  }
  socket.close(4321, 'enough');
  const [[code, reason]] = (await Promise.all([once(socket, 'close'), once(engine.sockets[0]!, 'close')])) as [
    [number, Buffer],
    unknown,
  ];
  assert.deepEqual([code, reason.toString()], [4321, 'enough']);
  await settled();
  const [record] = gateway.exchanges;
  assert.equal(record!.failure, null);
  assert.equal(record!.path, '/a?b=c');
  assert.ok(record!.receivedBytes > 6 << 20 && record!.sentBytes > 6 << 20, JSON.stringify(record));
});

test('many sockets talk at once without hearing each other', async (t) => {
  const { open, settled, engine } = await chat(t, {}, {});
  const sockets = await Promise.all(Array.from({ length: 8 }, (_, i) => open(`/${i}`)));
  for (let round = 0; round < 50; round++) {
    await Promise.all(
      sockets.map(async (socket, i) => {
        socket.send(`${round} of ${i}`);
        assert.equal((await heard(socket)).toString(), `${round} of ${i}`);
      }),
    );
  }
  for (const socket of sockets) socket.close();
  await settled();
  await eventually(
    () => engine.open === 0,
    () => `${engine.open} connections are left at the engine`,
  );
});

test('the subprotocol and the extensions are between client and engine', async (t) => {
  const { open, engine } = await chat(t, {
    perMessageDeflate: { threshold: 0 },
    handleProtocols: (offered) => ([...offered].includes('asr.v2') ? 'asr.v2' : false),
  });
  const socket = await open('/', ['asr.v1', 'asr.v2'], { perMessageDeflate: { threshold: 0 } });
  assert.equal(socket.protocol, 'asr.v2');
  assert.match(socket.extensions, /permessage-deflate/);
  assert.match(engine.requests[0]!.headers['sec-websocket-extensions'] ?? '', /permessage-deflate/);
  const text = Buffer.from('the same again and again '.repeat(10_000));
  socket.send(text);
  assert.equal(digest(await heard(socket)), digest(text));
});

test('pings, and a close by the engine, cross as they are', async (t) => {
  const { open, engine } = await chat(t);
  const socket = await open();
  socket.ping('are you there');
  const [data] = (await once(socket, 'pong')) as [Buffer];
  assert.equal(data.toString(), 'are you there');
  engine.sockets[0]!.close(1012, 'restart');
  const [code, reason] = (await once(socket, 'close')) as [number, Buffer];
  assert.deepEqual([code, reason.toString()], [1012, 'restart']);
});

test("an engine's refusal reaches the client, and the connections live on", async (t) => {
  const engine = await wireEngine(t, async (wire) => {
    for (;;) {
      const { start } = await wire.message();
      wire.send(
        start.startsWith('GET /ws')
          ? 'HTTP/1.1 401 Who Are You\r\nWWW-Authenticate: Basic\r\nContent-Length: 4\r\n\r\nname'
          : OK,
      );
    }
  });
  const { port, gateway } = await stage(t, { upstreams: { ws: { at: engine.address, protocol: 'http1' } } });
  const wire = await Wire.connect(t, port);
  wire.send(upgrade('/ws'));
  const refused = await wire.message();
  assert.deepEqual([refused.start, refused.body.toString()], ['HTTP/1.1 401 Who Are You', 'name']);
  assert.deepEqual(values(refused, 'www-authenticate'), ['Basic']);
  wire.send('GET /next HTTP/1.1\r\nHost: a\r\n\r\n');
  assert.equal((await wire.message()).start, 'HTTP/1.1 200 OK');
  assert.equal(engine.wires.length, 1);
  assert.equal(gateway.count('frameway_failures_total'), 0);
});

const KEY = 'dGhlIHNhbXBsZSBub25jZQ==';
const upgrade = (path: string, more = ''): string =>
  `GET ${path} HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n` +
  `Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: ${KEY}\r\n${more}\r\n`;
const accept = (key: string): string =>
  createHash('sha1').update(`${key}258EAFA5-E914-47DA-95CA-C5AB0DC85B11`).digest('base64');

/** An engine that opens every tunnel and then plays. */
const opening = (t: TestContext, play: (wire: Wire) => unknown, first = '') =>
  wireEngine(t, async (wire) => {
    const request = await wire.message();
    const [key = ''] = values(request, 'sec-websocket-key');
    wire.send(
      'HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n' +
        `Sec-WebSocket-Accept: ${accept(key)}\r\n\r\n${first}`,
    );
    await play(wire);
  });

test('the handshake has its key and its accept, and bytes that come with it are not lost', async (t) => {
  const engine = await opening(
    t,
    async (wire) => {
      wire.send(await wire.take(5), '!');
    },
    'first words',
  );
  const { port } = await stage(t, { upstreams: { ws: { at: engine.address, protocol: 'http1' } } });
  const wire = await Wire.connect(t, port);
  wire.send(upgrade('/'), 'early');
  const head = await wire.upTo('\r\n\r\n');
  assert.match(head, /^HTTP\/1\.1 101 /);
  assert.ok(head.toLowerCase().includes(`sec-websocket-accept: ${accept(KEY).toLowerCase()}\r\n`), head);
  assert.match(head, /upgrade: websocket/i);
  assert.match(head, /connection: upgrade/i);
  assert.equal((await wire.take(17)).toString(), 'first wordsearly!');
});

test('each direction of a tunnel closes on its own', async (t) => {
  const engine = await opening(t, async (wire) => {
    await wire.end();
    wire.send('heard: ', wire.received);
    wire.finish();
  });
  const { port, settled } = await stage(t, { upstreams: { ws: { at: engine.address, protocol: 'http1' } } });
  const wire = await Wire.connect(t, port);
  wire.send(upgrade('/'));
  await wire.upTo('\r\n\r\n');
  wire.send('all I have to say');
  wire.finish();
  assert.deepEqual(await wire.end(), { how: 'fin', rest: 'heard: all I have to say' });
  await settled();
});

test('an engine that half-closes still hears the client', async (t) => {
  const engine = await opening(t, async (wire) => {
    wire.finish();
    await wire.end();
  });
  const { port, settled } = await stage(t, { upstreams: { ws: { at: engine.address, protocol: 'http1' } } });
  const wire = await Wire.connect(t, port);
  wire.send(upgrade('/'));
  await wire.upTo('\r\n\r\n');
  assert.equal((await wire.end()).how, 'fin');
  wire.send('afterwards');
  wire.finish();
  const [at] = engine.wires as [Wire];
  assert.deepEqual(await at.end(), { how: 'fin', rest: 'afterwards' });
  await settled();
});

test('a reset of either end resets the other', async (t) => {
  const engine = await opening(t, () => undefined);
  const { port, settled } = await stage(t, { upstreams: { ws: { at: engine.address, protocol: 'http1' } } });
  for (const side of ['client', 'engine']) {
    const wire = await Wire.connect(t, port);
    wire.send(upgrade('/'));
    await wire.upTo('\r\n\r\n');
    const at = engine.wires.at(-1)!;
    if (side === 'client') wire.reset();
    else at.reset();
    const { how } = await (side === 'client' ? at : wire).end();
    assert.equal(how, 'rst', `${side} was reset`);
  }
  await settled();
});

test('a tunnel in which nothing moves for too long is closed, and one that talks is not', async (t) => {
  const { open, engine, settled, gateway } = await chat(t, {}, { listener: { tunnelIdleTimeout: 400 } });
  const [quiet, lively] = await Promise.all([open('/quiet'), open('/lively')]);
  const closed = once(quiet, 'close');
  const talk = setInterval(() => lively.send('x'), 50);
  t.after(() => clearInterval(talk));
  await closed;
  await new Promise((resolve) => setTimeout(resolve, 300));
  assert.equal(lively.readyState, WebSocket.OPEN);
  clearInterval(talk);
  await once(lively, 'close');
  await settled();
  assert.equal(gateway.count('frameway_failures_total', 'tunnel_idle'), 2);
  await eventually(
    () => engine.open === 0,
    () => `${engine.open} connections are left at the engine`,
  );
});

test('a client that does not read holds up its engine, in bounded memory', async (t) => {
  const MIB = 1 << 20;
  let written = 0;
  const engine = await opening(t, async (wire) => {
    const block = pattern(MIB / 4);
    for (let i = 0; i < 256; i++) {
      await new Promise((resolve) => wire.socket.write(block, resolve));
      written += block.length;
    }
    wire.finish();
  });
  const { port } = await stage(t, { upstreams: { ws: { at: engine.address, protocol: 'http1' } } });
  const wire = await Wire.connect(t, port);
  wire.send(upgrade('/'));
  await wire.upTo('\r\n\r\n');
  wire.socket.pause();
  await new Promise((resolve) => setTimeout(resolve, 500));
  const stalled = written;
  await new Promise((resolve) => setTimeout(resolve, 200));
  assert.equal(written, stalled);
  assert.ok(stalled < 24 * MIB, `${stalled} octets were taken from the engine`);
  let received = wire.received.length;
  wire.received = Buffer.alloc(0);
  wire.socket.removeAllListeners('data');
  wire.socket.on('data', (part: Buffer) => (received += part.length));
  wire.socket.resume();
  await wire.end();
  assert.equal(received, 64 * MIB);
});

test('where WebSocket is not allowed, an upgrade is refused without reaching the engine', async (t) => {
  const { port, engine } = await chat(t, {}, { listener: { websocket: false } });
  const wire = await Wire.connect(t, port);
  wire.send(upgrade('/'));
  const { start } = await wire.message();
  assert.match(start, /^HTTP\/1\.1 (200|4\d\d|501) /);
  assert.equal(engine.requests.length, 0);
});

test('an upgrade to something else is a request like any other', async (t) => {
  const engine = await wireEngine(t, async (wire) => {
    const request = await wire.message();
    wire.send(`HTTP/1.1 200 OK\r\nContent-Length: 0\r\nX-Upgrade: ${values(request, 'upgrade').join()}\r\n\r\n`);
  });
  const { port } = await stage(t, { upstreams: { main: { at: engine.address, protocol: 'http1' } } });
  const { status, headers } = await http1(port, {
    headers: { connection: 'Upgrade, HTTP2-Settings', upgrade: 'h2c', 'http2-settings': 'AAMAAABkAARAAAAAAAIAAAAA' },
  });
  assert.deepEqual([status, headers['x-upgrade']], [200, '']);
});
