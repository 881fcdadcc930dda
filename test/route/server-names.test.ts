import assert from 'node:assert/strict';
import { test } from 'node:test';
import { canonical, hostOf, isAddress, ServerNames } from '../../src/route/server-names.ts';

function names(...all: string[]): ServerNames<string> {
  const made = new ServerNames<string>();
  for (const name of all) made.add(name, name);
  return made;
}

test('an exact name comes before a wildcard, and a wildcard before any', () => {
  const some = names('*', '*.example', 'asr.example', '*.eu.example', 'a.eu.example');
  assert.equal(some.find('asr.example'), 'asr.example');
  assert.equal(some.find('tts.example'), '*.example');
  assert.equal(some.find('a.eu.example'), 'a.eu.example');
  assert.equal(some.find('b.eu.example'), '*.eu.example');
  assert.equal(some.find('eu.example'), '*.example');
  assert.equal(some.find('elsewhere'), '*');
});

test('a star stands for one label, neither none nor two, and for no part of one', () => {
  const some = names('*.example');
  for (const name of ['example', '.example', 'a.b.example', 'aexample', 'a.example.org', '', '.', '*']) {
    assert.equal(some.find(name), null, name);
  }
  assert.equal(some.find('*.example'), '*.example');
});

test('case and the dot of the root make no other name', () => {
  const some = names('asr.example', '*.wild.example');
  for (const name of ['ASR.Example', 'asr.example.', 'Asr.Example.'])
    assert.equal(some.find(name), 'asr.example', name);
  assert.equal(some.find('A.WILD.example.'), '*.wild.example');
  assert.equal(some.find('asr.example..'), null);
  assert.equal(canonical('ASR.Example.'), 'asr.example');
});

test('of entries that have the same name the first has it', () => {
  const some = new ServerNames<number>();
  for (const name of ['a.example', '*.example', '*']) for (const entry of [1, 2]) some.add(name, entry);
  assert.deepEqual([some.find('a.example'), some.find('b.example'), some.find('c')], [1, 1, 1]);
});

test('names of objects are no names of entries', () => {
  for (const name of ['constructor', '__proto__', 'a.__proto__'])
    assert.equal(names('*.example').find(name), null, name);
});

test('the host of an authority is without port and brackets', () => {
  for (const [authority, host] of [
    ['asr.example', 'asr.example'],
    ['ASR.example.:8443', 'ASR.example.'],
    ['asr.example:', 'asr.example'],
    ['under_score.example:1', 'under_score.example'],
    ['127.0.0.1:443', '127.0.0.1'],
    ['[::1]', '::1'],
    ['[2001:DB8::1]:443', '2001:DB8::1'],
    ['[::ffff:127.0.0.1]:443', '::ffff:127.0.0.1'],
  ] as const) {
    assert.equal(hostOf(authority), host, authority);
  }
});

test('what is no plain host has none', () => {
  const wrong = ['', ':443', 'a:b', 'a:1:2', 'user@a', 'user:1@a', '[::1', '::1', '[::1]x', '[]', '[fe80::1%25lo]', '%61.example', 'a b', ' a', 'a/', 'a,b', 'é', 'a\n', '[v1.x]']; // prettier-ignore
  for (const authority of wrong) assert.equal(hostOf(authority), null, authority);
});

test('addresses are told from names', () => {
  for (const host of ['127.0.0.1', '::1', '2001:db8::1']) assert.ok(isAddress(host), host);
  for (const host of ['asr.example', '1.example', '127.0.0.1.example', '', '1.2.3']) assert.ok(!isAddress(host), host);
});
