import assert from 'node:assert/strict';
import { once } from 'node:events';
import { describe, test, type TestContext } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import * as grpc from '@grpc/grpc-js';
import { gatewayTo, grpcClient, grpcEngine, statusOf, unary } from '../edge/grpc-peers.ts';
import { Code, OK, call, engineWith, grpcRequest, hang, openTo, stage, type Play } from '../edge/stage.ts';
import { arrived, cancelled, heads } from '../edge/requests.ts';
import type { Frame } from '../support/frames.ts';

const ONE_SLOT = { upstream: { maxConnections: 1, maxStreamsPerConnection: 1 } };
const begun: Play = (session, id) => {
  session.headers(id, [...OK, ['content-type', 'application/grpc']], 0);
  session.data(id, '\0\0\0\0\x01a');
};
const timeoutIn = (head: Frame): string | undefined => head.headers!.find(([name]) => name === 'grpc-timeout')?.[1];

test('a client that cancels is heard by the server, and its slot serves the next call', async (t) => {
  const noticed: Promise<unknown>[] = [];
  const engine = await grpcEngine(t, {
    talk: (conversation) => {
      noticed.push(once(conversation, 'cancelled'));
      conversation.write(Buffer.from('hello'));
    },
    unary: ({ request }, done) => done(null, request),
  });
  const gateway = await gatewayTo(t, engine, ONE_SLOT);
  const client = grpcClient(t, gateway.port);
  const conversation = client.talk();
  await once(conversation, 'data');
  const next = unary(client, Buffer.from('next'));
  await sleep(30);
  assert.equal(gateway.count('frameway_upstream_streams'), 1);
  conversation.cancel();
  assert.equal((await statusOf(conversation)).code, grpc.status.CANCELLED);
  await Promise.all(noticed);
  assert.equal((await next).reply?.toString(), 'next');
  assert.equal(gateway.count('frameway_exchanges'), 0);
});

test('a client that cancels while it waits for a slot leaves the queue', async (t) => {
  const engine = await grpcEngine(t, {
    talk: (conversation) =>
      conversation.on('data', (message: Buffer) => conversation.write(message)).on('end', () => conversation.end()),
    unary: ({ request }, done) => done(null, request),
  });
  const gateway = await gatewayTo(t, engine, ONE_SLOT);
  const client = grpcClient(t, gateway.port);
  const conversation = client.talk();
  conversation.write(Buffer.from('hello'));
  await once(conversation, 'data');
  const waiting = client.talk();
  await sleep(30);
  const next = unary(client, Buffer.from('next'));
  waiting.cancel();
  assert.equal((await statusOf(waiting)).code, grpc.status.CANCELLED);
  conversation.end();
  assert.equal((await next).reply?.toString(), 'next');
  assert.deepEqual(gateway.exchanges.map(({ attempts }) => attempts).sort(), [0, 1, 1]);
});

test('an engine that cancels is CANCELLED to the client, before its response and in the middle', async (t) => {
  const engine = await engineWith(t, {
    '/test.Bytes/Unary': (session, id) => session.reset(id, Code.CANCEL),
    '/test.Bytes/Talk': (session, id, head) => {
      void begun(session, id, head);
      session.reset(id, Code.CANCEL);
    },
  });
  const client = grpcClient(t, (await gatewayTo(t, engine)).port);
  assert.equal((await unary(client, Buffer.from('x'))).status.code, grpc.status.CANCELLED);
  assert.equal((await statusOf(client.talk())).code, grpc.status.CANCELLED);
});

describe('a deadline', () => {
  test('that passes in the middle of a response is trailers for the client and CANCEL for the engine', async (t) => {
    const fields = grpcRequest('/x', ['grpc-timeout', '150m']);
    const { peer, id, session, streamId, stillServes } = await openTo(t, begun, fields);
    const { grpcStatus, body, trailers } = await peer.message(id);
    assert.deepEqual([grpcStatus, body.length, trailers['grpc-message']], [4, 6, 'deadline exceeded']);
    assert.equal((await session.message(streamId)).reset, Code.CANCEL);
    await stillServes();
  });
  test('that passes while a call waits for a slot never reaches the engine', async (t) => {
    const engine = await engineWith(t, { '/hang': hang });
    const { gateway, client } = await stage(t, engine, ONE_SLOT);
    const peer = await client();
    peer.open(grpcRequest('/hang'));
    await arrived(await engine.session(), '/hang');
    assert.equal((await call(peer, grpcRequest('/late', ['grpc-timeout', '100m']), 'x')).grpcStatus, 4);
    assert.equal(heads(engine).length, 1);
    assert.equal(gateway.count('frameway_exchanges'), 1);
  });
  test('of a real client is kept for it where the engine ignores it', async (t) => {
    const engine = await engineWith(t, { '/test.Bytes/Unary': hang });
    const client = grpcClient(t, (await gatewayTo(t, engine)).port);
    const { status } = await unary(client, Buffer.from('x'), undefined, { deadline: Date.now() + 200 });
    assert.equal(status.code, grpc.status.DEADLINE_EXCEEDED);
    const session = await engine.session();
    const { streamId } = await arrived(session, '/test.Bytes/Unary');
    await cancelled(session, streamId);
  });
});

describe('grpc-timeout reaches the engine', () => {
  async function warm(t: TestContext) {
    const engine = await engineWith(t, { '/hang': hang });
    const { client } = await stage(t, engine, ONE_SLOT);
    const peer = await client();
    // The session stands before the call that is looked at.
    await call(peer, grpcRequest('/good'), 'x');
    return { peer, session: await engine.session() };
  }
  test('as it is where nothing was waited for', async (t) => {
    const { peer, session } = await warm(t);
    for (const timeout of ['5S', '00000100m', '99999999H', '3M', '77777777u', '99999999n']) {
      await call(peer, grpcRequest(`/${timeout}`, ['grpc-timeout', timeout]), 'x');
      assert.equal(timeoutIn(await arrived(session, `/${timeout}`)), timeout);
    }
  });
  test('less the time that the call waited for a slot', async (t) => {
    const { peer, session } = await warm(t);
    const first = peer.open(grpcRequest('/hang'));
    await arrived(session, '/hang');
    const answer = call(peer, grpcRequest('/waits', ['grpc-timeout', '5S']), 'x');
    await sleep(100);
    peer.reset(first, Code.CANCEL);
    const value = timeoutIn(await arrived(session, '/waits'))!;
    const left = Number(value.slice(0, -1)) / 1000;
    assert.match(value, /u$/);
    assert.ok(left <= 4905 && left > 3000, `${value} of 5 s left after 100 ms`);
    assert.equal((await answer).grpcStatus, 0);
  });
});
