import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { RewriteSpec } from '../../src/policy.ts';
import { Rewrite } from '../../src/route/rewrite.ts';

const NONE: RewriteSpec = { stripPrefix: null, regex: null, host: null };
const strip = (stripPrefix: string): Rewrite => new Rewrite({ ...NONE, stripPrefix });
const replace = (pattern: string, by: string): Rewrite => new Rewrite({ ...NONE, regex: { pattern, replace: by } });

function become(rewrite: Rewrite, pairs: readonly (readonly [string, string | null])[]): void {
  for (const [path, to] of pairs) assert.equal(rewrite.path(path), to, path);
}

test('a prefix is taken off on a border of segments, and what is left begins with a slash', () => {
  become(strip('/api'), [
    ['/api/x', '/x'],
    ['/api', '/'],
    ['/api/', '/'],
    ['/api?a=b', '/?a=b'],
    ['/api/api/x', '/api/x'],
    ['/apix', '/apix'],
    ['/x/api', '/x/api'],
    ['/x?/api', '/x?/api'],
  ]);
  become(strip('/api/'), [['/api/x', '/x'], ['/api/', '/'], ['/api', '/api']]); // prettier-ignore
  become(strip('/'), [['/x', '/x'], ['/', '/']]); // prettier-ignore
});

test('the first match of an expression is replaced, in the path alone', () => {
  become(replace('^/v1/([^/]+)/', '/$1/v2/'), [['/v1/asr/x?/v1/a/', '/asr/v2/x?/v1/a/'], ['/v2/asr/x', '/v2/asr/x']]); // prettier-ignore
  become(replace('a', 'b'), [['/aa', '/ba'], ['/aa', '/ba'], ['/?a', '/?a']]); // prettier-ignore
  become(replace('^/(?<name>\\w+)$', '/by-name/$<name>'), [['/x', '/by-name/x']]);
});

test('the prefix goes first', () => {
  const both = new Rewrite({ stripPrefix: '/api', regex: { pattern: '^/v1', replace: '/v2' }, host: 'asr.internal' });
  become(both, [['/api/v1/x', '/v2/x'], ['/v1/x', '/v2/x'], ['/api', '/']]); // prettier-ignore
  assert.equal(both.host, 'asr.internal');
  assert.equal(strip('/a').host, null);
});

test('no rewritten path looks like a host', () => {
  become(strip('/api'), [['/api//evil.example/x', '/evil.example/x'], ['/api///', '/']]); // prettier-ignore
  become(replace('^/go/', '//'), [['/go/evil.example', '/evil.example']]);
  become(replace('^/go', ''), [['/go//evil.example', '/evil.example'], ['/go', '/']]); // prettier-ignore
  become(replace('^/', ''), [['/x', '/x']]);
  become(replace('^/x', '/..//'), [['/x', '/']]);
});

test('a rewritten path is normal again', () => {
  become(replace('^/x', '/'), [['/x../secret', '/secret'], ['/x./a', '/a']]); // prettier-ignore
  become(replace('!', '%7e'), [['/a!', '/a~']]);
});

test('a match that leaves no path refuses the request', () => {
  become(replace('0', ''), [['/a%20z', null], ['/a0b', '/ab']]); // prettier-ignore
  become(replace('25', ''), [['/a%252Fb', null]]);
});

test('a replacement may make a query of a part of the path', () => {
  become(replace('^/user/(\\d+)$', '/user?id=$1'), [['/user/7', '/user?id=7'], ['/user/7?a=b', '/user?id=7&a=b']]); // prettier-ignore
});

test('what has no path to rewrite stays as it is', () => {
  const all = new Rewrite({ stripPrefix: '/', regex: { pattern: '^', replace: '/x' }, host: null });
  become(all, [['', ''], ['*', '*']]); // prettier-ignore
  become(new Rewrite(NONE), [['//a/%20?b', '//a/%20?b']]);
  become(strip('/api'), [['//a', '//a']]);
});

test('what no path may have is refused at once', () => {
  for (const by of ['/a b', '/a#b', '/a\\b', '/\n', '/é'])
    assert.throws(() => replace('a', by), /characters that no path may have/, by);
  for (const prefix of ['api', '/a/../b', '/a%2fb', '/a?b', '/%61'])
    assert.throws(() => strip(prefix), /is no normal path/, prefix);
});
