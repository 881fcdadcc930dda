import assert from 'node:assert/strict';
import { test } from 'node:test';
import { makeField } from '../../src/hpack/field.ts';
import { Peer, plainAddress, TrustedProxies } from '../../src/relay/client-address.ts';
import { RequestHead } from '../../src/relay/message.ts';
import type { Field } from '../support/frames.ts';

const PROXIES = new TrustedProxies(['10.0.0.0/8', '192.168.1.1', '2001:db8:1::/48', '::1']);
const GET: readonly Field[] = [
  [':method', 'GET'],
  [':path', '/'],
];

/** What a peer's request becomes: who the client is, and the fields that an engine gets besides the request's own. */
function forward(peer: string, ...said: readonly Field[]): { client: string; fields: Field[] } {
  const fields = [...GET, ['user-agent', 'test'] as const, ...said].map(([name, value]) => makeField(name, value));
  const head = new RequestHead(fields, 'GET', '/', '', -1, false, null);
  const client = new Peer(peer, PROXIES).forward(head, PROXIES);
  const told = head.fields.map(({ name, value }): Field => [name.text, value]);
  assert.deepEqual(told.slice(0, 3), [...GET, ['user-agent', 'test']]);
  return { client, fields: told.slice(3) };
}
const chain = (...entries: readonly string[]): Field => ['x-forwarded-for', entries.join(', ')];
const clientOf = (peer: string, ...said: readonly Field[]): string => forward(peer, ...said).client;

test('an untrusted peer is the client, and is told of', () => {
  for (const peer of ['203.0.113.7', '2001:db8:2::7', '192.168.1.2', '11.0.0.1']) {
    assert.deepEqual(forward(peer), { client: peer, fields: [chain(peer), ['x-forwarded-proto', 'http']] });
  }
});

test('what an untrusted peer says of the client is replaced, in whatever header it says it', () => {
  const expected = { client: '203.0.113.7', fields: [chain('203.0.113.7'), ['x-forwarded-proto', 'http']] };
  assert.deepEqual(forward('203.0.113.7', chain('10.0.0.1')), expected);
  assert.deepEqual(forward('203.0.113.7', chain('198.51.100.1'), chain('10.0.0.1')), expected);
  const names = ['for', 'proto', 'host', 'port', 'prefix', 'server', 'user', 'client-cert'].map(
    (n) => `x-forwarded-${n}`,
  );
  for (const name of ['forwarded', ...names])
    assert.deepEqual(forward('203.0.113.7', [name, 'spoofed']), expected, name);
});

test('fields that only look alike are left alone', () => {
  const own: Field[] = [
    ['x-forwarded', 'a'],
    ['forwarded-for', 'b'],
    ['x-forward-for', 'c'],
  ];
  assert.deepEqual(forward('203.0.113.7', ...own).fields.slice(0, 3), own);
});

test('the client of a trusted peer is the rightmost address that is not trusted', () => {
  const cases: [said: Field[], client: string][] = [
    [[], '10.0.0.1'],
    [[chain('203.0.113.7')], '203.0.113.7'],
    [[chain('198.51.100.1', '203.0.113.7')], '203.0.113.7'],
    [[chain('203.0.113.7', '10.2.3.4', '192.168.1.1')], '203.0.113.7'],
    [[chain('203.0.113.7', '192.168.1.2', '10.0.0.9')], '192.168.1.2'],
    [[chain('10.0.0.3', '10.0.0.2')], '10.0.0.3'],
    [[chain('198.51.100.1'), chain('203.0.113.7'), chain('10.0.0.2')], '203.0.113.7'],
    [[['x-forwarded-for', '198.51.100.1,203.0.113.7 ,\t10.0.0.2']], '203.0.113.7'],
    [[chain('2001:db8:2::7', '2001:db8:1::1')], '2001:db8:2::7'],
    [[chain('203.0.113.7', '::1', '2001:db8:1:ffff::1')], '203.0.113.7'],
  ];
  for (const [said, client] of cases) assert.equal(clientOf('10.0.0.1', ...said), client, JSON.stringify(said));
});

test('what is no address ends the chain: nothing to the left of it is believed', () => {
  for (const garbage of [
    '',
    'unknown',
    '_hidden',
    '203.0.113.7:80',
    '[2001:db8::1]',
    '1.2.3',
    '999.1.1.1',
    '<script>',
  ]) {
    assert.equal(clientOf('10.0.0.1', chain('203.0.113.9', garbage)), '10.0.0.1', garbage);
    assert.equal(clientOf('10.0.0.1', chain('203.0.113.9', garbage, '10.0.0.2')), '10.0.0.2', garbage);
    assert.equal(clientOf('10.0.0.1', chain(garbage, '203.0.113.9')), '203.0.113.9', garbage);
  }
});

test('an address with a zone does not break the call', () => {
  assert.equal(clientOf('10.0.0.1', chain('203.0.113.9', 'fe80::1%eth0')), 'fe80::1%eth0');
  assert.equal(clientOf('fe80::1%eth0'), 'fe80::1%eth0');
});

test('an IPv4 address in the clothes of IPv6 is the same address', () => {
  assert.equal(plainAddress('::ffff:10.0.0.1'), '10.0.0.1');
  assert.equal(plainAddress('::1'), '::1');
  assert.equal(plainAddress('::ffff:0:1'), '::ffff:0:1');
  assert.equal(clientOf('::ffff:203.0.113.7', chain('10.0.0.1')), '203.0.113.7');
  assert.equal(clientOf('::ffff:10.0.0.1', chain('203.0.113.7')), '203.0.113.7');
  assert.equal(clientOf('10.0.0.1', chain('203.0.113.7', '::ffff:10.0.0.2')), '203.0.113.7');
  assert.equal(clientOf('10.0.0.1', chain('::ffff:203.0.113.7')), '203.0.113.7');
});

test('a trusted peer is appended to the chain that it brings', () => {
  const expected: Field[] = [chain('198.51.100.1', '203.0.113.7', '10.0.0.1'), ['x-forwarded-proto', 'http']];
  assert.deepEqual(forward('10.0.0.1', chain('198.51.100.1'), chain('203.0.113.7')).fields, expected);
  assert.deepEqual(forward('10.0.0.1').fields, [chain('10.0.0.1'), ['x-forwarded-proto', 'http']]);
});

test('what a trusted peer says besides is left as it is', () => {
  const said: Field[] = [
    ['x-forwarded-proto', 'https'],
    ['x-forwarded-host', 'asr.example'],
    ['forwarded', 'for=203.0.113.7'],
  ];
  assert.deepEqual(forward('10.0.0.1', ...said, chain('203.0.113.7')).fields, [
    ...said,
    chain('203.0.113.7', '10.0.0.1'),
  ]);
});

test('nobody is trusted where nobody is named', () => {
  const nobody = new TrustedProxies([]);
  for (const address of ['127.0.0.1', '10.0.0.1', '::1', '', 'garbage']) assert.ok(!nobody.has(address), address);
});

test('blocks of addresses end where they end', () => {
  const cases: [address: string, trusted: boolean][] = [
    ['9.255.255.255', false],
    ['10.0.0.0', true],
    ['10.255.255.255', true],
    ['11.0.0.0', false],
    ['192.168.1.1', true],
    ['192.168.1.0', false],
    ['2001:db8:1::', true],
    ['2001:db8:1:ffff:ffff:ffff:ffff:ffff', true],
    ['2001:db8:2::', false],
    ['2001:DB8:1::1', true],
    ['::1', true],
    ['::2', false],
    ['::ffff:10.1.1.1', true],
    ['::ffff:11.1.1.1', false],
    ['unknown', false],
  ];
  for (const [address, trusted] of cases) assert.equal(PROXIES.has(address), trusted, address);
});
