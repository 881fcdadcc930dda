import assert from 'node:assert/strict';
import { test } from 'node:test';
import { makeField } from '../../src/hpack/field.ts';
import { FrameTracker, grpcWebCall, grpcWebOf, toGrpc, trailersFrame } from '../../src/relay/grpc-web.ts';
import { Random } from '../support/random.ts';
import { fieldsOf, message, read, requestOf, textOf, valuesOf } from './grpc-web-peers.ts';

test('the content type tells gRPC-Web, its form, and what only looks like it', () => {
  const forms = {
    'application/grpc-web': 'binary',
    'application/grpc-web+proto': 'binary',
    'application/grpc-web+json; charset=utf-8': 'binary',
    'Application/gRPC-Web;x=y': 'binary',
    'application/grpc-web-text': 'text',
    'application/grpc-web-text+proto': 'text',
    'application/grpc-web-text-base64': 'text',
    'application/grpc-web-text ; charset=utf-8': 'text',
    'application/grpc': null,
    'application/grpc+proto': null,
    'application/grpc-webs': null,
    'application/grpc-web-texture': null,
    'application/grpc-web-': null,
    'text/plain, application/grpc-web': null,
    '': null,
  };
  for (const [type, form] of Object.entries(forms)) assert.equal(grpcWebOf(type), form, type);
});

test('the answer is in the form that Accept names, else in that of the request', () => {
  const call = (type: string, accept: string): string => {
    const { request, response } = grpcWebCall(requestOf({ 'content-type': type, accept }));
    return `${request} ${response}`;
  };
  assert.equal(call('application/grpc-web-text', 'application/grpc-web-text'), 'text text');
  assert.equal(call('application/grpc-web-text', '*/*'), 'text text');
  assert.equal(call('application/grpc-web-text', 'application/grpc-web+proto'), 'text binary');
  assert.equal(call('application/grpc-web+proto', 'text/html, application/grpc-web-text;q=0.9'), 'binary text');
  assert.equal(call('application/grpc-web+proto', ''), 'binary binary');
});

test('an engine gets an ordinary gRPC request', () => {
  const head = toGrpc(
    requestOf({
      'content-type': 'application/grpc-web-text+proto; charset=utf-8',
      'content-length': '20',
      accept: 'application/grpc-web-text',
      'accept-encoding': 'gzip, br',
      'x-grpc-web': '1',
      'x-user-agent': 'grpc-web-javascript/0.1',
      'grpc-timeout': '2S',
      origin: 'https://app.example',
      'trace-bin': 'AAEC',
    }),
  );
  assert.deepEqual(textOf(head.fields), [
    [':method', 'POST'],
    [':scheme', 'http'],
    [':authority', 'asr.example'],
    [':path', '/asr.v1.Recognizer/Recognize'],
    ['content-type', 'application/grpc+proto'],
    ['x-grpc-web', '1'],
    ['x-user-agent', 'grpc-web-javascript/0.1'],
    ['grpc-timeout', '2S'],
    ['origin', 'https://app.example'],
    ['trace-bin', 'AAEC'],
    ['te', 'trailers'],
    ['grpc-accept-encoding', 'identity'],
  ]);
  assert.equal(head.grpc, true);
  assert.equal(head.contentLength, -1);
  assert.equal(head.timeout, '2S');
  assert.equal(head.method, 'POST');
});

test('what a client says of trailers and compression itself is neither doubled nor changed', () => {
  const head = toGrpc(
    requestOf({ 'content-type': 'application/grpc-web', te: 'trailers', 'grpc-accept-encoding': 'gzip' }),
  );
  const values = textOf(head.fields).slice(4);
  assert.deepEqual(values, [
    ['content-type', 'application/grpc'],
    ['te', 'trailers'],
    ['grpc-accept-encoding', 'gzip'],
  ]);
  assert.equal(valuesOf(head.fields)['content-type'], 'application/grpc');
});

test('trailers become a frame of lines, binary values and repeated names included', () => {
  const frame = trailersFrame([
    ...fieldsOf({ 'grpc-status': '5', 'grpc-message': 'no%20such: model', 'grpc-status-details-bin': 'CAUSBA==' }),
    makeField('x-more', 'a'),
    makeField('x-more', ''),
    makeField('x-latin1', 'caf\xe9'),
  ]);
  assert.equal(frame[0], 0x80);
  assert.deepEqual(read(frame).trailers, [
    ['grpc-status', '5'],
    ['grpc-message', 'no%20such: model'],
    ['grpc-status-details-bin', 'CAUSBA=='],
    ['x-more', 'a'],
    ['x-more', ''],
    ['x-latin1', 'caf\xe9'],
  ]);
});

test('frames are followed wherever the body is cut', () => {
  const random = new Random(5);
  for (let round = 0; round < 300; round++) {
    const flags = Array.from({ length: random.between(1, 6) }, () => random.pick([0, 1, 0x80, 0x81]));
    const body = Buffer.concat(flags.map((flag) => message(random.octets(random.below(20)), flag)));
    const tracker = new FrameTracker();
    const borders = new Set<number>([0]);
    for (let at = 0; at < body.length; borders.add(at)) at += 5 + body.readUInt32BE(at + 1);
    let seen = 0;
    let from = 0;
    for (const to of [...random.cuts(body.length, random.below(12)), body.length]) {
      seen |= tracker.read(body, from, to);
      from = to;
      assert.equal(tracker.between, borders.has(to), `at ${to} of ${body.length}`);
    }
    assert.equal(
      seen,
      flags.reduce((all, flag) => all | flag, 0),
    );
  }
});
