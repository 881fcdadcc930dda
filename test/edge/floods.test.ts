import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import * as h2 from '../support/frames.ts';
import { Flag, Setting, Type, type Field } from '../support/frames.ts';
import { indexed, literals, remembered } from '../support/header-block.ts';
import type { RawClient } from '../support/raw-peer.ts';
import { Code, END, call, endsWith, engineWith, grpcRequest, request, stage } from './stage.ts';

const block = literals(request('/hang'));
const many = (count: number, each: (i: number) => Buffer): Buffer =>
  Buffer.concat(Array.from({ length: count }, (_, i) => each(i)));
const fields = (count: number): Field[] => Array.from({ length: count }, (_, i) => [`x-${i}`, '1']);

/** Each is one write; all end in ENHANCE_YOUR_CALM. */
const floods: readonly (readonly [what: string, limit: string, bytes: () => Buffer])[] = [
  [
    'rapid resets',
    'resets',
    () => many(300, (i) => Buffer.concat([h2.headersFrame(2 * i + 1, block, END), h2.resetFrame(2 * i + 1, 8)])),
  ],
  [
    'resets that it makes us send',
    'resets',
    () => many(300, (i) => Buffer.concat([h2.headersFrame(2 * i + 1, block, 4), h2.windowFrame(2 * i + 1, 0)])),
  ],
  ['PINGs', 'answers', () => many(20_000, () => h2.pingFrame())],
  ['SETTINGS', 'answers', () => many(20_000, () => h2.settingsFrame())],
  [
    'empty DATA',
    'empty_data',
    () => Buffer.concat([h2.headersFrame(1, block, 4), many(200, () => h2.dataFrame(1, ''))]),
  ],
  [
    'DATA of one octet',
    'tiny_data',
    () => Buffer.concat([h2.headersFrame(1, block, 4), many(20_000, () => h2.dataFrame(1, 'x'))]),
  ],
  [
    'WINDOW_UPDATE',
    'control_frames',
    () => Buffer.concat([h2.headersFrame(1, block, 4), many(200, () => h2.windowFrame(0, 1))]),
  ],
  ['PRIORITY', 'control_frames', () => many(400, () => h2.frame(Type.PRIORITY, 0, 1, Buffer.from([0, 0, 0, 3, 0])))],
  ['frames of unknown type', 'control_frames', () => many(400, () => h2.frame(0xfa, 0, 0, 'noise'))],
  [
    'CONTINUATION',
    'continuation',
    () =>
      Buffer.concat([h2.headersFrame(1, block, 0), many(20, () => h2.continuationFrame(1, literals([['x', '1']]), 0))]),
  ],
  [
    'empty CONTINUATION',
    'continuation',
    () => Buffer.concat([h2.headersFrame(1, block, 0), many(2, () => h2.continuationFrame(1, Buffer.alloc(0), 0))]),
  ],
  [
    'a header block of 80 KiB',
    'continuation',
    () =>
      Buffer.concat([
        h2.headersFrame(1, block, 0),
        many(5, () => h2.continuationFrame(1, literals([['x', 'y'.repeat(16_000)]]), 0)),
      ]),
  ],
  ['1001 fields', 'header_list', () => h2.headersFrame(1, literals([...request('/'), ...fields(1001)]), END)],
  [
    'a header list of 150 KiB',
    'header_list',
    () =>
      h2.headersFrame(
        1,
        Buffer.concat([literals(request('/')), remembered('x', 'y'.repeat(4000)), many(36, () => indexed(62))]),
        END,
      ),
  ],
  ['streams', 'streams', () => many(250, (i) => h2.headersFrame(2 * i + 1, block, END))],
  [
    '33 settings in a frame',
    '',
    () => h2.settingsFrame(...Array.from({ length: 33 }, () => [Setting.MAX_CONCURRENT_STREAMS, 100] as const)),
  ],
];

describe('a client that floods is sent away with ENHANCE_YOUR_CALM, and its neighbour notices nothing', () => {
  for (const [what, limit, bytes] of floods) {
    test(what, async (t) => {
      const { gateway, client, stillServes } = await stage(t, await engineWith(t, { '/hang': () => undefined }));
      const bad = await client();
      bad.manners.settings = false;
      bad.send(bytes());
      await endsWith(bad, Code.ENHANCE_YOUR_CALM);
      await stillServes();
      if (limit !== '') assert.ok(gateway.count('frameway_limited_total', limit) > 0, `${limit} is not counted`);
      assert.equal(gateway.count('frameway_exchanges'), 0);
    });
  }
});

test('a client that floods PINGs and reads no answer is cut off too', async (t) => {
  const { client, stillServes } = await stage(t, await engineWith(t));
  const bad = await client();
  bad.socket.pause();
  const pings = many(5000, () => h2.pingFrame());
  for (let i = 0; i < 50; i++) bad.sendRaw(pings);
  await stillServes();
  bad.socket.resume();
  await bad.gone();
  await stillServes();
});

test('streams over the limit are refused one by one, and the others go on', async (t) => {
  const { client, stillServes } = await stage(t, await engineWith(t, { '/hang': () => undefined }));
  const greedy = await client();
  const ids = Array.from({ length: 101 }, () => greedy.open(request('/hang'), Flag.END_STREAM));
  assert.equal((await greedy.message(ids[100]!)).reset, Code.REFUSED_STREAM);
  greedy.reset(ids[0]!, Code.CANCEL);
  assert.equal((await call(greedy, request('/'), 'room again')).body.toString(), 'room again');
  await stillServes();
});

describe('a header list over the limit costs its request', () => {
  const large = (head: readonly Field[]): Buffer =>
    Buffer.concat([literals(head), remembered('x', 'y'.repeat(4000)), many(20, () => indexed(62))]);
  const refused = async (client: RawClient, head: Buffer) => {
    const id = client.streamId();
    client.send(h2.headersFrame(id, head, END));
    return client.message(id);
  };
  test('with 431', async (t) => {
    const { client, stillServes } = await stage(t, await engineWith(t));
    const bad = await client();
    assert.equal((await refused(bad, large(request('/')))).status, 431);
    assert.equal((await call(bad, request('/'), 'same connection')).status, 200);
    await stillServes();
  });
  test('with RESOURCE_EXHAUSTED for gRPC', async (t) => {
    const { client, stillServes } = await stage(t, await engineWith(t));
    const bad = await client();
    const { status, grpcStatus } = await refused(bad, large(grpcRequest('/')));
    assert.deepEqual([status, grpcStatus], [200, 8]);
    await stillServes();
  });
  test('also by the number of its fields, cookie crumbs included', async (t) => {
    const { client } = await stage(t, await engineWith(t));
    const bad = await client();
    const crumbs = Array.from({ length: 201 }, (): Field => ['cookie', 'a']);
    for (const extra of [fields(201), crumbs]) {
      const { status, reset } = await refused(bad, literals([...request('/'), ...extra]));
      assert.ok(status === 431 || reset !== null, `status ${status}`);
    }
    assert.equal((await call(bad, request('/'), 'same connection')).status, 200);
  });
  test('and one just below passes', async (t) => {
    const { client } = await stage(t, await engineWith(t));
    const head = literals([...request('/'), ...fields(150), ['x', 'y'.repeat(8000)]]);
    assert.equal((await refused(await client(), head)).status, 200);
  });
});

describe('a client that is too slow', () => {
  const limits = { handshakeTimeout: 200, slowReadTimeout: 300 };
  const notEarly = (since: number): void => assert.ok(performance.now() - since >= 190, 'cut off too early');
  test('with its preface loses its connection', async (t) => {
    const { client, stillServes } = await stage(t, await engineWith(t), { limits, listener: { sniffTimeout: 200 } });
    for (const start of ['', 'PRI * HT']) {
      const since = performance.now();
      const slow = await client(null);
      slow.sendRaw(start);
      await slow.gone(5000);
      notEarly(since);
    }
    await stillServes();
  });
  test('with the rest of a header block loses its connection', async (t) => {
    const { client, stillServes } = await stage(t, await engineWith(t), { limits });
    const slow = await client();
    await slow.next((frame) => frame.type === Type.SETTINGS && h2.isAck(frame));
    const since = performance.now();
    slow.send(h2.headersFrame(1, block, 0));
    await slow.gone(5000);
    notEarly(since);
    await stillServes();
  });
  test('with its SETTINGS ACK gets SETTINGS_TIMEOUT', async (t) => {
    const { client, stillServes } = await stage(t, await engineWith(t), { limits });
    const rude = await client();
    rude.manners.settings = false;
    await rude.until(
      () => (rude.frames.some((f) => f.errorCode === Code.SETTINGS_TIMEOUT) ? true : undefined),
      'GOAWAY',
      5000,
    );
    await rude.gone(5000);
    await stillServes();
  });
  test('to take its response has its stream reset, and keeps its connection', async (t) => {
    const { client, stillServes } = await stage(
      t,
      await engineWith(t, {
        '/big': (session, id) => {
          session.headers(id, [[':status', '200']], 0);
          for (let i = 0; i < 4; i++) session.data(id, Buffer.alloc(16_000));
        },
      }),
      { limits },
    );
    const slow = await client([[Setting.INITIAL_WINDOW_SIZE, 10]]);
    slow.manners.window = false;
    const id = slow.open(request('/big'), Flag.END_STREAM);
    assert.equal((await slow.message(id, 8000)).reset, Code.CANCEL);
    assert.equal((await call(slow, request('/'), 'tiny')).body.toString(), 'tiny');
    await stillServes();
  });
});

test('small messages in great number are no flood', async (t) => {
  const { client } = await stage(t, await engineWith(t));
  const talker = await client();
  const id = talker.open(grpcRequest('/'));
  for (let i = 0; i < 50; i++) {
    for (let j = 0; j < 20; j++) talker.data(id, 'some text');
    await sleep(5);
  }
  talker.data(id, '', Flag.END_STREAM);
  const { body, grpcStatus } = await talker.message(id);
  assert.deepEqual([body.length, grpcStatus], [9000, 0]);
});
