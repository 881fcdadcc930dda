import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Failures } from '../../src/errors.ts';
import { Addresses } from '../../src/filter/addresses.ts';
import { callOf } from './calls.ts';

function may(client: string, allow: readonly string[], deny: readonly string[]): boolean {
  const refusal = new Addresses({ allow, deny }).check(callOf({ client }));
  if (refusal !== null) assert.deepEqual(refusal, { failure: Failures.forbidden, retryAfter: 0 });
  return refusal === null;
}

test('without lists everybody may', () => {
  assert.equal(may('192.0.2.1', [], []), true);
  assert.equal(may('', [], []), true);
});

test('who is on the list of those that may not, may not, whatever else allows him', () => {
  assert.equal(may('10.1.2.3', [], ['10.0.0.0/8']), false);
  assert.equal(may('10.1.2.3', ['10.1.2.3'], ['10.0.0.0/8']), false);
  assert.equal(may('11.1.2.3', [], ['10.0.0.0/8']), true);
});

test('a list of those that may leaves all others out', () => {
  const allow = ['192.0.2.0/24', '2001:db8::/32'];
  assert.equal(may('192.0.2.255', allow, []), true);
  assert.equal(may('192.0.3.0', allow, []), false);
  assert.equal(may('2001:db8:ffff::1', allow, []), true);
  assert.equal(may('2001:db9::1', allow, []), false);
  assert.equal(may('', allow, []), false);
});

test('an IPv4 address that comes as IPv6 is the same one', () => {
  assert.equal(may('::ffff:10.1.2.3', [], ['10.0.0.0/8']), false);
  assert.equal(may('::ffff:192.0.2.1', ['192.0.2.0/24'], []), true);
});
