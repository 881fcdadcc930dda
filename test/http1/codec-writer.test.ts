import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Output } from '../../src/io/output.ts';
import { makeField } from '../../src/hpack/field.ts';
import type { Field } from '../../src/hpack/field.ts';
import { acceptOf, isKey, newKey } from '../../src/http1/websocket.ts';
import { writeData, writeEnd, writeRequestHead, writeResponseHead } from '../../src/http1/writer.ts';
import type { BodyFraming } from '../../src/http1/writer.ts';
import { toRequestHead } from '../../src/http1/request.ts';
import type { RequestStart } from '../../src/http1/parser.ts';
import { RequestHead } from '../../src/relay/message.ts';
import { Random } from '../support/random.ts';
import { lines, pairs, Reading } from './codec-reading.ts';
import { Written } from './codec-written.ts';

const fieldsOf = (...all: [string, string][]): Field[] => all.map(([name, value]) => makeField(name, value));
const GET = fieldsOf([':method', 'GET'], [':scheme', 'http'], [':authority', 'a'], [':path', '/b']);
const POST = fieldsOf([':method', 'POST'], [':scheme', 'http'], [':authority', 'a'], [':path', '/b']);
const CONTINUE = { minor: 1, close: false, accept: null } as const;

/** What a writer put into an output. */
function text(write: (output: Output) => void): string {
  const written = new Written();
  write(written.output);
  return written.text;
}
const requestText = (fields: readonly Field[], framing: BodyFraming = 'none', key: string | null = null): string =>
  text((output) => writeRequestHead(output, fields, framing, key));
const responseText = (
  fields: Field[],
  framing: BodyFraming,
  how: Parameters<typeof writeResponseHead>[4] = CONTINUE,
  reason = '',
): string =>
  // prettier-ignore
  text((output) => writeResponseHead(output, fields, reason, framing, how));

test('a request line is made of pseudo-headers, and host comes first', () => {
  const fields = [...GET, ...fieldsOf(['x-a', '1'], ['x-b', ''], ['x-a', '\xe9'])];
  assert.equal(requestText(fields), lines('GET /b HTTP/1.1', 'host: a', 'x-a: 1', 'x-b: ', 'x-a: \xe9', ''));
});

test('without an authority host is empty, or what Host said', () => {
  const fields = fieldsOf([':method', 'GET'], [':scheme', 'http'], [':path', '/']);
  assert.equal(requestText(fields), lines('GET / HTTP/1.1', 'host: ', ''));
  assert.equal(requestText([...fields, makeField('host', 'b')]), lines('GET / HTTP/1.1', 'host: b', ''));
  assert.equal(requestText([...GET, makeField('host', 'c')]), lines('GET /b HTTP/1.1', 'host: a', ''));
});

test('cookie crumbs become one field, where the first of them was', () => {
  const fields = [...GET, ...fieldsOf(['cookie', 'a=1'], ['x', 'y'], ['cookie', 'b=2'], ['cookie', 'c=3'])];
  assert.equal(requestText(fields), lines('GET /b HTTP/1.1', 'host: a', 'cookie: a=1; b=2; c=3', 'x: y', ''));
});

test('the framing is what the caller says, never two at once', () => {
  const length = makeField('content-length', '5');
  const head = (...rest: string[]): string => lines('POST /b HTTP/1.1', 'host: a', ...rest, '');
  assert.equal(requestText([...POST, length], 'length'), head('content-length: 5'));
  assert.equal(requestText([...POST, length], 'chunked'), head('transfer-encoding: chunked'));
  assert.equal(requestText([...POST, length], 'none'), head('content-length: 0'));
  assert.equal(requestText(POST, 'none'), head('content-length: 0'));
  assert.equal(requestText(GET, 'none'), lines('GET /b HTTP/1.1', 'host: a', ''));
  assert.throws(() => requestText(POST, 'length'), /declared/);
  assert.throws(() => requestText(POST, 'close'), /connection/);
});

test('te: trailers is announced, and nothing else that concerns a connection leaves', () => {
  const fields = fieldsOf(['te', 'trailers'], ['connection', 'x'], ['upgrade', 'h2c'], ['http2-settings', 'x'], ['transfer-encoding', 'gzip'], ['keep-alive', '1'], ['proxy-connection', 'x']); // prettier-ignore
  assert.equal(requestText([...GET, ...fields]), lines('GET /b HTTP/1.1', 'host: a', 'te: trailers', 'connection: te', '')); // prettier-ignore
});

test('an extended CONNECT to a WebSocket leaves as an upgrade', () => {
  const fields = fieldsOf([':method', 'CONNECT'], [':protocol', 'websocket'], [':scheme', 'http'], [':authority', 'a'], [':path', '/b'], ['sec-websocket-key', 'old'], ['sec-websocket-protocol', 'c']); // prettier-ignore
  const key = newKey();
  const expected = (...rest: string[]): string => lines('GET /b HTTP/1.1', 'host: a', ...rest, 'connection: Upgrade', 'upgrade: websocket', `sec-websocket-key: ${key}`); // prettier-ignore
  const version = 'sec-websocket-version: 13';
  assert.equal(requestText(fields, 'none', key), expected('sec-websocket-protocol: c') + lines(version, ''));
  const more = [...fields, makeField('sec-websocket-version', '13')];
  assert.equal(requestText(more, 'none', key), expected('sec-websocket-protocol: c', version) + lines(''));
  assert.throws(() => requestText(fields), /extended CONNECT/);
});

test('an ordinary CONNECT has the authority for its target', () => {
  const fields = fieldsOf([':method', 'CONNECT'], [':authority', 'a:443'], ['x', 'y']);
  assert.equal(requestText(fields), lines('CONNECT a:443 HTTP/1.1', 'host: a:443', 'x: y', ''));
});

test('a status line has the phrase that came, or the registered one', () => {
  const fields = fieldsOf([':status', '404'], ['date', 'x'], ['server', 'y']);
  assert.equal(responseText(fields, 'none'), lines('HTTP/1.1 404 Not Found', 'date: x', 'server: y', ''));
  assert.equal(responseText(fields, 'none', CONTINUE, 'Gone Fishing').split('\r\n')[0], 'HTTP/1.1 404 Gone Fishing');
  assert.equal(responseText(fieldsOf([':status', '299']), 'none'), lines('HTTP/1.1 299 ', ''));
});

test('a response says how it ends and whether its connection does', () => {
  const fields = fieldsOf([':status', '200'], ['content-length', '5']);
  const ok = (...rest: string[]): string => lines('HTTP/1.1 200 OK', ...rest, '');
  assert.equal(responseText(fields, 'length'), ok('content-length: 5'));
  assert.equal(responseText(fields, 'none'), ok('content-length: 5'));
  assert.equal(responseText(fields, 'chunked'), ok('transfer-encoding: chunked'));
  assert.equal(responseText(fields, 'close'), ok('connection: close'));
  assert.equal(responseText(fields, 'length', { ...CONTINUE, close: true }), ok('content-length: 5', 'connection: close')); // prettier-ignore
  assert.equal(responseText(fields, 'length', { ...CONTINUE, minor: 0 }), ok('content-length: 5', 'connection: keep-alive')); // prettier-ignore
  assert.throws(() => responseText(fields, 'chunked', { ...CONTINUE, minor: 0 }), /HTTP\/1\.0/);
  assert.throws(() => responseText(fieldsOf([':status', '200']), 'length'), /declared/);
});

test('1xx and 204 have no length, and 1xx nothing about the connection', () => {
  const how = { ...CONTINUE, close: true };
  const fields = (status: string): Field[] => fieldsOf([':status', status], ['content-length', '0'], ['link', 'x']);
  assert.equal(responseText(fields('103'), 'none', how), lines('HTTP/1.1 103 Early Hints', 'link: x', ''));
  assert.equal(responseText(fields('204'), 'none'), lines('HTTP/1.1 204 No Content', 'link: x', ''));
});

test('the response that opens a WebSocket is a 101', () => {
  const fields = fieldsOf([':status', '200'], ['sec-websocket-accept', 'old'], ['sec-websocket-protocol', 'b']);
  const accept = acceptOf('dGhlIHNhbXBsZSBub25jZQ==');
  // RFC 6455 section 1.3
  assert.equal(accept, 's3pPLMBiTxaQ9kYGzzhZRbK+xOo=');
  assert.equal(
    responseText(fields, 'none', { ...CONTINUE, accept }, 'whatever'),
    lines('HTTP/1.1 101 Switching Protocols', 'sec-websocket-protocol: b', 'connection: Upgrade', 'upgrade: websocket', `sec-websocket-accept: ${accept}`, ''), // prettier-ignore
  );
});

test('keys are sixteen octets', () => {
  assert.ok(isKey(newKey()), 'ours is one');
  assert.notEqual(newKey(), newKey());
  for (const bad of ['', 'abc', 'dGhlIHNhbXBsZSBub25jZQ=', 'dGhlIHNhbXBsZSBub25jZQ==\n', 'dGhlIHNhbXBsZSBub2 jZQ==']) {
    assert.equal(isKey(bad), false, bad);
  }
});

test('nothing that could end a line ever leaves, and nothing of such a head does', () => {
  const bad = ['\r', '\n', '\0', 'a\r\nb: c', 'a\u010ab', '\u010d', '\x7f'];
  for (const value of bad) {
    for (const fields of [
      [...GET, makeField('x', value)],
      [...GET, makeField('cookie', 'a'), makeField('cookie', value)],
      [...GET, makeField(value, 'x')],
      fieldsOf([':method', 'GET'], [':scheme', 'http'], [':authority', value], [':path', '/']),
      fieldsOf([':method', 'GET'], [':scheme', 'http'], [':authority', 'a'], [':path', `/${value}`]),
      fieldsOf([':method', value], [':scheme', 'http'], [':authority', 'a'], [':path', '/']),
    ]) {
      const written = new Written();
      assert.throws(() => writeRequestHead(written.output, fields, 'none', null), JSON.stringify(value));
      assert.equal(written.text, '');
    }
    const written = new Written();
    assert.throws(() => writeResponseHead(written.output, fieldsOf([':status', '200']), value, 'none', CONTINUE));
    assert.throws(() => writeResponseHead(written.output, fieldsOf([':status', '200'], ['x', value]), '', 'none', CONTINUE)); // prettier-ignore
    assert.throws(() => writeEnd(written.output, fieldsOf(['x', value]), 'chunked'));
    assert.equal(written.text, '');
  }
  const path = fieldsOf([':method', 'GET'], [':scheme', 'http'], [':authority', 'a'], [':path', '/ HTTP/1.1']);
  assert.throws(() => requestText(path), /request line/);
  assert.throws(() => requestText([...GET, makeField('x: y', 'z')]), /illegal|malformed/);
});

test('a field that is written again and again is written the same', () => {
  const fields = [...GET, makeField('x-a', 'b'), makeField('authorization', 'c')];
  const first = requestText(fields);
  for (let n = 0; n < 5; n++) assert.equal(requestText(fields), first);
});

test('no data is no chunk, and data of any length is read as it was written', () => {
  const random = new Random(7);
  for (const framing of ['chunked', 'length', 'close'] as const) {
    const written = new Written();
    let sent = '';
    for (const length of [0, 1, 15, 16, 17, 255, 256, 4095, 4096, 69_632, 200_000, 3]) {
      const data = Buffer.from(random.text(length, 'abcdef\r\n0'));
      writeData(written.output, Buffer.concat([Buffer.from('..'), data]), 2, 2 + length, framing);
      sent += data.toString();
    }
    writeEnd(written.output, fieldsOf(['x-sum', '1'], ['content-length', '2'], ['connection', 'x']), framing);
    if (framing !== 'chunked') assert.equal(written.text, sent);
    else {
      const reading = new Reading('response').feed(lines('HTTP/1.1 200 OK', 'Transfer-Encoding: chunked', '') + written.text); // prettier-ignore
      assert.equal(reading.messages[0]!.body, sent);
      assert.deepEqual(reading.messages[0]!.trailers, [['x-sum', '1']]);
    }
  }
  assert.equal(
    text((output) => writeData(output, Buffer.from('abc'), 0, 3, 'none')),
    '',
  );
});

test('a request that was read, written and read again is the same', () => {
  const random = new Random(11);
  const target = (): string => random.pick(['/', '/a?b=c', '/%20', 'http://a.b:80/x', 'http://a.b']);
  for (let n = 0; n < 500; n++) {
    const names = Array.from({ length: random.below(12) }, () => random.pick(['X-A', 'x-b', 'Cookie', 'TE', 'Accept', 'Connection', 'Authorization'])); // prettier-ignore
    const values = names.map((name) => (name === 'TE' ? 'trailers' : name === 'Connection' ? 'x-b, keep-alive' : random.text(random.below(90), 'ab c\t\xe9,;='))); // prettier-ignore
    const wire = lines(`${random.pick(['GET', 'POST', 'PURGE'])} ${target()} HTTP/1.1`, 'Host: a.b', ...names.map((name, i) => `${name}: ${values[i]!}`), ''); // prettier-ignore
    const once = made(wire);
    const again = made(requestText(once.fields));
    const plain = (head: RequestHead): unknown => pairs(head.fields).filter(([name]) => name !== 'cookie' && name !== 'content-length' && name !== 'te'); // prettier-ignore
    assert.deepEqual(plain(again), plain(once), JSON.stringify(wire));
    const cookies = (head: RequestHead): string => pairs(head.fields).filter(([name]) => name === 'cookie').map(([, value]) => value).join('; '); // prettier-ignore
    // A crumb that is empty at the end leaves white space, which is not part of a value.
    assert.equal(cookies(again), cookies(once).trim(), JSON.stringify(wire));
    assert.equal(again.fields.some(({ name }) => name.text === 'te'), names.includes('TE')); // prettier-ignore
  }
});
function made(wire: string): RequestHead {
  const reading = new Reading().feed(wire);
  assert.equal(reading.broken, null, wire);
  const head = toRequestHead(reading.messages[0]!.start as RequestStart, 'http');
  assert.ok(head instanceof RequestHead, wire);
  return head;
}
