import assert from 'node:assert/strict';
import { createPublicKey, generateKeyPairSync, randomBytes } from 'node:crypto';
import { test } from 'node:test';
import { JwtVerifier } from '../../src/filter/jwt.ts';
import type { JwtFlaw } from '../../src/filter/jwt.ts';
import type { JwtKeySpec, JwtSpec } from '../../src/policy.ts';
import { Random } from '../support/random.ts';
import { ALGORITHMS, CLAIMS, ec, ecPem, encode, jwtSpec, KEYS, NOW, NOW_MS, otherRsa } from './stage.ts';
import { otherRsaPem, rsa, rsaPem, secret, signature, token } from './stage.ts';

/** `ok`, or why not. */
function judged(text: string, more: Partial<JwtSpec> = {}, now = NOW_MS): JwtFlaw | 'ok' {
  const found = new JwtVerifier(jwtSpec(more)).verify(text, now);
  return typeof found === 'string' ? found : 'ok';
}
test('a good token of each algorithm says who bears it, what it claims and until when', () => {
  for (const algorithm of ALGORITHMS) {
    const found = new JwtVerifier(jwtSpec()).verify(token(algorithm), NOW_MS);
    assert.ok(typeof found !== 'string', `${algorithm}: ${JSON.stringify(found)}`);
    assert.equal(found.name, 'alice');
    assert.deepEqual({ ...found.claims }, CLAIMS);
    assert.equal(found.expiresAt, (NOW + 330) * 1000);
  }
});

test('a token without a signature is refused, however "none" is written', () => {
  for (const alg of ['none', 'None', 'NONE', 'nOnE', '', 'HS512', 'hs256', 'HS256 ']) {
    const input = `${encode({ alg })}.${encode(CLAIMS)}`;
    assert.equal(judged(`${input}.`), 'malformed_token');
    assert.equal(judged(input), 'malformed_token');
    assert.equal(judged(`${input}.AA`), 'wrong_algorithm');
    assert.equal(judged(`${input}.${signature('HS256', input).toString('base64url')}`), 'wrong_algorithm');
  }
});

test('a public key is no secret, in whatever form the attacker has it', () => {
  for (const pem of [rsaPem, rsaPem.trim(), ecPem]) {
    const der = createPublicKey(pem).export({ type: 'spki', format: 'der' });
    for (const forged of [
      token('HS256', CLAIMS, { alg: 'HS256' }, pem),
      token('HS256', CLAIMS, { alg: 'HS256' }, der),
    ]) {
      assert.equal(judged(forged, { keys: [KEYS.RS256, KEYS.ES256] }), 'wrong_algorithm');
      assert.equal(judged(forged), 'wrong_signature', 'not next to a secret, either');
    }
  }
});

test('a token is verified with keys of its algorithm alone', () => {
  for (const said of ALGORITHMS) {
    for (const used of ALGORITHMS.filter((each) => each !== said)) {
      assert.equal(judged(token(used, CLAIMS, { alg: said })), 'wrong_signature');
      assert.equal(judged(token(used), { keys: [KEYS[said]] }), 'wrong_algorithm');
    }
  }
});

test('a token that names a key is verified with that one, and one that names none with any', () => {
  const keys: JwtKeySpec[] = [
    { id: 'first', algorithm: 'RS256', key: rsaPem },
    { id: 'second', algorithm: 'RS256', key: otherRsaPem },
    { id: 'curve', algorithm: 'ES256', key: ecPem },
  ];
  const said = (kid: unknown, key = rsa.privateKey): JwtFlaw | 'ok' =>
    judged(token('RS256', CLAIMS, { alg: 'RS256', kid }, key), { keys });
  assert.equal(said('first'), 'ok');
  assert.equal(said('second'), 'wrong_signature');
  assert.equal(said('second', otherRsa.privateKey), 'ok');
  assert.equal(said('first', otherRsa.privateKey), 'wrong_signature');
  assert.equal(said(undefined), 'ok');
  assert.equal(said(undefined, otherRsa.privateKey), 'ok');
  assert.equal(said('curve'), 'wrong_algorithm');
  for (const unknown of ['', 'FIRST', 'first ', '../first', '__proto__', 'constructor', "' OR 1=1"]) {
    assert.equal(said(unknown), 'unknown_key');
  }
  for (const strange of [null, 1, ['first'], { kid: 'first' }]) assert.equal(said(strange), 'malformed_token');
});

test('keys without an id stand for the ids that are not known', () => {
  const keys: JwtKeySpec[] = [
    { id: 'first', algorithm: 'RS256', key: rsaPem },
    { ...KEYS.RS256, key: otherRsaPem },
  ];
  const said = (kid: string, key = rsa.privateKey): JwtFlaw | 'ok' =>
    judged(token('RS256', CLAIMS, { alg: 'RS256', kid }, key), { keys });
  assert.equal(said('any', otherRsa.privateKey), 'ok');
  assert.equal(said('any'), 'wrong_signature');
  assert.equal(
    said('first', otherRsa.privateKey),
    'wrong_signature',
    'whoever has a key of that id is not passed over',
  );
});

test('keys that a token brings along are not looked at', () => {
  const own = generateKeyPairSync('rsa', { modulusLength: 2048 });
  const jwk = own.publicKey.export({ format: 'jwk' });
  for (const more of [{ jwk }, { jku: 'http://127.0.0.1:1/' }, { x5c: ['MIIB'] }, { x5u: 'http://127.0.0.1:1/' }]) {
    const forged = token('RS256', CLAIMS, { alg: 'RS256', ...more }, own.privateKey);
    assert.equal(judged(forged), 'wrong_signature');
  }
});

test('signatures that are cut, go on, or are empty of meaning are refused', () => {
  for (const algorithm of ALGORITHMS) {
    const good = token(algorithm);
    const at = good.lastIndexOf('.') + 1;
    const octets = Buffer.from(good.slice(at), 'base64url');
    const zeros = Buffer.alloc(octets.length);
    const wrong = [
      octets.subarray(1),
      octets.subarray(0, -1),
      Buffer.concat([octets, zeros.subarray(0, 1)]),
      Buffer.concat([zeros.subarray(0, 1), octets]),
      Buffer.concat([octets, octets]),
      zeros,
      Buffer.alloc(octets.length, 0xff),
      Buffer.from([0]),
    ];
    for (const each of wrong) {
      assert.equal(
        judged(good.slice(0, at) + each.toString('base64url')),
        'wrong_signature',
        `${algorithm} ${each.length}`,
      );
    }
    assert.equal(judged(good.slice(0, at)), 'malformed_token');
  }
});

test('an ES256 signature in DER is none', () => {
  const input = `${encode({ alg: 'ES256' })}.${encode(CLAIMS)}`;
  const raw = signature('ES256', input);
  const integer = (n: Buffer): Buffer => Buffer.concat([Buffer.from([2, 33, 0]), n]);
  const both = Buffer.concat([integer(raw.subarray(0, 32)), integer(raw.subarray(32))]);
  const der = Buffer.concat([Buffer.from([0x30, both.length]), both]);
  assert.equal(judged(`${input}.${der.toString('base64url')}`), 'wrong_signature');
});

test('each part has one way to be written', () => {
  const alphabet = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_';
  for (const algorithm of ALGORITHMS) {
    const good = token(algorithm);
    // 32, 64 and 256 octets: the last character has bits to spare.
    const last = alphabet.indexOf(good.at(-1)!);
    assert.equal(judged(good.slice(0, -1) + alphabet[last ^ 1]!), 'malformed_token');
    for (const wrong of [`${good}=`, `${good}==`, ` ${good}`, `${good} `, `${good}\n`, good.replaceAll('.', '=.')]) {
      assert.equal(judged(wrong), 'malformed_token', JSON.stringify(wrong));
    }
    assert.equal(judged(good.slice(0, 3) + '\n' + good.slice(3)), 'malformed_token');
    assert.equal(judged(good.slice(0, 3) + '\u0100' + good.slice(4)), 'malformed_token', 'beyond latin1');
  }
  const standard = token('HS256', { ...CLAIMS, name: '\u00ff\u00fe\u00fb??>>' });
  assert.match(standard, /[-_]/);
  assert.equal(judged(standard), 'ok');
  assert.equal(judged(standard.replaceAll('-', '+').replaceAll('_', '/')), 'malformed_token');
});

test('a token has three parts, none of them empty, and 8 KiB at most', () => {
  const [head, body, end] = token('HS256').split('.') as [string, string, string];
  const wrong = [
    '',
    '.',
    '..',
    '...',
    head,
    `${head}.${body}`,
    `.${body}.${end}`,
    `${head}..${end}`,
    `${head}.${body}.`,
  ];
  for (const each of [
    ...wrong,
    `${head}.${body}.${end}.`,
    `${head}.${body}.${end}.${end}`,
    `.${head}.${body}.${end}`,
  ]) {
    assert.equal(judged(each), 'malformed_token', each);
  }
  const fill = (length: number): string => token('HS256', { ...CLAIMS, fill: 'x'.repeat(length) });
  assert.equal(fill(5990).length <= 8192, true);
  assert.equal(judged(fill(5990)), 'ok');
  assert.equal(judged(fill(6200)), 'token_too_large');
  assert.equal(judged('.'.repeat(8192)), 'malformed_token');
});

test('a header is a JSON object in UTF-8 with an algorithm', () => {
  const strange = [
    'null',
    '[]',
    '"HS256"',
    '1',
    '',
    '{',
    '{"alg":"HS256"}x',
    '\ufeff{"alg":"HS256"}',
    `{"alg":'HS256'}`,
  ];
  for (const header of strange) assert.equal(judged(token('HS256', CLAIMS, header)), 'malformed_token', header);
  for (const header of [{}, { alg: null }, { alg: ['HS256'] }, { alg: { name: 'HS256' } }, { ALG: 'HS256' }]) {
    assert.equal(judged(token('HS256', CLAIMS, header)), 'malformed_token', JSON.stringify(header));
  }
  const latin1 = Buffer.from('{"alg":"HS256","x":"\u00e9"}', 'latin1').toString('base64url');
  const input = `${latin1}.${encode(CLAIMS)}`;
  assert.equal(judged(`${input}.${signature('HS256', input).toString('base64url')}`), 'malformed_token');
  const deep = `{"alg":"HS256","x":${'['.repeat(2500)}${']'.repeat(2500)}}`;
  assert.equal(judged(token('HS256', CLAIMS, deep)), 'ok');
});

test('extensions that have to be understood, and other types of token, are refused', () => {
  for (const crit of [['exp'], ['b64'], [], null, 'exp', false]) {
    assert.equal(judged(token('HS256', CLAIMS, { alg: 'HS256', crit })), 'unsupported_token');
  }
  const typed = (typ: unknown): JwtFlaw | 'ok' => judged(token('HS256', CLAIMS, { alg: 'HS256', typ }));
  for (const typ of ['JWT', 'jwt', 'at+jwt', 'AT+JWT', 'application/at+jwt', undefined]) assert.equal(typed(typ), 'ok');
  for (const typ of ['logout+jwt', 'secevent+jwt', 'JOSE', 'JWE', 'xjwt', ''])
    assert.equal(typed(typ), 'unsupported_token');
  for (const typ of [null, 1, ['JWT']]) assert.equal(typed(typ), 'malformed_token');
});

test('of names that come twice the last one counts, and none reaches the prototype', () => {
  const twice = (header: string): JwtFlaw | 'ok' => judged(token('HS256', CLAIMS, header));
  assert.equal(twice('{"alg":"none","alg":"HS256"}'), 'ok');
  assert.equal(twice('{"alg":"HS256","alg":"none"}'), 'wrong_algorithm');
  assert.equal(twice('{"__proto__":{"alg":"HS256"}}'), 'malformed_token');
  assert.equal(judged(token('HS256', `{"sub":"a","__proto__":{"exp":${NOW + 9}}}`)), 'malformed_claims');
  assert.equal(judged(token('HS256', `{"exp":${NOW + 9},"__proto__":{"sub":"a"}}`)), 'no_subject');

  const claims = `{"sub":"mallory","sub":"alice","exp":${NOW + 9},"__proto__":{"admin":true},"constructor":1}`;
  const found = new JwtVerifier(jwtSpec()).verify(token('HS256', claims), NOW_MS);
  assert.ok(typeof found !== 'string', 'it is a good token');
  assert.equal(found.name, 'alice');
  assert.equal(found.claims['admin'], undefined);
  assert.equal('toString' in found.claims, false);
  assert.equal(found.claims['constructor'], 1);
  assert.equal(({} as Record<string, unknown>)['admin'], undefined);
});

test('keys that are too weak, of another kind or private are refused, by their index', () => {
  const weak = generateKeyPairSync('rsa', { modulusLength: 1024 });
  const p384 = generateKeyPairSync('ec', { namedCurve: 'P-384' });
  const pss = generateKeyPairSync('rsa-pss', { modulusLength: 2048 });
  const spki = { type: 'spki', format: 'pem' } as const;
  const pkcs8 = { type: 'pkcs8', format: 'pem' } as const;
  const cases: [JwtKeySpec['algorithm'], string | Buffer, RegExp][] = [
    ['RS256', weak.publicKey.export(spki), /has 1024 bits/],
    ['RS256', pss.publicKey.export(spki), /is no RSA key/],
    ['RS256', ecPem, /is no RSA key/],
    ['ES256', rsaPem, /is no P-256 key/],
    ['ES256', p384.publicKey.export(spki), /is no P-256 key/],
    ['ES256', ec.privateKey.export(pkcs8), /is a private key/],
    ['RS256', 'nothing', /is no public key in PEM/],
    ['HS256', randomBytes(31), /has 31 octets/],
    ['HS256', '', /has 0 octets/],
    ['HS256', rsaPem, /is a public key, not a secret/],
    ['HS256', rsa.publicKey.export({ type: 'spki', format: 'der' }), /is a public key, not a secret/],
  ];
  for (const [algorithm, key, message] of cases) {
    const make = (): JwtVerifier => new JwtVerifier(jwtSpec({ keys: [KEYS.HS256, { id: null, algorithm, key }] }));
    assert.throws(make, (error: Error) => error.message.startsWith('keys[1] ') && message.test(error.message));
  }
  assert.equal(judged(token('HS256'), { keys: [] }), 'unknown_key');
  assert.equal(judged(token('HS256'), { keys: [{ ...KEYS.HS256, key: secret.subarray() }] }), 'ok');
});

test('a token with any one of its bits turned over is refused', () => {
  for (const algorithm of ALGORITHMS) {
    const verifier = new JwtVerifier(jwtSpec());
    const octets = Buffer.from(token(algorithm));
    for (let bit = 0; bit < octets.length * 8; bit++) {
      const turned = Buffer.from(octets);
      turned[bit >> 3]! ^= 1 << (bit & 7);
      const found = verifier.verify(turned.toString('latin1'), NOW_MS);
      assert.equal(typeof found, 'string', `${algorithm}: bit ${bit}`);
    }
  }
});

test('20,000 random mutations of tokens neither pass nor throw', () => {
  const random = new Random(15);
  const verifier = new JwtVerifier(jwtSpec());
  const good = ALGORITHMS.map((algorithm) => token(algorithm));
  const alphabet = 'ABCDEFabcdef0189-_.=+/ {}"\u0000\u00ff';
  for (let n = 0; n < 20_000; n++) {
    const text = random.pick(good);
    const [from, to] = random.cuts(text.length, 2) as [number, number];
    const piece = random.chance(0.5) ? random.text(random.below(12), alphabet) : random.pick(good).slice(from, to);
    const mutated = text.slice(0, from) + piece + text.slice(random.chance(0.5) ? from : to);
    if (good.includes(mutated)) continue;
    assert.equal(typeof verifier.verify(mutated, NOW_MS), 'string', mutated);
  }
});
