import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Cors, exposing } from '../../src/relay/cors.ts';
import { fieldsOf, requestOf, textOf, valuesOf } from './grpc-web-peers.ts';

const APP = 'https://app.example';
const cors = (...allowOrigins: string[]): Cors => new Cors({ allowOrigins });
const ASK = {
  origin: APP,
  'access-control-request-method': 'POST',
  'access-control-request-headers': 'authorization,content-type,X-Grpc-Web,x-user-agent',
};
const preflight = (by: Cors, more: Record<string, string> = {}, method = 'OPTIONS'): Record<string, string> | null => {
  const answer = by.preflight(requestOf({ ...ASK, ...more }, method));
  return answer === null ? null : valuesOf(answer);
};

test('a preflight from an allowed origin is answered with all that the call needs', () => {
  const answer = cors(APP, 'http://localhost:3000').preflight(requestOf(ASK, 'OPTIONS'));
  assert.deepEqual(textOf(answer ?? []), [
    [':status', '204'],
    ['access-control-allow-origin', APP],
    ['access-control-allow-credentials', 'true'],
    ['vary', 'origin'],
    ['access-control-allow-methods', 'POST'],
    ['access-control-allow-headers', 'authorization,content-type,X-Grpc-Web,x-user-agent'],
    ['access-control-max-age', '600'],
  ]);
});

test('a preflight from any other origin is answered, and allowed nothing', () => {
  for (const origin of ['https://evil.example', `${APP}.evil.example`, `${APP}:8443`, 'http://app.example', 'null']) {
    assert.deepEqual(preflight(cors(APP), { origin }), { ':status': '204' }, origin);
  }
  assert.deepEqual(preflight(cors()), { ':status': '204' });
});

test('what is no preflight of a gRPC-Web call goes its way', () => {
  const all = cors('*');
  assert.equal(preflight(all, {}, 'POST'), null);
  assert.equal(preflight(all, { origin: '' }), null);
  assert.equal(preflight(all, { 'access-control-request-method': '' }), null);
  assert.equal(preflight(all, { 'access-control-request-method': 'PUT' }), null);
  assert.equal(preflight(all, { 'access-control-request-headers': 'content-type, x-grpc-web-not' }), null);
  assert.notEqual(preflight(all, { 'access-control-request-headers': 'content-type , x-grpc-web' }), null);
});

test('an answer names the origin that asked, and no other', () => {
  const allow = (by: Cors, origin: string): Record<string, string> => valuesOf(by.allow(requestOf({ origin })));
  const named = { 'access-control-allow-origin': APP, 'access-control-allow-credentials': 'true', vary: 'origin' };
  assert.deepEqual(allow(cors('http://a.example', 'HTTPS://App.Example'), APP), named);
  assert.deepEqual(allow(cors(APP), 'https://evil.example'), {});
  assert.deepEqual(allow(cors(APP), ''), {});
  assert.deepEqual(cors(APP).allow(requestOf({})), []);
});

test('any origin may be allowed, but none of them with credentials', () => {
  const allow = (by: Cors, origin: string): Record<string, string> => valuesOf(by.allow(requestOf({ origin })));
  assert.deepEqual(allow(cors('*'), 'https://any.example'), { 'access-control-allow-origin': '*' });
  // Where one that is named gets another answer, a cache has to know.
  assert.deepEqual(allow(cors('*', APP), 'https://any.example'), {
    'access-control-allow-origin': '*',
    vary: 'origin',
  });
  assert.equal(allow(cors('*', APP), APP)['access-control-allow-credentials'], 'true');
  assert.deepEqual(cors('*').allow(requestOf({})), []);
});

test('the status and every field of the head can be seen, each named once', () => {
  const head = fieldsOf({ ':status': '200', 'grpc-status': '5', 'x-model': 'm1', 'access-control-allow-origin': '*' });
  assert.equal(
    exposing([...head, ...fieldsOf({ 'x-model': 'm2' })]).value,
    'grpc-status, grpc-message, grpc-status-details-bin, x-model',
  );
});
