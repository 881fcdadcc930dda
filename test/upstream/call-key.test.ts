import assert from 'node:assert/strict';
import { test } from 'node:test';
import { makeField } from '../../src/hpack/field.ts';
import { RequestHead } from '../../src/relay/message.ts';
import type { KeySpec } from '../../src/snapshot.ts';
import { callKey } from '../../src/upstream/call-key.ts';
import type { Field } from '../support/frames.ts';

function head(fields: readonly Field[], path = '/asr.Recognizer/Stream'): RequestHead {
  const all = [[':method', 'POST'] as const, [':path', path] as const, ...fields];
  const made = all.map(([name, value]) => makeField(name, value));
  return new RequestHead(made, 'POST', path, 'engines', -1, true, null);
}
const key = (source: KeySpec['source'], name: string, fields: readonly Field[], path?: string): string | null =>
  callKey({ source, name }, head(fields, path), '203.0.113.7');
const cookie = (name: string, ...crumbs: readonly string[]): string | null =>
  key(
    'cookie',
    name,
    crumbs.map((crumb) => ['cookie', crumb]),
  );

test('a header or metadata key is found by its name', () => {
  const fields: Field[] = [['user-agent', 'x'], ['session-id', 's-1'], ['call-id-bin', 'AAEC']]; // prettier-ignore
  assert.equal(key('header', 'session-id', fields), 's-1');
  assert.equal(key('header', 'call-id-bin', fields), 'AAEC');
});

test('a call without the header, or with an empty one, has no key', () => {
  assert.equal(key('header', 'session-id', []), null);
  assert.equal(key('header', 'session-id', [['session-id', '']]), null);
  assert.equal(key('header', 'session-id', [['x-session-id', 's-1']]), null);
});

test('of a repeated header the first value counts', () => {
  const fields: Field[] = [['session-id', 's-1'], ['session-id', 's-2']]; // prettier-ignore
  assert.equal(key('header', 'session-id', fields), 's-1');
});

test('a cookie is found wherever it stands among others', () => {
  for (const cookies of ['sid=7', 'sid=7; a=b', 'a=b; sid=7', 'a=b; sid=7; c=d', 'a=b;sid=7;c=d', ' a=b ;  sid=7 ;']) {
    assert.equal(cookie('sid', cookies), '7', cookies);
  }
});

test('a cookie is found in whatever crumb it comes', () => {
  assert.equal(cookie('sid', 'sid=7', 'a=b'), '7');
  assert.equal(cookie('sid', 'a=b', 'c=d; sid=7', 'e=f'), '7');
  assert.equal(key('cookie', 'sid', [['cookie', 'a=b'], ['te', 'trailers'], ['cookie', 'sid=7']]), '7'); // prettier-ignore
});

test('the value of a cookie may hold = and quotes, and is taken as it was written', () => {
  assert.equal(cookie('sid', 'sid=a=b==; c=d'), 'a=b==');
  assert.equal(cookie('sid', 'sid="a b"'), '"a b"');
});

test('a cookie is not found where only something like it is', () => {
  for (const cookies of ['', ';', '=', 'sid', 'sid; a=7', 'xsid=7', 'sidx=7', 'SID=7', 'a=sid=7', 'sid=', 'sid=; sid= ']) {
    assert.equal(cookie('sid', cookies), null, cookies);
  }
  assert.equal(cookie('sid'), null);
  assert.equal(key('cookie', 'sid', [['set-cookie', 'sid=7']]), null);
}); // prettier-ignore

test('of a repeated cookie the first value counts, and none that is empty', () => {
  assert.equal(cookie('sid', 'sid=1; sid=2', 'sid=3'), '1');
  assert.equal(cookie('sid', 'sid=; sid=2'), '2');
  assert.equal(cookie('sid', 'sid=', 'sid=3'), '3');
});

test('a path is taken without its query', () => {
  assert.equal(key('path', '', []), '/asr.Recognizer/Stream');
  assert.equal(key('path', '', [], '/stream?lang=de&x=?'), '/stream');
  assert.equal(key('path', '', [], '/?'), '/');
  assert.equal(key('path', '', [], ''), null);
});

test('a client is its address, if it has one', () => {
  assert.equal(key('client', '', []), '203.0.113.7');
  assert.equal(callKey({ source: 'client', name: '' }, head([]), ''), null);
});
