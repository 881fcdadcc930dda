import assert from 'node:assert/strict';
import { generateKeyPairSync, randomBytes } from 'node:crypto';
import type { JsonWebKey, KeyObject } from 'node:crypto';
import { test } from 'node:test';
import { inspect } from 'node:util';
import { readJwks, readKeys, readPem, readSecret } from '../../src/control/jwks.ts';
import { JwtVerifier } from '../../src/filter/jwt.ts';
import { VerifyingKey } from '../../src/filter/signature.ts';
import type { JwtKeySpec } from '../../src/policy.ts';

const rsa = generateKeyPairSync('rsa', { modulusLength: 2048 });
const ec = generateKeyPairSync('ec', { namedCurve: 'P-256' });
const jwk = (key: KeyObject, more: object = {}): JsonWebKey => ({ ...key.export({ format: 'jwk' }), ...more });
const oct = (octets: Buffer, more: object = {}): object => ({ kty: 'oct', k: octets.toString('base64url'), ...more });
const set = (...keys: unknown[]): string => JSON.stringify({ keys });
const brief = (keys: readonly JwtKeySpec[]) => keys.map(({ id, algorithm }) => [id, algorithm]);

// RFC 7515 appendix A.1 to A.3.
const PAYLOAD = 'eyJpc3MiOiJqb2UiLA0KICJleHAiOjEzMDA4MTkzODAsDQogImh0dHA6Ly9leGFtcGxlLmNvbS9pc19yb290Ijp0cnVlfQ';
const EXAMPLES = [
  {
    jwk: { kty: 'oct', k: 'AyM1SysPpbyDfgZld3umj1qzKObwVMkoqQ-EstJQLr_T-1qS0gZH75aKtMN3Yj0iPS4hcgUuTwjAzZr1Z9CAow' },
    input: `eyJ0eXAiOiJKV1QiLA0KICJhbGciOiJIUzI1NiJ9.${PAYLOAD}`,
    signature: 'dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk',
  },
  {
    jwk: {
      kty: 'RSA',
      n:
        'ofgWCuLjybRlzo0tZWJjNiuSfb4p4fAkd_wWJcyQoTbji9k0l8W26mPddxHmfHQp-Vaw-4qPCJrcS2mJPMEzP1Pt0Bm4d4QlL-yRT-SFd2lZS-pC' +
        'gNMsD1W_YpRPEwOWvG6b32690r2jZ47soMZo9wGzjb_7OMg0LOL-bSf63kpaSHSXndS5z5rexMdbBYUsLA9e-KXBdQOS-UTo7WTBEMa2R2CapHg6' +
        '65xsmtdVMTBQY4uDZlxvb3qCo5ZwKh9kG4LT6_I5IhlJH7aGhyxXFvUK-DWNmoudF8NAco9_h9iaGNj8q2ethFkMLs91kzk2PAcDTW9gb54h4FRW' +
        'yuXpoQ',
      e: 'AQAB',
    },
    input: `eyJhbGciOiJSUzI1NiJ9.${PAYLOAD}`,
    signature:
      'cC4hiUPoj9Eetdgtv3hF80EGrhuB__dzERat0XF9g2VtQgr9PJbu3XOiZj5RZmh7AAuHIm4Bh-0Qc_lF5YKt_O8W2Fp5jujGbds9uJdbF9CUAr7t' +
      '1dnZcAcQjbKBYNX4BAynRFdiuB--f_nZLgrnbyTyWzO75vRK5h6xBArLIARNPvkSjtQBMHlb1L07Qe7K0GarZRmB_eSN9383LcOLn6_dO--xi12j' +
      'zDwusC-eOkHWEsqtFZESc6BfI7noOPqvhJ1phCnvWh6IeYI2w9QOYEUipUTI8np6LbgGY9Fs98rqVt5AXLIhWkWywlVmtVrBp0igcN_IoypGlUPQ' +
      'Ge77Rw',
  },
  {
    jwk: {
      kty: 'EC',
      crv: 'P-256',
      x: 'f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU',
      y: 'x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0',
    },
    input: `eyJhbGciOiJFUzI1NiJ9.${PAYLOAD}`,
    signature: 'DtEhU3ljbEg8L38VWAfUAqOyKAM6-Xx-F4GawxaepmXFCgfTjDxw5djxLa8ISlSApmWQxfKTUJqPP3-Kg6NU1Q',
  },
];

test('the keys of RFC 7515 verify its examples, and no other', () => {
  const { keys } = readJwks(set(...EXAMPLES.map((each) => each.jwk)));
  assert.deepEqual(brief(keys), [
    [null, 'HS256'],
    [null, 'RS256'],
    [null, 'ES256'],
  ]);
  for (const [i, { input, signature }] of EXAMPLES.entries()) {
    for (const [j, key] of keys.entries()) {
      assert.equal(new VerifyingKey(key).signed(input, Buffer.from(signature, 'base64url')), i === j);
    }
    const spec = { keys, issuer: 'joe', audiences: [], leeway: 0, header: 'authorization', claims: [], maxCached: 0 };
    const verifier = new JwtVerifier(spec);
    assert.equal(verifier.verify(`${input}.${signature}`, 1_300_819_380_000), 'token_expired');
    assert.equal(verifier.verify(`${input}.${signature}`, 1_300_819_379_999), 'no_subject', 'for joe is the issuer');
  }
});

test('keys keep their ids and order', () => {
  const text = set(
    jwk(rsa.publicKey, { kid: '2024', alg: 'RS256', use: 'sig' }),
    jwk(ec.publicKey, { kid: '2025', key_ops: ['verify'] }),
    oct(randomBytes(32), { alg: 'HS256' }),
  );
  const { keys, notes } = readKeys(`\n ${text}\n`);
  assert.deepEqual(brief(keys), [
    ['2024', 'RS256'],
    ['2025', 'ES256'],
    [null, 'HS256'],
  ]);
  assert.equal(keys[0]!.key, rsa.publicKey.export({ type: 'spki', format: 'pem' }));
  assert.deepEqual(notes, []);
});

test('keys for something else are left out with a note', () => {
  const p384 = generateKeyPairSync('ec', { namedCurve: 'P-384' });
  const ed = generateKeyPairSync('ed25519');
  const { keys, notes } = readJwks(
    set(
      jwk(rsa.publicKey, { kid: 'a', use: 'enc' }),
      jwk(rsa.publicKey, { alg: 'PS256' }),
      jwk(rsa.publicKey, { kid: 'b\n', alg: 'RS512' }),
      jwk(rsa.publicKey, { alg: 'HS256' }),
      jwk(p384.publicKey),
      jwk(ed.publicKey),
      jwk(ec.publicKey, { key_ops: ['sign'] }),
      { kty: 'AKP' },
      {},
      jwk(ec.publicKey, { kid: 'a' }),
    ),
  );
  assert.deepEqual(brief(keys), [['a', 'ES256']]);
  assert.deepEqual(notes, [
    'keys[0] ("a"): is not for signatures: "use" is "enc"',
    'keys[1]: is for "PS256", not for RS256',
    'keys[2] ("b\\n"): is for "RS512", not for RS256',
    'keys[3]: is for "HS256", not for RS256',
    'keys[4]: is of a kind that is not known here: "EC" "P-384"',
    'keys[5]: is of a kind that is not known here: "OKP" "Ed25519"',
    'keys[6]: is not to verify with',
    'keys[7]: is of a kind that is not known here: "AKP"',
    'keys[8]: is of a kind that is not known here: no "kty"',
  ]);
});

test('what cannot be used is an error that says where, and tells no secret', () => {
  const weak = generateKeyPairSync('rsa', { modulusLength: 1024 });
  const good = jwk(rsa.publicKey, { kid: 'a' });
  const short = 'c2hvcnQtc2VjcmV0';
  const cases: [string, string][] = [
    ['{', 'is not JSON'],
    [`{"keys":[{"kty":"oct","k":"${short}"},]}`, 'is not JSON'],
    ['[]', 'is no JWK set: there is no list "keys"'],
    ['{"keys":{}}', 'is no JWK set: there is no list "keys"'],
    [set(), 'holds no key that can be used'],
    [set({ kty: 'AKP' }), 'holds no key that can be used; keys[0]: is of a kind that is not known here: "AKP"'],
    [set(good, null), 'keys[1] is no object'],
    [set(good, 'x'), 'keys[1] is no object'],
    [set({ ...good, kid: 1 }), 'keys[0]: "kid" is no string'],
    [set(good, jwk(ec.publicKey, { kid: 'a' }), good), 'keys[2] ("a"): keys[0] has the same "kid"'],
    [set(jwk(weak.publicKey)), 'keys[0] has 1024 bits; RS256 needs 2048 at least'],
    [set({ ...good, n: undefined }), 'keys[0] ("a"): "n" is not base64url'],
    [set({ ...good, e: 'AQ AB' }), 'keys[0] ("a"): "e" is not base64url'],
    [set({ kty: 'EC', crv: 'P-256', x: 'AAAA', y: 'AAAA' }), 'keys[0] is no key of this kind'],
    [set(jwk(rsa.privateKey)), 'keys[0] is a private key; only its public part belongs here'],
    [set(jwk(ec.privateKey)), 'keys[0] is a private key; only its public part belongs here'],
    [set({ kty: 'oct', k: short }), 'keys[0] has 12 octets; HS256 needs 32 at least'],
    [set({ kty: 'oct', k: `${short}=` }), 'keys[0]: "k" is not base64url'],
    [set({ kty: 'oct', k: [short] }), 'keys[0]: "k" is not base64url'],
  ];
  for (const [text, message] of cases) {
    assert.throws(
      () => readJwks(text),
      (error: Error) => {
        assert.equal(error.message, message);
        assert.equal(inspect(error, { depth: 5 }).includes(short), false, 'it tells the secret');
        return true;
      },
    );
  }
});

test('a PEM file may hold several public keys', () => {
  const pem = [rsa, ec].map((pair) => pair.publicKey.export({ type: 'spki', format: 'pem' }) as string);
  const pkcs1 = rsa.publicKey.export({ type: 'pkcs1', format: 'pem' }) as string;
  assert.deepEqual(brief(readKeys(`# of 2024\n${pem.join('\n')}${pkcs1}`).keys), [
    [null, 'RS256'],
    [null, 'ES256'],
    [null, 'RS256'],
  ]);
});

test('a PEM file without public keys is an error', () => {
  const ed = generateKeyPairSync('ed25519');
  const pkcs8 = { type: 'pkcs8', format: 'pem' } as const;
  const cases: [string, string][] = [
    ['', 'holds no key: neither PEM nor a JWK set'],
    ['secret', 'holds no key: neither PEM nor a JWK set'],
    [rsa.privateKey.export(pkcs8) as string, 'key 1 in the file is a private key; only its public part belongs here'],
    [ec.privateKey.export(pkcs8) as string, 'key 1 in the file is a private key; only its public part belongs here'],
    [
      ed.publicKey.export({ type: 'spki', format: 'pem' }) as string,
      'key 1 in the file is no RSA key, which RS256 needs',
    ],
    ['-----BEGIN PUBLIC KEY-----\nAAAA\n-----END PUBLIC KEY-----', 'key 1 in the file is no public key in PEM'],
  ];
  for (const [text, message] of cases) assert.throws(() => readPem(text), { message });
});

test('a secret is the octets of its file, without the line break at the end of text', () => {
  const text = 'a secret that is long enough, in one line';
  for (const end of ['', '\n', '\r\n']) assert.deepEqual(readSecret(Buffer.from(text + end)).key, Buffer.from(text));
  const octets = Buffer.concat([randomBytes(32), Buffer.from([0, 10])]);
  assert.deepEqual(readSecret(octets).key, octets);
  assert.throws(() => readSecret(Buffer.from('short\n')), { message: 'has 5 octets; HS256 needs 32 at least' });
  const pem = Buffer.from(rsa.publicKey.export({ type: 'spki', format: 'pem' }));
  assert.throws(() => readSecret(pem), { message: 'is a public key, not a secret' });
});
