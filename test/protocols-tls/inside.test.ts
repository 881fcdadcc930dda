import assert from 'node:assert/strict';
import { once } from 'node:events';
import { test } from 'node:test';
import type { TestContext } from 'node:test';
import { h2call } from '../protocols/clients.ts';
import { bannerEngine, echoEngine, tcpEngine, webEngine, wsEngine } from '../protocols/engines.ts';
import { sleep } from '../io/wire.ts';
import { entry } from '../listener/tls-ends.ts';
import { h2, https, tls, tlsWire, wss } from './clients.ts';
import { grpcEngine } from './engines.ts';
import { stage, TWO_NAMES, type Plan, type Stage } from './stage.ts';

/** HTTP goes to `web`, bytes to `echo`. */
async function ends(t: TestContext, plan: Partial<Plan> = {}): Promise<Stage> {
  const [web, echo] = await Promise.all([webEngine(t), echoEngine(t)]);
  return stage(t, {
    upstreams: { web: { at: web.address, protocol: 'http1' }, echo: { at: echo.address, protocol: 'tcp' } },
    routes: [{ protocols: ['tcp'], upstream: 'echo' }],
    ...plan,
  });
}

test('what is said within TLS is told apart octet by octet as in clear text', { timeout: 30_000 }, async (t) => {
  const { port, settled } = await ends(t);
  for (const [sent, expected] of [
    ['GET /x HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n', /^HTTP\/1.1 200 OK\r\n/],
    ['GET nonsense\r\n\r\n', /^HTTP\/1.1 400 /],
    ['hello, this is no request line\r\n', /^hello, this is no request line\r\n$/],
    ['\x16\x03\x01 but no ClientHello', /^... but no ClientHello$/],
    ['PROXY TCP4 192.0.2.1 192.0.2.2 1 2\r\nbytes', /^PROXY TCP4 192/],
  ] as const) {
    for (const dribble of [true, false]) {
      const wire = await tlsWire(t, port, { servername: 'localhost' });
      if (dribble) await wire.dribble(Buffer.from(sent, 'latin1'));
      else wire.send(sent);
      await sleep(20);
      wire.finish();
      const { rest } = await wire.end();
      assert.match(rest, expected);
      wire.socket.destroy();
    }
  }
  await settled();
});

test('TLS within TLS is bytes like any others', async (t) => {
  const { port, settled } = await ends(t);
  const outer = await tls(t, port, { servername: 'localhost' });
  outer.write(Buffer.from('1603010005010000010a', 'hex'));
  const [back] = (await once(outer, 'data')) as [Buffer];
  assert.equal(back.toString('hex'), '1603010005010000010a');
  outer.destroy();
  await settled();
});

test('half-close within TLS is kept: the server answers after the client has ended, and the other way round', async (t) => {
  const late = await tcpEngine(t, (socket) => {
    let heard = 0;
    socket.on('data', (part: Buffer) => (heard += part.length));
    socket.on('end', () => setTimeout(() => socket.end(`heard ${heard}`), 50));
  });
  const early = await tcpEngine(t, (socket) => {
    socket.end('goodbye');
    let heard = '';
    socket.on('data', (part: Buffer) => (heard += String(part)));
    socket.on('end', () => said.push(heard));
  });
  const said: string[] = [];
  const { port, settled } = await stage(t, {
    upstreams: { late: { at: late.address, protocol: 'tcp' }, early: { at: early.address, protocol: 'tcp' } },
    routes: [{ protocols: ['tcp'], sni: ['early.wild.test'], upstream: 'early' }],
  });
  for (const maxVersion of ['TLSv1.2', 'TLSv1.3'] as const) {
    const one = await tlsWire(t, port, { servername: 'localhost', maxVersion });
    one.send('\0'.repeat(100_000));
    one.finish();
    assert.deepEqual(await one.end(), { how: 'fin', rest: 'heard 100000' });
    const two = await tlsWire(t, port, { servername: 'early.wild.test', maxVersion });
    two.send('\0 first');
    assert.deepEqual(await two.end(), { how: 'fin', rest: 'goodbye' });
    await sleep(30);
    two.send(' and last');
    two.finish();
    await settled();
    assert.deepEqual(said.splice(0), ['\0 first and last']);
  }
});

test('a server that speaks first is heard after the delay, within TLS and by no name', async (t) => {
  const banner = await bannerEngine(t);
  const { port, settled } = await stage(t, {
    upstreams: { banner: { at: banner.address, protocol: 'tcp' } },
    listener: { serverFirstDelay: 100 },
  });
  const begin = performance.now();
  const wire = await tlsWire(t, port, {});
  assert.equal(await wire.upTo('\r\n'), '220 ready\r\n');
  assert.equal(performance.now() - begin < 2000, true);
  wire.send('QUIT');
  wire.finish();
  assert.equal((await wire.end()).rest, 'QUIT');
  await settled();
});

test('a server that speaks first is not waited for where ALPN has named HTTP', async (t) => {
  const { port, settled } = await ends(t, { listener: { serverFirstDelay: 50 } });
  const wire = await tlsWire(t, port, { servername: 'localhost', ALPNProtocols: ['http/1.1'] });
  await sleep(200);
  wire.send('GET /late HTTP/1.1\r\nHost: localhost\r\n\r\n');
  assert.equal((await wire.message()).body.toString(), 'GET /late 0');
  wire.socket.destroy();
  await settled();
});

test('routes go by the name in the ClientHello and by the host within, whatever the protocol', async (t) => {
  const [one, two, echo] = await Promise.all([webEngine(t), webEngine(t), echoEngine(t)]);
  const { port, exchanges, settled } = await stage(t, {
    upstreams: {
      one: { at: one.address, protocol: 'http1' },
      two: { at: two.address, protocol: 'http1' },
      echo: { at: echo.address, protocol: 'tcp' },
    },
    routes: [
      { protocols: ['tcp'], sni: ['*.wild.test'], upstream: 'echo' },
      { protocols: ['http'], sni: ['a.wild.test'], upstream: 'two' },
      { protocols: ['http'], hosts: ['b.wild.test'], upstream: 'two' },
    ],
    tls: [entry('server', ['*'])],
  });
  for (const [servername, host] of [
    ['a.wild.test', 'whatever.test'],
    ['localhost', 'b.wild.test'],
    ['localhost', 'c.wild.test'],
  ] as const) {
    await https(port, { servername, headers: { host } });
    const session = await h2(t, port, { servername });
    await h2call(session, { headers: { ':authority': host } });
    session.destroy();
  }
  const bytes = await tlsWire(t, port, { servername: 'x.wild.test' });
  bytes.send('\0');
  bytes.finish();
  assert.equal((await bytes.end()).rest, '\0');
  const nowhere = await tlsWire(t, port, { servername: 'localhost' });
  nowhere.send('\0');
  assert.equal((await nowhere.end()).rest, '');
  nowhere.socket.destroy();
  await settled();
  assert.deepEqual(
    exchanges.map(({ upstream }) => upstream),
    // What no route claims is answered here.
    ['two', 'two', 'two', 'two', 'one', 'one', 'echo', null],
  );
});

test('wss is carried with its subprotocol, in both directions, and closed with its code', async (t) => {
  const ws = await wsEngine(t, { handleProtocols: (offered) => [...offered][0] ?? false });
  const { port, settled, exchanges } = await stage(t, { upstreams: { ws: { at: ws.address, protocol: 'http1' } } });
  const client = wss(t, port, '/chat?x=1', ['speech.v1', 'other']);
  await once(client, 'open');
  assert.equal(client.protocol, 'speech.v1');
  for (const size of [0, 1, 125, 126, 65_535, 65_536, 1_000_000]) {
    const sent = Buffer.alloc(size, size & 255);
    client.send(sent);
    const [back, binary] = (await once(client, 'message')) as [Buffer, boolean];
    assert.equal(binary && back.equals(sent), true, `${size} octets`);
  }
  ws.sockets[0]!.close(4001, 'enough');
  const [code, reason] = (await once(client, 'close')) as [number, Buffer];
  assert.deepEqual([code, String(reason)], [4001, 'enough']);
  await settled();
  assert.deepEqual(
    [exchanges.length, exchanges[0]!.failure, ws.requests[0]!.headers['x-forwarded-proto']],
    [1, null, 'https'],
  );
});

test('a WebSocket over an h2 stream within TLS is joined to an HTTP/1.1 upgrade', async (t) => {
  const ws = await wsEngine(t);
  const { port, settled } = await stage(t, {
    upstreams: { ws: { at: ws.address, protocol: 'http1' } },
    tls: TWO_NAMES,
  });
  const session = await h2(t, port);
  assert.equal(session.remoteSettings.enableConnectProtocol, true);
  const headers = {
    ':method': 'CONNECT',
    ':protocol': 'websocket',
    ':scheme': 'https',
    ':path': '/',
    ':authority': 'localhost',
  };
  const stream = session.request({ ...headers, 'sec-websocket-version': '13' }, { endStream: false });
  const [answer] = (await once(stream, 'response')) as [{ ':status': number }];
  assert.equal(answer[':status'], 200);
  stream.write(Buffer.from([0x81, 0x82, 0, 0, 0, 0, 0x68, 0x69]));
  const [frame] = (await once(stream, 'data')) as [Buffer];
  assert.equal(frame.toString('latin1'), '\x81\x02hi');
  stream.close();
  session.destroy();
  await settled();
});

test('where a listener carries nothing but bytes, a server within TLS may speak first at once, as in clear text', async (t) => {
  const banner = await bannerEngine(t);
  for (const protocols of [
    ['tls', 'tcp'],
    ['h2', 'http1', 'tls', 'tcp'],
  ] as const) {
    const { port, settled } = await stage(t, {
      upstreams: { banner: { at: banner.address, protocol: 'tcp' } },
      listener: { protocols, sniffTimeout: 1000 },
    });
    const wire = await tlsWire(t, port, { servername: 'localhost' });
    assert.equal(await wire.upTo('\r\n'), '220 ready\r\n');
    wire.finish();
    await wire.end();
    await settled();
  }
});

test('a client that has said all and ends its direction gets its answers: http/1.1 pipelined, h2', async (t) => {
  const web = await webEngine(t, (request, response) => void setTimeout(() => response.end(request.url), 50));
  const { port, settled, exchanges } = await stage(t, { upstreams: { web: { at: web.address, protocol: 'http1' } } });
  for (const maxVersion of ['TLSv1.2', 'TLSv1.3'] as const) {
    const wire = await tlsWire(t, port, { servername: 'localhost', maxVersion });
    wire.send('GET /1 HTTP/1.1\r\nHost: localhost\r\n\r\n', 'GET /2 HTTP/1.1\r\nHost: localhost\r\n\r\n');
    wire.finish();
    assert.equal((await wire.message()).body.toString(), '/1');
    assert.equal((await wire.message()).body.toString(), '/2');
    assert.equal((await wire.end()).how, 'fin');
  }
  await settled();
  assert.deepEqual(
    exchanges.map(({ failure }) => failure),
    [null, null, null, null],
  );
});

for (const kind of ['application/grpc-web', 'application/grpc-web-text'] as const) {
  test(`${kind} is translated within TLS, over http/1.1 and h2`, async (t) => {
    const rpc = await grpcEngine(t);
    const { port, settled } = await stage(t, {
      upstreams: { rpc: { at: `127.0.0.1:${rpc}` } },
      listener: { grpcWeb: { allowOrigins: ['https://app.test'] } },
    });
    const message = Buffer.from([0, 0, 0, 0, 2, 0x68, 0x69]);
    const text = kind.endsWith('text');
    const body = text ? message.toString('base64') : message;
    const headers = { 'content-type': kind, origin: 'https://app.test', 'x-grpc-web': '1' };
    const session = await h2(t, port);
    for (const answer of [
      await https(port, { path: '/test.Echo/Say', method: 'POST', headers, body }),
      await h2call(session, { headers: { ':path': '/test.Echo/Say', ...headers }, body }),
    ]) {
      assert.deepEqual([answer.status, answer.headers['access-control-allow-origin']], [200, 'https://app.test']);
      // Base64 may come in pieces, each padded.
      const pieces = text ? (answer.body.toString().match(/[^=]+=*/g) ?? []) : [];
      const all = text ? Buffer.concat(pieces.map((piece) => Buffer.from(piece, 'base64'))) : answer.body;
      assert.equal(all.subarray(0, 7).equals(message), true);
      assert.match(all.subarray(7).toString('latin1'), /grpc-status: ?0/);
    }
    session.destroy();
    await settled();
  });
}
