import assert from 'node:assert/strict';
import { once } from 'node:events';
import { test } from 'node:test';
import type { TestContext } from 'node:test';
import { connect as connectTls } from 'node:tls';
import { entry, pair } from '../listener/tls-ends.ts';
import { echoEngine, webEngine, type Engine } from '../protocols/engines.ts';
import { AUTHORITIES, h2, READER, tlsWire } from './clients.ts';
import { httpsEngine } from './engines.ts';
import { stage, type Stage } from './stage.ts';

/** A forward proxy that only clients with a certificate may use, beside a name that is open to all. */
async function proxy(t: TestContext): Promise<Stage & { echo: Engine }> {
  const [web, echo] = await Promise.all([webEngine(t), echoEngine(t)]);
  const made = await stage(t, {
    upstreams: { web: { at: web.address, protocol: 'http1' } },
    tls: [entry('server', ['open.test']), entry('server', ['proxy.test'], { clientCertificate: 'required' })],
    listener: { connect: { allow: ['127.0.0.1:*'] } },
  });
  return { ...made, echo };
}

test('CONNECT names where to go, not whom it is said to: it is never misdirected', async (t) => {
  const { port, settled, echo } = await proxy(t);
  const wire = await tlsWire(t, port, { servername: 'proxy.test', ...READER });
  wire.send(`CONNECT ${echo.address} HTTP/1.1\r\nHost: ${echo.address}\r\n\r\n`);
  assert.match(await wire.upTo('\r\n\r\n'), /^HTTP\/1.1 200 /);
  wire.send('through');
  wire.finish();
  assert.equal((await wire.end()).rest, 'through');
  const session = await h2(t, port, { servername: 'proxy.test', ...READER });
  const stream = session.request({ ':method': 'CONNECT', ':authority': echo.address }, { endStream: false });
  const [answer] = (await once(stream, 'response')) as [{ ':status': number }];
  assert.equal(answer[':status'], 200);
  stream.end('through');
  const [back] = (await once(stream, 'data')) as [Buffer];
  assert.equal(String(back), 'through');
  session.destroy();
  await settled();
});

test('TLS within a CONNECT tunnel within TLS reaches its server', async (t) => {
  const { port, settled } = await proxy(t);
  const behind = await httpsEngine(t, pair('other-name'));
  const wire = await tlsWire(t, port, { servername: 'open.test' });
  wire.send(`CONNECT ${behind.address} HTTP/1.1\r\nHost: ${behind.address}\r\n\r\n`);
  assert.match(await wire.upTo('\r\n\r\n'), /^HTTP\/1.1 200 /);
  wire.socket.removeAllListeners('data');
  const inner = connectTls({ socket: wire.socket, ca: AUTHORITIES, servername: 'other.test' });
  inner.on('error', () => undefined);
  await once(inner, 'secureConnect');
  assert.equal(inner.getPeerCertificate().subject.CN, 'other.test');
  inner.write('GET /in HTTP/1.1\r\nHost: other.test\r\nConnection: close\r\n\r\n');
  let text = '';
  inner.on('data', (part: Buffer) => (text += String(part)));
  await once(inner, 'end');
  assert.match(text, /GET \/in 0/);
  inner.destroy();
  wire.socket.destroy();
  await settled();
});

test('a WebSocket for a name of another policy is misdirected over h2, too', async (t) => {
  const { port } = await proxy(t);
  const session = await h2(t, port, { servername: 'open.test' });
  const headers = { ':method': 'CONNECT', ':protocol': 'websocket', ':scheme': 'https', ':path': '/' };
  const stream = session.request({ ...headers, ':authority': 'proxy.test' }, { endStream: false });
  stream.on('error', () => undefined);
  const [answer] = (await once(stream, 'response')) as [{ ':status': number }];
  assert.equal(answer[':status'], 421);
  session.destroy();
});
