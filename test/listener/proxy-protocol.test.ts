import assert from 'node:assert/strict';
import { test } from 'node:test';
import { MAX_PROXY_HEADER, readProxyHeader } from '../../src/listener/proxy-protocol.ts';
import type { ProxyHeader } from '../../src/listener/proxy-protocol.ts';
import type { Place } from '../../src/relay/origin.ts';
import { Random } from '../support/random.ts';

const text = (octets: string): Buffer => Buffer.from(octets, 'latin1');
const read = (octets: Buffer): ProxyHeader | 'more' | 'bad' => readProxyHeader(octets, 0, octets.length);
const at = (address: string, port: number): Place => ({ address, port });
const uint16 = (n: number): Buffer => Buffer.from([n >> 8, n & 0xff]);

const SIGNATURE = text('\r\n\r\n\0\r\nQUIT\n');
const PROXY = 0x21;
const LOCAL = 0x20;
function v2(command: number, transport: number, ...parts: readonly Buffer[]): Buffer {
  const block = Buffer.concat(parts);
  return Buffer.concat([SIGNATURE, Buffer.from([command, transport]), uint16(block.length), block]);
}
const tlv = (type: number, value: Buffer): Buffer => Buffer.concat([Buffer.from([type]), uint16(value.length), value]);

const IPV4 = Buffer.from([192, 0, 2, 1, 198, 51, 100, 2, ...uint16(56_324), ...uint16(443)]);
const IPV6 = Buffer.concat([
  Buffer.from('20010db8000000000000000000000001', 'hex'),
  Buffer.from('20010db8000a000b000c000d000e000f', 'hex'),
  uint16(1),
  uint16(65_535),
]);
const MAPPED = Buffer.concat([
  Buffer.from('00000000000000000000ffffc0000201', 'hex'),
  Buffer.from('00000000000000000000000000000001', 'hex'),
  uint16(0),
  uint16(80),
]);
const UNIX = Buffer.alloc(216, '/run/a');
const TLVS = [tlv(0x01, text('h2')), tlv(0x04, Buffer.alloc(0)), tlv(0xe0, Buffer.alloc(300, 'x'))];

/** CRC-32C by a table, the other way to write it down. */
const TABLE = Uint32Array.from({ length: 256 }, (_, n) => {
  let crc = n;
  for (let bit = 0; bit < 8; bit++) crc = crc & 1 ? (crc >>> 1) ^ 0x82f63b78 : crc >>> 1;
  return crc;
});
const crc32c = (octets: Buffer): number =>
  ~octets.reduce((crc, octet) => TABLE[(crc ^ octet) & 0xff]! ^ (crc >>> 8), 0xffffffff) >>> 0;

/** A TCP over IPv4 header whose checksum stands between other TLVs. */
function checksummed(length = 4): Buffer {
  const octets = v2(PROXY, 0x11, IPV4, TLVS[0]!, tlv(0x03, Buffer.alloc(length)), TLVS[1]!);
  const value = 16 + IPV4.length + TLVS[0]!.length + 3;
  if (length === 4) octets.writeUInt32BE(crc32c(octets), value);
  return octets;
}

type Ends = readonly [Place, Place] | null;
const CLIENT: Ends = [at('192.0.2.1', 56_324), at('198.51.100.2', 443)];
const CLIENT6: Ends = [at('2001:db8::1', 1), at('2001:db8:a:b:c:d:e:f', 65_535)];
const FULL = 'ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff';
const GOOD: readonly [string, Buffer, Ends][] = [
  ['v1 TCP4', text('PROXY TCP4 192.0.2.1 198.51.100.2 56324 443\r\n'), CLIENT],
  ['v1 TCP6', text('PROXY TCP6 2001:db8::1 2001:0DB8:A:B:C:D:E:F 1 65535\r\n'), CLIENT6],
  ['v1 mapped', text('PROXY TCP6 ::FFFF:192.0.2.1 0:0:0:0:0:0:0:1 0 80\r\n'), [at('192.0.2.1', 0), at('::1', 80)]],
  ['v1, the longest of IPv6', text(`PROXY TCP6 ${FULL} ${FULL} 65535 65535\r\n`), [at(FULL, 65_535), at(FULL, 65_535)]],
  ['v1 UNKNOWN', text('PROXY UNKNOWN\r\n'), null],
  ['v1 UNKNOWN, the longest', text(`PROXY UNKNOWN ${FULL} ${FULL} 65535 65535\r\n`), null],
  ['v1 UNKNOWN with anything', text('PROXY UNKNOWN what \0 ever\xff\r\n'), null],
  ['v2 TCP over IPv4', v2(PROXY, 0x11, IPV4), CLIENT],
  ['v2 TCP over IPv6', v2(PROXY, 0x21, IPV6), CLIENT6],
  ['v2 mapped', v2(PROXY, 0x21, MAPPED), [at('192.0.2.1', 0), at('::1', 80)]],
  ['v2 with TLVs', v2(PROXY, 0x11, IPV4, ...TLVS), CLIENT],
  ['v2 with a checksum', checksummed(), CLIENT],
  ['v2, the longest', v2(PROXY, 0x11, IPV4, tlv(4, Buffer.alloc(MAX_PROXY_HEADER - 16 - 12 - 3))), CLIENT],
  ['v2 UDP over IPv4', v2(PROXY, 0x12, IPV4), null],
  ['v2 IPv6, transport unspecified', v2(PROXY, 0x20, IPV6, ...TLVS), null],
  ['v2 unix', v2(PROXY, 0x31, UNIX, ...TLVS), null],
  ['v2 unix datagrams', v2(PROXY, 0x32, UNIX), null],
  ['v2 unspecified', v2(PROXY, 0x00), null],
  ['v2 unspecified, with octets that nobody knows', v2(PROXY, 0x00, Buffer.alloc(7, 0xff)), null],
  ['v2 LOCAL', v2(LOCAL, 0x00), null],
  ['v2 LOCAL with addresses', v2(LOCAL, 0x11, IPV4), null],
  ['v2 LOCAL of a family unknown', v2(LOCAL, 0xff, Buffer.alloc(5)), null],
];

test('a header tells both ends, or that they are not known, and how long it is', () => {
  for (const [name, octets, ends] of GOOD) {
    const expected = { source: ends?.[0] ?? null, destination: ends?.[1] ?? null, length: octets.length };
    assert.deepEqual(read(octets), expected, name);
    assert.deepEqual(read(Buffer.concat([octets, text('GET / HTTP/1.1\r\n\r\n')])), expected, `${name}, and a request`);
  }
});

test('every prefix of a header wants more', () => {
  for (const [name, octets] of GOOD) {
    for (let length = 0; length < octets.length; length++) {
      assert.equal(readProxyHeader(octets, 0, length), 'more', `${name}: ${length} of ${octets.length}`);
    }
  }
});

const line = (rest: string): Buffer => text(`PROXY ${rest}\r\n`);
const BAD: Record<string, Buffer> = {
  'no header at all': text('GET / HTTP/1.1\r\n\r\n'),
  'an HTTP/2 preface': text('PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n'),
  'a ClientHello': Buffer.from([0x16, 3, 1, 2, 0, 1]),
  'lower case': text('proxy TCP4 192.0.2.1 192.0.2.2 1 2\r\n'),
  'no space': text('PROXYTCP4 192.0.2.1 192.0.2.2 1 2\r\n'),
  'two spaces': line(' TCP4 192.0.2.1 192.0.2.2 1 2'),
  'two spaces later': line('TCP4 192.0.2.1  192.0.2.2 1 2'),
  'a last space': line('TCP4 192.0.2.1 192.0.2.2 1 2 '),
  'a tab': line('TCP4\t192.0.2.1 192.0.2.2 1 2'),
  'a port too many': line('TCP4 192.0.2.1 192.0.2.2 1 2 3'),
  'a port too few': line('TCP4 192.0.2.1 192.0.2.2 1'),
  'no addresses': line('TCP4'),
  'no family': line(''),
  'another family': line('UDP4 192.0.2.1 192.0.2.2 1 2'),
  'UNKNOWN with a tail': line('UNKNOWNS'),
  'IPv6 in TCP4': line('TCP4 ::1 ::1 1 2'),
  'IPv4 in TCP6': line('TCP6 192.0.2.1 192.0.2.2 1 2'),
  'both families': line('TCP4 192.0.2.1 ::1 1 2'),
  'a zone': line('TCP6 fe80::1%eth0 ::1 1 2'),
  'a name': line('TCP4 localhost 192.0.2.2 1 2'),
  'leading zeros of an address': line('TCP4 192.0.2.01 192.0.2.2 1 2'),
  'a number over 255': line('TCP4 192.0.2.256 192.0.2.2 1 2'),
  'an IPv6 address too short': line('TCP6 1:2:3:4:5:6:7 ::1 1 2'),
  'leading zeros of a port': line('TCP4 192.0.2.1 192.0.2.2 01 2'),
  'a port over 65535': line('TCP4 192.0.2.1 192.0.2.2 65536 2'),
  'a negative port': line('TCP4 192.0.2.1 192.0.2.2 -1 2'),
  'a port in hexadecimal': line('TCP4 192.0.2.1 192.0.2.2 0x1 2'),
  'a lone LF': text('PROXY TCP4 192.0.2.1 192.0.2.2 1 2\n'),
  'a lone CR': text('PROXY TCP4 192.0.2.1 192.0.2.2 1 2\rGET'),
  'a lone LF in UNKNOWN': text('PROXY UNKNOWN a\nb\r\n'),
  'a line of 108 octets': line(`UNKNOWN ${'x'.repeat(92)}`),
  'a line without end': text(`PROXY UNKNOWN ${'x'.repeat(200)}`),
  'a wrong signature': text('\r\n\r\n\0\r\nQUIX\n\x21\x11\0\x0c'),
  'version 1 in binary': v2(0x11, 0x11, IPV4),
  'version 3': v2(0x31, 0x11, IPV4),
  'an unassigned command': v2(0x22, 0x11, IPV4),
  'an unassigned family': v2(PROXY, 0x41, UNIX),
  'an unassigned transport': v2(PROXY, 0x13, IPV4),
  'addresses too short for IPv4': v2(PROXY, 0x11, IPV4.subarray(1)),
  'addresses too short for IPv6': v2(PROXY, 0x21, IPV4),
  'addresses too short for unix': v2(PROXY, 0x31, UNIX.subarray(1)),
  'half a TLV': v2(PROXY, 0x11, IPV4, Buffer.from([4, 0])),
  'a TLV longer than the header': v2(PROXY, 0x11, IPV4, Buffer.from([4, 0, 2, 0])),
  'TLVs of unix that do not fill the header': v2(PROXY, 0x31, UNIX, Buffer.from([1])),
  'a checksum of three octets': checksummed(3),
  'a header over 4 KiB': v2(PROXY, 0x11, IPV4, tlv(4, Buffer.alloc(MAX_PROXY_HEADER - 16 - 12 - 2))),
  'a LOCAL header over 4 KiB': v2(LOCAL, 0x00, Buffer.alloc(MAX_PROXY_HEADER - 15)),
};

test('what is not exactly a header is bad, and so is each of its prefixes that is not still one', () => {
  for (const [name, octets] of Object.entries(BAD)) {
    assert.equal(read(octets), 'bad', name);
    let certain = false;
    for (let length = 0; length < octets.length; length++) {
      const verdict = readProxyHeader(octets, 0, length);
      assert.ok(verdict === 'bad' || (verdict === 'more' && !certain), `${name}: ${length} of ${octets.length}`);
      certain = verdict === 'bad';
    }
  }
});

test('what is no header is bad at the first octet that tells', () => {
  const tells = (octets: string): number => {
    let length = 0;
    while (readProxyHeader(text(octets), 0, length) === 'more') length++;
    return length;
  };
  assert.equal(tells('GET / HTTP/1.1\r\n'), 1);
  assert.equal(tells('PRI * HTTP/2.0\r\n'), 3);
  assert.equal(tells('PROXY\0'), 6);
  assert.equal(tells('\r\n\r\nGET /'), 5);
  assert.equal(tells(`PROXY UNKNOWN ${'x'.repeat(200)}`), 107);
  // An announced length that is too much is not waited for.
  assert.equal(tells(`${SIGNATURE.toString('latin1')}\x21\x11\xff\xff`), 16);
});

test('a checksum that is there has to be right, whichever octet is wrong', () => {
  assert.equal(crc32c(text('123456789')), 0xe3069283);
  const good = checksummed();
  for (let i = 16; i < good.length; i++) {
    const octets = Buffer.from(good);
    octets[i]! ^= 0x40;
    const verdict = read(octets);
    // The type of the checksum's own TLV: it is then another, which nobody checks.
    if (i === 16 + IPV4.length + TLVS[0]!.length) assert.equal(typeof verdict, 'object', `octet ${i}`);
    else assert.equal(verdict, 'bad', `octet ${i}`);
  }
});

test('no bytes make it throw or read outside of its range', () => {
  const random = new Random(31);
  const seeds = [...GOOD.map(([, octets]) => octets), ...Object.values(BAD)];
  for (let round = 0; round < 30_000; round++) {
    const octets = Buffer.from(random.pick(seeds));
    for (let n = random.below(3); n > 0; n--) octets[random.below(octets.length)] = random.below(256);
    const from = random.below(10);
    const length = random.chance(0.3) ? random.below(octets.length + 1) : octets.length;
    const around = [random.octets(from), octets, random.octets(40)];
    const alone = Buffer.from(octets.subarray(0, length));
    assert.deepEqual(readProxyHeader(Buffer.concat(around), from, from + length), read(alone), alone.toString('hex'));
  }
});
