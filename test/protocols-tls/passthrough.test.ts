import assert from 'node:assert/strict';
import { once } from 'node:events';
import { test } from 'node:test';
import { digest } from '../protocols/clients.ts';
import { pattern, webEngine } from '../protocols/engines.ts';
import { Wire } from '../protocols/wire.ts';
import { clientHello, entry, LISTENER_CA, pair } from '../listener/tls-ends.ts';
import { Random } from '../support/random.ts';
import { h2, https, READER, refusal, tcp, tls, tlsWire } from './clients.ts';
import { h2TlsEngine, httpsEngine, plainEngine, tlsEngine } from './engines.ts';
import { stage } from './stage.ts';
import { h2call } from '../protocols/clients.ts';

const OTHER = pair('other-name');

test('names that pass through are shown the certificate of the server behind, others that of the gateway', async (t) => {
  const [web, behind] = await Promise.all([webEngine(t), httpsEngine(t, { ...OTHER, ALPNProtocols: ['http/1.1'] })]);
  const { port, settled, exchanges } = await stage(t, {
    upstreams: { web: { at: web.address, protocol: 'http1' }, behind: { at: behind.address, protocol: 'tcp' } },
    routes: [{ protocols: ['tls'], sni: ['other.test', '*.other.test'], upstream: 'behind' }],
  });
  const body = pattern(300_000);
  for (const servername of ['other.test', 'a.other.test', 'a.b.other.test', 'OTHER.test']) {
    const answer = await https(port, { servername, path: '/x', method: 'POST', body });
    assert.deepEqual(
      [answer.headers['x-digest'], answer.headers['x-forwarded-proto']],
      [digest(body), undefined],
      servername,
    );
  }
  const through = await tls(t, port, { servername: 'other.test', ALPNProtocols: ['h2', 'http/1.1'] });
  assert.deepEqual([through.getPeerCertificate().subject.CN, through.alpnProtocol], ['other.test', 'http/1.1']);
  through.end();
  through.resume();
  await once(through, 'close');
  assert.equal((await https(port, { servername: 'localhost', path: '/y' })).body.toString(), 'GET /y 0');
  assert.equal((await https(port, { servername: '', path: '/z' })).body.toString(), 'GET /z 0');
  assert.equal(await refusal(t, port, { servername: 'unknown.test' }), 'ERR_SSL_TLSV1_UNRECOGNIZED_NAME');
  await settled();
  assert.deepEqual(
    behind.hellos.map(([name]) => name),
    ['other.test', 'a.other.test', 'a.b.other.test', 'OTHER.test', 'other.test'],
  );
  assert.equal(exchanges.filter(({ upstream }) => upstream === 'behind').length, 5);
  assert.equal(web.seen.length, 2);
});

test('the server behind sees the client certificate, and session resumption and h2 work through it', async (t) => {
  const asks = { ...OTHER, ca: LISTENER_CA, requestCert: true, rejectUnauthorized: true };
  const [web, behind, h2behind] = await Promise.all([
    webEngine(t),
    tlsEngine(t, (socket) => socket.end(`hello ${String(socket.getPeerCertificate().subject.CN)}`), asks),
    h2TlsEngine(t, OTHER),
  ]);
  const { port, settled } = await stage(t, {
    upstreams: {
      web: { at: web.address, protocol: 'http1' },
      behind: { at: behind.address, protocol: 'tcp' },
      h2: { at: h2behind.address, protocol: 'tcp' },
    },
    routes: [
      { protocols: ['tls'], sni: ['asks.test'], upstream: 'behind' },
      { protocols: ['tls'], sni: ['two.test'], upstream: 'h2' },
    ],
  });
  const known = await tlsWire(t, port, { servername: 'asks.test', ...READER });
  assert.equal((await known.end()).rest, 'hello Reader, of speech');
  known.finish();
  assert.match(await refusal(t, port, { servername: 'asks.test' }), /^ERR_SSL/);
  const session = await h2(t, port, { servername: 'two.test' });
  assert.equal((await h2call(session, { headers: { ':path': '/two' } })).body.toString(), 'GET /two');
  session.destroy();
  await settled();
});

test('a listener without certificates passes TLS through by name, and by no name', async (t) => {
  const [web, behind] = await Promise.all([webEngine(t), httpsEngine(t, OTHER)]);
  const { port, settled } = await stage(t, {
    upstreams: { web: { at: web.address, protocol: 'http1' }, behind: { at: behind.address, protocol: 'tcp' } },
    routes: [{ protocols: ['tls'], upstream: 'behind' }],
    tls: [],
  });
  for (const servername of ['other.test', 'whatever.test', '']) {
    assert.equal((await https(port, { servername, path: '/p' })).body.toString(), 'GET /p 0', servername);
  }
  const plain = new Wire(await tcp(t, port));
  plain.send('GET /clear HTTP/1.1\r\nHost: a\r\n\r\n');
  assert.equal((await plain.message()).body.toString(), 'GET /clear 0');
  plain.socket.destroy();
  await settled();
});

test(
  'a ClientHello that passes through arrives octet for octet, wherever it is split, and so does what follows',
  { timeout: 30_000 },
  async (t) => {
    const web = await webEngine(t);
    const received: Buffer[][] = [];
    const behind = await plainEngine(t, (socket) => {
      const parts: Buffer[] = [];
      received.push(parts);
      socket.on('data', (part: Buffer) => parts.push(part));
      socket.on('end', () => socket.end('seen'));
    });
    const { port, settled } = await stage(t, {
      upstreams: { web: { at: web.address, protocol: 'http1' }, behind: { at: behind.address, protocol: 'tcp' } },
      routes: [{ protocols: ['tls'], sni: ['other.test'], upstream: 'behind' }],
      tls: [entry('server', ['localhost'])],
    });
    const hello = await clientHello(t, { servername: 'other.test' });
    const random = new Random(7);
    for (let i = 0; i < 30; i++) {
      const all = Buffer.concat([hello, random.octets(random.below(2000))]);
      const wire = new Wire(await tcp(t, port));
      const cuts = [0, ...random.cuts(all.length, 3), all.length];
      for (let j = 1; j < cuts.length; j++) {
        wire.send(all.subarray(cuts[j - 1], cuts[j]));
        await new Promise((resolve) => setImmediate(resolve));
      }
      wire.finish();
      assert.equal((await wire.end()).rest, 'seen');
      assert.equal(Buffer.concat(received[i]!).equals(all), true, `run ${i}`);
    }
    await settled();
  },
);

test('a server behind that cannot be reached closes the connection, and is logged', async (t) => {
  const web = await webEngine(t);
  const gone = await plainEngine(t, () => undefined);
  const { port, settled, exchanges } = await stage(t, {
    upstreams: {
      web: { at: web.address, protocol: 'http1' },
      behind: { at: '127.0.0.1:1', protocol: 'tcp' },
      then: { at: ['127.0.0.1:1', gone.address], protocol: 'tcp' },
    },
    routes: [{ protocols: ['tls'], sni: ['other.test'], upstream: 'behind' }],
  });
  const answer = await refusal(t, port, { servername: 'other.test' });
  assert.match(answer, /ECONNRESET|end|close/);
  await settled();
  assert.deepEqual(
    exchanges.map(({ upstream, failure }) => [upstream, failure?.side]),
    [['behind', 'upstream']],
  );
});

test('half-close passes through in both directions', async (t) => {
  const web = await webEngine(t);
  const behind = await tlsEngine(t, undefined, OTHER);
  const { port, settled } = await stage(t, {
    upstreams: { web: { at: web.address, protocol: 'http1' }, behind: { at: behind.address, protocol: 'tcp' } },
    routes: [{ protocols: ['tls'], sni: ['other.test'], upstream: 'behind' }],
  });
  const socket = await tls(t, port, { servername: 'other.test' });
  const wire = new Wire(socket);
  wire.send('all there is');
  wire.finish();
  assert.deepEqual(await wire.end(), { how: 'fin', rest: 'all there is' });
  if (!socket.destroyed) await once(socket, 'close');
  await settled();
});
