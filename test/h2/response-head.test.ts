import assert from 'node:assert/strict';
import { test } from 'node:test';
import { parseResponse, validTrailers } from '../../src/h2/head.ts';
import { Decoder } from '../../src/hpack/decoder.ts';
import type { Field as HpackField } from '../../src/hpack/field.ts';
import type { ResponseHead } from '../../src/relay/message.ts';
import { hasNoBody } from '../../src/relay/message.ts';
import { DEFAULT_LIMITS } from '../../src/snapshot.ts';
import type { Field } from '../support/frames.ts';
import { indexed, literals } from '../support/header-block.ts';

function decode(block: Buffer): HpackField[] {
  const fields: HpackField[] = [];
  assert.equal(new Decoder(DEFAULT_LIMITS).decode(block, 0, block.length, fields), 0);
  return fields;
}
const parse = (...fields: readonly Field[]): ResponseHead | null => parseResponse(decode(literals(fields)));
const trailers = (...fields: readonly Field[]): boolean => validTrailers(decode(literals(fields)));
const OK: Field = [':status', '200'];

test('a response is taken as it came', () => {
  const head = parse(OK, ['content-length', '12'], ['server', 'engine'])!;
  assert.deepEqual([head.status, head.contentLength, head.grpcStatus], [200, 12, null]);
  assert.equal(head.fields.length, 3);
});

test('the grpc-status of a response that is trailers alone is seen', () => {
  assert.equal(parse(OK, ['content-type', 'application/grpc'], ['grpc-status', '14'])?.grpcStatus, '14');
});

test(':status is three digits', () => {
  for (const status of ['100', '103', '200', '204', '304', '404', '599', '999']) {
    assert.equal(parse([':status', status])?.status, Number(status));
  }
  for (const status of [
    '',
    '0',
    '000',
    '099',
    '20',
    '2000',
    '+20',
    '2e2',
    ' 200',
    '200 ',
    '200 OK',
    '-20',
    '0xc',
    'abc',
  ]) {
    assert.equal(parse([':status', status]), null, status);
  }
});

test('101 does not exist in HTTP/2', () => {
  assert.equal(parse([':status', '101']), null);
});

test(':status comes first, once, and is the only pseudo-header', () => {
  const malformed: Field[][] = [
    [],
    [['server', 'x']],
    [['server', 'x'], OK],
    [OK, OK],
    [OK, [':status', '500']],
    [OK, ['server', 'x'], OK],
    [OK, [':path', '/']],
    [[':method', 'GET'], OK],
    [[':path', '/']],
    [OK, [':unknown', 'x']],
    [[':protocol', 'websocket'], OK],
  ];
  for (const fields of malformed) assert.equal(parse(...fields), null, JSON.stringify(fields));
});

test('fields that a request may not have, a response may not have either', () => {
  const fields: Field[] = [
    ['connection', 'close'],
    ['transfer-encoding', 'chunked'],
    ['upgrade', 'websocket'],
    ['keep-alive', 'timeout=5'],
    ['proxy-connection', 'close'],
    ['Server', 'x'],
    ['', 'x'],
    ['x', 'a\r\nset-cookie: b'],
    ['x', 'a\0'],
    ['content-length', '1, 1'],
    ['content-length', '-1'],
    ['content-length', ''],
  ];
  for (const field of fields) assert.equal(parse(OK, field), null, JSON.stringify(field));
  assert.equal(parse(OK, ['content-length', '5'], ['content-length', '5']), null);
  assert.equal(parseResponse(decode(Buffer.concat([literals([OK]), indexed(28)]))), null);
});

test('trailers are regular fields', () => {
  assert.ok(trailers());
  assert.ok(trailers(['grpc-status', '0'], ['grpc-message', 'all%20is%20well'], ['x-bin', 'AA==']));
  for (const name of [':status', ':path', ':method', ':scheme', ':authority', ':protocol', ':other']) {
    assert.ok(!trailers(['grpc-status', '0'], [name, '200']), name);
    assert.ok(!trailers([name, '200'], ['grpc-status', '0']), name);
  }
  for (const name of ['connection', 'transfer-encoding', 'Grpc-Status', '', 'a b'])
    assert.ok(!trailers([name, 'x']), name);
  for (const value of ['a\r\nb', 'a\0', ' a']) assert.ok(!trailers(['grpc-message', value]), JSON.stringify(value));
});

test('a response to HEAD, 204 and 304 have no body, whatever length they declare', () => {
  for (const [method, status, none] of [
    ['HEAD', 200, true],
    ['GET', 204, true],
    ['GET', 304, true],
    ['GET', 200, false],
    ['POST', 500, false],
    ['head', 200, false],
  ] as const) {
    assert.equal(hasNoBody(method, status), none, `${method} ${status}`);
  }
});
