import assert from 'node:assert/strict';
import { test } from 'node:test';
import { encodeMessage, formatTimeout, MessageCounter, parseTimeout } from '../../src/relay/grpc.ts';
import { isGrpc } from '../../src/relay/message.ts';
import { Random } from '../support/random.ts';

/** Nanoseconds of each unit of "PROTOCOL-HTTP2", TimeoutUnit. */
const UNITS = { H: 3_600_000_000_000, M: 60_000_000_000, S: 1_000_000_000, m: 1_000_000, u: 1000, n: 1 };

test('a timeout is read in each of its units', () => {
  for (const [unit, nanoseconds] of Object.entries(UNITS)) {
    for (const digits of ['1', '7', '00000005', '12345', '99999999']) {
      const expected = Number(digits) * (nanoseconds / 1e6);
      const ms = parseTimeout(digits + unit)!;
      assert.ok(Math.abs(ms - expected) <= expected * 1e-12, `${digits}${unit}: ${ms}`);
    }
  }
  assert.equal(parseTimeout('250m'), 250);
  assert.equal(parseTimeout('1H'), 3_600_000);
});

test('what is no timeout is not guessed at', () => {
  const malformed = ['', 'S', '5', '5s', '5h', '5ms', '123456789S', '000000001S', '-5S', '+5S', '5.0S', '1e3S', ' 5S'];
  for (const text of [...malformed, '5S ', '5 S', '0x5S', '5SS', 'S5', '٥S', '5\u0000', '5\n', '\n5S']) {
    assert.equal(parseTimeout(text), null, JSON.stringify(text));
  }
});

test('a timeout is written in at most eight digits and never rounded up', () => {
  const random = new Random(1);
  const edges = [
    0,
    0.25,
    0.5,
    1,
    1.75,
    99_999,
    99_999.75,
    100_000,
    100_000.5,
    99_999_999.5,
    1e8,
    1e8 + 999,
    1e11,
    3.6e14,
  ];
  const many = Array.from({ length: 2000 }, () => (random.below(2 ** 31) * random.below(2 ** 20)) / 1024);
  for (const ms of [...edges, ...many]) {
    const text = formatTimeout(ms);
    assert.match(text, /^[0-9]{1,8}[HMSmun]$/, `${ms}`);
    const unit = text.slice(-1) as keyof typeof UNITS;
    const written = Number(text.slice(0, -1)) * (UNITS[unit] / 1e6);
    assert.ok(written <= ms, `${ms} as ${text}`);
    // No call lasts longer than eight digits of seconds can say.
    if (ms < 99_999_999_000) assert.ok(ms - written <= Math.max(0.001, ms / 1e5), `${ms} as ${text}`);
  }
});

test('time that is over is written as none', () => {
  for (const ms of [0, -0.5, -1, -1e9]) assert.equal(parseTimeout(formatTimeout(ms)), 0);
});

test('messages are counted wherever DATA is cut', () => {
  const message = (length: number): Buffer => {
    const prefix = Buffer.alloc(5);
    prefix.writeUInt32BE(length, 1);
    return Buffer.concat([prefix, Buffer.alloc(length, 0x01)]);
  };
  const octets = Buffer.concat([0, 1, 0, 0, 300, 5, 70, 0].map(message));
  const count = (cuts: readonly number[]): number => {
    const counter = new MessageCounter();
    let from = 0;
    for (const to of [...cuts, octets.length]) {
      counter.read(octets, from, to);
      from = to;
    }
    return counter.count;
  };
  for (let a = 0; a <= octets.length; a++) for (let b = a; b <= octets.length; b += 3) assert.equal(count([a, b]), 8);
  assert.equal(count([...octets.keys()]), 8);
  const random = new Random(2);
  for (let n = 0; n < 300; n++) assert.equal(count(random.cuts(octets.length, random.below(40))), 8);
});

test('a message counts from its first octet, and may be as long as its prefix can say', () => {
  const counter = new MessageCounter();
  const octets = Buffer.from('00ffffffff', 'hex');
  counter.read(octets, 0, 0);
  assert.equal(counter.count, 0);
  counter.read(octets, 0, 1);
  assert.equal(counter.count, 1);
  counter.read(octets, 1, 5);
  const block = Buffer.alloc(2 ** 20);
  for (let n = 0; n < 4096; n++) counter.read(block, 0, n < 4095 ? block.length : block.length - 1);
  assert.equal(counter.count, 1);
  counter.read(block, 0, 1);
  assert.equal(counter.count, 2);
});

test('gRPC is application/grpc, alone or followed by + or ;', () => {
  for (const type of [
    'application/grpc',
    'application/grpc+proto',
    'application/grpc+json',
    'application/grpc;charset=x',
  ]) {
    assert.ok(isGrpc(type), type);
  }
  const others = [
    'application/grpc-web',
    'application/grpc-web+proto',
    'application/grpc-web-text',
    'application/grpcx',
  ];
  for (const type of [
    ...others,
    'application/json',
    'application/grp',
    'text/application/grpc',
    'application/grpc ',
    '',
  ]) {
    assert.ok(!isGrpc(type), type);
  }
});

test('a message is percent-encoded UTF-8, but for what may stand as it is', () => {
  const cases = {
    '': '',
    'engine is overloaded': 'engine is overloaded',
    '!"#$&\'()*+,-./:;<=>?@[\\]^_`{|}~': '!"#$&\'()*+,-./:;<=>?@[\\]^_`{|}~',
    '100%': '100%25',
    'a\r\nb\tc\0': 'a%0D%0Ab%09c%00',
    '\x1f \x7e\x7f\x80': '%1F ~%7F%C2%80',
    'für Ärger': 'f%C3%BCr %C3%84rger',
    語: '%E8%AA%9E',
    '😀!': '%F0%9F%98%80!',
  };
  for (const [text, encoded] of Object.entries(cases)) assert.equal(encodeMessage(text), encoded);
});

test('any text becomes printable ASCII that says the same', () => {
  const random = new Random(3);
  for (let n = 0; n < 500; n++) {
    const text = String.fromCodePoint(...Array.from({ length: random.below(20) }, () => random.below(0xd800)));
    const encoded = encodeMessage(text);
    assert.match(encoded, /^[\x20-\x7e]*$/);
    assert.equal(decodeURIComponent(encoded), text);
  }
});

test('half a surrogate pair does not break the answer that it stands in', () => {
  assert.equal(encodeMessage('a\ud83d.'), 'a%EF%BF%BD.');
  assert.equal(encodeMessage('\ude00'), '%EF%BF%BD');
});
