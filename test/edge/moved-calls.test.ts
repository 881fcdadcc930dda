/** Calls that have not found their engine yet, or lost it before it knew of them. */
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { deaf } from '../support/deaf.ts';
import { Flag, Setting, Type, dataFrame, endsStream, windowFrame } from '../support/frames.ts';
import { startGateway } from '../support/gateway.ts';
import { RawClient, type RawEngine } from '../support/raw-peer.ts';
import type { RawSession } from '../support/raw-session.ts';
import { heeded, onlyLeft } from './eventually.ts';
import { DEFAULT_WINDOW, MAX_WINDOW, Source } from './flow.ts';
import { heads } from './requests.ts';
import { Code, engineWith, good, hang, pathOf, request, serve, sessionsWith, stage } from './stage.ts';

/** More than the kernel takes for a socket that nobody reads. */
const BULK = 64 << 20;
const seen = (engine: RawEngine, path: string): number => heads(engine).filter((head) => pathOf(head) === path).length;

describe('a call that was not written when the connection to its engine failed goes to another, and only there', () => {
  const TRIES = 40;
  const failures: Readonly<Record<string, (session: RawSession) => void>> = {
    'a bad frame': (session) => session.send(dataFrame(0, 'on no stream')),
    'the end of the connection': (session) => void session.socket.end(),
  };
  for (const [what, fail] of Object.entries(failures)) {
    test(`when ${what} comes in the same turn, ${TRIES} times`, async (t) => {
      const engine = await sessionsWith(t, (session) => serve(session));
      const { gateway, client } = await stage(t, engine);
      const peer = await client();
      for (let tries = 1; tries <= TRIES; tries++) {
        await good(peer);
        const session = engine.sessions.at(-1)!;
        const id = peer.open(request('/pay'), Flag.END_STREAM);
        fail(session);
        await peer.message(id);
        // Until then it hears all that still comes.
        await session.gone();
        assert.equal(seen(engine, '/pay'), tries);
      }
      assert.ok(gateway.count('frameway_retries_total') > 0, 'no call was ever on its way when its session failed');
    });
  }

  test('when it waited behind what the engine did not read', async (t) => {
    const wide = [[Setting.INITIAL_WINDOW_SIZE, MAX_WINDOW]] as const;
    const engine = await sessionsWith(t, (session) => serve(session, { '/bulk': hang }), wide);
    const { client } = await stage(t, engine);
    const peer = await client();
    await good(peer);
    const stuck = await engine.session();
    stuck.manners.window = false;
    stuck.send(windowFrame(0, MAX_WINDOW - DEFAULT_WINDOW));
    await heeded(stuck);
    stuck.socket.pause();
    const bulk = await client();
    const source = new Source(bulk, bulk.open(request('/bulk')));
    void source.send(BULK).catch(() => undefined);
    assert.ok((await source.stalled()) < BULK, 'the engine takes all');

    const id = peer.open(request('/pay'), Flag.END_STREAM);
    await heeded(peer);
    stuck.socket.end();
    assert.equal((await peer.message(id)).status, 200);
    stuck.socket.resume();
    await stuck.gone();
    assert.equal(seen(engine, '/pay'), 1);
  });
});

test('a refused call that waits for another endpoint to accept does not hold up other callers', async (t) => {
  const engine = await engineWith(t, { '/refuse': (session, id) => session.reset(id, Code.REFUSED_STREAM) });
  const { address } = await deaf(t);
  const upstream = { connectTimeout: 800, acquireTimeout: 10_000, maxConnections: 1 };
  const gateway = await startGateway({ endpoints: [engine.address, address], upstream });
  t.after(() => gateway.close());
  const [peer, other] = await Promise.all([RawClient.connect(gateway.port), RawClient.connect(gateway.port)]);
  t.after(() => [peer, other].forEach((each) => each.close()));
  await good(other);
  const refused = peer.open(request('/refuse'), Flag.END_STREAM);
  await heeded(peer);
  for (let i = 0; i < 20; i++) await good(other);
  assert.equal(seen(engine, '/refuse'), 1);
  assert.ok(!peer.frames.some(endsStream), 'the refused call does not wait');
  // Where there is no other, the one that refused is asked again.
  assert.equal((await peer.message(refused, 5000)).status, 502);
  assert.equal(seen(engine, '/refuse'), 2);
});

test('the waiting calls of a client that leaves are not opened at the engine only to be reset', async (t) => {
  const engine = await engineWith(t, { '/hang': hang }, [[Setting.MAX_CONCURRENT_STREAMS, 10]]);
  const { gateway, client, stillServes } = await stage(t, engine, { upstream: { maxConnections: 1 } });
  const peer = await client();
  await good(peer);
  for (let i = 0; i < 100; i++) peer.open(request('/hang'), Flag.END_STREAM);
  await heeded(peer);
  peer.close();
  await onlyLeft(gateway, 1);
  await stillServes();
  assert.equal(seen(engine, '/hang'), 10);
  const { frames } = await engine.session();
  assert.equal(frames.filter(({ type }) => type === Type.RST_STREAM).length, 10);
});
