/** RST_STREAMs that we owe to engines: what they cost, how they leave, and what still comes to their streams. */
import assert from 'node:assert/strict';
import { describe, test, type TestContext } from 'node:test';
import { Flag, Type, dataFrame, type Frame } from '../support/frames.ts';
import type { RawClient } from '../support/raw-peer.ts';
import { eventually, heeded, onlyLeft } from './eventually.ts';
import { heads } from './requests.ts';
import { Code, endsWith, engineWith, good, grpcRequest, hang, openTo, request, stage } from './stage.ts';

const isReset = (frame: Frame): boolean => frame.type === Type.RST_STREAM;
const open = (peer: RawClient, count: number): number[] =>
  Array.from({ length: count }, () => peer.open(request('/hang'), Flag.END_STREAM));

/** One session to an engine that never answers `/hang`, with room for so many streams by our own limit alone. */
async function room(t: TestContext, maxStreamsPerConnection: number) {
  const engine = await engineWith(t, { '/hang': hang });
  const upstream = { maxConnections: 1, maxStreamsPerConnection, acquireTimeout: 10_000 };
  const { gateway, client } = await stage(t, engine, { upstream });
  await good(await client());
  const opened = (count: number): Promise<void> =>
    eventually(
      () => heads(engine).length - 1 >= count,
      () => `${heads(engine).length - 1} of ${count} calls arrived`,
    );
  return { gateway, client, session: await engine.session(), opened };
}

describe('RST_STREAMs beyond the bucket', () => {
  /** In the bucket, and what one second adds. */
  const BURST = 100;
  const PER_SECOND = 30;
  test('keep their streams in use, leave one by one and in order', async (t) => {
    const limit = 150;
    const { client, session, opened } = await room(t, limit);
    const leavers = [await client(), await client()];
    const ids = leavers.map((peer) => open(peer, limit / 2));
    await opened(limit);
    for (const [i, peer] of leavers.entries()) {
      for (const id of ids[i]!) peer.reset(id, Code.CANCEL);
      await heeded(peer);
    }
    const newcomer = await client();
    const [first, ...more] = open(newcomer, BURST);
    await opened(limit + BURST);
    for (let i = 0; i < BURST; i++) await session.next(isReset);

    // These are new, and go behind those that wait.
    newcomer.reset(first!, Code.CANCEL);
    let last = performance.now();
    const gaps: number[] = [];
    for (let i = 0; i < PER_SECOND; i++) {
      newcomer.reset(more[i]!, Code.CANCEL);
      await session.next(isReset);
      gaps.push(performance.now() - last);
      last += gaps.at(-1)!;
    }
    const took = gaps.reduce((sum, gap) => sum + gap);
    assert.ok(took > 700 && took < 1700, `${PER_SECOND} RST_STREAMs took ${took} ms`);
    assert.ok(Math.max(...gaps) < 400, `one of them took ${Math.max(...gaps)} ms`);

    const order = session.frames.filter(isReset).map(({ streamId }) => streamId);
    assert.deepEqual(
      order,
      order.toSorted((a, b) => a - b),
    );
    let inUse = -1; // The good call.
    let most = 0;
    for (const frame of session.frames) {
      if (frame.headers !== undefined) inUse++;
      if (isReset(frame)) inUse--;
      most = Math.max(most, inUse);
    }
    assert.equal(most, limit);
  });

  test('are as good as said when the upstream closes', async (t) => {
    const { gateway, client, session, opened } = await room(t, 300);
    const leavers = [await client(), await client(), await client()];
    for (const peer of leavers) open(peer, 100);
    await opened(300);
    for (const peer of leavers) peer.close();
    await onlyLeft(gateway, 2);
    await gateway.drain();
    await session.gone(1000);
    const left = session.frames.filter(isReset).length;
    assert.ok(left < 200, `${left} RST_STREAMs have left: none had to wait`);
  });
});

test('a client that makes us cancel calls by tiny deadlines is cut off after the burst, and not before', async (t) => {
  const engine = await engineWith(t, { '/hang': hang });
  const { gateway, client, stillServes } = await stage(t, engine, { limits: { resetBurst: 50, resetRate: 1 } });
  await stillServes();
  const late = (peer: RawClient, count: number): number[] =>
    Array.from({ length: count }, () => peer.open(grpcRequest('/hang', ['grpc-timeout', '1m']), Flag.END_STREAM));
  const [unlucky, attacker] = [await client(), await client()];
  for (const id of late(unlucky, 40)) assert.equal((await unlucky.message(id)).grpcStatus, 4);
  late(attacker, 60);
  await endsWith(attacker, Code.ENHANCE_YOUR_CALM);
  assert.equal(gateway.count('frameway_limited_total', 'resets'), 1);
  await good(unlucky);
  await stillServes();
});

describe('small DATA that was on its way to a stream that we reset is no flood', () => {
  const COUNT = 600;
  const late = (id: number): Buffer =>
    Buffer.concat(Array.from({ length: COUNT }, () => dataFrame(id, Buffer.alloc(100))));
  const noGoaway = (frames: readonly Frame[]): void =>
    assert.ok(!frames.some(({ type }) => type === Type.GOAWAY), 'the connection was cut');

  test('from an engine, whose other calls go on', async (t) => {
    const { peer, id, session, streamId, stillServes } = await openTo(t, hang, request('/x'));
    const other = peer.open(request('/x'), Flag.END_STREAM);
    const { streamId: otherId } = await session.next('HEADERS');
    peer.reset(id, Code.CANCEL);
    await session.message(streamId);
    session.send(late(streamId));
    await heeded(session);
    session.headers(otherId, [[':status', '200']]);
    assert.equal((await peer.message(other)).status, 200);
    noGoaway(session.frames);
    await stillServes();
  });
  test('from a client whose upload was answered before its end', async (t) => {
    const { client } = await stage(t, { address: '127.0.0.1:1' });
    const uploader = await client();
    const id = uploader.open(grpcRequest('/up'));
    assert.equal((await uploader.message(id)).grpcStatus, 14);
    uploader.send(late(id));
    await heeded(uploader);
    noGoaway(uploader.frames);
  });
});
