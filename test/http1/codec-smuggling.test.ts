import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Limits } from '../../src/snapshot.ts';
import { lines, Reading, request } from './codec-reading.ts';

/** Each in whole, and octet by octet: the answer must be the same. */
function statusOf(text: string, limits: Partial<Limits> = {}): number {
  const whole = new Reading('request', limits).feed(text).broken?.status ?? 0;
  const octets = new Reading('request', limits).feed(
    text,
    Array.from({ length: text.length }, (_, i) => i),
  );
  assert.equal(octets.broken?.status ?? 0, whole, `octet by octet: ${JSON.stringify(text.slice(0, 200))}`);
  return whole;
}
const get = (line: string, ...fields: string[]): string => lines(line, ...fields, '');
const chunked = (...all: string[]): string => request('Transfer-Encoding: chunked') + lines(...all);

const REFUSED: Record<string, [number, string]> = {
  'a bare LF after the request line': [400, 'GET / HTTP/1.1\nHost: a\r\n\r\n'],
  'a bare LF after a field': [400, 'GET / HTTP/1.1\r\nHost: a\n\r\n'],
  'a bare LF for the end of a head': [400, 'GET / HTTP/1.1\r\nHost: a\r\n\n'],
  'a bare CR in the request line': [400, get('GET /\rHTTP/1.1', 'Host: a')],
  'a bare CR in a value': [400, request('A: b\rContent-Length: 3')],
  'a bare CR before CRLF': [400, request('A: b\r')],
  'two empty lines before a request': [400, '\r\n\r\n' + request()],
  'an empty line of LF before a request': [400, '\n' + request()],
  'white space before the method': [400, get(' GET / HTTP/1.1', 'Host: a')],
  'two spaces after the method': [400, get('GET  / HTTP/1.1', 'Host: a')],
  'a tab after the method': [400, get('GET\t/ HTTP/1.1', 'Host: a')],
  'two spaces before the version': [400, get('GET /  HTTP/1.1', 'Host: a')],
  'a space after the version': [400, get('GET / HTTP/1.1 ', 'Host: a')],
  'a space in the target': [400, get('GET /a b HTTP/1.1', 'Host: a')],
  'no target': [400, get('GET HTTP/1.1', 'Host: a')],
  'HTTP/0.9': [400, 'GET /\r\n'],
  'a control in the target': [400, get('GET /\x01 HTTP/1.1', 'Host: a')],
  'a NUL in the target': [400, get('GET /\0 HTTP/1.1', 'Host: a')],
  'DEL in the target': [400, get('GET /\x7f HTTP/1.1', 'Host: a')],
  'a target that is not ASCII': [400, get('GET /\xe9 HTTP/1.1', 'Host: a')],
  'a method that is no token': [400, get('G(T / HTTP/1.1', 'Host: a')],
  'a version in lower case': [400, get('GET / http/1.1', 'Host: a')],
  'a version with more digits': [400, get('GET / HTTP/1.10', 'Host: a')],
  'no version at all': [400, get('GET / HTTQ/1.1', 'Host: a')],
  'HTTP/2.0': [505, get('PRI * HTTP/2.0', '')],
  'HTTP/1.2': [505, get('GET / HTTP/1.2', 'Host: a')],
  'white space before the colon': [400, request('Content-Length : 5')],
  'a tab before the colon': [400, request('Transfer-Encoding\t: chunked')],
  'no colon': [400, request('Content-Length')],
  'no name': [400, request(': chunked')],
  'a name that is no token': [400, request('Content[Length]: 5')],
  'a name that is not ASCII': [400, request('Content-Length\xa0: 5')],
  'a NUL in a name': [400, request('A\0: 5')],
  'obsolete folding': [400, request('A: b', ' Content-Length: 3')],
  'obsolete folding with a tab': [400, request('Transfer-Encoding: chunked', '\t, identity')],
  'white space before the first field': [400, get('GET / HTTP/1.1', ' Host: a', 'Host: a')],
  'a NUL in a value': [400, request('A: b\0c')],
  'a control in a value': [400, request('A: b\x0bc')],
  'DEL in a value': [400, request('A: b\x7f')],
  'no Host in HTTP/1.1': [400, get('GET / HTTP/1.1')],
  'two Hosts': [400, get('GET / HTTP/1.1', 'Host: a', 'Host: a')],
  'two Hosts in HTTP/1.0': [400, get('GET / HTTP/1.0', 'Host: a', 'Host: b')],
  'a Host with a path': [400, get('GET / HTTP/1.1', 'Host: a/b')],
  'a Host with user information': [400, get('GET / HTTP/1.1', 'Host: a@b')],
  'a Host with a space': [400, get('GET / HTTP/1.1', 'Host: a b')],
  'Content-Length and Transfer-Encoding': [400, request('Content-Length: 5', 'Transfer-Encoding: chunked')],
  'Transfer-Encoding and Content-Length': [400, request('Transfer-Encoding: chunked', 'Content-Length: 5')],
  'Transfer-Encoding in HTTP/1.0': [400, get('POST / HTTP/1.0', 'Host: a', 'Transfer-Encoding: chunked')],
  'two Transfer-Encodings': [400, request('Transfer-Encoding: chunked', 'Transfer-Encoding: chunked')],
  'another coding': [501, request('Transfer-Encoding: gzip')],
  'another coding before chunked': [501, request('Transfer-Encoding: gzip, chunked')],
  'chunked before another coding': [501, request('Transfer-Encoding: chunked, identity')],
  'chunked twice': [501, request('Transfer-Encoding: chunked, chunked')],
  'chunked with a vertical tab': [400, request('Transfer-Encoding: \x0bchunked')],
  'chunked in quotes': [501, request('Transfer-Encoding: "chunked"')],
  'chunked with a parameter': [501, request('Transfer-Encoding: chunked;q=1')],
  xchunked: [501, request('Transfer-Encoding: xchunked')],
  'no coding': [501, request('Transfer-Encoding:')],
  'two different lengths': [400, request('Content-Length: 5', 'Content-Length: 6')],
  'two equal lengths': [400, request('Content-Length: 5', 'Content-Length: 5')],
  'a list of equal lengths': [400, request('Content-Length: 5, 5')],
  'an empty length': [400, request('Content-Length:')],
  'a length with a sign': [400, request('Content-Length: +5')],
  'a negative length': [400, request('Content-Length: -5')],
  'a hexadecimal length': [400, request('Content-Length: 0x5')],
  'a length with a space in it': [400, request('Content-Length: 1 2')],
  'a length with a fraction': [400, request('Content-Length: 5.0')],
  'a length before a tab': [400, request('Content-Length: 5 \t')],
  'a coding before a tab': [400, request('Transfer-Encoding: chunked\t')],
  'Connection before a tab': [400, request('Connection: close\t')],
  'a length of sixteen digits': [400, request('Content-Length: 0000000000000005')],
  'CONNECT with a length': [400, get('CONNECT a:1 HTTP/1.1', 'Host: a:1', 'Content-Length: 5')],
  'CONNECT with chunks': [400, get('CONNECT a:1 HTTP/1.1', 'Host: a:1', 'Transfer-Encoding: chunked')],
  'no chunk size': [400, chunked('', 'x')],
  'a chunk size with a sign': [400, chunked('+1', 'x')],
  'a chunk size with 0x': [400, chunked('0x1', 'x')],
  'a chunk size after white space': [400, chunked(' 1', 'x')],
  'a chunk size before white space': [400, chunked('1 ', 'x')],
  'white space before an extension': [400, chunked('1 ;a', 'x')],
  'a chunk size of nine digits': [400, chunked('000000001', 'x')],
  'a bare LF after a chunk size': [400, request('Transfer-Encoding: chunked') + '1\nx\r\n'],
  'a bare CR after a chunk size': [400, request('Transfer-Encoding: chunked') + '1\rx\r\n'],
  'a bare LF after a chunk': [400, request('Transfer-Encoding: chunked') + '1\r\nx\n0\r\n\r\n'],
  'a chunk longer than its size': [400, chunked('1', 'xy')],
  'an extension without a name': [400, chunked('1;', 'x')],
  'an extension with a bare CR': [400, chunked('1;a=b\rc', 'x')],
  'an extension with a bare LF': [400, request('Transfer-Encoding: chunked') + '1;a\nx\r\n'],
  'an extension whose quotes go over CR LF': [400, chunked('1;a="b', 'x', '0', '')],
  'an extension whose quotes hold an escaped CR': [400, chunked('1;a="b\\', '"', 'x')],
  'an extension with a control': [400, chunked('1;a="\x01"', 'x')],
  'an extension longer than its line may be': [400, chunked(`1;a=${'b'.repeat(260)}`, 'x')],
  'a space before the colon of a trailer': [400, chunked('0', 'A : b', '')],
  'a length in trailers': [400, chunked('0', 'Content-Length: 5', '')],
  'a coding in trailers': [400, chunked('0', 'Transfer-Encoding: chunked', '')],
  'Connection in trailers': [400, chunked('0', 'A: b', 'Connection: close', '')],
  'folding in trailers': [400, chunked('0', 'A: b', ' c', '')],
};
for (const [name, [status, text]] of Object.entries(REFUSED)) {
  test(`refused with ${status}: ${name}`, () => assert.equal(statusOf(text), status));
}

const TAKEN: Record<string, string> = {
  'an empty line before a request': '\r\n' + request(),
  'HTTP/1.0 without Host': get('GET / HTTP/1.0'),
  'an empty Host': get('GET / HTTP/1.1', 'Host:'),
  'values with octets above ASCII': request('A: \xe9\xff'),
  'white space around a value, and tabs in it': request('A: \t b\tc \t'),
  'names in any case': request('CONTENT-LENGTH: 0'),
  'chunked in any case': request('Transfer-Encoding: \t CHUNKED ') + lines('0', ''),
  'a length of fifteen digits': request('Content-Length: 000000000000005') + 'hello',
  'chunk sizes in any case': chunked('a', '0123456789', '00A', '0123456789', '0', ''),
  'extensions with and without values': chunked('1;a;b=c;d="e; \\" f"', 'x', '0;last', ''),
  'a length for CONNECT that says nothing': get('CONNECT a:1 HTTP/1.1', 'Host: a:1', 'Content-Length: 0'),
};
for (const [name, text] of Object.entries(TAKEN)) {
  test(`taken: ${name}`, () => {
    assert.equal(statusOf(text), 0);
    const reading = new Reading().feed(text).end();
    assert.equal(reading.messages.length, 1);
    assert.notEqual(reading.messages[0]!.trailers, null, 'complete');
    assert.equal(reading.ended, true);
  });
}

test('what routes, authenticates or names the client is left out of trailers', () => {
  const names = ['Host: b', 'Trailer: x', 'Keep-Alive: 5', 'Upgrade: h2c'];
  const more = ['Authorization: x', 'Cookie: a=b', 'X-Forwarded-For: 1.2.3.4', 'Content-Type: a/b', 'TE: trailers'];
  const reading = new Reading().feed(chunked('0', ...names, 'Checksum: 1', ...more, 'Grpc-Status: 0', ''));
  assert.deepEqual(reading.messages[0]!.trailers, [
    ['checksum', '1'],
    ['grpc-status', '0'],
  ]);
});

test('a head that is too large is answered 431, a request line that is too long 414', () => {
  const limits = { maxHeaderListSize: 1000, maxHeaderFields: 10 };
  const many = (count: number): string => request(...Array.from({ length: count }, (_, i) => `A${i}: b`));
  assert.equal(statusOf(many(9), limits), 0);
  assert.equal(statusOf(many(10), limits), 431);
  assert.equal(statusOf(request(`A: ${'b'.repeat(800)}`), limits), 0);
  assert.equal(statusOf(request(`A: ${'b'.repeat(1000)}`), limits), 431);
  assert.equal(statusOf(request(`A: ${' '.repeat(1000)}`), limits), 431);
  assert.equal(statusOf(request(`A: ${'b'.repeat(450)}`, `A: ${'b'.repeat(450)}`), limits), 431);
  assert.equal(statusOf(`GET /${'a'.repeat(1000)} HTTP/1.1\r\n`, limits), 414);
  assert.equal(statusOf(get(`GET /${'a'.repeat(16_000)} HTTP/1.1`, 'Host: a')), 0);
  assert.equal(statusOf(get(`GET /${'a'.repeat(16_384)} HTTP/1.1`, 'Host: a')), 414);
  assert.equal(statusOf(request(`${'n'.repeat(1025)}: x`)), 431);
});

test('a line without an end is refused before it has one', () => {
  const limits = { maxHeaderListSize: 1000 };
  assert.equal(statusOf('A'.repeat(1100), limits), 414);
  assert.equal(statusOf('GET / HTTP/1.1\r\n' + 'A'.repeat(1100), limits), 431);
  assert.equal(statusOf(request('Transfer-Encoding: chunked') + '1;a=' + 'b'.repeat(300)), 400);
});

test('trailers have the limits of heads', () => {
  const limits = { maxHeaderListSize: 1000, maxHeaderFields: 10 };
  const trailers = (count: number): string => chunked('0', ...Array.from({ length: count }, () => 'A: b'), '');
  assert.equal(statusOf(trailers(10), limits), 0);
  assert.equal(statusOf(trailers(11), limits), 431);
  assert.equal(statusOf(chunked('0', `A: ${'b'.repeat(1000)}`, ''), limits), 431);
});

test('extensions that outweigh the data by 16 KiB are refused, however little each of them is', () => {
  const chunk = lines(`1;a=${'b'.repeat(200)}`, 'x');
  assert.equal(statusOf(request('Transfer-Encoding: chunked') + chunk.repeat(80) + lines('0', '')), 0);
  assert.equal(statusOf(request('Transfer-Encoding: chunked') + chunk.repeat(90) + lines('0', '')), 400);
  const tiny = lines('1', 'x').repeat(10_000);
  assert.equal(new Reading().feed(request('Transfer-Encoding: chunked') + tiny).broken, null);
});
