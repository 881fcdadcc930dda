import assert from 'node:assert/strict';
import { test } from 'node:test';
import { keyOf, ownCopy } from '../../src/filter/key-of.ts';
import { callOf } from './calls.ts';

test('everybody, a client address, an identity and a header each make a key', () => {
  const call = callOf({ client: '2001:db8::7', identity: 'alice', headers: { 'x-tenant': 'blue' } });
  assert.equal(keyOf({ source: 'all', name: '' }, call), '');
  assert.equal(keyOf({ source: 'client', name: '' }, call), '2001:db8::7');
  assert.equal(keyOf({ source: 'identity', name: '' }, call), 'alice');
  assert.equal(keyOf({ source: 'header', name: 'x-tenant' }, call), 'blue');
});

test('a call without the header, or without an identity, has no key', () => {
  assert.equal(keyOf({ source: 'header', name: 'x-tenant' }, callOf()), null);
  assert.equal(keyOf({ source: 'identity', name: '' }, callOf()), null);
});

test('a header that is there without a value is a key of its own', () => {
  assert.equal(keyOf({ source: 'header', name: 'x-tenant' }, callOf({ headers: { 'x-tenant': '' } })), '');
});

test('long values become keys of 64 characters, which no value of another can be', () => {
  const key = (value: string): string =>
    keyOf({ source: 'header', name: 'x-tenant' }, callOf({ headers: { 'x-tenant': value } }))!;
  assert.equal(key('a'.repeat(63)), 'a'.repeat(63));
  const digest = key('a'.repeat(64));
  assert.match(digest, /^[0-9a-f]{64}$/);
  assert.notEqual(key(digest), digest);
  assert.notEqual(key('a'.repeat(65)), digest);
  assert.equal(key('b'.repeat(60_000)).length, 64);
});

test('a copy says the same', () => {
  for (const text of ['', '192.0.2.1', 'für 語 😀', '\x80\xff']) assert.equal(ownCopy(text), text);
});
