import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import * as h2 from '../support/frames.ts';
import { Code, call, echo, engineWith, grpcRequest, serve, sessionsWith, stage, type Play } from './stage.ts';

describe('a call that the engine has not begun moves to another session, and the client sees nothing', () => {
  const moves: readonly (readonly [what: string, play: Play])[] = [
    [
      'GOAWAY below it',
      (session) => {
        session.send(h2.goawayFrame(0, Code.NO_ERROR));
      },
    ],
    [
      'GOAWAY below it and the end',
      (session) => {
        session.send(h2.goawayFrame(0, Code.NO_ERROR));
        session.socket.end();
      },
    ],
    ['REFUSED_STREAM', (session, id) => session.reset(id, Code.REFUSED_STREAM)],
    [
      '1xx and REFUSED_STREAM',
      (session, id) => {
        session.headers(id, [[':status', '103']], 0);
        session.reset(id, 7);
      },
    ],
  ];
  for (const [what, play] of moves) {
    test(`after ${what}`, async (t) => {
      const engine = await sessionsWith(t, (session, number) => serve(session, number === 0 ? { '/move': play } : {}));
      const { gateway, client, stillServes } = await stage(t, engine);
      const { status, body, grpcStatus } = await call(await client(), grpcRequest('/move'), 'baggage');
      assert.deepEqual([status, body.toString(), grpcStatus], [200, 'baggage', 0]);
      assert.equal(engine.sessions.length, 2);
      assert.ok(gateway.count('frameway_retries_total') >= 1, 'the retry is not counted');
      await stillServes();
    });
  }
  test('but a call below the last id of GOAWAY finishes where it is', async (t) => {
    const stay: Play = async (session, id, frame) => {
      session.send(h2.goawayFrame(id, Code.NO_ERROR));
      await new Promise((resolve) => setTimeout(resolve, 30));
      await echo(session, id, frame);
    };
    const { client, stillServes } = await stage(t, await engineWith(t, { '/stay': stay }));
    const { body, grpcStatus } = await call(await client(), grpcRequest('/stay'), 'home');
    assert.deepEqual([body.toString(), grpcStatus], ['home', 0]);
    await stillServes();
  });
  test('but a call with more behind it than the replay buffer fails', async (t) => {
    const refuse: Play = async (session, id) => {
      await session.until(() => (session.heard(id).body.length >= 5000 ? true : undefined), 'the body');
      session.reset(id, Code.REFUSED_STREAM);
    };
    const engine = await engineWith(t, { '/large': refuse });
    const { client, stillServes } = await stage(t, engine, { limits: { replayBuffer: 1000 } });
    assert.equal((await call(await client(), grpcRequest('/large'), 'x'.repeat(5000))).grpcStatus, 14);
    assert.equal(engine.sessions[0]!.frames.filter((frame) => frame.headers).length, 1);
    await stillServes();
  });
  test('and is tried twice, not for ever', async (t) => {
    let tries = 0;
    const refuse: Play = (session, id) => {
      tries++;
      session.reset(id, Code.REFUSED_STREAM);
    };
    const { client } = await stage(t, await engineWith(t, { '/never': refuse }));
    assert.equal((await call(await client(), grpcRequest('/never'))).grpcStatus, 14);
    assert.equal(tries, 2);
  });
});
