import assert from 'node:assert/strict';
import { test } from 'node:test';
import { normalisePath } from '../../src/route/path.ts';
import { Random } from '../support/random.ts';

function become(pairs: readonly (readonly [string, string | null])[]): void {
  for (const [path, normal] of pairs) assert.equal(normalisePath(path), normal, JSON.stringify(path));
}

test('a path that is normal stays as it is', () => {
  const normal = ['/', '/asr.v1.Recognizer/Stream', '/a/b/', '/.well-known/acme', '/...', '/a/..b/.c', '/a..', '/a%20b%C3%A9', '/%25', '/a;v=1,2', "/~!$&'()*+,=:@-_|{}", '', '*']; // prettier-ignore
  become(normal.map((path) => [path, path]));
});

test('dot segments are resolved as RFC 3986 section 5.2.4 does, however they are written', () => {
  become([
    ['/a/b/c/./../../g', '/a/g'],
    ['/.', '/'],
    ['/..', '/'],
    ['/../../a', '/a'],
    ['/a/.', '/a/'],
    ['/a/..', '/'],
    ['/a/b/..', '/a/'],
    ['/a/../b', '/b'],
    ['/a/%2e%2E/b', '/b'],
    ['/a/.%2e/b', '/b'],
    ['/%2e', '/'],
    ['/%2ewell-known', '/.well-known'],
    ['/a/../?b', '/?b'],
  ]);
});

test('escapes of unreserved characters are decoded, those of others are written in upper case', () => {
  become([
    ['/%61%5A%30%7e%5f%2D', '/aZ0~_-'],
    ['/%c3%a9%3a%20', '/%C3%A9%3A%20'],
    ['/%2525', '/%2525'],
    ['/%252e%252e/', '/%252e%252e/'],
    ['/%0a%7f', '/%0A%7F'],
  ]);
});

test('repeated slashes stay, and are segments', () => {
  become([
    ['//a', '//a'],
    ['/a//b///', '/a//b///'],
    ['/a//../b', '/a/b'],
  ]);
});

test('the query is left as it is, whatever it says', () => {
  become([
    ['/a?b/../c%2F%5c%00%zz\\?//', '/a?b/../c%2F%5c%00%zz\\?//'],
    ['/%61/./b?%61/./b', '/a/b?%61/./b'],
    ['/?', '/?'],
  ]);
});

test('what one reader takes for a border and another does not is refused', () => {
  for (const octet of ['%2F', '%2f', '%5C', '%5c', '%00', '\\']) become([[`/a${octet}b`, null], [`/${octet}`, null], [`/a/%2e/${octet}?b`, null]]); // prettier-ignore
});

test('what is no path is refused', () => {
  const wrong = ['a', '?', '**', '*/', './a', 'http://a/', '/%', '/%4', '/%4g', '/%g4', '/a%?41', '/%+1', '/#a', '/a?#', '/a b', '/a?b c', '/\0', '/\t', '/a?\r\n', '/\x7f', '/\x80', '/é', '/\u2028', '/a?\u0100']; // prettier-ignore
  become(wrong.map((path) => [path, null]));
});

test('what comes out is normal, has no dot segments, and what was no part of the path has not become one', () => {
  const random = new Random(1);
  const pieces = [
    '/',
    '/',
    '.',
    '..',
    'a',
    'B',
    '%2e',
    '%2E',
    '%61',
    '%c3',
    '%25',
    '//',
    '/../',
    '/./',
    '%2',
    '?',
    '~',
  ];
  for (let round = 0; round < 20_000; round++) {
    const path = `/${Array.from({ length: random.below(12) }, () => random.pick(pieces)).join('')}`;
    const normal = normalisePath(path);
    if (normal === null) continue;
    assert.equal(normalisePath(normal), normal, path);
    const [before = '', ...query] = normal.split('?');
    assert.doesNotMatch(before, /^[^/]|\/\.\.?(\/|$)/, path);
    assert.deepEqual(query, path.split('?').slice(1), path);
  }
});

test('a path of nothing but dot segments and escapes costs no more than its length', () => {
  const started = performance.now();
  assert.equal(normalisePath('/..'.repeat(20_000)), '/');
  assert.equal(normalisePath('/%61'.repeat(15_000))?.length, 30_000);
  assert.ok(performance.now() - started < 1000, 'a minute of work for one request');
});
