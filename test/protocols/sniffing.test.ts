/** Told apart by the first bytes, however they come; and what a listener does not serve is refused in its own words. */
import assert from 'node:assert/strict';
import { test, type TestContext } from 'node:test';
import type { ListenerSpec } from '../../src/snapshot.ts';
import { PREFACE, Type, settingsFrame } from '../support/frames.ts';
import { RawClient } from '../support/raw-peer.ts';
import { h2call, http1, http2 } from './clients.ts';
import { echoEngine, webEngine } from './engines.ts';
import { stage } from './stage.ts';
import { Wire } from './wire.ts';

const REQUEST = Buffer.from('GET /x HTTP/1.1\r\nHost: a\r\n\r\n');
/** The first bytes of a TLS 1.2 ClientHello without extensions. */
const HELLO = Buffer.from(`160301002d010000290303${'11'.repeat(32)}000002c02f0100`, 'hex');

async function both(t: TestContext, listener: Partial<ListenerSpec> = {}) {
  const web = await webEngine(t);
  const echo = await echoEngine(t);
  const made = await stage(t, {
    upstreams: { web: { at: web.address, protocol: 'http1' }, echo: { at: echo.address, protocol: 'tcp' } },
    routes: [{ protocols: ['tcp'], upstream: 'echo' }],
    listener,
  });
  return { ...made, web, echo, wire: () => Wire.connect(t, made.port) };
}

test('clients that write octet by octet are understood, all at once', async (t) => {
  const { wire, settled, port } = await both(t);
  await Promise.all([
    (async () => {
      const client = await wire();
      await client.dribble(REQUEST);
      assert.equal((await client.message()).body.toString(), 'GET /x 0');
      client.finish();
    })(),
    (async () => {
      const client = await wire();
      await client.dribble(Buffer.from('HELO there, old friend\r\n'));
      assert.equal((await client.take(24)).toString(), 'HELO there, old friend\r\n');
      client.finish();
    })(),
    (async () => {
      const client = await wire();
      await client.dribble(Buffer.concat([Buffer.from(PREFACE), settingsFrame()]));
      // SETTINGS come back, and the ACK of ours.
      assert.equal((await client.take(9))[3], Type.SETTINGS);
      client.finish();
    })(),
    (async () => {
      const client = await wire();
      await client.dribble(Buffer.from([0, 1, 2, 0xff, 0xfe]));
      assert.deepEqual(await client.take(5), Buffer.from([0, 1, 2, 0xff, 0xfe]));
      client.finish();
    })(),
  ]);
  assert.equal((await http1(port)).status, 200);
  await settled();
});

test('every cut of a request into two is the same request', async (t) => {
  const { wire, web } = await both(t);
  for (let cut = 1; cut < REQUEST.length; cut++) {
    const client = await wire();
    client.send(REQUEST.subarray(0, cut));
    await new Promise((resolve) => setTimeout(resolve, 2));
    client.send(REQUEST.subarray(cut));
    assert.equal((await client.message()).body.toString(), 'GET /x 0', `cut at ${cut}`);
    client.socket.destroy();
  }
  assert.equal(web.seen.length, REQUEST.length - 1);
});

test('a request that comes with its FIN, and octets that come with theirs, are served', async (t) => {
  const { wire, settled } = await both(t);
  const request = await wire();
  request.socket.end(REQUEST);
  assert.equal((await request.message()).body.toString(), 'GET /x 0');
  const octets = await wire();
  octets.socket.end('no line');
  assert.deepEqual(await octets.end(), { how: 'fin', rest: 'no line' });
  await settled();
});

test('a registered method with a bad rest is HTTP/1: 400; other text is TCP', async (t) => {
  const { wire, echo } = await both(t);
  for (const line of ['GET /\r\n\r\n', 'GET / HTTP/9\r\n\r\n', 'POST \r\n\r\n']) {
    const client = await wire();
    client.send(line);
    assert.match((await client.end()).rest, /^HTTP\/1\.1 (400|505) /, line);
  }
  assert.equal(echo.accepted, 0);
  const client = await wire();
  client.send('EHLO mail.test\r\n');
  assert.equal((await client.take(16)).toString(), 'EHLO mail.test\r\n');
});

test('a method that nobody registered is HTTP/1 if its line is one', async (t) => {
  const { wire, web } = await both(t);
  const client = await wire();
  client.send('FROBNICATE /x HTTP/1.1\r\nHost: a\r\n\r\n');
  // node:http refuses what it does not know; it was asked.
  assert.match((await client.message()).start, /^HTTP\/1\.1 \d\d\d /);
  assert.equal(web.accepted, 1);
});

test('a client that never says enough is let go after sniff_timeout, whatever it began with', async (t) => {
  const { wire, gateway, web, echo } = await both(t, { sniffTimeout: 300 });
  for (const begun of ['', 'GE', 'PRI * HTT', '\x16\x03', 'HELO']) {
    const client = await wire();
    if (begun !== '') client.send(begun);
    const { rest } = await client.end(3000);
    assert.equal(rest, '', begun);
  }
  assert.equal(gateway.count('frameway_limited_total', 'handshake'), 5);
  assert.deepEqual([web.accepted, echo.accepted], [0, 0]);
});

test('a client that dribbles for ever is let go all the same', async (t) => {
  const { wire } = await both(t, { sniffTimeout: 400 });
  const client = await wire();
  const dribble = setInterval(() => client.socket.writable && client.send('A'), 50);
  t.after(() => clearInterval(dribble));
  await client.end(3000);
});

test('without TCP, text that is no protocol is closed without a word', async (t) => {
  const { wire, echo } = await both(t, { protocols: ['h2', 'http1'] });
  for (const bytes of ['HELO there\r\n', '\0\x01\x02', 'x'.repeat(20_000)]) {
    const client = await wire();
    client.send(bytes);
    assert.equal((await client.end()).rest, '');
  }
  assert.equal(echo.accepted, 0);
});

test('a listener without HTTP/1 refuses it with 400 and the end', async (t) => {
  const { wire, web, port } = await both(t, { protocols: ['h2', 'tcp'] });
  const client = await wire();
  client.send(REQUEST);
  const { how, rest } = await client.end();
  assert.match(rest, /^HTTP\/1\.1 400 [^\r]*\r\n(?:[^\r]+\r\n)*connection: close\r\n/i);
  assert.equal(how, 'fin');
  assert.equal(web.seen.length, 0);
  assert.equal((await h2call(await http2(t, port))).status, 200);
});

test('a listener without HTTP/2 refuses it with GOAWAY, never with text', async (t) => {
  const { port, web } = await both(t, { protocols: ['http1', 'tcp'] });
  const client = await RawClient.connect(port);
  t.after(() => client.close());
  const goaway = await client.next('GOAWAY');
  assert.equal(goaway.lastStreamId, 0);
  await client.gone();
  assert.equal((await http1(port)).status, 200);
  assert.equal(web.seen.length, 1);
});

test('a bad preface is never answered with HTTP/1 text', async (t) => {
  for (const protocols of [['h2', 'http1'], ['h2', 'http1', 'tcp'], ['h2'], ['http1']] as const) {
    const { wire } = await both(t, { protocols, sniffTimeout: 500 });
    for (const bad of ['PRI * HTTP/2.0\r\n\r\nXX\r\n\r\n', 'PRI * HTTP/2.0\r\n\r\nSM\r\n\r\nGET / HTTP/1.1\r\n\r\n']) {
      const client = await wire();
      client.send(bad);
      client.finish();
      const { rest } = await client.end();
      assert.ok(!rest.includes('HTTP/1.1 '), `${protocols.join()}: ${rest}`);
    }
  }
});

test('TLS where it is not served is refused with an alert', async (t) => {
  const { wire, web } = await both(t, { protocols: ['h2', 'http1'] });
  const client = await wire();
  client.send(HELLO);
  const { rest } = await client.end();
  assert.equal(rest.charCodeAt(0), 0x15, JSON.stringify(rest));
  assert.equal(web.accepted, 0);
});

/** Each listener serves one protocol only; a client of each of the others comes. */
const ALONE = ['h2', 'http1'] as const;
for (const only of ALONE) {
  test(`a listener of ${only} alone refuses each other protocol in its own words`, async (t) => {
    const { wire, port, web } = await both(t, { protocols: [only] });
    const text = async (bytes: Buffer | string): Promise<string> => {
      const client = await wire();
      client.send(bytes);
      return (await client.end()).rest;
    };
    if (only === 'h2') assert.match(await text(REQUEST), /^HTTP\/1\.1 400 /);
    else {
      const client = await RawClient.connect(port);
      t.after(() => client.close());
      await client.next('GOAWAY');
      await client.gone();
    }
    assert.equal((await text(HELLO)).charCodeAt(0), 0x15, 'TLS: an alert');
    const last = await text('\0\x01\x02\x03');
    // "A GOAWAY frame MAY be omitted" (RFC 9113 section 3.4), and need not be; but it has to be true.
    if (only === 'http1') assert.equal(last, '', 'TCP: closed without a word');
    else assert.ok(!last.includes('is not served'), last);
    assert.equal(web.seen.length, 0);
  });
}

test('a listener of TCP alone passes on whatever comes', async (t) => {
  const echo = await echoEngine(t);
  const { port } = await stage(t, { upstreams: { echo: { at: echo.address, protocol: 'tcp' } } });
  for (const bytes of [REQUEST, HELLO, Buffer.from(PREFACE), Buffer.of(0)]) {
    const client = await Wire.connect(t, port);
    client.send(bytes);
    assert.deepEqual(await client.take(bytes.length), bytes);
  }
});

test('a thousand connections that say nothing leave nothing behind', async (t) => {
  const { wire, settled, port } = await both(t, { sniffTimeout: 500 });
  for (let i = 0; i < 10; i++) {
    const clients = await Promise.all(Array.from({ length: 100 }, wire));
    clients.forEach((client, n) => (n % 3 === 0 ? client.reset() : n % 3 === 1 ? client.finish() : undefined));
  }
  assert.equal((await http1(port)).status, 200);
  await settled();
});

test('more connections than max_connections are closed at once', async (t) => {
  const { wire, settled, port } = await both(t, { maxConnections: 3 });
  const held = [await wire(), await wire(), await wire()];
  for (const client of held) {
    client.send(REQUEST);
    await client.message();
  }
  const over = await wire();
  assert.equal((await over.end()).rest, '');
  for (const client of held) client.socket.destroy();
  await settled();
  assert.equal((await http1(port)).status, 200);
});
