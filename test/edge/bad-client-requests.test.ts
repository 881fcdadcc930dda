import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import * as h2 from '../support/frames.ts';
import { Flag, type Field } from '../support/frames.ts';
import { literals } from '../support/header-block.ts';
import { Code, END, call, engineWith, pathOf, request, stage, type Play } from './stage.ts';

const without = (name: string): Field[] => request('/bad').filter(([field]) => field !== name);
const replaced = (name: string, value: string): Field[] =>
  request('/bad').map(([field, old]) => [field, field === name ? value : old]);

const malformed: readonly (readonly [what: string, fields: readonly Field[]])[] = [
  ['an upper-case name', request('/bad', ['X-Upper', '1'])],
  ['an empty name', request('/bad', ['', '1'])],
  ['a space in a name', request('/bad', ['x y', '1'])],
  ['a colon in a name', request('/bad', ['x:y', '1'])],
  ['a control character in a name', request('/bad', ['x\x01', '1'])],
  ['an octet over 0x7f in a name', request('/bad', ['x\xe9', '1'])],
  ['CR in a value', request('/bad', ['x', 'a\rb'])],
  ['LF in a value', request('/bad', ['x', 'a\nb'])],
  ['CR LF and another field in a value', request('/bad', ['x', 'a\r\ncontent-length: 5'])],
  ['NUL in a value', request('/bad', ['x', 'a\0b'])],
  ['a space before a value', request('/bad', ['x', ' a'])],
  ['a tab behind a value', request('/bad', ['x', 'a\t'])],
  ['connection', request('/bad', ['connection', 'close'])],
  ['keep-alive', request('/bad', ['keep-alive', '5'])],
  ['proxy-connection', request('/bad', ['proxy-connection', 'x'])],
  ['transfer-encoding', request('/bad', ['transfer-encoding', 'chunked'])],
  ['upgrade', request('/bad', ['upgrade', 'h2c'])],
  ['te of gzip', request('/bad', ['te', 'gzip'])],
  ['te of trailers and more', request('/bad', ['te', 'trailers, gzip'])],
  ['no :method', without(':method')],
  ['no :scheme', without(':scheme')],
  ['no :path', without(':path')],
  ['an empty :path', replaced(':path', '')],
  ['a :path that is no path', replaced(':path', 'bad')],
  ['a space in :path', replaced(':path', '/bad x HTTP/1.1')],
  ['a space in :method', replaced(':method', 'GET / HTTP/1.1')],
  ['two :path', request('/bad', [':path', '/bad'])],
  ['two :method', [[':method', 'GET'], ...request('/bad')]],
  ['an unknown pseudo-header', [[':colour', 'red'], ...request('/bad')]],
  ['the pseudo-header of a response', [[':status', '200'], ...request('/bad')]],
  ['a pseudo-header behind a field', [['x', '1'], ...request('/bad')]],
  ['a host that contradicts :authority', request('/bad', ['host', 'elsewhere'])],
  ['user information in :authority', replaced(':authority', 'me@localhost')],
  ['two different content-lengths', request('/bad', ['content-length', '0'], ['content-length', '1'])],
  ['a content-length that is no number', request('/bad', ['content-length', '0x0'])],
  ['a negative content-length', request('/bad', ['content-length', '-1'])],
  ['a content-length with a sign', request('/bad', ['content-length', '+0'])],
  ['a content-length over 2^53', request('/bad', ['content-length', '99999999999999999999'])],
  ['a content-length without content', request('/bad', ['content-length', '3'])],
];

describe('a malformed request costs its stream, and no engine hears of it', () => {
  for (const [what, fields] of malformed) {
    test(what, async (t) => {
      const engine = await engineWith(t);
      const { client, stillServes } = await stage(t, engine);
      const bad = await client();
      const id = bad.streamId();
      bad.send(h2.headersFrame(id, literals(fields), END));
      const { reset, status } = await bad.message(id);
      assert.ok(reset === Code.PROTOCOL_ERROR || status === 400, `reset ${reset}, status ${status}`);
      assert.equal((await call(bad, request('/'), 'same connection')).body.toString(), 'same connection');
      await stillServes();
      const heard = engine.sessions.flatMap((session) => session.frames).filter((frame) => frame.headers);
      assert.deepEqual(
        heard.map(pathOf).filter((path) => path.includes('bad')),
        [],
      );
    });
  }
});

describe('what looks odd and is right is passed on', () => {
  const right: readonly (readonly [what: string, fields: readonly Field[], name: string, value: string | undefined])[] =
    [
      ['te: trailers', request('/', ['te', 'trailers']), 'te', 'trailers'],
      ['an empty value', request('/', ['x', '']), 'x', ''],
      ['octets over 0x7f in a value', request('/', ['x', 'caf\xe9']), 'x', 'caf\xe9'],
      ['names of object members', request('/', ['constructor', '__proto__']), 'constructor', '__proto__'],
      ['a proto field', request('/', ['__proto__', 'x']), 'x-none', undefined],
      ['host in the place of :authority', [...request('/').slice(0, 3), ['host', 'localhost']], 'x-none', undefined],
    ];
  for (const [what, fields, name, value] of right) {
    test(what, async (t) => {
      const engine = await engineWith(t);
      const { client } = await stage(t, engine);
      const peer = await client();
      const id = peer.streamId();
      peer.send(h2.headersFrame(id, literals(fields), END));
      assert.equal((await peer.message(id)).status, 200);
      const head = engine.sessions[0]!.frames.find((frame) => frame.headers)!;
      assert.equal(head.headers!.find(([field]) => field === name)?.[1], value);
    });
  }
  test('cookie crumbs arrive as one meaning', async (t) => {
    const engine = await engineWith(t);
    const { client } = await stage(t, engine);
    const peer = await client();
    const id = peer.open(request('/', ['cookie', 'a=1'], ['cookie', 'b=2']), Flag.END_STREAM);
    assert.equal((await peer.message(id)).status, 200);
    const head = engine.sessions[0]!.frames.find((frame) => frame.headers)!;
    const crumbs = head.headers!.filter(([name]) => name === 'cookie').map(([, value]) => value);
    assert.equal(crumbs.join('; '), 'a=1; b=2');
  });
});

describe('content-length is the number of octets, no more and no less', () => {
  const hang: Play = () => undefined;
  for (const [what, pieces] of [
    ['in one frame', ['hello!']],
    ['in the next frame', ['hello', '!']],
  ] as const) {
    test(`an octet too many ${what} never reaches the engine`, async (t) => {
      const engine = await engineWith(t, { '/bad': hang });
      const { client, stillServes } = await stage(t, engine);
      const bad = await client();
      const id = bad.open(request('/bad', ['content-length', '5']));
      const session = await engine.session();
      const { streamId } = await session.next('HEADERS');
      for (const piece of pieces) bad.data(id, piece);
      assert.equal((await bad.message(id)).reset, Code.PROTOCOL_ERROR);
      const { body, reset } = await session.message(streamId);
      assert.notEqual(reset, null);
      assert.ok('hello'.startsWith(body.toString()), body.toString());
      await stillServes();
    });
  }
  test('a request that ends too soon does not end well for the engine either', async (t) => {
    const engine = await engineWith(t, { '/bad': hang });
    const { client, stillServes } = await stage(t, engine);
    const bad = await client();
    const id = bad.open(request('/bad', ['content-length', '5']));
    const session = await engine.session();
    const { streamId } = await session.next('HEADERS');
    bad.data(id, 'hel', Flag.END_STREAM);
    assert.equal((await bad.message(id)).reset, Code.PROTOCOL_ERROR);
    assert.notEqual((await session.message(streamId)).reset, null);
    assert.deepEqual(session.frames.filter(h2.endsStream), []);
    await stillServes();
  });
  test('trailers that come too soon are the same lie', async (t) => {
    const engine = await engineWith(t, { '/bad': hang });
    const { client } = await stage(t, engine);
    const bad = await client();
    const id = bad.open(request('/bad', ['content-length', '5']));
    bad.data(id, 'hel');
    bad.headers(id, [['x-checksum', '1']]);
    assert.equal((await bad.message(id)).reset, Code.PROTOCOL_ERROR);
    const session = await engine.session();
    assert.deepEqual(session.frames.filter(h2.endsStream), []);
  });
  test('padding does not count', async (t) => {
    const { client } = await stage(t, await engineWith(t));
    const peer = await client();
    const id = peer.open(request('/', ['content-length', '5']));
    peer.send(h2.dataFrame(id, Buffer.from('\x03hello\0\0\0'), Flag.PADDED | Flag.END_STREAM));
    assert.equal((await peer.message(id)).body.toString(), 'hello');
  });
});

describe('bad trailers cost the stream', () => {
  const bad: readonly (readonly [string, readonly Field[], number])[] = [
    ['a pseudo-header', [[':path', '/']], Flag.END_STREAM],
    ['no END_STREAM', [['x', '1']], 0],
    ['an upper-case name', [['X', '1']], Flag.END_STREAM],
    ['a connection header', [['connection', 'close']], Flag.END_STREAM],
  ];
  for (const [what, fields, flags] of bad) {
    test(`with ${what}`, async (t) => {
      const engine = await engineWith(t, { '/bad': () => undefined });
      const { client, stillServes } = await stage(t, engine);
      const peer = await client();
      const id = peer.open(request('/bad'));
      const session = await engine.session();
      const { streamId } = await session.next('HEADERS');
      peer.send(h2.headersFrame(id, literals(fields), flags | Flag.END_HEADERS));
      assert.equal((await peer.message(id)).reset, Code.PROTOCOL_ERROR);
      assert.notEqual((await session.message(streamId)).reset, null);
      assert.deepEqual(session.frames.filter(h2.endsStream), []);
      await stillServes();
    });
  }
});

test('CONNECT is not allowed', async (t) => {
  const { client, stillServes } = await stage(t, await engineWith(t));
  const peer = await client();
  const id = peer.open([[':method', 'CONNECT'], [':authority', 'localhost:22']], Flag.END_STREAM); // prettier-ignore
  assert.equal((await peer.message(id)).status, 405);
  await stillServes();
});
