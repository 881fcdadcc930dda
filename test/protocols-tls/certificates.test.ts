import assert from 'node:assert/strict';
import { once } from 'node:events';
import { test } from 'node:test';
import type { TestContext } from 'node:test';
import type { ConnectionOptions } from 'node:tls';
import { entry, pair } from '../listener/tls-ends.ts';
import { h2call } from '../protocols/clients.ts';
import { webEngine } from '../protocols/engines.ts';
import { grpc, h2, https, refusal, tcp, tls, tlsWire, unary } from './clients.ts';
import { grpcEngine } from './engines.ts';
import { stage, TWO_NAMES, type Plan, type Stage } from './stage.ts';

const THREE_NAMES = [
  entry('server', ['localhost']),
  entry('wild', ['*.wild.test']),
  entry('other-name', ['other.test']),
];

async function web(t: TestContext, plan: Partial<Plan> = {}): Promise<Stage> {
  const { address } = await webEngine(t);
  return stage(t, { upstreams: { web: { at: address, protocol: 'http1' } }, ...plan });
}

/** The common name of the certificate that a client is shown. */
async function shown(t: TestContext, port: number, options: ConnectionOptions): Promise<string> {
  const socket = await tls(t, port, options);
  const { subject } = socket.getPeerCertificate();
  socket.destroy();
  return String(subject.CN);
}

test('each name is shown its certificate: exact, of a wildcard, in any case; no name gets the first', async (t) => {
  const { port, settled, count } = await web(t, { tls: THREE_NAMES });
  for (const [servername, certificate] of [
    ['localhost', 'localhost'],
    ['LOCALHOST', 'localhost'],
    ['a.wild.test', 'wild'],
    ['A.Wild.TEST', 'wild'],
    ['other.test', 'other.test'],
    ['', 'localhost'],
  ] as const) {
    for (const minVersion of ['TLSv1.2', 'TLSv1.3'] as const) {
      const options: ConnectionOptions = { servername, minVersion, maxVersion: minVersion };
      assert.equal(await shown(t, port, options), certificate, `${servername} ${minVersion}`);
    }
  }
  await settled();
  assert.equal(count('frameway_downstream_connections_total'), 12);
});

test('a name that nobody serves is refused with unrecognized_name, and `*` serves every name', async (t) => {
  const strict = await web(t, { tls: THREE_NAMES });
  for (const servername of ['unknown.test', 'a.b.wild.test', 'wild.test', 'x.localhost', 'other.test.evil']) {
    for (const maxVersion of ['TLSv1.2', 'TLSv1.3'] as const) {
      assert.equal(
        await refusal(t, strict.port, { servername, maxVersion }),
        'ERR_SSL_TLSV1_UNRECOGNIZED_NAME',
        servername,
      );
    }
  }
  await strict.settled();
  assert.equal(strict.count('frameway_limited_total', 'protocol'), 10);
  const open = await web(t, { tls: [...THREE_NAMES, entry('wild', ['*'])] });
  for (const servername of ['unknown.test', 'a.b.wild.test'])
    assert.equal(await shown(t, open.port, { servername }), 'wild');
  assert.equal(await shown(t, open.port, { servername: 'localhost' }), 'localhost');
  assert.equal(await shown(t, open.port, { servername: '' }), 'localhost');
});

test('clients that verify the name trust what they are shown', async (t) => {
  const { port } = await web(t, { tls: THREE_NAMES });
  const { checkServerIdentity } = await import('node:tls');
  for (const servername of ['localhost', 'a.wild.test', 'other.test']) {
    const answer = await https(port, { path: '/', servername, headers: { host: servername }, checkServerIdentity });
    assert.equal(answer.status, 200, servername);
  }
});

test('versions below the minimum of the name are refused with an alert, and its neighbours are not', async (t) => {
  const tlsOf = [entry('server', ['localhost']), entry('wild', ['*.wild.test'], { minVersion: 'TLSv1.3' })];
  const { port, settled, connections } = await web(t, { tls: tlsOf });
  const old = { minVersion: 'TLSv1.1', maxVersion: 'TLSv1.1', ciphers: 'DEFAULT@SECLEVEL=0' } as const;
  assert.equal(await refusal(t, port, { servername: 'localhost', ...old }), 'ERR_SSL_TLSV1_ALERT_PROTOCOL_VERSION');
  const previous = { minVersion: 'TLSv1.2', maxVersion: 'TLSv1.2' } as const;
  assert.equal(
    await refusal(t, port, { servername: 'a.wild.test', ...previous }),
    'ERR_SSL_TLSV1_ALERT_PROTOCOL_VERSION',
  );
  for (const [servername, version] of [
    ['localhost', 'TLSv1.2'],
    ['localhost', 'TLSv1.3'],
    ['a.wild.test', 'TLSv1.3'],
  ] as const) {
    const socket = await tls(t, port, { servername, minVersion: version, maxVersion: version });
    assert.equal(socket.getProtocol(), version);
    socket.end();
    socket.resume();
    await once(socket, 'close');
  }
  await settled();
  const told = connections.filter(({ event }) => event === 'limited').map(({ message }) => message);
  assert.equal(told.length, 2);
  for (const message of told) assert.match(message, /^TLS: /);
});

test('ALPN prefers h2, takes http/1.1, and refuses what neither of us speaks', async (t) => {
  const { port, settled } = await web(t);
  const chosen = async (ALPNProtocols: string[]): Promise<string | false | null> => {
    const socket = await tls(t, port, { ALPNProtocols, servername: 'localhost' });
    socket.destroy();
    return socket.alpnProtocol;
  };
  assert.equal(await chosen(['http/1.1', 'h2']), 'h2');
  assert.equal(await chosen(['http/1.0', 'http/1.1']), 'http/1.1');
  const none = await refusal(t, port, { ALPNProtocols: ['spdy/3'], servername: 'localhost' });
  assert.match(none, /NO_APPLICATION_PROTOCOL/);
  await settled();
});

test('ALPN offers no more than the listener allows', async (t) => {
  for (const [protocols, offered, chosen] of [
    [['tls', 'http1'], ['h2', 'http/1.1'], 'http/1.1'],
    [['tls', 'h2'], ['http/1.1', 'h2'], 'h2'],
    [['tls', 'h2'], ['http/1.1'], null],
    [['tls', 'http1'], ['h2'], null],
  ] as const) {
    const { port, settled } = await web(t, { listener: { protocols } });
    const options = { ALPNProtocols: [...offered], servername: 'localhost' };
    if (chosen === null) assert.match(await refusal(t, port, options), /NO_APPLICATION_PROTOCOL/);
    else {
      const socket = await tls(t, port, options);
      assert.equal(socket.alpnProtocol, chosen);
      socket.destroy();
    }
    await settled();
  }
});

test('where TLS is not allowed its clients get an alert, and others are served', async (t) => {
  const { port, settled, count } = await web(t, { tls: [], listener: { protocols: ['h2', 'http1'] } });
  const refused = await refusal(t, port, { servername: 'localhost' });
  assert.match(refused, /^ERR_SSL_.*ALERT/);
  await assert.rejects(h2(t, port), /alert/);
  await assert.rejects(unary(grpc(t, port), 'x'), { code: 14 });
  const wire = await import('../protocols/wire.ts').then(async ({ Wire }) => new Wire(await tcp(t, port)));
  wire.send('GET / HTTP/1.1\r\nHost: a\r\n\r\n');
  assert.equal((await wire.message()).start, 'HTTP/1.1 200 OK');
  wire.socket.destroy();
  await settled();
  assert.equal(count('frameway_limited_total', 'protocol') >= 3, true, 'each refusal is counted');
});

test('what ALPN named is what has to be spoken', async (t) => {
  const { port, settled } = await web(t);
  const one = await tlsWire(t, port, { ALPNProtocols: ['http/1.1'], servername: 'localhost' });
  one.send('\0\x01\x02 this is no HTTP\r\n\r\n');
  assert.match((await one.end()).rest, /^HTTP\/1.1 400 /);
  const two = await tlsWire(t, port, { ALPNProtocols: ['h2'], servername: 'localhost' });
  two.send('GET / HTTP/1.1\r\nHost: localhost\r\n\r\n');
  const { rest } = await two.end();
  // RFC 9113 section 3.4: "Clients and servers MUST treat an invalid connection preface as a connection error".
  assert.equal(rest.includes('HTTP/1'), false, 'no HTTP/1 text on an h2 connection');
  one.socket.destroy();
  two.socket.destroy();
  await settled();
});

test('a certificate is replaced while connections are open, which go on; the next client is shown the new one', async (t) => {
  const rpc = await grpcEngine(t);
  const { address } = await webEngine(t);
  const { gateway, port, settled } = await stage(t, {
    upstreams: { web: { at: address, protocol: 'http1' }, rpc: { at: `127.0.0.1:${rpc}` } },
    routes: [{ protocols: ['grpc'], upstream: 'rpc' }],
    tls: TWO_NAMES,
  });
  const session = await h2(t, port);
  const wire = await tlsWire(t, port, { servername: 'localhost' });
  const client = grpc(t, port);
  await unary(client, 'before');
  // A handshake that begins before the change, and ends after it.
  const half = await tcp(t, port);
  half.write(Buffer.of(0x16, 0x03));
  const { cert: certificate, key } = pair('other-name');
  gateway.reloadTls(0, 0, { certificate, key, clientCa: null });
  assert.equal(await shown(t, port, { servername: 'localhost' }), 'other.test');
  assert.equal(await shown(t, port, { servername: 'a.wild.test' }), 'wild');
  assert.equal((await h2call(session, { headers: { ':path': '/after' } })).body.toString(), 'GET /after 0');
  wire.send('GET /after HTTP/1.1\r\nHost: localhost\r\n\r\n');
  assert.equal((await wire.message()).body.toString(), 'GET /after 0');
  assert.equal(String(await unary(client, 'after')), 'after');
  session.destroy();
  wire.socket.destroy();
  client.close();
  half.destroy();
  await settled();
});

test('a session of before the change is not resumed after it, and a reload that fails changes nothing', async (t) => {
  const { gateway, port } = await web(t);
  const sessions: Buffer[] = [];
  const first = await tls(t, port, { servername: 'localhost', maxVersion: 'TLSv1.3' });
  first.on('session', (session: Buffer) => sessions.push(session));
  first.write('GET / HTTP/1.1\r\nHost: localhost\r\n\r\n');
  first.resume();
  while (sessions.length === 0) await once(first, 'session');
  const again = async (): Promise<boolean> => {
    const socket = await tls(t, port, { servername: 'localhost', session: sessions.at(-1)! });
    const reused = socket.isSessionReused();
    socket.destroy();
    return reused;
  };
  assert.equal(await again(), true);
  const { cert: certificate } = pair('other-name');
  assert.throws(() => gateway.reloadTls(0, 0, { certificate, key: pair('wild').key, clientCa: null }), /localhost/);
  assert.equal(await shown(t, port, { servername: 'localhost' }), 'localhost');
  assert.equal(await again(), true);
  gateway.reloadTls(0, 0, { certificate, key: pair('other-name').key, clientCa: null });
  assert.equal(await again(), false);
  first.destroy();
});
