/** Attempts without an answer: which of them a listener tries again, and which it always does. */
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { call, Code, echo, grpcRequest, hang, request, type Play } from '../edge/stage.ts';
import { previous, retrying, UNAVAILABLE } from './retrying.ts';

const rst =
  (code: number): Play =>
  (session, id) =>
    session.reset(id, code);
const lose: Play = (session) => void session.socket.destroy();

describe('a call whose engine fails before it answers', () => {
  test('is tried again if the status of that failure is listed', async (t) => {
    const { peer, tries } = await retrying(t, [lose, echo]);
    const { body, grpcStatus } = await call(peer, grpcRequest('/x'), 'baggage');
    assert.deepEqual([body.toString(), grpcStatus], ['baggage', 0]);
    assert.deepEqual(previous(tries), [undefined, '1']);
  });
  test('also when it is not gRPC', async (t) => {
    const { peer } = await retrying(t, [lose, rst(Code.INTERNAL_ERROR), echo], { httpStatuses: [502, 503] });
    assert.equal((await call(peer, request('/x'))).status, 200);
  });
  test('is not if it is not', async (t) => {
    const { peer, tries } = await retrying(t, [lose, echo], { grpcStatuses: [8] });
    assert.equal((await call(peer, grpcRequest('/x'))).grpcStatus, 14);
    assert.equal(tries.length, 1);
  });
  test('and fails for the last reason when it has been tried often enough', async (t) => {
    const { gateway, peer, tries } = await retrying(t, [UNAVAILABLE, lose, rst(Code.ENHANCE_YOUR_CALM)]);
    assert.equal((await call(peer, grpcRequest('/x'))).grpcStatus, 8);
    assert.equal(tries.length, 3);
    assert.equal(gateway.exchanges.at(-1)!.failure!.cause, 'upstream_reset');
  });
});

describe('a call that its engine has not begun', () => {
  test('moves as before, and the engine is not told of another attempt', async (t) => {
    const { peer, tries } = await retrying(t, [rst(Code.REFUSED_STREAM), echo]);
    assert.equal((await call(peer, grpcRequest('/x'))).grpcStatus, 0);
    assert.deepEqual(previous(tries), [undefined, undefined]);
  });
  test('moves once, and that does not count as a retry', async (t) => {
    const plays = [rst(Code.REFUSED_STREAM), UNAVAILABLE, rst(Code.REFUSED_STREAM), UNAVAILABLE];
    const { gateway, peer, tries } = await retrying(t, plays);
    assert.equal((await call(peer, grpcRequest('/x'))).grpcStatus, 14);
    assert.deepEqual(previous(tries), [undefined, undefined, '1', '2']);
    assert.equal(gateway.count('frameway_retries_total'), 3);
  });
  test('moves even where the budget allows no retry', async (t) => {
    const { peer } = await retrying(t, [rst(Code.REFUSED_STREAM), echo], { budget: 0, minPerSecond: 0 });
    assert.equal((await call(peer, grpcRequest('/x'))).grpcStatus, 0);
  });
});

describe('an attempt whose response does not begin in time', () => {
  const perTryTimeout = 60;
  test('is cancelled, and another is made whatever statuses are listed', async (t) => {
    const { peer, tries } = await retrying(t, [hang, echo], { perTryTimeout, grpcStatuses: [] });
    assert.equal((await call(peer, grpcRequest('/x'), 'x')).grpcStatus, 0);
    assert.deepEqual(previous(tries), [undefined, '1']);
    assert.equal(tries[0]!.heard.reset, Code.CANCEL);
  });
  test('is the last if no other is allowed: DEADLINE_EXCEEDED, or 504', async (t) => {
    const { peer, tries, stillServes } = await retrying(t, [hang], { perTryTimeout, attempts: 2 });
    assert.equal((await call(peer, grpcRequest('/x'))).grpcStatus, 4);
    assert.equal(tries.length, 2);
    assert.equal((await call(peer, request('/x'))).status, 504);
    assert.equal(tries.length, 4);
    await stillServes();
  });
  test('but one whose response has begun may take its time', async (t) => {
    const slow: Play = async (session, id) => {
      session.headers(
        id,
        [
          [':status', '200'],
          ['content-type', 'application/grpc'],
        ],
        0,
      );
      await new Promise((resolve) => setTimeout(resolve, 3 * perTryTimeout));
      session.headers(id, [['grpc-status', '0']]);
    };
    const { peer, tries } = await retrying(t, [slow], { perTryTimeout });
    assert.equal((await call(peer, grpcRequest('/x'))).grpcStatus, 0);
    assert.equal(tries.length, 1);
  });
});
