import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { AddressBlocks } from '../../src/relay/cidr.ts';
import { Destinations, parseDestination } from '../../src/tunnel/destinations.ts';

test('the authority of a CONNECT is a name or an address, and its port', () => {
  const read: Record<string, readonly [string, number, boolean]> = {
    'asr.example:443': ['asr.example', 443, false],
    'ASR.Example.:1': ['asr.example.', 1, false],
    'localhost:65535': ['localhost', 65535, false],
    'my_host-1:80': ['my_host-1', 80, false],
    '10.0.0.1:0443': ['10.0.0.1', 443, true],
    '[2001:DB8:0:0::1]:443': ['2001:db8::1', 443, true],
    '[::ffff:10.0.0.1]:443': ['10.0.0.1', 443, true],
    '[::ffff:a00:1]:443': ['10.0.0.1', 443, true],
  };
  for (const [authority, [host, port, literal]] of Object.entries(read)) {
    assert.deepEqual(parseDestination(authority), { host, port, literal }, authority);
  }
});

test('anything else is refused, also what some resolver would read as an address', () => {
  const bad = [
    ...['', 'asr.example', ':443', 'asr.example:', 'asr.example:0', 'asr.example:65536', 'asr.example:443:443'],
    ...['asr.example:+43', 'asr.example: 443', 'asr.example:4a', 'https://asr.example:443', 'user@asr.example:443'],
    ...[
      'asr..example:443',
      '.example:443',
      '*.example:443',
      'a/b:443',
      'a b:443',
      'a%00b:443',
      `${'a'.repeat(64)}:443`,
    ],
    ...['2001:db8::1:443', '[2001:db8::1]', '[2001:db8::1]443', '[]:443', '[10.0.0.1]:443', '[asr.example]:443'],
    ...[
      '[fe80::1%eth0]:443',
      '127.1:443',
      '2130706433:443',
      '0x7f000001:443',
      '0x7f.1:443',
      '1.2.3.4.5:443',
      '256.1.1.1:443',
    ],
  ];
  for (const authority of bad) assert.equal(parseDestination(authority), null, authority);
});

/** Whether a list allows a destination without a look at the addresses of a name, or by its address. */
function verdict(list: readonly string[], authority: string): boolean {
  const allowed = new Destinations(list);
  const destination = parseDestination(authority);
  assert.ok(destination !== null, `${authority} is none`);
  return (
    allowed.admitsName(destination) ||
    (destination.literal && allowed.admitsAddress(destination.host, destination.port))
  );
}

describe('an entry of the allow list', () => {
  const table: readonly (readonly [string, { yes: readonly string[]; no: readonly string[] }])[] = [
    ['asr.example:443', { yes: ['asr.example:443', 'ASR.EXAMPLE.:443'], no: ['asr.example:80', 'x.asr.example:443', 'xasr.example:443', 'asr.example.com:443', '10.0.0.1:443'] }],
    ['Asr.Example.:443', { yes: ['asr.example:443'], no: [] }],
    ['asr.example:*', { yes: ['asr.example:443', 'asr.example:1'], no: ['example:443'] }],
    ['*.example:443', { yes: ['a.example:443', 'a.b.example:443', 'a.example.:443'], no: ['example:443', 'aexample:443', 'a.example.com:443', 'a.example:80', '10.0.0.1:443'] }],
    ['*:443', { yes: ['asr.example:443', '10.0.0.1:443', '[::1]:443'], no: ['asr.example:80', '10.0.0.1:80'] }],
    ['*:*', { yes: ['asr.example:1', '[::1]:2'], no: [] }],
    ['*', { yes: ['asr.example:1', '[::1]:2'], no: [] }],
    ['10.0.0.0/8:443', { yes: ['10.1.2.3:443', '[::ffff:10.1.2.3]:443'], no: ['11.0.0.1:443', '10.1.2.3:80', 'asr.example:443', '[::10.1.2.3]:443'] }],
    ['10.0.0.1:443', { yes: ['10.0.0.1:443', '[::ffff:a00:1]:443'], no: ['10.0.0.2:443'] }],
    ['10.0.0.0/8:*', { yes: ['10.0.0.1:1', '10.255.255.255:65535'], no: ['9.255.255.255:1'] }],
    ['[2001:db8::]/32:443', { yes: ['[2001:db8::1]:443', '[2001:DB8:FFFF::]:443'], no: ['[2001:db9::1]:443', '10.0.0.1:443', '[2001:db8::1]:80'] }],
    ['[::1]:443', { yes: ['[::1]:443', '[0:0:0:0:0:0:0:1]:443'], no: ['[::2]:443', '127.0.0.1:443'] }],
  ]; // prettier-ignore
  for (const [entry, { yes, no }] of table) {
    test(entry, () => {
      for (const authority of yes) assert.ok(verdict([entry], authority), `${authority} is refused`);
      for (const authority of no) assert.ok(!verdict([entry], authority), `${authority} is allowed`);
    });
  }
  test('that cannot be read is an error', () => {
    for (const entry of ['asr.example', '10.0.0.0/8', '[::1', '[asr.example]:443', 'asr.example/8:443', '', ':443'])
      assert.throws(() => new Destinations([entry]), /not a/, entry);
  });
});

test('an empty list allows nothing, and one of several entries is enough', () => {
  assert.equal(verdict([], 'asr.example:443'), false);
  assert.equal(verdict([], '127.0.0.1:443'), false);
  const list = ['a.example:1', '10.0.0.0/8:2', '*.b.example:3'];
  for (const authority of ['a.example:1', '10.1.1.1:2', 'x.b.example:3'])
    assert.ok(verdict(list, authority), authority);
  for (const authority of ['a.example:2', '10.1.1.1:1', 'x.b.example:1'])
    assert.ok(!verdict(list, authority), authority);
});

test('blocks of addresses cover what they say, and single addresses', () => {
  const blocks = new AddressBlocks(['10.0.0.0/9', '192.168.1.1', '2001:db8::/33', '::1']);
  const yes = ['10.0.0.0', '10.127.255.255', '192.168.1.1', '::ffff:10.1.1.1', '2001:db8:7fff::1', '::1'];
  const no = ['10.128.0.0', '192.168.1.2', '2001:db8:8000::1', '::2', '', 'localhost', '10.0.0'];
  for (const address of yes) assert.ok(blocks.has(address), address);
  for (const address of no) assert.ok(!blocks.has(address), address);
  assert.deepEqual(
    [blocks.empty, new AddressBlocks([]).empty, new AddressBlocks([]).has('10.0.0.1')],
    [false, true, false],
  );
});
