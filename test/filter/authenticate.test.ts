import assert from 'node:assert/strict';
import { test } from 'node:test';
import { inspect } from 'node:util';
import { Failures } from '../../src/errors.ts';
import { Authenticator } from '../../src/filter/authenticate.ts';
import type { AuthFlaw } from '../../src/filter/authenticate.ts';
import type { Call } from '../../src/filter/filter.ts';
import type { AuthSpec } from '../../src/policy.ts';
import { authSpec, callOf, CLAIMS, headersOf, jwtSpec, KEYS, NOW, NOW_MS } from './stage.ts';
import { otherRsa, otherRsaPem, rsaPem, secret, sha256, token } from './stage.ts';

type Headers = readonly (readonly [string, string])[];

const KEY = 'sk-frameway-secret-4711';
const apiKeys = [{ name: 'batch', sha256: sha256(KEY) }];
const claims = [
  { claim: 'sub', header: 'x-user' },
  { claim: 'roles', header: 'x-roles' },
];
const full = authSpec({ jwt: jwtSpec({ claims }), apiKeys, identityHeader: 'x-identity' });
const bearer = (text: string): [string, string] => ['authorization', `Bearer ${text}`];

/** Why it is refused, or who calls, and the call as it goes on. */
function asked(auth: Authenticator, headers: Headers): { reason: AuthFlaw | null; name: string | null; call: Call } {
  const call = callOf(headers);
  const refusal = auth.check(call);
  if (refusal !== null) assert.equal(refusal.failure, Failures.unauthenticated);
  assert.equal(refusal === null, call.identity !== null);
  return { reason: refusal?.reason ?? null, name: call.identity?.name ?? null, call };
}
const ask = (headers: Headers, spec: AuthSpec = full) => asked(new Authenticator(spec, () => NOW_MS), headers);

test('the failure is 16 or 401', () => {
  assert.equal(Failures.unauthenticated.grpc, 16);
  assert.equal(Failures.unauthenticated.http, 401);
});

test('a good token says who calls, and goes on to the engine with its claims', () => {
  const good = bearer(token('RS256', { ...CLAIMS, roles: ['a', 'b'] }));
  const { name, call } = ask([good, ['x-other', '1']]);
  assert.equal(name, 'alice');
  assert.deepEqual(call.identity?.claims['roles'], ['a', 'b']);
  const said = [good, ['x-other', '1'], ['x-user', 'alice'], ['x-roles', 'a,b'], ['x-identity', 'alice']];
  assert.deepEqual(headersOf(call), said);
  assert.equal(call.head.fields[0]!.name.text, ':method', 'pseudo-headers stay first');
});

test('the second call with a token is as the first', () => {
  const auth = new Authenticator(full, () => NOW_MS);
  const headers = [bearer(token('ES256', { ...CLAIMS, roles: 7 }))];
  const first = asked(auth, headers).call;
  for (let n = 0; n < 3; n++) {
    const { call } = asked(auth, [...headers, ['x-user', 'mallory']]);
    assert.deepEqual(headersOf(call), headersOf(first));
    assert.deepEqual(call.identity, first.identity);
  }
});

test('an API key says who calls, and does not go on to the engine', () => {
  const { name, call } = ask([['x-api-key', KEY]]);
  assert.equal(name, 'batch');
  assert.equal(call.identity?.claims['sub'], 'batch');
  assert.deepEqual(headersOf(call), [
    ['x-user', 'batch'],
    ['x-identity', 'batch'],
  ]);
});

test('a token or an API key will do, and the token says more', () => {
  const good = bearer(token('HS256'));
  const bad = bearer(token('HS256', CLAIMS, undefined, 'another secret'));
  const key = ['x-api-key', KEY] as const;
  assert.equal(ask([good, key]).name, 'alice');
  assert.equal(ask([good, ['x-api-key', 'wrong']]).name, 'alice');
  assert.equal(ask([bad, key]).name, 'batch');
  assert.equal(ask([['authorization', 'Basic YTpi'], key]).name, 'batch');
  assert.equal(ask([bad]).reason, 'wrong_signature');
  assert.equal(ask([bad, ['x-api-key', 'wrong']]).reason, 'unknown_api_key');
  assert.equal(ask([['x-api-key', '']]).reason, 'unknown_api_key');
  assert.equal(ask([]).reason, 'no_credentials');
});

test('what is not configured is not asked for', () => {
  const tokens = authSpec();
  assert.equal(ask([['x-api-key', KEY]], tokens).reason, 'no_credentials');
  const keys = authSpec({ jwt: null, apiKeys });
  assert.equal(ask([bearer(token('HS256'))], keys).reason, 'no_credentials');
  assert.equal(ask([['x-api-key', KEY]], keys).name, 'batch');
  assert.equal(ask([], authSpec({ jwt: null })).reason, 'no_credentials');
});

test('several credentials of one name are refused, even the same twice', () => {
  const good = bearer(token('HS256'));
  const key = ['x-api-key', KEY] as const;
  for (const headers of [
    [good, good],
    [good, ['authorization', 'Basic YTpi']],
    [good, good, key],
    [key, key],
  ] as Headers[]) {
    assert.equal(ask(headers).reason, 'several_credentials');
  }
});

test('what the client says under the names of the gateway is removed, whatever comes of the check', () => {
  const spoofed: Headers = [
    ['x-user', 'root'],
    ['x-user', 'admin'],
    ['x_user', 'root'],
    ['x-roles', 'admin'],
    ['x-identity', 'root'],
    ['x_identity', 'root'],
    ['x-api_key', 'guess'],
  ];
  const credentials: Headers[] = [
    [bearer(token('HS256'))],
    [['x-api-key', KEY]],
    [['x-api-key', 'wrong']],
    [bearer('x')],
    [],
  ];
  for (const credential of credentials) {
    const { call } = ask([...spoofed, ['x-kept', '1'], ...credential]);
    const names = call.identity === null ? [] : ['x-user', 'x-identity'];
    const rest = headersOf(call).filter(([name]) => name !== 'authorization');
    assert.deepEqual(
      rest.map(([name]) => name),
      ['x-kept', ...names],
    );
    for (const [, value] of rest) assert.doesNotMatch(value, /root|admin|guess|wrong/);
  }
});

test('the scheme may be written in any case, and another one is no token', () => {
  const text = token('HS256');
  for (const scheme of ['Bearer', 'bearer', 'BEARER', 'bEaReR', 'Bearer ']) {
    assert.equal(ask([['authorization', `${scheme} ${text}`]]).name, 'alice', scheme);
  }
  for (const value of [
    text,
    `Basic ${text}`,
    'Bearer',
    'Bearer ',
    `Bearer${text}`,
    `Bearer\t${text}`,
    `Bearer ${text} x`,
  ]) {
    assert.equal(ask([['authorization', value]]).reason, 'other_scheme', value);
  }
  assert.equal(ask([bearer(`${text},Bearer`)]).reason, 'malformed_token');
});

test('a header of its own holds the token alone, and an API key may come as a bearer', () => {
  const own = authSpec({ jwt: jwtSpec({ header: 'x-token' }), apiKeys, apiKeyHeader: 'authorization' });
  assert.equal(ask([['x-token', token('HS256')]], own).name, 'alice');
  assert.equal(ask([['x-token', `Bearer ${token('HS256')}`]], own).reason, 'malformed_token');
  assert.equal(ask([bearer(token('HS256'))], own).reason, 'unknown_api_key');
  const { name, call } = ask([bearer(KEY)], own);
  assert.equal(name, 'batch');
  assert.deepEqual(headersOf(call), []);
});

test('claims cannot say more than one value, nor what no header may hold', () => {
  const roles = (value: unknown): string | undefined => {
    const { call } = ask([bearer(token('HS256', { ...CLAIMS, roles: value }))]);
    return headersOf(call).find(([name]) => name === 'x-roles')?.[1];
  };
  assert.equal(roles('reader'), 'reader');
  assert.equal(roles(7.5), '7.5');
  assert.equal(roles(false), 'false');
  assert.equal(roles(''), '');
  assert.equal(roles(['a', 1, true]), 'a,1,true');
  assert.equal(roles(['a,admin', 'b']), 'a%2Cadmin,b');
  assert.equal(roles('a,admin'), 'a%2Cadmin');
  assert.equal(roles({ realm: ['a', 'b'] }), '{"realm":["a","b"]}');
  assert.equal(roles([['a'], { b: 1 }]), '[["a"],{"b":1}]');
  assert.equal(roles('a\r\nx-user: root'), 'a%0D%0Ax-user: root');
  assert.equal(roles('\0\x7f\t'), '%00%7F%09');
  assert.equal(roles('Zo\u00eb \u20ac'), 'Zo%C3%AB %E2%82%AC');
  assert.equal(roles('100%'), '100%25');
  assert.equal(roles(' a b '), '%20a b%20');
  assert.equal(roles(' '), '%20');
  assert.equal(roles('\ud800'), '%EF%BF%BD', 'half a surrogate pair');
  assert.equal(roles({ a: 'x\ny\u00e9' }), '{"a":"x\\ny%C3%A9"}');
  assert.equal(roles(null), undefined);
  assert.equal(roles(undefined), undefined);
  const inherited = authSpec({ jwt: jwtSpec({ claims: [{ claim: 'constructor', header: 'x-roles' }] }) });
  assert.deepEqual(
    headersOf(ask([bearer(token('HS256'))], inherited).call).length,
    1,
    'what all objects have is no claim',
  );
});

test('a remembered token expires to the millisecond', () => {
  let now = NOW_MS;
  const auth = new Authenticator(authSpec(), () => now);
  const headers = [bearer(token('HS256', { sub: 'alice', exp: NOW + 60 }))];
  assert.equal(asked(auth, headers).name, 'alice');
  now = NOW_MS + 89_999;
  assert.equal(asked(auth, headers).name, 'alice');
  now = NOW_MS + 90_000;
  assert.equal(asked(auth, headers).reason, 'token_expired');
});

test('new keys are the only ones from then on, and what was remembered is forgotten', () => {
  const auth = new Authenticator(full, () => NOW_MS);
  const old = [bearer(token('RS256'))];
  const young = [bearer(token('RS256', CLAIMS, undefined, otherRsa.privateKey))];
  assert.equal(asked(auth, old).name, 'alice');
  assert.equal(asked(auth, young).reason, 'wrong_signature');
  assert.equal(asked(auth, [['x-api-key', KEY]]).name, 'batch');

  const keys = [{ ...KEYS.RS256, key: otherRsaPem }];
  auth.rekey({ ...full, jwt: jwtSpec({ keys }), apiKeys: [{ name: 'batch', sha256: sha256('new') }] });
  assert.equal(asked(auth, old).reason, 'wrong_signature');
  assert.equal(asked(auth, young).name, 'alice');
  assert.equal(asked(auth, [['x-api-key', KEY]]).reason, 'unknown_api_key');
  assert.equal(asked(auth, [['x-api-key', 'new']]).name, 'batch');

  const broken = { ...full, jwt: jwtSpec({ keys: [{ ...KEYS.RS256, key: 'broken' }] }) };
  assert.throws(() => auth.rekey(broken), /keys\[0\] is no public key in PEM/);
  assert.equal(asked(auth, young).name, 'alice', 'the keys stay as they were');
});

test('no refusal and no error tells a secret', () => {
  const jwt = token('HS256', { ...CLAIMS, exp: NOW - 300, note: 'claim-4711' });
  const weak = 'weak-secret-4711';
  const told: string[] = [];
  const hear = (value: unknown): number => told.push(inspect(value, { depth: Infinity }), JSON.stringify(value));
  const auth = new Authenticator(full, () => NOW_MS);
  const credentials: Headers[] = [
    [bearer(jwt)],
    [bearer(`${jwt}x`)],
    [bearer(KEY)],
    [['x-api-key', `${KEY}4711`]],
    [bearer(jwt), bearer(jwt)],
    [['authorization', `Basic ${KEY}`]],
  ];
  for (const headers of credentials) hear(auth.check(callOf(headers)));
  const mistakes: AuthSpec[] = [
    authSpec({ jwt: jwtSpec({ keys: [{ ...KEYS.HS256, key: weak }] }) }),
    authSpec({ jwt: jwtSpec({ keys: [{ ...KEYS.RS256, key: weak }] }) }),
    authSpec({ apiKeys: [{ name: 'batch', sha256: KEY }] }),
  ];
  for (const spec of mistakes)
    assert.throws(
      () => new Authenticator(spec),
      (error) => hear(error) > 0,
    );
  const all = told.join('\n');
  for (const part of [...jwt.split('.'), KEY, weak, '4711', sha256(KEY), secret.toString('hex'), rsaPem]) {
    assert.equal(all.includes(part), false, part.slice(0, 8));
  }
});
