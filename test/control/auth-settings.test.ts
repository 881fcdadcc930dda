import assert from 'node:assert/strict';
import { createHash, generateKeyPairSync } from 'node:crypto';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { mistakeInRoute, mistakeWith, routeOf, snapshotWith } from './one-upstream.ts';

const folder = mkdtempSync(join(tmpdir(), 'frameway-auth-'));
after(() => rmSync(folder, { recursive: true }));
const file = join(folder, 'f.yaml');

const { publicKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
const SECRET = '0123456789abcdef0123456789abcdef';
writeFileSync(
  join(folder, 'keys.json'),
  JSON.stringify({ keys: [{ ...publicKey.export({ format: 'jwk' }), kid: 'a' }] }),
);
writeFileSync(join(folder, 'keys.pem'), publicKey.export({ type: 'spki', format: 'pem' }));
writeFileSync(join(folder, 'secret'), `${SECRET}\n`);
writeFileSync(join(folder, 'short'), 'hush');

const sha256 = (text: string) => createHash('sha256').update(text).digest('hex');
const [ONE, TWO] = [sha256('one'), sha256('two')];
const authOf = (entry: string) => snapshotWith(`auth: {main: ${entry}}\n`, file).auth.get('main')!;
/** The one mistake in the entry, which begins in column 14 of line 5. */
const wrong = (entry: string) =>
  mistakeWith(`auth: {main: ${entry}}\n`, file).replace('auth.main.', '').replace(/^5:/, '');

test('without `auth` nobody is asked', () => {
  assert.equal(snapshotWith('').auth.size, 0);
});

test('tokens are verified with the keys of a JWK set, of PEM, and with a secret', () => {
  const { jwt, ...rest } = authOf('{jwt: {keys_file: keys.json}}');
  assert.deepEqual(rest, { apiKeys: [], apiKeyHeader: 'x-api-key', identityHeader: null });
  const { keys, ...defaults } = jwt!;
  assert.deepEqual(defaults, {
    issuer: null,
    audiences: [],
    leeway: 30_000,
    header: 'authorization',
    claims: [],
    maxCached: 10_000,
  });
  assert.deepEqual(
    keys.map(({ id, algorithm }) => [id, algorithm]),
    [['a', 'ES256']],
  );
  const both = authOf('{jwt: {keys_file: keys.pem, secret_file: secret}}').jwt!.keys;
  assert.deepEqual(
    both.map(({ id, algorithm }) => [id, algorithm]),
    [
      [null, 'ES256'],
      [null, 'HS256'],
    ],
  );
  assert.deepEqual(both[1]!.key, Buffer.from(SECRET));
});

test('all that is said of tokens arrives', () => {
  const text =
    '{jwt: {secret_file: secret, issuer: "https://a", audience: [b, c], leeway: 0, header: X-Token, claims: {sub: X-User, org.id: x-org}, max_cached: 5}, identity_header: X-Who}';
  const { jwt, identityHeader } = authOf(text);
  assert.equal(identityHeader, 'x-who');
  assert.deepEqual(
    [jwt!.issuer, jwt!.audiences, jwt!.leeway, jwt!.header, jwt!.maxCached],
    ['https://a', ['b', 'c'], 0, 'x-token', 5],
  );
  assert.deepEqual(jwt!.claims, [
    { claim: 'sub', header: 'x-user' },
    { claim: 'org.id', header: 'x-org' },
  ]);
  assert.deepEqual(authOf('{jwt: {secret_file: secret, audience: b}}').jwt!.audiences, ['b']);
});

test('API keys are hashes by their bearers, who may have several', () => {
  const { apiKeys, apiKeyHeader, jwt } = authOf(
    `{api_keys: {a: ${ONE.toUpperCase()}, b: [${TWO}]}, api_key_header: X-Key}`,
  );
  assert.deepEqual(apiKeys, [
    { name: 'a', sha256: ONE },
    { name: 'b', sha256: TWO },
  ]);
  assert.deepEqual([apiKeyHeader, jwt], ['x-key', null]);
});

test('what lets nobody in, or cannot be read, is a mistake where it stands', () => {
  const cases: Readonly<Record<string, string>> = {
    '{}': '14: auth.main: lets nobody in (jwt or api_keys)',
    '{jwt: {}}': '20: jwt: has no keys (keys_file: FILE or secret_file: FILE)',
    '{jwt: {keys_file: none}}': '32: jwt.keys_file: "none" cannot be read: there is no such file',
    '{jwt: {keys_file: short}}': '32: jwt.keys_file: "short": holds no key: neither PEM nor a JWK set',
    '{jwt: {secret_file: short}}': '34: jwt.secret_file: "short": has 4 octets; HS256 needs 32 at least',
    '{jwt: {secret_file: keys.pem}}': '34: jwt.secret_file: "keys.pem": is a public key, not a secret',
    '{jwt: {secret_file: secret, audience: []}}': '52: jwt.audience: the list is empty (at least one text)',
    '{jwt: {secret_file: secret, leeway: 2h}}': '50: jwt.leeway: "2h" is too large (0s to 1h)',
    '{jwt: {secret_file: secret, max_cached: 0}}': '54: jwt.max_cached: "0" is too small (1 to 1000000)',
    '{jwt: {secret_file: secret, header: "a b"}}': '50: jwt.header: "a b" is not a header name (like x-session)',
    '{api_keys: {}}': '25: api_keys: is empty (at least one name: SHA-256 in hex, or a list)',
    '{api_keys: {a: hush}}': '29: api_keys.a: is no SHA-256 in hex (printf %s KEY | sha256sum)',
  };
  for (const [entry, right] of Object.entries(cases)) {
    const found = wrong(entry);
    assert.ok(found.startsWith(right), `${entry}\n${found}\n${right}`);
    assert.ok(!found.includes('hush'), found);
  }
});

test('a key has one bearer, and no hash is quoted', () => {
  const found = wrong(`{api_keys: {a: ${ONE}, b: [${TWO}, ${ONE}]}}`);
  assert.match(found, /^\d+: api_keys.b: is written twice \(first as a\)$/);
});

test('engines are told in headers that mean nothing else', () => {
  const claim = (header: string) => wrong(`{jwt: {secret_file: secret, claims: {sub: "${header}"}}}`);
  for (const header of [
    'authorization',
    'grpc-timeout',
    'x-bin',
    'host',
    'te',
    'content-length',
    'connection',
    ':path',
    'a b',
  ]) {
    assert.ok(claim(header).startsWith('56: jwt.claims.sub: '), claim(header));
    assert.match(wrong(`{api_keys: {a: ${ONE}}, identity_header: "${header}"}`), /identity_header: /);
  }
  assert.match(claim('grpc-x'), /\(grpc-x means something else to them\)$/);
});

test('no header has two meanings', () => {
  assert.equal(
    wrong('{jwt: {secret_file: secret, claims: {sub: x-a, b: X-A}}}'),
    '64: jwt.claims.b: x-a has a meaning already (auth.main.jwt.claims.sub)',
  );
  assert.match(
    wrong('{jwt: {secret_file: secret, claims: {sub: x-a}}, identity_header: x-a}'),
    /identity_header: x-a has/,
  );
  assert.match(wrong(`{api_keys: {a: ${ONE}}, identity_header: x-api-key}`), /identity_header: x-api-key has/);
});

test('routes refer to an entry, and ask for claims', () => {
  const more = `auth: {main: {api_keys: {a: ${ONE}}}}\n`;
  const { auth, permissions, limits } = routeOf(
    '{upstream: asr, auth: main, permissions: {scope: [a, b], level: 3}, limits: {rate: {rate: 1, by: identity}}}',
    more,
  );
  assert.equal(auth, 'main');
  assert.deepEqual(permissions, [
    { claim: 'scope', values: ['a', 'b'] },
    { claim: 'level', values: ['3'] },
  ]);
  assert.equal(limits.rates[0]!.by.source, 'identity');
  assert.equal(
    mistakeInRoute('{upstream: asr, auth: man}', more),
    '25: auth: there is no auth "man" (did you mean main?)',
  );
  assert.equal(mistakeInRoute('{upstream: asr, auth: main}'), '25: auth: there is no auth "main" (there are none)');
  assert.equal(
    mistakeInRoute('{upstream: asr, permissions: {scope: a}}', more),
    '32: permissions: nobody is identified here (auth: NAME)',
  );
  assert.match(mistakeInRoute('{upstream: asr, auth: main, permissions: {}}', more), /^44: permissions: is empty/);
});
