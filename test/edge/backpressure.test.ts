import assert from 'node:assert/strict';
import { describe, test, type TestContext } from 'node:test';
import { budget } from '../../src/io/budget.ts';
import * as h2 from '../support/frames.ts';
import { Flag, Setting, settingsFrame, windowFrame } from '../support/frames.ts';
import type { Overrides } from '../support/gateway.ts';
import type { Settings } from '../support/raw-peer.ts';
import type { RawSession } from '../support/raw-session.ts';
import { buffersFree, onlyLeft } from './eventually.ts';
import { DEFAULT_WINDOW, MAX_WINDOW, received, Source } from './flow.ts';
import { arrived, cancelled } from './requests.ts';
import { Code, OK, engineWith, good, hang, request, stage, type Play } from './stage.ts';

const MiB = 1 << 20;
const BODY = 64 * MiB;
/** The largest window that a session learns for a stream, and as much again for slabs. */
const HELD_AT_MOST = 2 * MiB;
/** What the kernel takes for a socket that nobody reads. */
const KERNEL_AT_MOST = 24 * MiB;

/** How a peer does not take what it is sent, how much of it leaves the gateway, and how it is taken at last. */
interface Refusal {
  readonly settings: Settings;
  readonly leaves: number;
  refuse(peer: RawSession): void;
  accept(peer: RawSession, streamId: number): void;
}
/** Windows stop a body of any length; only the kernel has to be filled first. */
const bodyFor = ({ leaves }: Refusal): number => (leaves === KERNEL_AT_MOST ? BODY : 16 * MiB);
const widen = (peer: RawSession, streamId: number): void =>
  peer.send(windowFrame(streamId, MAX_WINDOW - DEFAULT_WINDOW));
const refusals: Readonly<Record<string, Refusal>> = {
  'keeps only the window of the stream closed': {
    settings: [],
    leaves: DEFAULT_WINDOW,
    refuse: (peer) => {
      peer.manners.window = false;
      widen(peer, 0);
    },
    accept: widen,
  },
  'keeps only the window of the connection closed': {
    settings: [[Setting.INITIAL_WINDOW_SIZE, MAX_WINDOW]],
    leaves: DEFAULT_WINDOW,
    refuse: (peer) => void (peer.manners.window = false),
    accept: (peer) => widen(peer, 0),
  },
  'does not read its socket': {
    settings: [[Setting.INITIAL_WINDOW_SIZE, MAX_WINDOW]],
    leaves: KERNEL_AT_MOST,
    refuse: (peer) => {
      peer.manners.window = false;
      widen(peer, 0);
      peer.socket.pause();
    },
    accept: (peer) => void peer.socket.resume(),
  },
};

const ended = (peer: RawSession, id: number): Promise<h2.Frame> =>
  peer.until(
    () => peer.frames.findLast((frame) => frame.streamId === id && h2.endsStream(frame)),
    `the end of stream ${id}`,
    10_000,
  );
/** So much of the body has come, and no more of it. */
const reaches = (peer: RawSession, id: number, length: number): Promise<true> =>
  peer.until(() => (received(peer, id) === length ? true : undefined), `${length} octets`);

/** A client that asks for a long body, an engine that sends it, and a neighbour on the engine's same session. */
async function download(
  t: TestContext,
  { total = BODY, settings = [], refuse, ...overrides }: Partial<Refusal> & { total?: number } & Partial<Overrides>,
) {
  let begun: (source: Source) => void;
  const source = new Promise<Source>((resolve) => (begun = resolve));
  const play: Play = (session, id) => {
    session.headers(id, OK, 0);
    const whole = new Source(session, id);
    begun(whole);
    return whole.send(total);
  };
  const engine = await engineWith(t, { '/download': play, '/hang': hang });
  const { gateway, client } = await stage(t, engine, overrides);
  const neighbour = await client();
  await good(neighbour);
  const peer = await client(settings);
  refuse?.(peer);
  const id = peer.open(request('/download'), Flag.END_STREAM);
  const session = await engine.session();
  const { streamId } = await arrived(session, '/download');
  return { engine, gateway, neighbour, peer, id, session, streamId, source: await source };
}

/** A client that sends a long body to an engine that does not take it, and a neighbour who is served there. */
async function upload(t: TestContext, refusal: Refusal, total = BODY, overrides: Partial<Overrides> = {}) {
  const engine = await engineWith(t, { '/upload': hang }, refusal.settings);
  const { gateway, client } = await stage(t, engine, overrides);
  const neighbour = await client();
  await good(neighbour);
  const session = await engine.session();
  refusal.refuse(session);
  const peer = await client();
  const id = peer.open(request('/upload'));
  const source = new Source(peer, id);
  // Where the call is to fail, so does this.
  const sending = source.send(total).catch(() => undefined);
  return { engine, gateway, neighbour, peer, id, session, source, sending };
}

describe('a client that takes nothing of 64 MiB stops its engine, and gets all of it in the end', () => {
  for (const [how, refusal] of Object.entries(refusals)) {
    test(`when it ${how}`, async (t) => {
      const { engine, neighbour, peer, id, source } = await download(t, refusal);
      const sent = await source.stalled();
      assert.ok(sent <= refusal.leaves + MiB + DEFAULT_WINDOW, `the engine sent ${sent} octets`);
      assert.ok(budget.used <= HELD_AT_MOST, `${budget.used} octets are held`);
      for (let i = 0; i < 20; i++) await good(neighbour);
      assert.equal(source.sent, sent);
      assert.equal(engine.sessions.length, 1);

      refusal.accept(peer, id);
      await ended(peer, id);
      assert.equal(received(peer, id), BODY);
      await buffersFree();
    });
    test(`or hangs up, when it ${how}`, async (t) => {
      const { gateway, neighbour, peer, session, streamId, source } = await download(t, refusal);
      await source.stalled();
      peer.close();
      await cancelled(session, streamId);
      await good(neighbour);
      await onlyLeft(gateway, 2);
      await buffersFree();
    });
  }
});

describe('an engine that takes nothing of a long body stops the client, and gets all of it in the end', () => {
  for (const [how, refusal] of Object.entries(refusals)) {
    test(`when it ${how}`, async (t) => {
      const { neighbour, session, source, sending, engine } = await upload(t, refusal, bodyFor(refusal));
      const sent = await source.stalled();
      assert.ok(sent <= refusal.leaves + MiB + DEFAULT_WINDOW, `the client sent ${sent} octets`);
      assert.ok(budget.used <= HELD_AT_MOST, `${budget.used} octets are held`);
      if (how.includes('stream')) for (let i = 0; i < 20; i++) await good(neighbour);

      // The head may be among what was not read.
      if (how.includes('socket')) session.socket.resume();
      const { streamId } = await arrived(session, '/upload');
      refusal.accept(session, streamId);
      await sending;
      await ended(session, streamId);
      assert.equal(received(session, streamId), bodyFor(refusal));
      assert.equal(engine.sessions.length, 1);
      await buffersFree();
    });
  }
});

describe('windows that move', () => {
  const small = 200_000;
  test('from 0, where a response waits whole until they open', async (t) => {
    const { peer, id, source } = await download(t, { total: 20_000, settings: [[Setting.INITIAL_WINDOW_SIZE, 0]] });
    peer.manners.window = false;
    await source.stalled(50);
    assert.equal(received(peer, id), 0);
    assert.equal(peer.heard(id).status, 200);
    peer.send(windowFrame(id, 1));
    await reaches(peer, id, 1);
    peer.send(settingsFrame([Setting.INITIAL_WINDOW_SIZE, 10_000]));
    await reaches(peer, id, 10_001);
    peer.send(windowFrame(id, 20_000));
    await ended(peer, id);
    assert.equal(received(peer, id), 20_000);
  });
  test('below 0 in the middle, which have to be made good before another octet comes', async (t) => {
    const { peer, id, source } = await download(t, {
      total: small,
      refuse: (late) => void (late.manners.window = false),
    });
    await source.stalled(50);
    assert.equal(received(peer, id), DEFAULT_WINDOW);
    // The window is 0 now, and -64535 then.
    peer.send(settingsFrame([Setting.INITIAL_WINDOW_SIZE, 1000]), windowFrame(0, small));
    peer.send(windowFrame(id, DEFAULT_WINDOW - 1000));
    await source.stalled(50);
    assert.equal(received(peer, id), DEFAULT_WINDOW);
    peer.send(windowFrame(id, 5));
    await reaches(peer, id, DEFAULT_WINDOW + 5);
    peer.send(settingsFrame([Setting.INITIAL_WINDOW_SIZE, small]));
    await ended(peer, id);
    assert.equal(received(peer, id), small);
  });
  test('of an engine too, in the middle of an upload', async (t) => {
    const refusal = refusals['keeps only the window of the stream closed']!;
    const { session, source, sending } = await upload(t, refusal, small);
    const { streamId } = await arrived(session, '/upload');
    await source.stalled(50);
    session.send(settingsFrame([Setting.INITIAL_WINDOW_SIZE, 0]), windowFrame(streamId, DEFAULT_WINDOW + 7));
    await reaches(session, streamId, DEFAULT_WINDOW + 7);
    session.send(settingsFrame([Setting.INITIAL_WINDOW_SIZE, small]));
    await sending;
    await ended(session, streamId);
    assert.equal(received(session, streamId), small);
  });
});

// These wait for timers: together, for nothing is measured but what is left in the end.
describe('whoever takes nothing for too long', { concurrency: true }, () => {
  test('as an engine, loses that stream only, and the client is told', async (t) => {
    const refusal = refusals['keeps only the window of the stream closed']!;
    const { gateway, neighbour, peer, id, session } = await upload(t, refusal, MiB, {
      limits: { slowReadTimeout: 300 },
    });
    const { streamId } = await arrived(session, '/upload');
    assert.equal((await peer.message(id, 5000)).status, 502);
    await cancelled(session, streamId);
    assert.equal(gateway.count('frameway_limited_total', 'slow_read'), 1);
    await good(neighbour);
    await good(peer);
    await buffersFree();
  });
  test('as a client, loses that stream only, and the engine is told', async (t) => {
    const refusal = refusals['keeps only the window of the stream closed']!;
    const { gateway, peer, id, session, streamId } = await download(t, {
      ...refusal,
      limits: { slowReadTimeout: 300 },
    });
    const other = peer.open(request('/hang'), Flag.END_STREAM);
    assert.equal((await peer.message(id, 5000)).reset, Code.CANCEL);
    await cancelled(session, streamId);
    assert.equal(peer.heard(other).reset, null);
    assert.equal(gateway.exchanges.at(-1)!.failure?.cause, 'slow_read');
    await good(peer);
    await buffersFree();
  });
  test('on its socket, loses its connection', async (t) => {
    const refusal = refusals['does not read its socket']!;
    const { gateway, neighbour, session, streamId } = await download(t, {
      ...refusal,
      limits: { writeStallTimeout: 1200 },
    });
    await cancelled(session, streamId);
    assert.equal(gateway.count('frameway_limited_total', 'write_stall'), 1);
    await good(neighbour);
    await onlyLeft(gateway, 2);
    await buffersFree();
  });
  test('as an engine on its socket, loses its session, and its calls are told', async (t) => {
    const refusal = refusals['does not read its socket']!;
    const { engine, neighbour, peer, id } = await upload(t, refusal, BODY, { limits: { writeStallTimeout: 1200 } });
    assert.equal((await peer.message(id, 8000)).status, 503);
    await good(neighbour);
    assert.equal(engine.sessions.length, 2);
    await buffersFree();
  });
});
