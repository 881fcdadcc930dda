/** Requests that go on behind their complete response. */
import assert from 'node:assert/strict';
import { describe, test, type TestContext } from 'node:test';
import { Flag, Setting, windowFrame, type Field } from '../support/frames.ts';
import type { Overrides } from '../support/gateway.ts';
import { buffersFree, eventually, onlyLeft } from './eventually.ts';
import { arrived, cancelled } from './requests.ts';
import { Code, OK, good, grpcRequest, serve, sessionsWith, stage, type Play } from './stage.ts';

const TAIL = 2000;
/** What the engine takes of each request. */
const TAKEN = 1000;
const DEADLINE: Field = ['grpc-timeout', '300m'];
const GRPC_OK: readonly Field[] = [...OK, ['content-type', 'application/grpc'], ['grpc-status', '0']];

/** A call that has its whole response; the gateway holds half of its request for the engine's window. */
async function answeredEarly(
  t: TestContext,
  fields: readonly Field[],
  flags: number = Flag.END_STREAM,
  limits: Overrides['limits'] = {},
) {
  const early: Play = (session, id) => session.headers(id, GRPC_OK);
  const engine = await sessionsWith(
    t,
    (session) => {
      session.manners.window = false;
      return serve(session, { '/early': early });
    },
    [[Setting.INITIAL_WINDOW_SIZE, TAKEN]],
  );
  const { gateway, client, stillServes } = await stage(t, engine, { limits });
  const peer = await client();
  await good(peer);
  const id = peer.open(grpcRequest('/early', ...fields));
  peer.data(id, Buffer.alloc(TAIL), flags);
  assert.equal((await peer.message(id)).grpcStatus, 0);
  const session = await engine.session();
  const { streamId } = await arrived(session, '/early');
  const logged = () =>
    gateway.exchanges.filter(({ path }) => path === '/early').map(({ failure, grpcStatus }) => [failure, grpcStatus]);
  return { gateway, peer, id, session, streamId, stillServes, logged };
}

describe('the end of a request that the engine does not take yet, behind its complete response,', () => {
  test('is still an open call, and leaves when the engine takes it', async (t) => {
    const { gateway, session, streamId, logged } = await answeredEarly(t, []);
    assert.deepEqual([gateway.count('frameway_exchanges'), logged().length], [1, 0]);
    session.send(windowFrame(streamId, TAIL - TAKEN));
    const { body, reset } = await session.message(streamId);
    assert.deepEqual([body.length, reset], [TAIL, null]);
    await onlyLeft(gateway, 2);
    assert.deepEqual(logged(), [[null, 0]]);
  });
  test('is given up at the deadline, which is no failure', async (t) => {
    const { gateway, session, streamId, stillServes, logged } = await answeredEarly(t, [DEADLINE]);
    await cancelled(session, streamId);
    await onlyLeft(gateway, 2);
    assert.deepEqual(logged(), [[null, 0]]);
    await stillServes();
    await buffersFree();
  });
  test('is given up when the engine takes nothing for too long, which is no failure of the call', async (t) => {
    const limits = { slowReadTimeout: 300 };
    const { gateway, session, streamId, stillServes, logged } = await answeredEarly(t, [], Flag.END_STREAM, limits);
    await cancelled(session, streamId);
    await onlyLeft(gateway, 2);
    assert.deepEqual(logged(), [[null, 0]]);
    await stillServes();
    await buffersFree();
  });
  // For its client the exchange is over, and a client that goes then has cancelled nothing.
  test('still reaches the engine when the client has left', async (t) => {
    const { gateway, peer, session, streamId, stillServes } = await answeredEarly(t, []);
    peer.close();
    await stillServes();
    session.send(windowFrame(streamId, TAIL));
    const { body, reset } = await session.message(streamId);
    assert.deepEqual([body.length, reset], [TAIL, null]);
    await eventually(
      () => gateway.count('frameway_exchanges') === 0,
      () => 'the exchange is still open',
    );
    await buffersFree();
  });
});

test('a request that is not at its end at the deadline, but answered, is told to stop, which is no failure', async (t) => {
  const { peer, id, session, streamId, stillServes, logged } = await answeredEarly(t, [DEADLINE], 0);
  await cancelled(session, streamId);
  await eventually(
    () => peer.heard(id).reset !== null,
    () => 'the client may go on',
  );
  assert.equal(peer.heard(id).reset, Code.NO_ERROR);
  assert.deepEqual(logged(), [[null, 0]]);
  await stillServes();
});
