import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import * as h2 from '../support/frames.ts';
import { Flag, Setting, Type } from '../support/frames.ts';
import { indexed, integer, literals, remembered, tableSize } from '../support/header-block.ts';
import type { RawClient } from '../support/raw-peer.ts';
import { Code, END, call, endsWith, engineWith, request, stage } from './stage.ts';

const block = literals(request('/'));
const zeros = (length: number): Buffer => Buffer.alloc(length);
const headers = (streamId: number, more: Buffer, flags: number = END): Buffer =>
  h2.headersFrame(streamId, Buffer.concat([block, more]), flags);

/** What a client sends after its preface, and the code of the GOAWAY that it earns. */
const connectionErrors: readonly (readonly [what: string, code: number, frames: readonly Buffer[]])[] = [
  ['DATA on stream 0', Code.PROTOCOL_ERROR, [h2.dataFrame(0, 'x')]],
  ['HEADERS on stream 0', Code.PROTOCOL_ERROR, [h2.headersFrame(0, block, END)]],
  ['PRIORITY on stream 0', Code.PROTOCOL_ERROR, [h2.frame(Type.PRIORITY, 0, 0, zeros(5))]],
  ['RST_STREAM on stream 0', Code.PROTOCOL_ERROR, [h2.resetFrame(0, 8)]],
  ['CONTINUATION on stream 0', Code.PROTOCOL_ERROR, [h2.continuationFrame(0, block, END)]],
  ['SETTINGS on a stream', Code.PROTOCOL_ERROR, [h2.frame(Type.SETTINGS, 0, 1)]],
  ['PING on a stream', Code.PROTOCOL_ERROR, [h2.frame(Type.PING, 0, 1, zeros(8))]],
  ['GOAWAY on a stream', Code.PROTOCOL_ERROR, [h2.frame(Type.GOAWAY, 0, 1, zeros(8))]],
  ['PUSH_PROMISE from a client', Code.PROTOCOL_ERROR, [h2.frame(Type.PUSH_PROMISE, 4, 1, zeros(4))]],
  [
    'RST_STREAM of three octets',
    Code.FRAME_SIZE_ERROR,
    [headers(1, zeros(0), 4), h2.frame(Type.RST_STREAM, 0, 1, zeros(3))],
  ],
  ['SETTINGS of five octets', Code.FRAME_SIZE_ERROR, [h2.frame(Type.SETTINGS, 0, 0, zeros(5))]],
  ['a SETTINGS ACK that says something', Code.FRAME_SIZE_ERROR, [h2.frame(Type.SETTINGS, Flag.ACK, 0, zeros(6))]],
  ['PING of seven octets', Code.FRAME_SIZE_ERROR, [h2.frame(Type.PING, 0, 0, zeros(7))]],
  ['GOAWAY of seven octets', Code.FRAME_SIZE_ERROR, [h2.frame(Type.GOAWAY, 0, 0, zeros(7))]],
  ['WINDOW_UPDATE of three octets', Code.FRAME_SIZE_ERROR, [h2.frame(Type.WINDOW_UPDATE, 0, 0, zeros(3))]],
  ['a frame over MAX_FRAME_SIZE', Code.FRAME_SIZE_ERROR, [h2.frameHeader(16_385, Type.HEADERS, END, 1)]],
  ['a SETTINGS frame that promises 16 MiB', Code.FRAME_SIZE_ERROR, [h2.frameHeader(0xffffff, Type.SETTINGS, 0, 0)]],
  ['an unknown frame over MAX_FRAME_SIZE', Code.FRAME_SIZE_ERROR, [h2.frameHeader(16_385, 0xfa, 0, 0)]],
  ['ENABLE_PUSH of 2', Code.PROTOCOL_ERROR, [h2.settingsFrame([Setting.ENABLE_PUSH, 2])]],
  ['a window over 2^31-1', Code.FLOW_CONTROL_ERROR, [h2.settingsFrame([Setting.INITIAL_WINDOW_SIZE, 2 ** 31])]],
  ['MAX_FRAME_SIZE of 16383', Code.PROTOCOL_ERROR, [h2.settingsFrame([Setting.MAX_FRAME_SIZE, 16_383])]],
  ['MAX_FRAME_SIZE of 2^24', Code.PROTOCOL_ERROR, [h2.settingsFrame([Setting.MAX_FRAME_SIZE, 2 ** 24])]],
  ['an increment of 0', Code.PROTOCOL_ERROR, [h2.windowFrame(0, 0)]],
  ['a connection window beyond 2^31-1', Code.FLOW_CONTROL_ERROR, [h2.windowFrame(0, 2 ** 31 - 1)]],
  ['a stream of even number', Code.PROTOCOL_ERROR, [headers(2, zeros(0))]],
  ['a stream below the last', Code.PROTOCOL_ERROR, [headers(5, zeros(0)), headers(3, zeros(0))]],
  ['DATA on an idle stream', Code.PROTOCOL_ERROR, [h2.dataFrame(7, 'x')]],
  ['RST_STREAM on an idle stream', Code.PROTOCOL_ERROR, [h2.resetFrame(7, 8)]],
  ['WINDOW_UPDATE on an idle stream', Code.PROTOCOL_ERROR, [h2.windowFrame(7, 1)]],
  ['CONTINUATION without HEADERS', Code.PROTOCOL_ERROR, [h2.continuationFrame(1, block, END)]],
  [
    'CONTINUATION after END_HEADERS',
    Code.PROTOCOL_ERROR,
    [headers(1, zeros(0), 4), h2.continuationFrame(1, block, END)],
  ],
  ['DATA inside a header block', Code.PROTOCOL_ERROR, [h2.headersFrame(1, block, 0), h2.dataFrame(1, 'x')]],
  ['PING inside a header block', Code.PROTOCOL_ERROR, [h2.headersFrame(1, block, 0), h2.pingFrame()]],
  ['an unknown frame inside a header block', Code.PROTOCOL_ERROR, [h2.headersFrame(1, block, 0), h2.frame(0xfa, 0, 1)]],
  ['another stream inside a header block', Code.PROTOCOL_ERROR, [h2.headersFrame(1, block, 0), headers(3, zeros(0))]],
  [
    'CONTINUATION of another stream',
    Code.PROTOCOL_ERROR,
    [h2.headersFrame(1, block, 0), h2.continuationFrame(3, block, 4)],
  ],
  [
    'DATA padded beyond its end',
    Code.PROTOCOL_ERROR,
    [headers(1, zeros(0), 4), h2.frame(0, Flag.PADDED, 1, Buffer.from([9, 1, 1]))],
  ],
  [
    'HEADERS padded beyond their end',
    Code.PROTOCOL_ERROR,
    [h2.headersFrame(1, Buffer.from([200, 0x82]), END | Flag.PADDED)],
  ],
  ['HPACK index 0', Code.COMPRESSION_ERROR, [headers(1, indexed(0))]],
  ['an HPACK index that nobody entered', Code.COMPRESSION_ERROR, [headers(1, indexed(70))]],
  ['an HPACK literal without its end', Code.COMPRESSION_ERROR, [headers(1, Buffer.from([0x40, 0x0a, 0x61]))]],
  [
    'an HPACK integer without end',
    Code.COMPRESSION_ERROR,
    [headers(1, Buffer.from([0xff, 0xff, 0xff, 0xff, 0xff, 0xff]))],
  ],
  ['an HPACK index over 2^31', Code.COMPRESSION_ERROR, [headers(1, integer(2 ** 31 + 5, 7, 0x80))]],
  [
    'a Huffman string with EOS',
    Code.COMPRESSION_ERROR,
    [headers(1, Buffer.from([0, 0x84, 0xff, 0xff, 0xff, 0xff, 0]))],
  ],
  [
    'an HPACK table over the limit',
    Code.COMPRESSION_ERROR,
    [h2.headersFrame(1, Buffer.concat([tableSize(4097), block]), END)],
  ],
  ['an HPACK table size behind a field', Code.COMPRESSION_ERROR, [headers(1, tableSize(0))]],
];

describe('a client that breaks the framing loses its connection, and only it', () => {
  for (const [what, code, frames] of connectionErrors) {
    test(`${what} earns error ${code}`, async (t) => {
      const { client, stillServes } = await stage(t, await engineWith(t));
      const bad = await client();
      bad.send(...frames);
      await endsWith(bad, code);
      await stillServes();
    });
  }
});

test('a client that does not speak HTTP/2 is sent away', async (t) => {
  const { client, stillServes } = await stage(t, await engineWith(t));
  for (const words of [
    'GET / HTTP/1.1\r\nHost: x\r\n\r\n',
    '\x16\x03\x01\x02\x00\x01',
    'PRI * HTTP/2.0\r\n\r\nSM\r\nXX',
  ]) {
    const bad = await client(null);
    bad.sendRaw(`${words}${'garbage '.repeat(10)}`);
    await bad.gone();
  }
  await stillServes();
});

test('a client that hangs up inside its preface or a frame leaves nothing behind', async (t) => {
  const { gateway, client, stillServes } = await stage(t, await engineWith(t));
  const cuts = [h2.PREFACE.subarray(0, 10), h2.PREFACE, Buffer.concat([h2.PREFACE, h2.settingsFrame().subarray(0, 5)])];
  for (const cut of cuts) {
    const bad = await client(null);
    bad.sendRaw(cut);
    bad.socket.end();
    await bad.gone();
  }
  const torn = await client();
  torn.send(headers(1, zeros(0), 4), h2.frameHeader(100, Type.DATA, 0, 1), zeros(50));
  torn.socket.end();
  await torn.gone();
  await stillServes();
  assert.equal(gateway.count('frameway_exchanges'), 0);
});

test('a first frame that is not SETTINGS is a protocol error', async (t) => {
  const { client, stillServes } = await stage(t, await engineWith(t));
  const bad = await client(null);
  bad.send(h2.PREFACE, h2.pingFrame());
  await endsWith(bad, Code.PROTOCOL_ERROR);
  await stillServes();
});

test('a preface that comes one octet at a time is a preface', async (t) => {
  const { client } = await stage(t, await engineWith(t));
  const slow = await client(null);
  for (const octet of Buffer.concat([h2.PREFACE, h2.settingsFrame()])) {
    slow.sendRaw(Buffer.from([octet]));
    await new Promise((resolve) => setImmediate(resolve));
  }
  assert.equal((await call(slow, request('/'), 'x')).status, 200);
});

test('PRIORITY of the wrong length harms at most its connection with FRAME_SIZE_ERROR', async (t) => {
  const { client, stillServes } = await stage(t, await engineWith(t));
  const bad = await client();
  bad.send(headers(1, zeros(0), 4), h2.frame(Type.PRIORITY, 0, 1, zeros(4)));
  const told = await bad.next((f) => f.errorCode !== undefined && f.errorCode !== 0);
  assert.equal(told.errorCode, Code.FRAME_SIZE_ERROR);
  await stillServes();
});

describe('a frame on a stream that is over', () => {
  const late: readonly (readonly [string, (client: RawClient, id: number) => void])[] = [
    ['DATA', (client, id) => client.data(id, 'late')],
    ['HEADERS', (client, id) => client.send(h2.headersFrame(id, literals([['late', '1']]), END))],
  ];
  for (const [what, send] of late) {
    test(`${what} after END_STREAM is STREAM_CLOSED`, async (t) => {
      const { client, stillServes } = await stage(t, await engineWith(t, { '/hang': () => undefined }));
      const bad = await client();
      const id = bad.open(request('/hang'), Flag.END_STREAM);
      send(bad, id);
      const told = await bad.next((f) => f.errorCode !== undefined);
      assert.equal(told.errorCode, Code.STREAM_CLOSED);
      await stillServes();
    });
    test(`${what} after the whole exchange is STREAM_CLOSED`, async (t) => {
      const { client, stillServes } = await stage(t, await engineWith(t));
      const bad = await client();
      const id = bad.open(request('/'), Flag.END_STREAM);
      await bad.message(id);
      send(bad, id);
      const told = await bad.next((f) => f.errorCode !== undefined);
      assert.equal(told.errorCode, Code.STREAM_CLOSED);
      await stillServes();
    });
  }
  test('WINDOW_UPDATE, RST_STREAM and PRIORITY are no error', async (t) => {
    const { client } = await stage(t, await engineWith(t));
    const peer = await client();
    const id = peer.open(request('/'), Flag.END_STREAM);
    await peer.message(id);
    peer.send(h2.windowFrame(id, 5), h2.resetFrame(id, 8), h2.frame(Type.PRIORITY, 0, id, zeros(5)));
    assert.equal((await call(peer, request('/'), 'again')).body.toString(), 'again');
  });
});

test('frames and settings that nobody knows are ignored', async (t) => {
  const { client } = await stage(t, await engineWith(t));
  const peer = await client([[0xf00d, 7], [Setting.ENABLE_PUSH, 0]]); // prettier-ignore
  peer.send(h2.frame(0xfa, 0xff, 0, 'whatever'), h2.frame(0xfb, 0, 11, 'whatever'));
  assert.equal((await call(peer, request('/'), 'x')).body.toString(), 'x');
});

test('a field entered in the HPACK table by a refused request is there for the next', async (t) => {
  const { client } = await stage(t, await engineWith(t));
  const peer = await client();
  peer.send(h2.headersFrame(1, Buffer.concat([literals([[':method', 'POST']]), remembered('x-kept', 'yes')]), END));
  assert.equal((await peer.message(1)).reset, Code.PROTOCOL_ERROR);
  peer.send(headers(3, indexed(62)));
  assert.equal((await peer.message(3)).status, 200);
});

test('a client that sends beyond its window gets FLOW_CONTROL_ERROR', async (t) => {
  const engine = await engineWith(t, { '/hang': (session) => (session.manners.window = false) });
  const { client, stillServes } = await stage(t, engine);
  const bad = await client();
  const id = bad.open(request('/hang'));
  const session = await engine.session();
  await session.until(() => (session.manners.window ? undefined : true), 'the request');
  for (let i = 0; i < 20; i++) bad.data(id, zeros(16_384));
  const told = await bad.next((f) => f.errorCode !== undefined && f.errorCode !== 0);
  assert.equal(told.errorCode, Code.FLOW_CONTROL_ERROR);
  session.send(h2.windowFrame(0, 1 << 20));
  await stillServes();
});

test('a stream window pushed beyond 2^31-1 costs the stream only', async (t) => {
  const { client, stillServes } = await stage(t, await engineWith(t, { '/hang': () => undefined }));
  const bad = await client();
  const id = bad.open(request('/hang'));
  bad.send(h2.windowFrame(id, 2 ** 31 - 1));
  assert.equal((await bad.message(id)).reset, Code.FLOW_CONTROL_ERROR);
  assert.equal((await call(bad, request('/'), 'x')).status, 200);
  await stillServes();
});
