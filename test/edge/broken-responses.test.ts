import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { Flag, type Field } from '../support/frames.ts';
import type { RawSession } from '../support/raw-session.ts';
import { OK, call, engineWith, grpcRequest, request, respond, stage, type Play } from './stage.ts';

describe('an engine that fails in the middle of its response', () => {
  const begin = (session: RawSession, id: number, ...more: Field[]): void => {
    session.headers(id, [...OK, ...more], 0);
    session.data(id, 'half');
  };
  const late: readonly (readonly [what: string, play: Play])[] = [
    ['closes', (session) => session.socket.end()],
    ['sends garbage', (session) => session.sendRaw('garbage '.repeat(100))],
    ['sends trailers without END_STREAM', respond([['x', '1']], Flag.END_HEADERS)],
    ['sends a pseudo-header in its trailers', respond(OK)],
  ];
  for (const [what, play] of late) {
    test(`and ${what} is trailers for gRPC and RST_STREAM for others`, async (t) => {
      const bad: Play = async (session, id, frame) => {
        begin(session, id);
        await new Promise((resolve) => setTimeout(resolve, 20));
        await play(session, id, frame);
      };
      const { client, stillServes } = await stage(t, await engineWith(t, { '/bad': bad }));
      const peer = await client();
      const answer = await call(peer, grpcRequest('/bad'));
      assert.equal(answer.body.toString(), 'half');
      const told = `grpc-status ${answer.grpcStatus}, reset ${answer.reset}`;
      assert.ok([13, 14].includes(answer.grpcStatus!) || [1, 2].includes(answer.reset!), told);
      if (what === 'closes') assert.equal(answer.grpcStatus, 14);
      const plain = await call(peer, request('/bad'));
      assert.equal(plain.body.toString(), 'half');
      assert.notEqual(plain.reset, null);
      await stillServes();
    });
  }
  for (const [sent, received] of [
    [1, 1],
    [2, 2],
    [8, 8],
    [11, 11],
    [7, 2],
  ] as const) {
    test(`a reset with ${sent} reaches the client as ${received}`, async (t) => {
      const bad: Play = (session, id) => {
        begin(session, id);
        session.reset(id, sent);
      };
      const { client, stillServes } = await stage(t, await engineWith(t, { '/bad': bad }));
      const { status, reset } = await call(await client(), grpcRequest('/bad'));
      assert.deepEqual([status, reset], [200, received]);
      await stillServes();
    });
  }
  test('an octet beyond content-length never reaches the client, and the end is not clean', async (t) => {
    const bad: Play = (session, id) => {
      session.headers(id, [...OK, ['content-length', '4']], 0);
      session.data(id, 'four');
      session.data(id, 'more', Flag.END_STREAM);
    };
    const { client, stillServes } = await stage(t, await engineWith(t, { '/bad': bad }));
    const { status, body, reset } = await call(await client(), request('/bad'));
    if (status === 200) {
      assert.ok('four'.startsWith(body.toString()), body.toString());
      assert.notEqual(reset, null);
    } else assert.equal(status, 502);
    await stillServes();
  });
  test('an octet less than content-length is not a clean end', async (t) => {
    const bad: Play = (session, id) => {
      session.headers(id, [...OK, ['content-length', '4']], 0);
      session.data(id, 'fou', Flag.END_STREAM);
    };
    const { client, stillServes } = await stage(t, await engineWith(t, { '/bad': bad }));
    const { status, reset } = await call(await client(), request('/bad'));
    assert.ok(status === 502 || reset !== null, `status ${status}, a clean end`);
    await stillServes();
  });
});

describe('a content-length that counts no octets is right', () => {
  for (const [method, status] of [
    ['HEAD', '200'],
    ['GET', '304'],
    ['GET', '204'],
  ] as const) {
    test(`in a response ${status} to ${method}`, async (t) => {
      const play = respond([[':status', status], ...(status === '204' ? [] : [['content-length', '500'] as const])]);
      const { client } = await stage(t, await engineWith(t, { '/odd': play }));
      const peer = await client();
      const fields = request('/odd').map(([name, value]): Field => [name, name === ':method' ? method : value]);
      const answer = await peer.message(peer.open(fields, Flag.END_STREAM));
      assert.deepEqual([answer.status, answer.reset], [Number(status), null]);
    });
  }
});
