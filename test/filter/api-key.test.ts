import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { test } from 'node:test';
import { ApiKeys } from '../../src/filter/api-key.ts';
import { sha256 } from './stage.ts';

const bearing = Array.from({ length: 1000 }, (_, n) => ({
  name: `team-${n}`,
  key: randomBytes(24).toString('base64'),
}));
const keys = new ApiKeys(bearing.map(({ name, key }) => ({ name, sha256: sha256(key) })));

test('each key has its bearer', () => {
  for (const { name, key } of bearing) assert.equal(keys.bearerOf(key), name);
});

test('a key that differs in one character, is cut or goes on has none', () => {
  for (const { key } of bearing.slice(0, 50)) {
    for (let i = 0; i < key.length; i++) {
      const other = key[i] === 'A' ? 'B' : 'A';
      assert.equal(keys.bearerOf(key.slice(0, i) + other + key.slice(i + 1)), null);
    }
    for (const wrong of [key.slice(1), key.slice(0, -1), `${key}A`, ` ${key}`, `${key} `]) {
      assert.equal(keys.bearerOf(wrong), null);
    }
  }
});

test('the hash of a key is not the key', () => {
  assert.equal(keys.bearerOf(sha256(bearing[0]!.key)), null);
});

test('what no key looks like has no bearer', () => {
  for (const wrong of ['', ' ', '\u00e9', '\u20ac', 'a\nb', '\0', 'a'.repeat(1025), '__proto__', 'constructor']) {
    assert.equal(keys.bearerOf(wrong), null);
  }
});

test('one bearer may have an old key and a new one', () => {
  const rotated = new ApiKeys(['old', 'new'].map((key) => ({ name: 'team', sha256: sha256(key).toUpperCase() })));
  assert.equal(rotated.bearerOf('old'), 'team');
  assert.equal(rotated.bearerOf('new'), 'team');
});

test('hashes that begin alike are told apart', () => {
  const first = sha256('first');
  const like = first.slice(0, 62) + (first.endsWith('00') ? '01' : '00');
  const both = new ApiKeys([
    { name: 'other', sha256: like },
    { name: 'first', sha256: first },
  ]);
  assert.equal(both.bearerOf('first'), 'first');
  assert.equal(new ApiKeys([{ name: 'other', sha256: like }]).bearerOf('first'), null);
});

test('a key in the place of its hash is an error that does not tell it', () => {
  const key = 'sk-do-not-tell';
  const make = (): ApiKeys =>
    new ApiKeys([
      { name: 'a', sha256: sha256('x') },
      { name: 'b', sha256: key },
    ]);
  assert.throws(make, (error: Error) => error.message === 'apiKeys[1] is no SHA-256 in hex');
});
