/** Probes of engines behind TLS: what `test/io/tls.test.ts` says of the certificates holds here. */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import type { SecureServerOptions, ServerHttp2Stream } from 'node:http2';
import type { AddressInfo } from 'node:net';
import { test, type TestContext } from 'node:test';
import { createServer } from 'node:tls';
import type { TLSSocket } from 'node:tls';
import type { UpstreamTlsSpec } from '../../src/snapshot.ts';
import { ask, probing, until } from './asking.ts';
import { http2Engine, RawEngine } from './engines.ts';

const KINDS = ['grpc', 'http', 'tcp'] as const;
const pem = (name: string): string => readFileSync(new URL(`../support/tls/${name}`, import.meta.url), 'utf8');
const CA = pem('ca.pem');
const SERVER = { cert: pem('server.pem'), key: pem('server.key') };
const CLIENT = { certificate: pem('client.pem'), key: pem('client.key') };
const trusting = (overrides: Partial<UpstreamTlsSpec> = {}): UpstreamTlsSpec => ({
  ca: CA,
  certificate: null,
  key: null,
  serverName: '',
  verify: true,
  ...overrides,
});

function serve(stream: ServerHttp2Stream): void {
  stream.resume();
  stream.respond({ ':status': 200 }, { waitForTrailers: true });
  stream.on('wantTrailers', () => stream.sendTrailers({ 'grpc-status': '0' }));
  stream.end(Buffer.from([0, 0, 0, 0, 2, 8, 1]));
}
const start = (t: TestContext, options: SecureServerOptions = {}) =>
  http2Engine(t, serve, { tls: { ...SERVER, ...options } });

test('an engine that proves its address or its name is healthy', async (t) => {
  const { target } = await start(t);
  for (const kind of KINDS) {
    for (const serverName of ['', 'localhost', '127.0.0.1']) {
      const { healthy, reason } = await ask(probing(t, target, { kind }, trusting({ serverName })));
      assert.ok(healthy, `${kind} to '${serverName}': ${reason}`);
    }
  }
});

test('one that cannot is not, and the reason says so', async (t) => {
  const { target } = await start(t);
  for (const kind of KINDS) {
    const misnamed = await ask(probing(t, target, { kind }, trusting({ serverName: 'other.test' })));
    assert.equal(misnamed.healthy, false, kind);
    assert.match(misnamed.reason, /does not match certificate/, kind);
    const unknown = await ask(probing(t, target, { kind }, trusting({ ca: null })));
    assert.equal(unknown.healthy, false, kind);
    assert.match(unknown.reason, /unable to verify|self-signed|unable to get/, kind);
  }
});

test('where nothing is to be verified, any certificate will do', async (t) => {
  const { target } = await start(t);
  for (const kind of KINDS) {
    const tls = trusting({ ca: null, verify: false, serverName: 'other.test' });
    assert.equal((await ask(probing(t, target, { kind }, tls))).healthy, true, kind);
  }
});

test('an engine hears the name that it is to prove, as server name unless it is an address, and h2', async (t) => {
  const { target, server } = await start(t);
  const heard: unknown[] = [];
  server.on('stream', (_, headers) => heard.push([headers[':scheme'], headers[':authority']]));
  server.on('secureConnection', (socket: TLSSocket) => heard.push([socket.servername, socket.alpnProtocol]));
  await ask(probing(t, target, {}, trusting({ serverName: 'localhost' })));
  await ask(probing(t, target, {}, trusting()));
  assert.deepEqual(heard, [
    ['localhost', 'h2'],
    ['https', 'localhost'],
    [false, 'h2'],
    ['https', `127.0.0.1:${(target as { port: number }).port}`],
  ]);
});

test('an engine that wants a certificate of its clients gets it', async (t) => {
  const { target } = await start(t, { requestCert: true, rejectUnauthorized: true, ca: CA });
  const own = trusting(CLIENT);
  for (const kind of KINDS) assert.equal((await ask(probing(t, target, { kind }, own))).healthy, true, kind);
  for (const kind of ['grpc', 'http'] as const) {
    assert.equal((await ask(probing(t, target, { kind }, trusting()))).healthy, false, kind);
  }
});

test('one that does not agree on h2 is not healthy: no call could be made to it', async (t) => {
  const server = createServer(SERVER, (socket) => socket.on('error', () => undefined));
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  t.after(() => server.close());
  const { port } = server.address() as AddressInfo;
  for (const kind of KINDS) {
    const { healthy, reason } = await ask(probing(t, { host: '127.0.0.1', port }, { kind }, trusting()));
    assert.deepEqual([healthy, reason], [false, 'TLS: the engine chose no protocol by ALPN, not h2'], kind);
  }
});

test('a port without TLS behind it is not healthy', async (t) => {
  const engine = await RawEngine.start(t, (socket) => socket.write('HTTP/1.1 400 Bad Request\r\n\r\n'));
  for (const kind of KINDS)
    assert.equal((await ask(probing(t, engine.target, { kind }, trusting()))).healthy, false, kind);
  await until(() => engine.sockets.size === 0, 'the end of the connections');
});

test('credentials that are none are a failed probe', async (t) => {
  const { target } = await start(t);
  for (const kind of KINDS) {
    assert.throws(() =>
      probing(t, target, { kind }, trusting({ certificate: 'not PEM', key: CLIENT.key })).ask(() => undefined),
    );
  }
});
