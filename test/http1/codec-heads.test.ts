import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Failures } from '../../src/errors.ts';
import { keepsAlive } from '../../src/http1/hop-by-hop.ts';
import { toRequestHead } from '../../src/http1/request.ts';
import { toResponseHead } from '../../src/http1/response.ts';
import type { RequestStart, ResponseStart } from '../../src/http1/parser.ts';
import { RequestHead } from '../../src/relay/message.ts';
import { lines, pairs, Reading } from './codec-reading.ts';

function parsed(...all: string[]): RequestStart {
  const reading = new Reading().feed(lines(...all, ''));
  assert.equal(reading.broken, null);
  return reading.messages[0]!.start as RequestStart;
}
const KEY = 'dGhlIHNhbXBsZSBub25jZQ==';
const WEBSOCKET = ['Connection: keep-alive, Upgrade', 'Upgrade: WebSocket', 'Sec-WebSocket-Version: 13'];

function head(...all: string[]): RequestHead {
  const made = toRequestHead(parsed(...all), 'http');
  assert.ok(made instanceof RequestHead, `refused: ${JSON.stringify(made)}`);
  for (const { defect, name } of made.fields) assert.equal(defect, 0, `${name.text} is fit for h2`);
  return made;
}
const refusal = (...all: string[]): unknown => toRequestHead(parsed(...all), 'http');
const valuesOf = (made: RequestHead, name: string): string[] =>
  made.fields.filter((field) => field.name.text === name).map(({ value }) => value);

function response(method: string, ...all: string[]): ResponseStart {
  const reading = new Reading('response');
  reading.parser.expect(method);
  reading.feed(lines(...all, ''));
  assert.equal(reading.broken, null);
  return reading.messages[0]!.start as ResponseStart;
}

test('a request takes the form of h2: pseudo-headers first, the rest in its order, duplicates kept', () => {
  const made = head('GET /a?b HTTP/1.1', 'X-B: 2', 'Host: Example.com:80', 'X-A: 1', 'X-B: 3', 'Cookie: a=b');
  assert.deepEqual(pairs(made.fields), [
    [':method', 'GET'],
    [':scheme', 'http'],
    [':authority', 'Example.com:80'],
    [':path', '/a?b'],
    ['x-b', '2'],
    ['x-a', '1'],
    ['x-b', '3'],
    ['cookie', 'a=b'],
  ]);
  assert.deepEqual(
    [made.method, made.path, made.authority, made.contentLength, made.grpc, made.timeout, made.upgrade],
    ['GET', '/a?b', 'Example.com:80', -1, false, null, null],
  );
});

test('what the relay asks of a head is found in it', () => {
  const made = head('POST / HTTP/1.1', 'Host: a', 'Content-Type: application/grpc', 'grpc-timeout: 1S', 'Content-Length: 7'); // prettier-ignore
  assert.deepEqual([made.contentLength, made.grpc, made.timeout], [7, true, '1S']);
});

test('without Host there is no authority', () => {
  assert.deepEqual(pairs(head('GET / HTTP/1.0').fields), [[':method', 'GET'], [':scheme', 'http'], [':path', '/']]); // prettier-ignore
  assert.equal(head('GET / HTTP/1.1', 'Host:').authority, '');
});

test('absolute-form names the authority, and Host must agree', () => {
  const made = head('GET http://a.b:81/c?d HTTP/1.1', 'Host: A.B:81');
  assert.deepEqual([made.authority, made.path], ['a.b:81', '/c?d']);
  assert.equal(head('GET http://a?q HTTP/1.1', 'Host: a').path, '/?q');
  assert.equal(head('GET HTTP://a HTTP/1.1', 'Host: a:80').path, '/');
  assert.equal(head('GET http://a/ HTTP/1.0').authority, 'a');
  assert.equal(head('OPTIONS http://a HTTP/1.1', 'Host: a').path, '*');
  for (const [target, host] of [
    ['http://a/', 'b'],
    ['http://a/', ''],
    ['http://a:81/', 'a'],
    ['http://b@a/', 'a'],
    ['http:///', ''],
    ['http://', ''],
    ['ftp://a/', 'a'],
    ['a/b', 'a'],
    ['/a#b', 'a'],
    ['http://a/#b', 'a'],
    ['http://a\\b/', 'a'],
  ]) {
    assert.equal(refusal(`GET ${target!} HTTP/1.1`, `Host: ${host!}`), Failures.malformedRequest, target);
  }
  assert.equal(refusal('GET https://a/ HTTP/1.1', 'Host: a'), Failures.misdirected);
  assert.ok(toRequestHead(parsed('GET https://a/ HTTP/1.1', 'Host: a'), 'https') instanceof RequestHead, 'over TLS');
});

test('asterisk-form is for OPTIONS, authority-form for CONNECT, and neither for others', () => {
  assert.equal(head('OPTIONS * HTTP/1.1', 'Host: a').path, '*');
  assert.equal(refusal('GET * HTTP/1.1', 'Host: a'), Failures.malformedRequest);
  assert.equal(refusal('GET a:443 HTTP/1.1', 'Host: a:443'), Failures.malformedRequest);
  const made = head('CONNECT a:443 HTTP/1.1', 'Host: a:443', 'Content-Length: 0', 'User-Agent: x');
  assert.deepEqual(pairs(made.fields), [[':method', 'CONNECT'], [':authority', 'a:443'], ['user-agent', 'x']]); // prettier-ignore
  assert.deepEqual([made.authority, made.path, made.upgrade], ['a:443', '', null]);
  assert.equal(head('CONNECT [::1]:443 HTTP/1.1', 'Host: [::1]').authority, '[::1]:443');
  for (const target of ['a', '/', '*', 'a:', 'a:b', 'a:443/', 'http://a:443', 'a@b:443', '::1:443', 'a:443,b:1']) {
    assert.equal(refusal(`CONNECT ${target} HTTP/1.1`, `Host:`), Failures.malformedRequest, target);
  }
  assert.equal(head('CONNECT a:443 HTTP/1.1', 'Host: proxy:8080').authority, 'a:443');
});

test('what concerns the connection ends here, with all that Connection names', () => {
  const made = head(
    'GET / HTTP/1.1',
    'Host: a',
    'Connection: close, X-Hop',
    'connection: x-other',
    'Keep-Alive: timeout=5',
    'Proxy-Connection: keep-alive',
    'Upgrade: h2c',
    'HTTP2-Settings: x',
    'X-Hop: 1',
    'X-OTHER: 1',
    'X-Stays: 1',
    'Expect: 100-continue',
  );
  assert.deepEqual(pairs(made.fields.slice(4)), [['x-stays', '1'], ['expect', '100-continue']]); // prettier-ignore
});

test('Connection removes nothing that routes, frames or secures', () => {
  const kept = ['Content-Length: 5', 'Cookie: a', 'Authorization: b', 'X-Forwarded-For: c', 'Forwarded: d'];
  const more = ['Content-Type: e/f', 'Grpc-Timeout: 1S', 'Cache-Control: g', 'X-Forwarded-Proto: h', 'Expect: i'];
  const all = [...kept, ...more];
  const names = all.map((line) => line.split(':')[0]!);
  const made = head('POST / HTTP/1.1', 'Host: a', ...all, `Connection: Host, :path, ${names.join(', ')}`);
  assert.equal(made.authority, 'a');
  assert.deepEqual(
    made.fields.slice(4).map(({ name }) => name.text),
    names.map((name) => name.toLowerCase()),
  );
});

test('of TE only trailers is left, said once, whether Connection names it or not', () => {
  for (const [te, values] of [
    [['TE: trailers'], ['trailers']],
    [['TE: Trailers', 'Connection: TE'], ['trailers']],
    [['TE: gzip;q=0.5, trailers'], ['trailers']],
    [['TE: trailers', 'TE: trailers'], ['trailers']],
    [['TE: gzip'], []],
    [['TE:'], []],
  ] as const) {
    assert.deepEqual(valuesOf(head('GET / HTTP/1.1', 'Host: a', ...te), 'te'), values, te.join());
  }
});

test('a chunked request has neither length nor coding in the form of h2', () => {
  const made = head('POST / HTTP/1.1', 'Host: a', 'Transfer-Encoding: chunked');
  assert.deepEqual([made.contentLength, made.fields.length], [-1, 4]);
});

test('the handshake of a WebSocket becomes an extended CONNECT', () => {
  const made = head('GET /chat HTTP/1.1', 'Host: a', ...WEBSOCKET, `Sec-WebSocket-Key: ${KEY}`, 'Sec-WebSocket-Protocol: b'); // prettier-ignore
  assert.deepEqual(pairs(made.fields), [
    [':method', 'CONNECT'],
    [':scheme', 'http'],
    [':authority', 'a'],
    [':path', '/chat'],
    [':protocol', 'websocket'],
    ['sec-websocket-version', '13'],
    ['sec-websocket-protocol', 'b'],
  ]);
  assert.deepEqual([made.method, made.path, made.upgrade], ['CONNECT', '/chat', 'websocket']);
});

test('a bad handshake is malformed', () => {
  const bad = (...fields: string[]): unknown => refusal('GET / HTTP/1.1', 'Host: a', ...fields);
  const key = `Sec-WebSocket-Key: ${KEY}`;
  for (const fields of [
    WEBSOCKET,
    [...WEBSOCKET, 'Sec-WebSocket-Key: short=='],
    [...WEBSOCKET, `Sec-WebSocket-Key: ${KEY}x`],
    [...WEBSOCKET, key, key],
    [...WEBSOCKET.slice(0, 2), key],
    [...WEBSOCKET.slice(0, 2), key, 'Sec-WebSocket-Version: 8'],
    [...WEBSOCKET, key, 'Content-Length: 5'],
    [...WEBSOCKET, key, 'Transfer-Encoding: chunked'],
  ]) {
    assert.equal(bad(...fields), Failures.malformedRequest, fields.join());
  }
  assert.equal(refusal('GET / HTTP/1.1', 'Host:', ...WEBSOCKET, key), Failures.malformedRequest);
});

test('other upgrades are overlooked', () => {
  const key = `Sec-WebSocket-Key: ${KEY}`;
  for (const [line, ...fields] of [
    ['GET / HTTP/1.1', 'Connection: Upgrade, HTTP2-Settings', 'Upgrade: h2c', 'HTTP2-Settings: x'],
    ['POST / HTTP/1.1', ...WEBSOCKET, key],
    ['GET / HTTP/1.0', ...WEBSOCKET, key],
    ['GET / HTTP/1.1', 'Connection: keep-alive', 'Upgrade: websocket', key],
  ] as const) {
    const made = head(line, 'Host: a', ...fields);
    assert.deepEqual([made.upgrade, valuesOf(made, 'upgrade'), valuesOf(made, ':protocol')], [null, [], []]);
  }
});

test('a connection goes on by its version and by what Connection says', () => {
  for (const [version, fields, goesOn] of [
    ['1.1', [], true],
    ['1.1', ['Connection: foo, Close'], false],
    ['1.1', ['Connection: keep-alive', 'Connection: close'], false],
    ['1.0', [], false],
    ['1.0', ['Connection: Keep-Alive'], true],
    ['1.0', ['Connection: keep-alive, close'], false],
  ] as const) {
    const start = parsed(`GET / HTTP/${version}`, 'Host: a', ...fields);
    assert.equal(keepsAlive(start.minor, start.fields), goesOn, `${version} ${fields.join()}`);
  }
});

test('a response takes the form of h2', () => {
  const made = toResponseHead(response('GET', 'HTTP/1.1 404 Nothing here', 'Server: x', 'Connection: X-Hop', 'X-Hop: 1', 'Keep-Alive: 1', 'Set-Cookie: a', 'Set-Cookie: b', 'Content-Length: 3', 'grpc-status: 5')); // prettier-ignore
  assert.ok(made !== null, 'it is well formed');
  assert.deepEqual(pairs(made.fields), [
    [':status', '404'],
    ['server', 'x'],
    ['set-cookie', 'a'],
    ['set-cookie', 'b'],
    ['content-length', '3'],
    ['grpc-status', '5'],
  ]);
  assert.deepEqual([made.status, made.reason, made.contentLength, made.grpcStatus], [404, 'Nothing here', 3, '5']);
});

test('where a response ends depends on its status and on what it answers', () => {
  const framing = (method: string, ...all: string[]): unknown => {
    const start = response(method, ...all);
    return [start.framing, start.length];
  };
  assert.deepEqual(framing('GET', 'HTTP/1.1 200 OK', 'Content-Length: 3'), ['length', 3]);
  assert.deepEqual(framing('GET', 'HTTP/1.1 200 OK', 'Transfer-Encoding: chunked'), ['chunked', -1]);
  assert.deepEqual(framing('GET', 'HTTP/1.1 200 OK'), ['close', -1]);
  assert.deepEqual(framing('HEAD', 'HTTP/1.1 200 OK', 'Content-Length: 3'), ['none', -1]);
  assert.deepEqual(framing('HEAD', 'HTTP/1.1 200 OK', 'Transfer-Encoding: chunked'), ['none', -1]);
  assert.deepEqual(framing('GET', 'HTTP/1.1 304 Not Modified', 'Content-Length: 3'), ['none', -1]);
  assert.deepEqual(framing('GET', 'HTTP/1.1 204 No Content', 'Content-Length: 3'), ['none', -1]);
  assert.deepEqual(framing('GET', 'HTTP/1.1 100 Continue'), ['none', -1]);
  assert.deepEqual(framing('CONNECT', 'HTTP/1.1 200 OK', 'Content-Length: 3'), ['none', -1]);
  assert.deepEqual(framing('CONNECT', 'HTTP/1.1 403 No', 'Content-Length: 3'), ['length', 3]);
});

test('a length means nothing in 1xx and 204, and is ignored where a tunnel opens', () => {
  for (const start of [
    response('GET', 'HTTP/1.1 204 No Content', 'Content-Length: 3'),
    response('GET', 'HTTP/1.1 103 Early Hints', 'Content-Length: 3'),
    response('CONNECT', 'HTTP/1.1 200 OK', 'Content-Length: 3', 'Transfer-Encoding: gzip'),
  ]) {
    const made = toResponseHead(start)!;
    assert.deepEqual([made.fields.length, made.contentLength], [1, -1]);
  }
  assert.equal(toResponseHead(response('HEAD', 'HTTP/1.1 200 OK', 'Content-Length: 3'))!.contentLength, 3);
});

test('a 101 opens a WebSocket that was asked for, and nothing else', () => {
  const upgrade = ['HTTP/1.1 101 Switching Protocols', 'Connection: Upgrade', 'Upgrade: websocket', 'Sec-WebSocket-Accept: x', 'Sec-WebSocket-Protocol: b']; // prettier-ignore
  const made = toResponseHead(response('websocket', ...upgrade))!;
  assert.deepEqual(pairs(made.fields), [[':status', '200'], ['sec-websocket-protocol', 'b']]); // prettier-ignore
  assert.deepEqual([made.status, made.reason], [200, '']);
  assert.equal(toResponseHead(response('websocket', upgrade[0]!, 'Connection: Upgrade', 'Upgrade: h2c')), null);
  assert.equal(toResponseHead(response('websocket', upgrade[0]!, 'Upgrade: websocket')), null);
  const reading = new Reading('response');
  reading.parser.expect('GET');
  assert.equal(reading.feed(lines(...upgrade, '')).broken?.status, 400);
});

test('malformed responses are refused', () => {
  for (const all of [
    ['HTTP/1.1 200 OK', 'Content-Length: 3', 'Content-Length: 3'],
    ['HTTP/1.1 200 OK', 'Content-Length: x'],
    ['HTTP/1.1 200 OK', 'Content-Length: 3', 'Transfer-Encoding: chunked'],
    ['HTTP/1.1 200 OK', 'Transfer-Encoding: gzip, chunked'],
    ['HTTP/1.0 200 OK', 'Transfer-Encoding: chunked'],
    ['HTTP/2.0 200 OK'],
    ['HTTP/1.1 099 OK'],
    ['HTTP/1.1 2000 OK'],
    ['HTTP/1.1  200 OK'],
    ['HTTP/1.1 200 O\x00K'],
    ['ICY 200 OK'],
    [''],
  ]) {
    assert.notEqual(new Reading('response').feed(lines(...all, '')).broken, null, all.join());
  }
});
