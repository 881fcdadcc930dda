import assert from 'node:assert/strict';
import { test } from 'node:test';
import { readProxyHeader } from '../../src/listener/proxy-protocol.ts';
import { writeProxyHeader } from '../../src/upstream/proxy-header.ts';
import { Random } from '../support/random.ts';

const at = (address: string, port: number): { address: string; port: number } => ({ address, port });
const v1 = (source: string, destination: string): string =>
  writeProxyHeader('v1', at(source, 56_324), at(destination, 443)).toString('latin1');
const v2 = (source: string, destination: string): string =>
  writeProxyHeader('v2', at(source, 0xdc04), at(destination, 0x01bb)).toString('hex');

const SIGNATURE = '0d0a0d0a000d0a515549540a';

test('v1 is a line', () => {
  assert.equal(v1('192.0.2.1', '198.51.100.2'), 'PROXY TCP4 192.0.2.1 198.51.100.2 56324 443\r\n');
  assert.equal(v1('2001:db8::1', '::1'), 'PROXY TCP6 2001:db8::1 ::1 56324 443\r\n');
  assert.equal(v1('fe80::1%eth0', '::1'), 'PROXY TCP6 fe80::1 ::1 56324 443\r\n', 'a zone means nothing elsewhere');
});

test('v2 is octets', () => {
  assert.equal(v2('192.0.2.1', '198.51.100.2'), `${SIGNATURE}2111000cc0000201c6336402dc0401bb`);
  const addresses = '20010db8000000000000000000000001' + '00010002000300040005000600070008';
  assert.equal(v2('2001:db8::1', '1:2:3:4:5:6:7:8'), `${SIGNATURE}21210024${addresses}dc0401bb`);
  const edges = '00000000000000000000000000000000' + '00010000000000000000000000000000';
  assert.equal(v2('::', '1::'), `${SIGNATURE}21210024${edges}dc0401bb`);
  const compatible = '00000000000000000000000001020304' + 'fe800000000000000000000000000001';
  assert.equal(v2('::1.2.3.4', 'fe80::1%1'), `${SIGNATURE}21210024${compatible}dc0401bb`);
});

test('IPv4 addresses that a dual-stack socket shows as IPv6 go as IPv4', () => {
  assert.equal(v1('::ffff:192.0.2.1', '::FFFF:c633:6402'), 'PROXY TCP4 192.0.2.1 198.51.100.2 56324 443\r\n');
  assert.equal(v2('::ffff:192.0.2.1', '198.51.100.2'), `${SIGNATURE}2111000cc0000201c6336402dc0401bb`);
});

test('one address of each family is UNKNOWN in v1, and two of IPv6 in v2', () => {
  assert.equal(v1('192.0.2.1', '::1'), 'PROXY UNKNOWN\r\n');
  assert.equal(v1('::1', '192.0.2.1'), 'PROXY UNKNOWN\r\n');
  const mapped = '00000000000000000000ffffc0000201';
  const loopback = '00000000000000000000000000000001';
  assert.equal(v2('192.0.2.1', '::1'), `${SIGNATURE}21210024${mapped}${loopback}dc0401bb`);
  assert.equal(v2('::1', '::ffff:192.0.2.1'), `${SIGNATURE}21210024${loopback}${mapped}dc0401bb`);
});

test('an end that has no IP address is unknown in both', () => {
  for (const [source, destination] of [
    ['', '192.0.2.1'],
    ['::1', '/run/asr.sock'],
  ] as const) {
    assert.equal(v1(source, destination), 'PROXY UNKNOWN\r\n');
    assert.equal(v2(source, destination), `${SIGNATURE}21000000`);
  }
});

test('what is written is what a listener reads', () => {
  const random = new Random(37);
  const address = (): string =>
    random.chance(0.5)
      ? random.octets(4).join('.')
      : Array.from({ length: 8 }, () => (random.chance(0.5) ? 0 : random.below(65_536)).toString(16)).join(':');
  for (let round = 0; round < 5000; round++) {
    const ends = [at(address(), random.below(65_536)), at(address(), random.below(65_536))] as const;
    const [one, two] = (['v1', 'v2'] as const).map((version) => {
      const octets = writeProxyHeader(version, ...ends);
      const header = readProxyHeader(octets, 0, octets.length);
      assert.ok(typeof header === 'object', `${version} ${JSON.stringify(ends)}: ${JSON.stringify(header)}`);
      assert.equal(header.length, octets.length);
      return header;
    });
    assert.ok(two !== undefined && two.source !== null, JSON.stringify(ends));
    assert.deepEqual([two.source.port, two.destination?.port], [ends[0].port, ends[1].port]);
    if (one !== undefined && one.source !== null) {
      assert.deepEqual([one.source, one.destination], [two.source, two.destination]);
    }
  }
});
