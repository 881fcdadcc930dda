import assert from 'node:assert/strict';
import { once } from 'node:events';
import { test } from 'node:test';
import type { TestContext } from 'node:test';
import { connect, type TLSSocket } from 'node:tls';
import { pair } from '../listener/tls-ends.ts';
import { echoEngine, webEngine } from '../protocols/engines.ts';
import { Wire } from '../protocols/wire.ts';
import { AUTHORITIES, refusal, tcp } from './clients.ts';
import { httpsEngine, plainEngine } from './engines.ts';
import { stage, type Plan, type Stage } from './stage.ts';

const V1 = Buffer.from('PROXY TCP4 192.0.2.7 198.51.100.1 4711 443\r\n');
const V2 = Buffer.concat([
  Buffer.from('\r\n\r\n\0\r\nQUIT\n', 'latin1'),
  Buffer.of(0x21, 0x11, 0, 12),
  Buffer.of(192, 0, 2, 7, 198, 51, 100, 1, 4711 >> 8, 4711 & 255, 443 >> 8, 443 & 255),
]);
const LOCAL = Buffer.concat([Buffer.from('\r\n\r\n\0\r\nQUIT\n', 'latin1'), Buffer.of(0x20, 0, 0, 0)]);

/** TLS after a header, as a balancer before us would send it. */
async function introduced(t: TestContext, port: number, header: Buffer, servername = 'localhost'): Promise<TLSSocket> {
  const below = await tcp(t, port);
  below.write(header);
  const socket = connect({ socket: below, ca: AUTHORITIES, servername, checkServerIdentity: () => undefined });
  t.after(() => socket.destroy());
  await once(socket, 'secureConnect');
  socket.on('error', () => undefined);
  return socket;
}

async function ends(t: TestContext, plan: Partial<Plan> = {}): Promise<Stage & { forwarded: () => unknown[] }> {
  const web = await webEngine(t);
  const echo = await echoEngine(t);
  const made = await stage(t, {
    upstreams: { web: { at: web.address, protocol: 'http1' }, echo: { at: echo.address, protocol: 'tcp', ...{} } },
    routes: [{ protocols: ['tcp'], upstream: 'echo' }],
    listener: { proxyProtocol: 'required', trustedProxies: ['127.0.0.0/8'] },
    ...plan,
  });
  return { ...made, forwarded: () => web.seen.map(({ headers }) => headers['x-forwarded-for']) };
}

test('a PROXY header comes before TLS, and says who the client is', async (t) => {
  const { port, settled, exchanges, forwarded } = await ends(t);
  for (const header of [V1, V2, LOCAL]) {
    const socket = await introduced(t, port, header);
    const wire = new Wire(socket);
    wire.send('GET / HTTP/1.1\r\nHost: localhost\r\n\r\n');
    assert.equal((await wire.message()).start, 'HTTP/1.1 200 OK');
    socket.destroy();
  }
  await settled();
  assert.deepEqual(
    exchanges.map(({ peer }) => peer),
    ['192.0.2.7', '192.0.2.7', '127.0.0.1'],
  );
  assert.deepEqual(forwarded(), ['192.0.2.7', '192.0.2.7', '127.0.0.1']);
});

test('TLS without the header, or from one who is not trusted, is refused', async (t) => {
  const strict = await ends(t);
  assert.match(await refusal(t, strict.port, { servername: 'localhost' }), /ECONNRESET|end|close/);
  await strict.settled();
  assert.equal(strict.count('frameway_limited_total'), 1);
  const stranger = await ends(t, { listener: { proxyProtocol: 'required', trustedProxies: ['192.0.2.0/24'] } });
  await assert.rejects(introduced(t, stranger.port, V1));
  await stranger.settled();
  assert.equal(stranger.count('frameway_limited_total', 'denied'), 1);
});

test('whom the header names is who may connect', async (t) => {
  const listener = { proxyProtocol: 'required', trustedProxies: ['127.0.0.0/8'], deny: ['192.0.2.0/24'] } as const;
  const { port, settled, count } = await ends(t, { listener });
  await assert.rejects(introduced(t, port, V1));
  (await introduced(t, port, LOCAL)).destroy();
  await settled();
  assert.equal(count('frameway_limited_total', 'denied'), 1);
});

test('within TLS a PROXY header is bytes, and proves nothing', async (t) => {
  const { port, settled, exchanges } = await ends(t);
  const socket = await introduced(t, port, V1);
  const wire = new Wire(socket);
  const second = 'PROXY TCP4 203.0.113.9 198.51.100.1 1 2\r\n';
  wire.send(second, 'bytes');
  wire.finish();
  assert.equal((await wire.end()).rest, `${second}bytes`);
  await settled();
  assert.equal(exchanges[0]!.peer, '192.0.2.7');
});

test('a header octet by octet, and in one piece with the ClientHello', async (t) => {
  const { port, settled } = await ends(t);
  for (const header of [V1, V2]) {
    const below = await tcp(t, port);
    for (const octet of header) {
      below.write(Buffer.of(octet));
      await new Promise((resolve) => setImmediate(resolve));
    }
    const slow = new Wire(connect({ socket: below, ca: AUTHORITIES, servername: 'localhost' }));
    slow.send('GET / HTTP/1.1\r\nHost: localhost\r\n\r\n');
    assert.equal((await slow.message()).start, 'HTTP/1.1 200 OK');
    slow.socket.destroy();
    const corked = await tcp(t, port);
    corked.cork();
    corked.write(header);
    const quick = new Wire(connect({ socket: corked, ca: AUTHORITIES, servername: 'localhost' }));
    corked.uncork();
    quick.send('GET / HTTP/1.1\r\nHost: localhost\r\n\r\n');
    assert.equal((await quick.message()).start, 'HTTP/1.1 200 OK');
    quick.socket.destroy();
  }
  await settled();
});

test('the header passes on to a server behind, before a ClientHello that is not opened and before what was', async (t) => {
  const web = await webEngine(t);
  const heard: string[] = [];
  const behind = await plainEngine(t, (socket) => {
    socket.once('data', (part: Buffer) => {
      heard.push(part.toString('latin1').split('\r\n')[0]!);
      socket.end();
    });
    socket.on('end', () => socket.end());
  });
  const { port, settled } = await stage(t, {
    upstreams: {
      web: { at: web.address, protocol: 'http1' },
      behind: { at: behind.address, protocol: 'tcp', proxyProtocol: 'v1' },
    },
    routes: [
      { protocols: ['tls'], sni: ['other.test'], upstream: 'behind' },
      { protocols: ['tcp'], upstream: 'behind' },
    ],
    listener: { proxyProtocol: 'required', trustedProxies: ['127.0.0.1/32'] },
  });
  await assert.rejects(introduced(t, port, V1, 'other.test'));
  const opened = await introduced(t, port, V2);
  opened.write('\0bytes');
  opened.resume();
  await once(opened, 'end');
  opened.destroy();
  await settled();
  const line = 'PROXY TCP4 192.0.2.7 198.51.100.1 4711 443';
  assert.deepEqual(heard, [line, line]);
});

test('passthrough to a real server works behind a PROXY header', async (t) => {
  const web = await webEngine(t);
  const behind = await httpsEngine(t, pair('other-name'));
  const { port, settled, exchanges } = await stage(t, {
    upstreams: { web: { at: web.address, protocol: 'http1' }, behind: { at: behind.address, protocol: 'tcp' } },
    routes: [{ protocols: ['tls'], sni: ['other.test'], upstream: 'behind' }],
    listener: { proxyProtocol: 'required', trustedProxies: ['127.0.0.1/32'] },
  });
  const socket = await introduced(t, port, V1, 'other.test');
  assert.equal(socket.getPeerCertificate().subject.CN, 'other.test');
  const wire = new Wire(socket);
  wire.send('GET /behind HTTP/1.1\r\nHost: other.test\r\nConnection: close\r\n\r\n');
  assert.equal((await wire.message()).body.toString(), 'GET /behind 0');
  socket.destroy();
  await settled();
  assert.equal(exchanges[0]!.peer, '192.0.2.7');
});
