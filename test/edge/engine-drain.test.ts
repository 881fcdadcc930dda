import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Code, engineWith, grpcRequest, hang, OK, request, stage, type Play } from './stage.ts';
import { Flag } from '../support/frames.ts';

/** Begins to answer, and leaves it at that. */
const begin: Play = (session, id) => session.headers(id, [...OK, ['content-type', 'application/grpc']], 0);

test('calls on an engine that is drained are listed, and told UNAVAILABLE after the deadline as far as each still can be', async (t) => {
  const engine = await engineWith(t, { '/waiting': hang, '/begun': begin, '/plain': begin });
  const { gateway, client } = await stage(t, engine);
  const peer = await client();
  const waiting = peer.open(grpcRequest('/waiting'), Flag.END_STREAM);
  const begun = peer.open(grpcRequest('/begun'), Flag.END_STREAM);
  const plain = peer.open(request('/plain'), Flag.END_STREAM);
  await peer.until(() => (peer.heard(plain).status === 200 ? true : undefined), 'the head');
  const calls = gateway.engineCalls(engine.address)!;
  assert.deepEqual(
    calls.map(({ method, path, client: address }) => [method, path, address]),
    ['/waiting', '/begun', '/plain'].map((path) => ['POST', path, '127.0.0.1']),
  );
  assert.ok(calls.every(({ age }) => age >= 0) && calls[0]!.age >= calls[2]!.age, 'ages');
  assert.equal(gateway.drainEngine(engine.address, 50), true);
  const [first, second, third] = await Promise.all([peer.message(waiting), peer.message(begun), peer.message(plain)]);
  assert.deepEqual([first.status, first.grpcStatus], [200, 14]);
  assert.deepEqual([second.status, second.grpcStatus], [200, 14]);
  assert.deepEqual([third.status, third.reset], [200, Code.INTERNAL_ERROR]);
  assert.equal(gateway.count('frameway_failures_total', 'engine_draining'), 3);
  assert.deepEqual(gateway.engineCalls(engine.address), []);
  assert.equal(gateway.drainEngine('127.0.0.1:1', 50), false);
});
