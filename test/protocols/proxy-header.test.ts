/** The PROXY protocol, received and sent: versions 1 and 2, read here by the specification. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { http1, http2, h2call } from './clients.ts';
import { echoEngine, webEngine } from './engines.ts';
import { stage, type Plan } from './stage.ts';
import { Wire, wireEngine } from './wire.ts';

const SIGNATURE = Buffer.from('0d0a0d0a000d0a515549540a', 'hex');
const V1 = 'PROXY TCP4 203.0.113.7 192.0.2.1 5000 443\r\n';

/** Version 2, PROXY, TCP over IPv4 or IPv6 (given as hex), with a TLV that is to be ignored. */
function v2(source: string, destination: string, command = 0x21): Buffer {
  const six = source.length > 8;
  const tlv = Buffer.from('040003aabbcc', 'hex');
  const addresses = Buffer.concat([Buffer.from(source + destination, 'hex'), Buffer.from('138801bb', 'hex'), tlv]);
  const head = Buffer.concat([SIGNATURE, Buffer.from([command, six ? 0x21 : 0x11, 0, addresses.length])]);
  return Buffer.concat([head, addresses]);
}
const FOUR = v2('cb007107', 'c0000201');
const SIX = v2('20010db8000000000000000000000007', '20010db8000000000000000000000001');

const believing: Plan['listener'] = { proxyProtocol: 'required', trustedProxies: ['127.0.0.0/8'] };

test('the client that a PROXY header names is the client, in each version and family', async (t) => {
  const web = await webEngine(t);
  const { port, gateway, settled } = await stage(t, {
    upstreams: { web: { at: web.address, protocol: 'http1' } },
    listener: believing,
  });
  const cases: readonly (readonly [Buffer, string])[] = [
    [Buffer.from(V1), '203.0.113.7'],
    [Buffer.from('PROXY TCP6 2001:db8::7 2001:db8::1 5000 443\r\n'), '2001:db8::7'],
    [FOUR, '203.0.113.7'],
    [SIX, '2001:db8::7'],
    // Of the proxy itself: a health check. The peer is who it is.
    [v2('cb007107', 'c0000201', 0x20), '127.0.0.1'],
    [Buffer.from('PROXY UNKNOWN\r\n'), '127.0.0.1'],
  ];
  for (const [header, client] of cases) {
    const wire = await Wire.connect(t, port);
    wire.send(header, 'GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n');
    assert.match((await wire.message()).start, /^HTTP\/1\.1 200 /);
    wire.finish();
    assert.equal(gateway.exchanges.at(-1)!.peer, client, header.toString('latin1'));
    const forwarded = String(web.seen.at(-1)!.headers['x-forwarded-for']).split(', ');
    assert.equal(forwarded[0], client);
  }
  await settled();
});

test('what follows the header is sniffed as ever, wherever it is cut', async (t) => {
  const web = await webEngine(t);
  const echo = await echoEngine(t);
  const { port } = await stage(t, {
    upstreams: { web: { at: web.address, protocol: 'http1' }, echo: { at: echo.address, protocol: 'tcp' } },
    routes: [{ protocols: ['tcp'], upstream: 'echo' }],
    listener: believing,
  });
  for (const header of [Buffer.from(V1), FOUR, SIX]) {
    const slow = await Wire.connect(t, port);
    await slow.dribble(Buffer.concat([header, Buffer.from('GET /slow HTTP/1.1\r\nHost: a\r\n\r\n')]));
    assert.equal((await slow.message()).body.toString(), 'GET /slow 0');
    const raw = await Wire.connect(t, port);
    raw.send(header, 'some octets\n');
    assert.equal((await raw.take(12)).toString(), 'some octets\n');
  }
});

test('a peer that is not trusted, and a connection without a header, are refused', async (t) => {
  const web = await webEngine(t);
  const upstreams = { web: { at: web.address, protocol: 'http1' } } as const;
  const strict = await stage(t, { upstreams, listener: { proxyProtocol: 'required', trustedProxies: ['10.0.0.0/8'] } });
  const untrusted = await Wire.connect(t, strict.port);
  untrusted.send(V1, 'GET / HTTP/1.1\r\nHost: a\r\n\r\n');
  assert.equal((await untrusted.end()).rest, '');
  const { port } = await stage(t, { upstreams, listener: believing });
  const bad = [
    'GET / HTTP/1.1\r\nHost: a\r\n\r\n',
    'PROXY TCP4 1.2.3.4 5.6.7.8 1 99999\r\n',
    'PROXY TCP4 a b 1 2\r\n',
    'PROXY  TCP4 1.2.3.4 5.6.7.8 1 2\r\n',
  ];
  for (const words of bad) {
    const wire = await Wire.connect(t, port);
    wire.send(words, 'GET / HTTP/1.1\r\nHost: a\r\n\r\n');
    assert.equal((await wire.end()).rest, '', words);
  }
  assert.equal(web.seen.length, 0);
});

test('deny is about the client that the header names', async (t) => {
  const web = await webEngine(t);
  const { port } = await stage(t, {
    upstreams: { web: { at: web.address, protocol: 'http1' } },
    listener: { ...believing, deny: ['203.0.113.0/24'] },
  });
  const wire = await Wire.connect(t, port);
  wire.send(V1, 'GET / HTTP/1.1\r\nHost: a\r\n\r\n');
  assert.equal((await wire.end()).rest, '');
  const other = await Wire.connect(t, port);
  other.send('PROXY TCP4 198.51.100.1 192.0.2.1 5000 443\r\n', 'GET / HTTP/1.1\r\nHost: a\r\n\r\n');
  assert.match((await other.message()).start, / 200 /);
});

test('a PROXY header that nobody asked for is never believed', async (t) => {
  const web = await webEngine(t);
  const { port } = await stage(t, { upstreams: { web: { at: web.address, protocol: 'http1' } } });
  for (const header of [Buffer.from(V1), FOUR]) {
    const wire = await Wire.connect(t, port);
    wire.send(header, 'GET / HTTP/1.1\r\nHost: a\r\n\r\n');
    const { rest } = await wire.end();
    assert.ok(rest === '' || rest.startsWith('HTTP/1.1 400 '), rest);
  }
  assert.equal(web.seen.length, 0);
});

/** Reads a header by the specification; throws on what is none. */
function readHeader(bytes: Buffer): { source: string; destination: string; ports: number[]; length: number } {
  if (bytes.subarray(0, 12).equals(SIGNATURE)) {
    assert.equal(bytes[12], 0x21);
    assert.equal(bytes[13], 0x11);
    const length = bytes.readUInt16BE(14);
    assert.ok(length >= 12, `${length}`);
    const address = (at: number): string => [...bytes.subarray(at, at + 4)].join('.');
    return {
      source: address(16),
      destination: address(20),
      ports: [bytes.readUInt16BE(24), bytes.readUInt16BE(26)],
      length: 16 + length,
    };
  }
  const match = /^PROXY TCP4 (\d+\.\d+\.\d+\.\d+) (\d+\.\d+\.\d+\.\d+) (\d+) (\d+)\r\n/.exec(bytes.toString('latin1'));
  assert.ok(match, bytes.toString('latin1'));
  return {
    source: match[1]!,
    destination: match[2]!,
    ports: [Number(match[3]), Number(match[4])],
    length: match[0].length,
  };
}

for (const version of ['v1', 'v2'] as const) {
  test(`a TCP engine that wants a ${version} header gets it before the first octet`, async (t) => {
    const engine = await wireEngine(t);
    const upstreams = { tcp: { at: engine.address, protocol: 'tcp', proxyProtocol: version } } as const;
    const { port } = await stage(t, { upstreams });
    const wire = await Wire.connect(t, port);
    wire.send('payload');
    const local = wire.socket.localPort!;
    const read = async (number: number): Promise<[ReturnType<typeof readHeader>, string]> => {
      while (!engine.wires[number]) await new Promise((resolve) => setTimeout(resolve, 5));
      const at = engine.wires[number];
      await at.when(() => at.text.endsWith('payload'), 'the payload');
      const header = readHeader(at.received);
      return [header, at.received.subarray(header.length).toString()];
    };
    const [header, rest] = await read(0);
    assert.deepEqual(
      [header.source, header.destination, header.ports, rest],
      ['127.0.0.1', '127.0.0.1', [local, port], 'payload'],
    );
    // What a PROXY header told us is what we tell.
    const chained = await stage(t, { upstreams, listener: believing });
    const second = await Wire.connect(t, chained.port);
    second.send(FOUR, 'payload');
    const [told, after] = await read(1);
    assert.deepEqual(
      [told.source, told.destination, told.ports, after],
      ['203.0.113.7', '192.0.2.1', [5000, 443], 'payload'],
    );
  });
}

test('HTTP/2 over a connection with a PROXY header has the client it names', async (t) => {
  const web = await webEngine(t);
  const front = await stage(t, { upstreams: { web: { at: web.address, protocol: 'http1' } }, listener: believing });
  // Another gateway makes the header.
  const { port } = await stage(t, {
    upstreams: { next: { at: `127.0.0.1:${front.port}`, protocol: 'tcp', proxyProtocol: 'v2' } },
  });
  const session = await http2(t, port);
  assert.equal((await h2call(session)).status, 200);
  assert.equal((await http1(port)).status, 200);
  assert.deepEqual(
    front.gateway.exchanges.map(({ peer }) => peer),
    ['127.0.0.1', '127.0.0.1'],
  );
});
