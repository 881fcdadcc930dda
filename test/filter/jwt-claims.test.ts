import assert from 'node:assert/strict';
import { test } from 'node:test';
import { JwtVerifier } from '../../src/filter/jwt.ts';
import type { JwtFlaw } from '../../src/filter/jwt.ts';
import type { JwtSpec } from '../../src/policy.ts';
import { CLAIMS, jwtSpec, NOW, NOW_MS, token } from './stage.ts';

/** `ok`, or why not. */
function judged(text: string, more: Partial<JwtSpec> = {}, now = NOW_MS): JwtFlaw | 'ok' {
  const found = new JwtVerifier(jwtSpec(more)).verify(text, now);
  return typeof found === 'string' ? found : 'ok';
}
/** What becomes of claims, next to a name and an expiry. */
const claiming = (claims: object, more: Partial<JwtSpec> = {}, now = NOW_MS): JwtFlaw | 'ok' =>
  judged(token('HS256', { ...CLAIMS, ...claims }), more, now);

test('claims are a JSON object, with an expiry that is a date', () => {
  for (const claims of ['null', '[]', '"x"', '1', '{', 'x'])
    assert.equal(judged(token('HS256', claims)), 'malformed_claims');
  assert.equal(judged(token('HS256', { sub: 'alice' })), 'malformed_claims');
  for (const exp of [`${NOW + 300}`, null, true, [NOW + 300], {}, NOW_MS, 1e15, -1e300]) {
    assert.equal(claiming({ exp }), 'malformed_claims', JSON.stringify(exp));
  }
  for (const exp of ['1e999', '-1e999']) {
    assert.equal(judged(token('HS256', `{"sub":"alice","exp":${exp}}`)), 'malformed_claims');
  }
  assert.equal(claiming({ exp: NOW + 0.5 }), 'ok');
  assert.equal(claiming({ exp: 4_102_444_800 }), 'ok', 'the year 2100');
  assert.equal(claiming({ exp: 0 }), 'token_expired');
  assert.equal(claiming({ exp: -1 }), 'token_expired');
  for (const name of ['nbf', 'iat']) {
    for (const value of ['1', null, NOW_MS, {}]) assert.equal(claiming({ [name]: value }), 'malformed_claims');
  }
});

test('time is checked to the millisecond, with leeway on either side', () => {
  const at = (claims: object, ms: number, leeway = 30_000) => claiming(claims, { leeway }, NOW_MS + ms);
  assert.equal(at({ exp: NOW }, 29_999), 'ok');
  assert.equal(at({ exp: NOW }, 30_000), 'token_expired');
  assert.equal(at({ exp: NOW }, -1, 0), 'ok');
  assert.equal(at({ exp: NOW }, 0, 0), 'token_expired');
  assert.equal(at({ exp: NOW + 0.25 }, 249, 0), 'ok');
  assert.equal(at({ exp: NOW + 0.25 }, 250, 0), 'token_expired');
  for (const name of ['nbf', 'iat']) {
    assert.equal(at({ [name]: NOW }, -30_000), 'ok');
    assert.equal(at({ [name]: NOW }, -30_001), 'token_not_yet_valid');
    assert.equal(at({ [name]: NOW }, 0, 0), 'ok');
    assert.equal(at({ [name]: NOW }, -1, 0), 'token_not_yet_valid');
  }
});

test('issuer and audience are compared whole', () => {
  const issuer = 'https://issuer.example';
  assert.equal(claiming({ iss: issuer }, { issuer }), 'ok');
  for (const iss of [undefined, null, `${issuer}/`, 'HTTPS://issuer.example', [issuer], issuer.slice(0, -1)]) {
    assert.equal(claiming({ iss }, { issuer }), 'wrong_issuer', String(iss));
  }
  const audiences = ['asr', 'tts'];
  for (const aud of ['asr', ['tts'], ['other', 'asr']]) assert.equal(claiming({ aud }, { audiences }), 'ok');
  for (const aud of [undefined, '', 'as', 'asr tts', 'xasrx', [], ['ASR'], ['as', 'r']]) {
    assert.equal(claiming({ aud }, { audiences }), 'wrong_audience', String(aud));
  }
  for (const aud of [1, null, {}, ['asr', 1], [['asr']]])
    assert.equal(claiming({ aud }, { audiences }), 'malformed_claims');
  assert.equal(claiming({ iss: 'any', aud: 'any' }), 'ok', 'nothing is asked for');
});

test('somebody has to bear it', () => {
  assert.equal(judged(token('HS256', { exp: NOW + 9, client_id: 'batch' })), 'ok');
  assert.equal(judged(token('HS256', { exp: NOW + 9 })), 'no_subject');
  for (const sub of ['', 1, ['alice'], {}, true]) assert.equal(claiming({ sub }), 'malformed_claims');
});
