import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Failures } from '../../src/errors.ts';
import { Permit } from '../../src/filter/permit.ts';
import type { PermissionSpec } from '../../src/policy.ts';
import { callOf } from './stage.ts';

/** Whether somebody with these claims may. */
function may(claims: Record<string, unknown>, ...permissions: PermissionSpec[]): boolean {
  const refusal = new Permit(permissions).check(callOf([], { name: 'alice', claims }));
  if (refusal !== null) assert.equal(refusal.failure, Failures.forbidden);
  return refusal === null;
}
const role = (...values: string[]): PermissionSpec => ({ claim: 'role', values });
const scope = (...values: string[]): PermissionSpec => ({ claim: 'scope', values });

test('the failure is 7 or 403', () => {
  assert.equal(Failures.forbidden.grpc, 7);
  assert.equal(Failures.forbidden.http, 403);
});

test('a claim has to equal one of the values', () => {
  assert.equal(may({ role: 'admin' }, role('admin')), true);
  assert.equal(may({ role: 'admin' }, role('reader', 'admin')), true);
  for (const held of ['Admin', 'admi', 'admin ', 'admin reader', '', null, undefined, {}, { admin: true }]) {
    assert.equal(may({ role: held }, role('admin')), false, JSON.stringify(held));
  }
  assert.equal(may({}, role('admin')), false);
  assert.equal(may({ role: 'admin' }, role()), false, 'none of no values');
});

test('a list has to have one of the values', () => {
  assert.equal(may({ role: ['reader', 'admin'] }, role('admin')), true);
  assert.equal(may({ role: ['reader'] }, role('admin')), false);
  assert.equal(may({ role: [] }, role('admin')), false);
  assert.equal(may({ role: [['admin'], { admin: 1 }, null] }, role('admin', 'null', '')), false);
});

test('numbers and booleans are compared as they are written', () => {
  assert.equal(may({ role: true }, role('true')), true);
  assert.equal(may({ role: false }, role('true')), false);
  assert.equal(may({ role: 7 }, role('7')), true);
  assert.equal(may({ role: [7] }, role('7')), true);
  assert.equal(may({ role: null }, role('null')), false);
});

test('a scope is a list that is separated by spaces, or a list as such', () => {
  assert.equal(may({ scope: 'asr.read asr.write' }, scope('asr.write')), true);
  assert.equal(may({ scope: 'asr.read' }, scope('asr')), false);
  assert.equal(may({ scope: 'asr.read\tasr.write' }, scope('asr.write')), false);
  assert.equal(may({ scope: ['asr.read', 'asr.write'] }, scope('asr.write')), true);
  assert.equal(may({ scp: 'asr.read asr.write' }, { claim: 'scp', values: ['asr.read'] }), true);
});

test('all that is asked for has to be there', () => {
  const claims = { role: 'admin', scope: 'asr.read' };
  assert.equal(may(claims, role('admin'), scope('asr.read')), true);
  assert.equal(may(claims, role('admin'), scope('asr.write')), false);
  assert.equal(may(claims, role('reader'), scope('asr.read')), false);
});

test('what all objects have is no claim', () => {
  for (const claim of ['constructor', 'toString', '__proto__', 'hasOwnProperty']) {
    assert.equal(may({}, { claim, values: ['', 'undefined', '[object Object]'] }), false);
  }
  const own = JSON.parse('{"__proto__":"admin"}') as Record<string, unknown>;
  assert.equal(may(own, { claim: '__proto__', values: ['admin'] }), true);
});

test('whoever has not said who he is is asked to', () => {
  assert.equal(new Permit([role('admin')]).check(callOf([]))?.failure, Failures.unauthenticated);
});
