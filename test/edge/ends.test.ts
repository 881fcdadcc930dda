import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Flag, Type, type Field } from '../support/frames.ts';
import { Code, OK, grpcRequest, hang, openTo, request, respond, type Play } from './stage.ts';

test('an engine that never answers is DEADLINE_EXCEEDED in time, and hears CANCEL', async (t) => {
  const since = performance.now();
  const { peer, id, session, streamId, stillServes } = await openTo(
    t,
    hang,
    grpcRequest('/x', ['grpc-timeout', '200m']),
  );
  const { grpcStatus } = await peer.message(id);
  const waited = performance.now() - since;
  assert.equal(grpcStatus, 4);
  assert.ok(waited >= 200 && waited < 1500, `${waited} ms`);
  assert.equal((await session.message(streamId)).reset, Code.CANCEL);
  await stillServes();
});

test('a client that goes away cancels its streams at the engine', async (t) => {
  const { peer, session, streamId, stillServes } = await openTo(t, hang, request('/x'));
  peer.close();
  assert.equal((await session.message(streamId)).reset, Code.CANCEL);
  await stillServes();
});

test("the code of a client's reset reaches the engine", async (t) => {
  const { peer, id, session, streamId, stillServes } = await openTo(t, hang, request('/x'));
  peer.reset(id, Code.INTERNAL_ERROR);
  assert.equal((await session.message(streamId)).reset, Code.INTERNAL_ERROR);
  await stillServes();
});

const quick: Play = (session, id) => {
  session.headers(id, OK, 0);
  session.data(id, 'enough', Flag.END_STREAM);
};

test('a request goes on after its response is complete', async (t) => {
  const { peer, id, session, streamId } = await openTo(t, quick, request('/x'));
  assert.equal((await peer.message(id)).body.toString(), 'enough');
  peer.data(id, 'more ');
  peer.data(id, 'and more', Flag.END_STREAM);
  assert.equal((await session.message(streamId)).body.toString(), 'more and more');
});

test('a request that the engine does not want to the end is reset with NO_ERROR behind the response', async (t) => {
  const enough: Play = (session, id, frame) => {
    quick(session, id, frame);
    session.reset(id, Code.NO_ERROR);
  };
  const { peer, id, stillServes } = await openTo(t, enough, request('/x'));
  assert.equal((await peer.message(id)).body.toString(), 'enough');
  const told = await peer.next((frame) => frame.type === Type.RST_STREAM && frame.streamId === id);
  assert.equal(told.errorCode, Code.NO_ERROR);
  await stillServes();
});

test('a response followed by any reset is a whole response', async (t) => {
  for (const code of [Code.NO_ERROR, Code.CANCEL, Code.INTERNAL_ERROR]) {
    const whole: Play = (session, id) => {
      session.headers(id, OK, 0);
      session.data(id, 'enough');
      session.headers(id, [['grpc-status', '0']]);
      session.reset(id, code);
    };
    const { peer, id } = await openTo(t, whole, grpcRequest('/x'));
    const { body, grpcStatus } = await peer.message(id);
    assert.deepEqual([body.toString(), grpcStatus], ['enough', 0]);
  }
});

test('informational responses do not end the waiting for the final one', async (t) => {
  const patient: Play = (session, id) => {
    session.headers(
      id,
      [
        [':status', '103'],
        ['link', '</a>'],
      ],
      0,
    );
    session.headers(id, [[':status', '102']], 0);
    session.headers(id, OK, 0);
    session.data(id, 'final', Flag.END_STREAM);
  };
  const { peer, id } = await openTo(t, patient, request('/x'), Flag.END_STREAM);
  const { status, body } = await peer.message(id);
  assert.deepEqual([status, body.toString()], [200, 'final']);
});

test('Trailers-Only stays one HEADERS frame', async (t) => {
  const fields: readonly Field[] = [
    ...OK,
    ['content-type', 'application/grpc'],
    ['grpc-status', '5'],
    ['grpc-message', 'no'],
  ];
  const { peer, id } = await openTo(t, respond(fields), grpcRequest('/x'), Flag.END_STREAM);
  const { headers, grpcStatus } = await peer.message(id);
  assert.deepEqual([grpcStatus, headers['grpc-message']], [5, 'no']);
  assert.equal(peer.frames.filter((frame) => frame.streamId === id && frame.type === Type.HEADERS).length, 1);
});

test('frames from the engine on a stream that we reset are ignored, and its header blocks still count', async (t) => {
  const { peer, id, session, streamId, stillServes } = await openTo(t, hang, request('/x'));
  peer.reset(id, Code.CANCEL);
  await session.message(streamId);
  session.headers(streamId, [...OK, ['x-late', 'table']], 0);
  session.data(streamId, 'late');
  session.headers(streamId, [['x-late', 'table']]);
  await stillServes();
  assert.ok(!session.frames.some((frame) => frame.type === Type.GOAWAY), 'the session was ended');
});
