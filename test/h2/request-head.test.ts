import assert from 'node:assert/strict';
import { test } from 'node:test';
import { parseRequest } from '../../src/h2/head.ts';
import { Decoder } from '../../src/hpack/decoder.ts';
import type { Field as HpackField } from '../../src/hpack/field.ts';
import type { RequestHead } from '../../src/relay/message.ts';
import { DEFAULT_LIMITS } from '../../src/snapshot.ts';
import type { Field } from '../support/frames.ts';
import { indexed, literals } from '../support/header-block.ts';

/** The head of a request with these fields, as they come off the wire. */
function parse(fields: readonly Field[], more: Buffer = Buffer.alloc(0)): RequestHead | null {
  const block = Buffer.concat([literals(fields), more]);
  const decoded: HpackField[] = [];
  assert.equal(new Decoder(DEFAULT_LIMITS).decode(block, 0, block.length, decoded), 0);
  return parseRequest(decoded);
}
function assertMalformed(...requests: (readonly Field[])[]): void {
  for (const fields of requests) assert.equal(parse(fields), null, JSON.stringify(fields));
}
function accept(...fields: readonly Field[]): RequestHead {
  const head = parse(fields);
  assert.notEqual(head, null, JSON.stringify(fields));
  return head!;
}
const plain = (head: RequestHead): Field[] => head.fields.map(({ name, value }) => [name.text, value]);

const METHOD: Field = [':method', 'GET'];
const SCHEME: Field = [':scheme', 'http'];
const PATH: Field = [':path', '/'];
const AUTHORITY: Field = [':authority', 'asr.example'];
const GET: readonly Field[] = [METHOD, SCHEME, PATH, AUTHORITY];
/** GET with one pseudo-header of another value. */
const having = (name: string, value: string): Field[] =>
  GET.map((field) => (field[0] === name ? [name, value] : field));

test('a request is taken as it came', () => {
  const head = accept(...GET, ['content-type', 'application/grpc+proto'], ['grpc-timeout', '5S'], ['te', 'trailers']);
  const { method, path, authority, contentLength, grpc, timeout } = head;
  assert.deepEqual(
    [method, path, authority, contentLength, grpc, timeout],
    ['GET', '/', 'asr.example', -1, true, '5S'],
  );
  assert.equal(head.fields.length, 7);
});

test('pseudo-headers may come in any order', () => {
  accept(PATH, AUTHORITY, SCHEME, METHOD);
});

test('a pseudo-header that is missing, doubled or empty makes a request malformed', () => {
  for (const field of [METHOD, SCHEME, PATH]) assertMalformed(GET.filter((other) => other !== field));
  for (const field of GET) assertMalformed([...GET, field], [field, ...GET]);
  for (const [name] of [METHOD, SCHEME, PATH]) assertMalformed(having(name, ''));
});

test('a pseudo-header after a regular field makes a request malformed', () => {
  for (const last of GET) assertMalformed([...GET.filter((field) => field !== last), ['accept', '*/*'], last]);
});

test('a pseudo-header of a response, an unknown one, or :protocol makes a request malformed', () => {
  for (const name of [':status', ':protocol', ':version', ':', ':Method', ':host'])
    assertMalformed([...GET, [name, '200']]);
  assertMalformed([]);
});

test('CONNECT names an authority and nothing else', () => {
  const connect: Field = [':method', 'CONNECT'];
  const { method, path, authority } = accept(connect, [':authority', 'db.example:5432']);
  assert.deepEqual([method, path, authority], ['CONNECT', '', 'db.example:5432']);
  assertMalformed(
    [connect],
    [connect, AUTHORITY, SCHEME],
    [connect, AUTHORITY, PATH],
    [connect, AUTHORITY, SCHEME, PATH],
    [connect, AUTHORITY, SCHEME, PATH, [':protocol', 'websocket']],
  );
  accept(...having(':method', 'connect'));
});

test('a method is a token', () => {
  for (const method of ['GET', 'get', 'M-SEARCH', "!#$%&'*+-.^_`|~"]) accept(...having(':method', method));
  for (const method of ['GE T', 'GET ', 'G(T', 'GET/', 'G\xc9T', 'GET\r\nx', 'GET\0']) {
    assertMalformed(having(':method', method));
  }
});

test('a scheme has the form of RFC 3986', () => {
  for (const scheme of ['http', 'https', 'coap+tcp', 'X-1.0']) accept(...having(':scheme', scheme));
  for (const scheme of ['1http', 'ht tp', 'http:', 'http://a', '+a']) assertMalformed(having(':scheme', scheme));
});

test('a path is absolute, or the * of OPTIONS', () => {
  for (const path of ['/', '/a.B/C', '/a?b=c&d=%20', '//x', '/a;b', '/*']) accept(...having(':path', path));
  for (const path of ['a', 'http://asr.example/', '?', '*/', '**', '/a b', '/a\tb', '/#f', '/\xff', '/\x7f', '/\n']) {
    assertMalformed(having(':path', path));
  }
  assertMalformed(having(':path', '*'));
  accept([':method', 'OPTIONS'], SCHEME, [':path', '*'], AUTHORITY);
  accept([':method', 'OPTIONS'], SCHEME, [':path', '/a'], AUTHORITY);
});

test('an authority is a host and a port, without a user', () => {
  for (const authority of ['a', 'a.b:80', '[2001:db8::1]:443', 'a_b']) accept(...having(':authority', authority));
  for (const authority of ['user@host', 'user:secret@host', 'a/b', 'a b', 'a?b', 'a#b', 'a\\b', 'a\r\nb', '\xe4']) {
    assertMalformed(having(':authority', authority));
    assertMalformed([METHOD, SCHEME, PATH, ['host', authority]]);
  }
});

test('Host becomes :authority where there is none, and goes where they agree', () => {
  const host = accept(METHOD, SCHEME, PATH, ['accept', '*/*'], ['host', 'tts.example']);
  assert.equal(host.authority, 'tts.example');
  assert.deepEqual(plain(host), [[':authority', 'tts.example'], METHOD, SCHEME, PATH, ['accept', '*/*']]);
  const both = accept(...GET, ['host', 'ASR.example']);
  assert.equal(both.authority, 'asr.example');
  assert.deepEqual(plain(both), GET);
});

test('Host that contradicts :authority, or itself, makes a request malformed', () => {
  assertMalformed(
    [...GET, ['host', 'tts.example']],
    [...GET, ['host', 'asr.example:80']],
    [...GET, ['host', '']],
    [...GET, ['host', 'asr.example'], ['host', 'asr.example']],
    [METHOD, SCHEME, PATH, ['host', 'a'], ['host', 'b']],
    [...having(':authority', ''), ['host', 'asr.example']],
  );
});

test('te may say trailers and nothing else', () => {
  for (const te of ['trailers', 'Trailers']) accept(...GET, ['te', te]);
  for (const te of ['', 'gzip', 'trailers, gzip', 'trailers;q=1', 'chunked']) assertMalformed([...GET, ['te', te]]);
});

test('connection-specific fields make a request malformed', () => {
  for (const name of ['connection', 'keep-alive', 'proxy-connection', 'transfer-encoding', 'upgrade']) {
    for (const value of ['', 'close', 'chunked']) assertMalformed([...GET, [name, value]]);
  }
});

test('content-length is digits, and comes once', () => {
  assert.equal(accept(...GET, ['content-length', '0']).contentLength, 0);
  assert.equal(accept(...GET, ['content-length', '0012']).contentLength, 12);
  assert.equal(accept(...GET, ['content-length', '999999999999999']).contentLength, 999_999_999_999_999);
  for (const value of ['', '-1', '+1', '1,1', '1, 1', '0x10', '1e3', '1.0', '1 2', 'ten', '9'.repeat(16), '\xb2']) {
    assertMalformed([...GET, ['content-length', value]]);
  }
  for (const second of ['5', '6']) assertMalformed([...GET, ['content-length', '5'], ['content-length', second]]);
});

test('the content-length without a value of the static table is no length', () => {
  assert.equal(parse(GET, indexed(28)), null);
});

test('names are lower case tokens', () => {
  for (const name of ['x-a', 'x_a', '0', "!#$%&'*+-.^_`|~"]) accept(...GET, [name, 'v']);
  for (const name of ['', 'X-a', 'x-A', 'Host', 'x a', 'x:a', 'x\0', 'x\r\ny', 'x\x7f', 'x\xe4', '(x)', ' x', 'x ']) {
    assertMalformed([...GET, [name, 'v']]);
  }
});

test('values have no controls, and no white space at their ends', () => {
  for (const value of ['', 'a b', 'a\tb', '\xe4\xff', '"', ',']) accept(...GET, ['x-a', value]);
  for (const value of [
    '\0',
    'a\0b',
    'a\r\nb',
    'a\nb',
    'a\rb',
    ' a',
    'a ',
    '\ta',
    'a\t',
    ' ',
    '\x01',
    'a\x7f',
    '\x1b',
  ]) {
    assertMalformed([...GET, ['x-a', value]], having(':path', `/${value}`));
  }
});
