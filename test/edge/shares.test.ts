/** What many have to share: the memory of the process, and the window of a connection. */
import assert from 'node:assert/strict';
import { describe, test, type TestContext } from 'node:test';
import { budget } from '../../src/io/budget.ts';
import { Flag, Setting, endsStream, windowFrame } from '../support/frames.ts';
import { buffersFree, eventually, heeded } from './eventually.ts';
import { DEFAULT_WINDOW, Source, received } from './flow.ts';
import { arrived } from './requests.ts';
import { Code, OK, engineWith, good, request, sessionsWith, stage, type Play } from './stage.ts';

const MiB = 1 << 20;
const FRAME = 16_384;

/** So many milliseconds pass at once, for all clocks of the process. */
function skip(t: TestContext, ms: number): void {
  const now = performance.now.bind(performance);
  t.mock.method(performance, 'now', () => now() + ms);
}

test('a spent budget stops no client that holds nothing of it, and those who do not read go sooner', async (t) => {
  const big: Play = (session, id) => {
    session.headers(id, OK, 0);
    for (let i = 0; i < 3; i++) session.data(id, Buffer.alloc(16_000));
  };
  const upload: Play = async (session, id) => {
    await session.message(id, 10_000);
    session.headers(id, OK);
  };
  const engine = await engineWith(t, { '/big': big, '/upload': upload });
  const { gateway, client } = await stage(t, engine, { limits: { bufferBudget: MiB, slowReadTimeout: 60_000 } });
  const healthy = await client();
  await good(healthy);
  const idle = await client([[Setting.INITIAL_WINDOW_SIZE, 1]]);
  idle.manners.window = false;
  const since = performance.now();
  const ids = Array.from({ length: 60 }, () => idle.open(request('/big'), Flag.END_STREAM));
  await eventually(
    () => budget.used > 2 * MiB,
    () => `only ${budget.used} octets are held`,
  );

  const id = healthy.open(request('/upload'));
  await new Source(healthy, id).send(2 * MiB);
  assert.equal((await healthy.message(id)).status, 200);
  assert.ok(budget.spent, 'the budget was not spent all the time');

  skip(t, 4000);
  assert.equal((await idle.message(ids[0]!, 5000)).reset, Code.CANCEL);
  const patience = performance.now() - since;
  assert.ok(patience > 4900 && patience < 10_000, `${patience} ms of patience`);
  assert.ok(gateway.count('frameway_limited_total', 'slow_read') > 0, 'not counted as slow readers');
  idle.close();
  await buffersFree();
});

describe("the window of an engine's connection is shared frame by frame", () => {
  /** Bulk uploads to an engine that gives no credit of itself: the first takes all, and some of each is held. */
  async function uploads(t: TestContext, count: number) {
    const engine = await sessionsWith(t, (session) => void (session.manners.window = false), [
      [Setting.INITIAL_WINDOW_SIZE, MiB],
    ]);
    const { client } = await stage(t, engine);
    const paths = Array.from({ length: count }, (_, i) => `/bulk-${i}`);
    for (const [i, path] of paths.entries()) {
      const peer = await client();
      const source = new Source(peer, peer.open(request(path)));
      void source.send(MiB).catch(() => undefined);
      await eventually(
        () => source.sent >= (i === 0 ? DEFAULT_WINDOW : 0) + 2 * FRAME,
        () => `${source.sent} octets of ${path} were sent`,
      );
      await heeded(peer);
    }
    const session = await engine.session();
    const streams = await Promise.all(paths.map(async (path) => (await arrived(session, path)).streamId));
    const shares = (): number[] => streams.map((streamId) => received(session, streamId));
    const reach = (sum: number): Promise<true> =>
      session.until(() => (shares().reduce((a, b) => a + b) === sum ? true : undefined), `${sum} octets`);
    await reach(DEFAULT_WINDOW);
    return { client, session, shares, reach };
  }

  test('so small calls beside a bulk upload wait for two frames at most', async (t) => {
    const { client, session, reach } = await uploads(t, 1);
    const talker = await client();
    for (let i = 0; i < 5; i++) talker.data(talker.open(request('/small')), Buffer.alloc(100), Flag.END_STREAM);
    await heeded(talker);
    session.send(windowFrame(0, FRAME), windowFrame(0, FRAME));
    await session.until(() => (session.frames.filter(endsStream).length === 5 ? true : undefined), 'five small calls');
    await reach(DEFAULT_WINDOW + 2 * FRAME - 500);
  });
  test('so bulk uploads get the same', async (t) => {
    const { session, shares, reach } = await uploads(t, 3);
    const before = shares();
    for (let i = 0; i < 6; i++) session.send(windowFrame(0, FRAME));
    await reach(DEFAULT_WINDOW + 6 * FRAME);
    const gained = shares().map((share, i) => share - before[i]!);
    assert.deepEqual(gained, [2 * FRAME, 2 * FRAME, 2 * FRAME]);
  });
});
