import assert from 'node:assert/strict';
import { once } from 'node:events';
import { test } from 'node:test';
import type { TestContext } from 'node:test';
import { Agent } from 'undici';
import { digest, h2call, http1, http2 } from '../protocols/clients.ts';
import { bannerEngine, echoEngine, pattern, webEngine, wsEngine } from '../protocols/engines.ts';
import { Wire } from '../protocols/wire.ts';
import { AUTHORITIES, chat, grpc, h2, https, tcp, tls, tlsWire, unary, wss } from './clients.ts';
import { grpcEngine, httpsEngine } from './engines.ts';
import { stage, TWO_NAMES, within, type Stage } from './stage.ts';
import { pair } from '../listener/tls-ends.ts';

const ROUNDS = 8;
const BODY = pattern(70_000);

/** An engine for everything, and one behind TLS that the gateway does not open. */
async function everything(t: TestContext): Promise<Stage> {
  const [web, ws, echo, banner, rpc, behind] = await Promise.all([
    webEngine(t),
    wsEngine(t),
    echoEngine(t),
    bannerEngine(t),
    grpcEngine(t),
    httpsEngine(t, pair('other-name')),
  ]);
  return stage(t, {
    upstreams: {
      web: { at: web.address, protocol: 'http1' },
      ws: { at: ws.address, protocol: 'http1' },
      echo: { at: echo.address, protocol: 'tcp' },
      banner: { at: banner.address, protocol: 'tcp' },
      rpc: { at: `127.0.0.1:${rpc}` },
      behind: { at: behind.address, protocol: 'tcp' },
    },
    routes: [
      { protocols: ['tls'], sni: ['other.test'], upstream: 'behind' },
      { protocols: ['grpc'], upstream: 'rpc' },
      { protocols: ['websocket'], upstream: 'ws' },
      { protocols: ['tcp'], sni: ['banner.wild.test'], upstream: 'banner' },
      { protocols: ['tcp'], upstream: 'echo' },
    ],
    listener: { serverFirstDelay: 500 },
  });
}

async function echoed(wire: Wire, text: string): Promise<void> {
  wire.send(text);
  wire.finish();
  const { rest } = await wire.end();
  assert.equal(rest, text);
}

/** What each client does in one of its rounds. */
const CLIENTS: Readonly<Record<string, (t: TestContext, port: number, round: number) => Promise<void>>> = {
  async 'node:http2, ALPN h2'(t, port, round) {
    const session = await h2(t, port, { servername: 'a.wild.test' });
    const answers = await Promise.all(
      [1, 2, 3].map((n) => h2call(session, { headers: { ':path': `/h2/${round}/${n}` }, body: BODY })),
    );
    for (const answer of answers) assert.deepEqual([answer.status, answer.headers['x-digest']], [200, digest(BODY)]);
    session.close();
  },
  async 'grpc-js with SSL credentials'(t, port, round) {
    const client = grpc(t, port);
    assert.equal(String(await unary(client, `hello ${round}`)), `hello ${round}`);
    assert.equal((await chat(client, ['one', 'two', 'three'])).code, 0);
    client.close();
  },
  async 'node:https, ALPN http/1.1'(_t, port, round) {
    const answer = await https(port, { method: 'POST', path: `/s/${round}`, body: BODY, ALPNProtocols: ['http/1.1'] });
    assert.deepEqual([answer.status, answer.headers['x-digest']], [200, digest(BODY)]);
  },
  async undici(t, port, round) {
    const agent = new Agent({
      connect: { ca: AUTHORITIES, servername: 'wild.test', checkServerIdentity: () => undefined },
    });
    t.after(() => agent.destroy());
    for (const path of [`/u/${round}/1`, `/u/${round}/2`]) {
      const { statusCode, body } = await agent.request({ origin: `https://127.0.0.1:${port}`, path, method: 'GET' });
      assert.deepEqual([statusCode, await body.text()], [200, `GET ${path} 0`]);
    }
    await agent.close();
  },
  async 'http/1.1 without ALPN'(t, port, round) {
    const wire = await tlsWire(t, port, { servername: 'localhost' });
    for (const path of [`/n/${round}/1`, `/n/${round}/2`]) {
      wire.send(`GET ${path} HTTP/1.1\r\nHost: localhost\r\n\r\n`);
      assert.equal((await wire.message()).body.toString(), `GET ${path} 0`);
    }
    wire.finish();
    assert.equal((await wire.end()).how, 'fin');
  },
  async 'the preface of h2 without ALPN'(t, port, round) {
    const socket = await tls(t, port, { servername: 'localhost' });
    const session = await h2(t, port, { createConnection: () => socket });
    const answer = await h2call(session, { headers: { ':path': `/p/${round}` } });
    assert.equal(answer.body.toString(), `GET /p/${round} 0`);
    session.close();
  },
  async 'bytes within TLS'(t, port, round) {
    await echoed(await tlsWire(t, port, { servername: 'localhost' }), `\0 some bytes ${round}`);
  },
  async 'a server within TLS that speaks first'(t, port) {
    const wire = await tlsWire(t, port, { servername: 'banner.wild.test' });
    assert.equal(await wire.upTo('\r\n'), '220 ready\r\n');
    await echoed(wire, 'EHLO\r\n');
  },
  async 'ws by wss'(t, port, round) {
    const ws = wss(t, port, '/ws', [], { servername: 'x.wild.test' });
    await once(ws, 'open');
    ws.send(`wss ${round}`);
    const [message] = (await once(ws, 'message')) as [Buffer];
    assert.equal(String(message), `wss ${round}`);
    ws.close();
    await once(ws, 'close');
  },
  async 'TLS that passes through'(t, port, round) {
    const answer = await https(port, { path: `/t/${round}`, servername: 'other.test', ca: AUTHORITIES });
    assert.equal(answer.body.toString(), `GET /t/${round} 0`);
    const socket = await tls(t, port, { servername: 'other.test' });
    assert.equal(socket.getPeerCertificate().subject.CN, 'other.test');
    socket.destroy();
  },
  async 'HTTP/2 in clear text'(t, port, round) {
    const session = await http2(t, port);
    const answer = await h2call(session, { headers: { ':path': `/c/${round}` }, body: BODY });
    assert.equal(answer.headers['x-digest'], digest(BODY));
    session.close();
  },
  async 'HTTP/1.1 in clear text'(_t, port, round) {
    const answer = await http1(port, { path: `/c1/${round}`, method: 'POST', body: BODY });
    assert.equal(answer.headers['x-digest'], digest(BODY));
  },
  async 'TCP in clear text'(t, port, round) {
    await echoed(new Wire(await tcp(t, port)), `\x01 more bytes ${round}`);
  },
};

test(
  'clients of every protocol are served on one port, in clear text and over TLS, all at once',
  { timeout: 60_000 },
  async (t) => {
    const { port, settled, exchanges, count } = await everything(t);
    const failures: string[] = [];
    await Promise.all(
      Object.entries(CLIENTS).map(async ([name, play]) => {
        for (let round = 0; round < ROUNDS; round++) {
          try {
            await within(15_000, name, play(t, port, round));
          } catch (error) {
            failures.push(`${name}, round ${round}: ${String(error)}`);
            return;
          }
        }
      }),
    );
    assert.deepEqual(failures, []);
    await settled();
    assert.deepEqual(
      exchanges
        .filter(({ failure, upstream }) => failure !== null && upstream !== 'behind')
        .map(({ failure, path }) => [failure!.cause, path]),
      [],
    );
    assert.equal(count('frameway_limited_total'), 0);
  },
);

for (const [name, play] of Object.entries(CLIENTS)) {
  test(`alone on the port: ${name}`, { timeout: 20_000 }, async (t) => {
    const { port, settled } = await everything(t);
    await within(10_000, name, play(t, port, 0));
    await settled();
  });
}

test('what is over TLS is https to the engine, whatever the client says, and in clear text it is http', async (t) => {
  const web = await webEngine(t);
  const { port, settled } = await stage(t, {
    upstreams: { web: { at: web.address, protocol: 'http1' } },
    tls: TWO_NAMES,
  });
  const lie = { 'x-forwarded-proto': 'gopher' };
  await https(port, { path: '/1', headers: lie });
  const session = await h2(t, port);
  await h2call(session, { headers: { ':path': '/2', ...lie } });
  await http1(port, { path: '/3', headers: lie });
  const wire = await tlsWire(t, port, { servername: 'localhost' });
  wire.send('GET /4 HTTP/1.1\r\nHost: localhost\r\nX-Forwarded-Proto: gopher\r\n\r\n');
  await wire.message();
  assert.deepEqual(
    web.seen.map(({ url, headers }) => [url, headers['x-forwarded-proto']]),
    [
      ['/1', 'https'],
      ['/2', 'https'],
      ['/3', 'http'],
      ['/4', 'https'],
    ],
  );
  session.destroy();
  wire.socket.destroy();
  await settled();
});
