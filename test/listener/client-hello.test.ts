import assert from 'node:assert/strict';
import { once } from 'node:events';
import { createServer } from 'node:net';
import type { AddressInfo, Socket } from 'node:net';
import { test } from 'node:test';
import type { TestContext } from 'node:test';
import { connect } from 'node:tls';
import type { ConnectionOptions } from 'node:tls';
import { Alert, alert, MAX_CLIENT_HELLO, MAX_RECORDS, readClientHello } from '../../src/listener/client-hello.ts';
import type { ClientHello } from '../../src/listener/client-hello.ts';
import { Random } from '../support/random.ts';

const TLS12 = 0x0303;
const TLS13 = 0x0304;

const read = (octets: Buffer): ClientHello | 'more' | 'bad' => readClientHello(octets, 0, octets.length);
const uint16 = (n: number): Buffer => Buffer.from([n >> 8, n & 0xff]);
/** A vector whose length has one, two or three octets. */
const vector = (size: 1 | 2 | 3, ...parts: readonly Buffer[]): Buffer => {
  const content = Buffer.concat(parts);
  const length = Buffer.from([content.length >> 16, content.length >> 8, content.length]);
  return Buffer.concat([length.subarray(3 - size), content]);
};
const text = (octets: string): Buffer => Buffer.from(octets, 'latin1');

const RECORD = [0x16, 0x03, 0x01];
const record = (fragment: Buffer): Buffer => Buffer.concat([Buffer.from(RECORD), vector(2, fragment)]);
/** The same message, in records of at most `size` octets. */
function fragmented(message: Buffer, size: (at: number) => number): Buffer {
  const records: Buffer[] = [];
  for (let at = 0; at < message.length;) {
    const fragment = message.subarray(at, at + size(at));
    records.push(record(fragment));
    at += fragment.length;
  }
  return Buffer.concat(records);
}

const extension = (type: number, ...parts: readonly Buffer[]): Buffer =>
  Buffer.concat([uint16(type), vector(2, ...parts)]);
const serverName = (...names: readonly string[]): Buffer =>
  extension(0, vector(2, ...names.map((name) => Buffer.concat([Buffer.from([0]), vector(2, text(name))]))));
const alpn = (...names: readonly string[]): Buffer => extension(16, vector(2, ...names.map((n) => vector(1, text(n)))));
const versions = (...list: readonly number[]): Buffer => extension(43, vector(1, ...list.map(uint16)));

interface Parts {
  readonly legacyVersion?: number;
  readonly sessionId?: Buffer;
  readonly ciphers?: Buffer;
  readonly compression?: Buffer;
  /** null: no list of extensions at all. */
  readonly extensions?: readonly Buffer[] | null;
  readonly after?: Buffer;
}
function message(parts: Parts): Buffer {
  const { legacyVersion = TLS12, extensions = [], after = Buffer.alloc(0) } = parts;
  const body = vector(
    3,
    uint16(legacyVersion),
    Buffer.alloc(32, 7),
    vector(1, parts.sessionId ?? Buffer.alloc(32, 9)),
    vector(2, parts.ciphers ?? uint16(0x1301)),
    vector(1, parts.compression ?? Buffer.from([0])),
    extensions === null ? Buffer.alloc(0) : vector(2, ...extensions),
    after,
  );
  return Buffer.concat([Buffer.from([1]), body]);
}
const hello = (...extensions: readonly Buffer[]): Buffer => record(message({ extensions }));

/** What a client of node:tls sends first. */
async function captured(t: TestContext, options: ConnectionOptions): Promise<Buffer> {
  const server = createServer().listen(0, '127.0.0.1');
  t.after(() => server.close());
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  const client = connect({ ...options, host: '127.0.0.1', port, rejectUnauthorized: false });
  client.on('error', () => undefined);
  t.after(() => client.destroy());
  const [socket] = (await once(server, 'connection')) as [Socket];
  t.after(() => socket.destroy());
  let octets = Buffer.alloc(0);
  while (read(octets) === 'more') octets = Buffer.concat([octets, ...((await once(socket, 'data')) as [Buffer])]);
  return octets;
}

const LONG_NAME = `${'a'.repeat(63)}.${'b'.repeat(63)}.${'c'.repeat(63)}.example`;
const CLIENTS: readonly [ConnectionOptions, ClientHello][] = [
  [{}, { serverName: null, alpn: [], versions: [TLS13, TLS12] }],
  [
    { servername: 'asr.example', ALPNProtocols: ['h2', 'http/1.1'] },
    { serverName: 'asr.example', alpn: ['h2', 'http/1.1'], versions: [TLS13, TLS12] },
  ],
  [
    { servername: 'ASR.Example', ALPNProtocols: ['h2'], minVersion: 'TLSv1.3' },
    { serverName: 'asr.example', alpn: ['h2'], versions: [TLS13] },
  ],
  [
    { servername: LONG_NAME, maxVersion: 'TLSv1.2' },
    { serverName: LONG_NAME, alpn: [], versions: [TLS12] },
  ],
  [
    { servername: 'old.example', minVersion: 'TLSv1.1', maxVersion: 'TLSv1.1', ciphers: 'DEFAULT@SECLEVEL=0' },
    { serverName: 'old.example', alpn: [], versions: [0x0302] },
  ],
  [
    { ALPNProtocols: Array.from({ length: 60 }, (_, n) => `${'p'.repeat(190)}${n}`) },
    {
      serverName: null,
      alpn: Array.from({ length: 60 }, (_, n) => `${'p'.repeat(190)}${n}`),
      versions: [TLS13, TLS12],
    },
  ],
];

test('the hellos of real clients are read: name, ALPN and versions', async (t) => {
  for (const [options, expected] of CLIENTS) assert.deepEqual(read(await captured(t, options)), expected);
});

test('every prefix of a real hello wants more, and what follows it changes nothing', async (t) => {
  for (const [options, expected] of CLIENTS) {
    const octets = await captured(t, options);
    for (let length = 0; length < octets.length; length++) {
      assert.equal(readClientHello(octets, 0, length), 'more', `${length} of ${octets.length}`);
    }
    assert.deepEqual(read(Buffer.concat([octets, Buffer.from('anything')])), expected);
  }
});

test('a real hello may come in records of any length', async (t) => {
  const random = new Random(11);
  const octets = await captured(t, CLIENTS[1]![0]);
  const expected = CLIENTS[1]![1];
  const whole = octets.subarray(5);
  for (let size = 1; size <= whole.length; size++) {
    const split = fragmented(whole, () => size);
    assert.deepEqual(read(split), expected, `records of ${size}`);
    assert.equal(readClientHello(split, 0, split.length - 1), 'more', `records of ${size}, one octet short`);
  }
  for (let round = 0; round < 50; round++) {
    const split = fragmented(whole, () => random.between(1, 100));
    const margin = random.below(30);
    const wide = Buffer.concat([random.octets(margin), split, random.octets(30)]);
    for (let length = 0; length < split.length; length++) {
      assert.equal(readClientHello(wide, margin, margin + length), 'more', `${length} of ${split.length}`);
    }
    assert.deepEqual(readClientHello(wide, margin, margin + split.length), expected);
  }
});

test('a name is told in lower case and without its last dot, and GREASE is not told', () => {
  const grease = [0x0a0a, 0x5a5a, 0xfafa];
  const octets = hello(
    extension(0x1a1a),
    serverName('TTS.Example.'),
    alpn('\x0a\x0a', 'h2', '\xea\xea', 'h3'),
    versions(grease[0]!, TLS13, grease[1]!, TLS12, grease[2]!),
    extension(0xbaba, Buffer.from([0])),
  );
  assert.deepEqual(read(octets), { serverName: 'tts.example', alpn: ['h2', 'h3'], versions: [TLS13, TLS12] });
});

test('what looks like GREASE and is not is told', () => {
  const octets = hello(alpn('\x0a\x1a', 'j'), versions(0x0a1a, 0x0b0b));
  assert.deepEqual(read(octets), { serverName: null, alpn: ['\x0a\x1a', 'j'], versions: [0x0a1a, 0x0b0b] });
});

test('a hello without extensions is told by its own version', () => {
  const none = { serverName: null, alpn: [] };
  assert.deepEqual(read(record(message({ extensions: null, legacyVersion: 0x0301 }))), { ...none, versions: [0x0301] });
  assert.deepEqual(read(hello()), { ...none, versions: [TLS12] });
  const old = Buffer.from(hello());
  old[2] = 0;
  assert.deepEqual(read(old), { ...none, versions: [TLS12] }, 'in a record of SSL 3.0');
});

test('a malformed hello is bad', () => {
  const names = (list: Buffer): Buffer => extension(0, list);
  const cases: Record<string, Buffer> = {
    'an empty list of names': hello(names(vector(2))),
    'no list of names': hello(names(Buffer.alloc(0))),
    'an empty name': hello(serverName('')),
    'a dot as name': hello(serverName('.')),
    'an empty label': hello(serverName('a..b')),
    'two last dots': hello(serverName('a..')),
    'a wildcard': hello(serverName('*.example')),
    'a NUL in a name': hello(serverName('a\0.example')),
    'a space in a name': hello(serverName('a b')),
    'a name in UTF-8': hello(serverName('\xc3\xa4.example')),
    'a long name': hello(serverName('a'.repeat(256))),
    'two names': hello(serverName('a.example', 'b.example')),
    'another type of name': hello(names(vector(2, Buffer.from([1]), vector(2, text('a'))))),
    'octets after the list of names': hello(
      names(Buffer.concat([vector(2, Buffer.from([0]), vector(2, text('a'))), text('x')])),
    ),
    'a list of names longer than its extension': hello(names(Buffer.concat([uint16(9), text('\0\0\x01a')]))),
    'a name longer than its list': hello(names(vector(2, text('\0\0\x09a')))),
    'two extensions of names': hello(serverName('a.example'), serverName('a.example')),
    'two extensions of a type unknown': hello(extension(0x7777), extension(0x7777)),
    'no ALPN': hello(extension(16, vector(2))),
    'an empty ALPN name': hello(alpn('h2', '')),
    'an ALPN name longer than its list': hello(extension(16, vector(2, text('\x05h2')))),
    'octets after ALPN': hello(extension(16, vector(2, vector(1, text('h2'))), text('x'))),
    'no versions': hello(versions()),
    'half a version': hello(extension(43, vector(1, text('\x03\x04\x03')))),
    'octets after the versions': hello(extension(43, vector(1, uint16(TLS13)), text('x'))),
    'a list of versions longer than its extension': hello(extension(43, text('\x04\x03\x04'))),
    'an extension longer than the list': hello(Buffer.concat([uint16(0x7777), uint16(5)])),
    'half an extension': hello(Buffer.from([0, 0, 0])),
    'octets after the extensions': record(message({ after: text('x') })),
    'a lone octet instead of extensions': record(message({ extensions: null, after: text('x') })),
    'a session id of 33 octets': record(message({ sessionId: Buffer.alloc(33) })),
    'no ciphers': record(message({ ciphers: Buffer.alloc(0) })),
    'half a cipher': record(message({ ciphers: Buffer.alloc(3) })),
    'no compression method': record(message({ compression: Buffer.alloc(0) })),
    'a ServerHello': record(Buffer.from([2, 0, 0, 40, ...Buffer.alloc(40)])),
    'an empty message': record(Buffer.from([1, 0, 0, 0])),
    'an empty record': Buffer.concat([record(message({}).subarray(0, 9)), record(Buffer.alloc(0))]),
    'an empty first record': record(Buffer.alloc(0)),
    'a record of 2^14 + 1 octets': record(Buffer.concat([Buffer.from([1, 0, 0x80, 0]), Buffer.alloc(16_381)])),
    'an alert between fragments': Buffer.concat([record(message({}).subarray(0, 9)), alert(Alert.INTERNAL_ERROR)]),
    'a record of SSL 2': Buffer.from([0x16, 0x02, 0, 0, 9]),
    'a record of no TLS yet': Buffer.from([0x16, 0x03, 5, 0, 9]),
  };
  for (const [name, octets] of Object.entries(cases)) {
    assert.equal(read(octets), 'bad', name);
    for (let length = 0; length < octets.length; length += 1 + (length >> 6)) {
      const verdict = readClientHello(octets, 0, length);
      assert.ok(verdict === 'more' || verdict === 'bad', `${name}: ${length} of ${octets.length}`);
    }
  }
});

test('every list may end wherever its bytes do: a body cut short is bad, or a hello without extensions', () => {
  const body = message({ extensions: [serverName('a.example'), alpn('h2'), versions(TLS13)] }).subarray(4);
  const bare = message({ extensions: null }).length - 4;
  for (let length = 0; length < body.length; length++) {
    const cut = record(Buffer.concat([Buffer.from([1]), vector(3, body.subarray(0, length))]));
    assert.equal(typeof read(cut), length === bare ? 'object' : 'string', `${length} of ${body.length}`);
    assert.notEqual(read(cut), 'more', `${length} of ${body.length}`);
  }
});

test('a hello ends within 64 KiB, with its records, or is bad', () => {
  const padded = (length: number): Buffer => {
    const filler = length - message({ extensions: [extension(21)] }).length;
    return message({ extensions: [extension(21, Buffer.alloc(filler))] });
  };
  const headers = 4 * 5;
  const most = fragmented(padded(MAX_CLIENT_HELLO - headers), () => 2 ** 14);
  assert.equal(most.length, MAX_CLIENT_HELLO);
  assert.equal(typeof read(most), 'object');
  assert.equal(readClientHello(most, 0, most.length - 1), 'more');
  const over = fragmented(padded(MAX_CLIENT_HELLO - headers + 1), () => 2 ** 14);
  assert.equal(readClientHello(over, 0, MAX_CLIENT_HELLO - 1), 'more');
  assert.equal(readClientHello(over, 0, MAX_CLIENT_HELLO), 'bad');
  assert.equal(read(over), 'bad');
  assert.equal(read(record(Buffer.from([1, 1, 0, 0]))), 'bad', 'as soon as it says so');
});

test('a hello may be cut into 1,024 records and no more', () => {
  const whole = message({ extensions: [extension(21, Buffer.alloc(2000))] });
  const cut = (records: number): Buffer => fragmented(whole, (at) => (at < records - 1 ? 1 : whole.length));
  assert.equal(typeof read(cut(MAX_RECORDS)), 'object');
  const over = cut(MAX_RECORDS + 1);
  assert.equal(read(over), 'bad');
  assert.equal(readClientHello(over, 0, MAX_RECORDS * 6 - 1), 'more');
  assert.equal(readClientHello(over, 0, MAX_RECORDS * 6), 'bad');
});

test('no bytes make it throw or read outside of its range', () => {
  const random = new Random(23);
  const whole = message({
    extensions: [extension(0x2a2a), serverName('a.example'), alpn('h2', 'x'), versions(TLS13, TLS12)],
  });
  const verdicts = { more: 0, bad: 0, read: 0 };
  for (let round = 0; round < 30_000; round++) {
    const body = Buffer.from(whole);
    for (let n = random.below(3); n > 0; n--) body[random.below(body.length)] = random.below(256);
    const octets = random.chance(0.5) ? record(body) : fragmented(body, () => random.between(1, 60));
    if (random.chance(0.2)) octets[random.below(octets.length)] = random.below(256);
    const from = random.below(10);
    const to = from + (random.chance(0.3) ? random.below(octets.length + 1) : octets.length);
    const around = [random.octets(from), octets, random.octets(40)];
    const verdict = readClientHello(Buffer.concat(around), from, to);
    const alone = Buffer.from(octets.subarray(0, to - from));
    assert.deepEqual(verdict, read(alone), alone.toString('hex'));
    verdicts[typeof verdict === 'string' ? verdict : 'read']++;
  }
  for (const [verdict, n] of Object.entries(verdicts)) assert.ok(n > 1000, `${verdict}: ${n}`);
});

test('random bytes after a record header never throw', () => {
  const random = new Random(29);
  for (let round = 0; round < 20_000; round++) {
    const noise = random.octets(random.between(4, 120));
    if (random.chance(0.8)) noise.set([1, 0, 0, noise.length - 4]);
    read(random.chance(0.5) ? record(noise) : fragmented(noise, () => random.between(1, 20)));
  }
});

test('clients of TLS 1.2 and 1.3 understand the alerts', async (t) => {
  for (const maxVersion of ['TLSv1.2', 'TLSv1.3'] as const) {
    for (const description of Object.values(Alert)) {
      const server = createServer((socket) => {
        socket.on('error', () => undefined);
        socket.once('data', () => socket.end(alert(description)));
      });
      t.after(() => server.close());
      await once(server.listen(0, '127.0.0.1'), 'listening');
      const { port } = server.address() as AddressInfo;
      const client = connect({ host: '127.0.0.1', port, maxVersion, rejectUnauthorized: false });
      const [error] = (await once(client, 'error')) as [Error];
      assert.match(error.message, new RegExp(`SSL alert number ${description}\\b`), maxVersion);
    }
  }
});
