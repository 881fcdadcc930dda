/** Header lists that one side may send and the other does not take, and fields that must not change their nature. */
import assert from 'node:assert/strict';
import { describe, test, type TestContext } from 'node:test';
import hpack from 'hpack.js';
import { Flag, Setting, Type, content, headersFrame, type Field } from '../support/frames.ts';
import { literal, literals } from '../support/header-block.ts';
import type { RawClient, Settings } from '../support/raw-peer.ts';
import { heads } from './requests.ts';
import { Code, OK, call, engineWith, good, grpcRequest, openTo, pathOf, request, stage, type Play } from './stage.ts';

const GRPC_OK: readonly Field[] = [...OK, ['content-type', 'application/grpc']];
const large = (size: number): Field => ['x-large', 'y'.repeat(size)];
const kinds = { 'an ordinary call': request, 'a gRPC call': grpcRequest };

/** How a call ended: what its kind says of it. */
const outcome = async (peer: RawClient, fields: readonly Field[]): Promise<number> => {
  const { status, grpcStatus } = await call(peer, fields);
  return grpcStatus ?? status;
};

describe('a request that is larger than what the engine takes', () => {
  const limit: Settings = [[Setting.MAX_HEADER_LIST_SIZE, 8192]];
  for (const [kind, make] of Object.entries(kinds)) {
    test(`is refused as ${kind}, and the session stays`, async (t) => {
      const engine = await engineWith(t, {}, limit);
      const { client, stillServes } = await stage(t, engine);
      const peer = await client();
      await good(peer);
      assert.equal(await outcome(peer, make('/large', large(12_000))), make === request ? 431 : 8);
      assert.equal(await outcome(peer, make('/fits', large(7000))), make === request ? 200 : 0);
      await stillServes();
      assert.equal(engine.sessions.length, 1);
      assert.ok(!heads(engine).some((head) => pathOf(head) === '/large'), 'the engine was sent it all the same');
    });
  }
});

describe('a response that is larger than what the client takes', () => {
  const plays: Readonly<Record<string, Play>> = {
    '/head': (session, id) => session.headers(id, [...GRPC_OK, large(6000), ['grpc-status', '0']]),
    '/trailers': (session, id) => {
      session.headers(id, GRPC_OK, 0);
      session.headers(id, [['grpc-status', '0'], large(6000)]);
    },
  };
  async function small(t: TestContext) {
    const { client, stillServes } = await stage(t, await engineWith(t, plays));
    return { peer: await client([[Setting.MAX_HEADER_LIST_SIZE, 4096]]), stillServes };
  }
  for (const [kind, make] of Object.entries(kinds)) {
    test(`is answered as the engine's fault for ${kind}`, async (t) => {
      const { peer, stillServes } = await small(t);
      assert.equal(await outcome(peer, make('/head')), make === request ? 502 : 13);
      await good(peer);
      await stillServes();
    });
  }
  test('in its trailers is ended by smaller ones', async (t) => {
    const { peer, stillServes } = await small(t);
    assert.equal(await outcome(peer, grpcRequest('/trailers')), 13);
    await good(peer);
    await stillServes();
  });
});

describe('informational responses', () => {
  const hints =
    (count: number): Play =>
    (session, id) => {
      for (let i = 0; i < count; i++) session.headers(id, [[':status', '103']], 0);
      session.headers(id, OK);
    };
  test('are passed on as long as they are 32', async (t) => {
    const { peer, id } = await openTo(t, hints(32), request('/x'), Flag.END_STREAM);
    const { informational, status } = await peer.message(id);
    assert.deepEqual([informational.length, status], [32, 200]);
  });
  test('are a malformed response when they are more', async (t) => {
    const { peer, id, session, streamId, stillServes } = await openTo(t, hints(33), request('/x'), Flag.END_STREAM);
    const { informational, status } = await peer.message(id);
    assert.deepEqual([informational.length, status], [32, 502]);
    assert.equal((await session.message(streamId)).reset, Code.ENHANCE_YOUR_CALM);
    await stillServes();
  });
});

test('a `host` that must not be indexed is an `:authority` that must not be', async (t) => {
  const engine = await engineWith(t);
  const { client } = await stage(t, engine);
  const peer = await client();
  const never = literal('host', 'secret.example');
  never[0] = 0x10;
  const rest = request('/').filter(([name]) => name !== ':authority');
  for (let i = 0; i < 3; i++) {
    const id = peer.streamId();
    peer.send(headersFrame(id, Buffer.concat([literals(rest), never]), Flag.END_HEADERS | Flag.END_STREAM));
    assert.equal((await peer.message(id)).status, 200);
  }
  const decoder = hpack.decompressor.create({ table: { maxSize: 4096 } });
  for (const head of heads(engine)) {
    decoder.write(content(head));
    decoder.execute();
    const found = [];
    for (let field = decoder.read(); field !== null; field = decoder.read()) {
      if (field.name === ':authority' || field.name === 'host') found.push([field.name, field.value, field.neverIndex]);
    }
    assert.deepEqual(found, [[':authority', 'secret.example', true]]);
  }
  assert.equal(heads(engine).length, 3);
});

test('what a client says of itself in its trailers does not reach the engine', async (t) => {
  const { peer, id, session, streamId } = await openTo(t, () => undefined, request('/x'));
  peer.data(id, 'body');
  peer.headers(id, [
    ['x-forwarded-for', '6.6.6.6'],
    ['x-forwarded-port', '666'],
    ['forwarded', 'for=6.6.6.6'],
    ['x-checksum', '1'],
  ]);
  const { body, trailers } = await session.message(streamId);
  assert.deepEqual([body.toString(), trailers], ['body', { 'x-checksum': '1' }]);
  assert.ok(!session.frames.some(({ type }) => type === Type.GOAWAY), 'the session was ended');
});
