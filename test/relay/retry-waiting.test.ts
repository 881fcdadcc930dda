/** What may happen to a call while it waits to be tried again. */
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { buffersFree, heeded, onlyLeft } from '../edge/eventually.ts';
import { call, Code, echo, grpcRequest, hang, type Play } from '../edge/stage.ts';
import { Flag } from '../support/frames.ts';
import { refuse, retrying, UNAVAILABLE } from './retrying.ts';

const pushback = (ms: string): Play => refuse(14, ['grpc-retry-pushback-ms', ms]);
const LONG = { backoffBase: 60_000, backoffMax: 60_000 };

describe('grpc-retry-pushback-ms', () => {
  test('is the time that the gateway waits, in place of its own', async (t) => {
    const { peer } = await retrying(t, [pushback('150'), echo], LONG);
    const begun = performance.now();
    assert.equal((await call(peer, grpcRequest('/x'))).grpcStatus, 0);
    const took = performance.now() - begun;
    assert.ok(took >= 150 && took < 3000, `it took ${took} ms`);
  });
  for (const value of ['-1', 'never', '']) {
    test(`of '${value}' asks not to be tried again, and goes to the client with all else`, async (t) => {
      const { peer, tries } = await retrying(t, [pushback(value), echo]);
      const { grpcStatus, headers } = await call(peer, grpcRequest('/x'));
      assert.deepEqual([grpcStatus, headers['grpc-retry-pushback-ms']], [14, value]);
      assert.equal(tries.length, 1);
    });
  }
  test('does not make attempts of a call that has none left', async (t) => {
    const { peer, tries } = await retrying(t, [pushback('0')], { attempts: 2 });
    assert.equal((await call(peer, grpcRequest('/x'))).grpcStatus, 14);
    assert.equal(tries.length, 2);
  });
});

test('a call whose deadline would pass before the next attempt gets the answer that there is, at once', async (t) => {
  const { peer, tries } = await retrying(t, [pushback('5000'), echo]);
  const begun = performance.now();
  assert.equal((await call(peer, grpcRequest('/x', ['grpc-timeout', '2S']))).grpcStatus, 14);
  assert.ok(performance.now() - begun < 1500, 'it waited for its deadline');
  assert.equal(tries.length, 1);
});

test('a deadline that passes in a later attempt ends the call', async (t) => {
  const { peer, tries } = await retrying(t, [UNAVAILABLE, hang]);
  assert.equal((await call(peer, grpcRequest('/x', ['grpc-timeout', '300m']))).grpcStatus, 4);
  assert.equal(tries.length, 2);
});

test('a client that cancels while its call waits is not tried again, and nothing is left of it', async (t) => {
  const { gateway, peer, tries, waits, stillServes } = await retrying(t, [pushback('300'), echo]);
  const id = peer.open(grpcRequest('/x'));
  peer.data(id, 'some of it');
  await waits();
  peer.reset(id, Code.CANCEL);
  await onlyLeft(gateway, 2);
  await buffersFree();
  await sleep(400);
  assert.equal(tries.length, 1);
  assert.equal(gateway.exchanges.at(-1)!.failure!.cause, 'client_gone');
  assert.equal(gateway.count('frameway_retries_total'), 0);
  await stillServes();
});

test('a client that goes while its call waits takes it along', async (t) => {
  const { gateway, peer, tries, waits } = await retrying(t, [pushback('300'), echo]);
  peer.open(grpcRequest('/x'), Flag.END_STREAM);
  await waits();
  peer.close();
  await onlyLeft(gateway, 1);
  await sleep(400);
  assert.equal(tries.length, 1);
});

test('a gateway that ends does not wait for a call that waits', async (t) => {
  const { gateway, peer, waits } = await retrying(t, [pushback('60000')], {}, { snapshot: { drainTimeout: 100 } });
  const answer = call(peer, grpcRequest('/x'));
  await waits();
  await gateway.drain();
  const { grpcStatus, headers } = await answer;
  assert.deepEqual([grpcStatus, headers['grpc-message']], [14, 'gateway is shutting down']);
});

describe('a request that goes on while its call waits', () => {
  /** Refuses when some of the body has come. */
  const partly: Play = async (session, id, head) => {
    await session.until(() => (session.heard(id).body.length > 0 ? true : undefined), 'some of the body');
    return pushback('300')(session, id, head);
  };
  test('reaches the next engine whole', async (t) => {
    const { peer, tries, tried, waits, stillServes } = await retrying(t, [partly, echo]);
    const id = peer.open(grpcRequest('/x'));
    peer.data(id, 'before ');
    await waits();
    peer.data(id, 'between ');
    await heeded(peer);
    assert.equal(tries.length, 1);
    await tried(2);
    peer.data(id, 'behind', Flag.END_STREAM);
    const { body, grpcStatus } = await peer.message(id);
    assert.deepEqual([body.toString(), grpcStatus], ['before between behind', 0]);
    await stillServes();
    await buffersFree();
  });
  test('and ends meanwhile, with trailers', async (t) => {
    const { peer, tries, waits } = await retrying(t, [partly, echo]);
    const id = peer.open(grpcRequest('/x'));
    peer.data(id, 'body');
    await waits();
    peer.headers(id, [['x-end', 'here']]);
    assert.equal((await peer.message(id)).grpcStatus, 0);
    const { body, trailers } = tries[1]!.heard;
    assert.deepEqual([body.toString(), trailers], ['body', { 'x-end': 'here' }]);
  });
  test('beyond the replay buffer reaches the next engine whole too, and there it stays', async (t) => {
    const whole: Play = async (session, id, head) => {
      await session.message(id);
      return UNAVAILABLE(session, id, head);
    };
    const limits = { replayBuffer: 1000 };
    const { peer, tries, waits, stillServes } = await retrying(t, [partly, whole, echo], {}, { limits });
    const id = peer.open(grpcRequest('/x'));
    peer.data(id, 'x'.repeat(400));
    await waits();
    peer.data(id, 'y'.repeat(5000), Flag.END_STREAM);
    assert.equal((await peer.message(id)).grpcStatus, 14);
    assert.equal(tries.length, 2);
    assert.equal(tries[1]!.heard.body.length, 5400);
    await stillServes();
    await buffersFree();
  });
});
