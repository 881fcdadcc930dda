import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { TestContext } from 'node:test';
import { Endpoint as Count } from '../../src/counters.ts';
import type { UpstreamSpec } from '../../src/snapshot.ts';
import { Flag, goawayFrame, isAck, pingFrame, windowFrame } from '../support/frames.ts';
import type { RawSession } from '../support/raw-session.ts';
import { sleep, until } from '../io/wire.ts';
import { answer, bench, Clock, engine, serve } from './stage.ts';
import type { Bench, Call, Engine } from './stage.ts';

const SECOND = 1000;
const MINUTE = 60 * SECOND;
const HOUR = 60 * MINUTE;
/** Silence after which is asked: 30 s; 20 s for the answer. */
const SPEC: Partial<UpstreamSpec> = { idleTimeout: 0, acquireTimeout: HOUR };

const pings = ({ frames }: RawSession): number =>
  frames.filter((frame) => frame.typeName === 'PING' && !isAck(frame)).length;

/** The engine's process stands still: its sockets are open, and it neither reads nor answers. */
function freeze({ sessions }: Engine): void {
  for (const session of sessions) {
    session.manners.ping = false;
    session.socket.pause();
  }
}

interface Stage extends Bench {
  readonly clock: Clock;
  readonly engines: readonly [Engine, ...Engine[]];
  /** The one whose calls are `held`, one each, and the others. */
  readonly held: readonly Call[];
}

/** Engines with a session each, and a call on each that has no answer yet. */
async function stage(t: TestContext, count: number, spec: Partial<UpstreamSpec> = {}): Promise<Stage> {
  const clock = new Clock();
  const engines: Engine[] = [];
  for (let i = 0; i < count; i++) engines.push(await engine(t));
  const made = bench(t, engines, { ...SPEC, ...spec }, clock.wheel);
  made.upstream.start();
  await made.placed(1);
  await until(() => made.upstream.endpoints.every(({ pool }) => pool.sessions.length === 1));
  const held = [made.call()];
  while (engines.some(({ requests }) => requests === 0)) {
    held.push(made.call());
    await sleep(2);
  }
  return { ...made, clock, engines: engines as [Engine, ...Engine[]], held };
}

test('an engine that stands still is noticed within interval and timeout, and its calls end UNAVAILABLE', async (t) => {
  const { clock, engines, call, upstream } = await stage(t, 1);
  const last = call();
  await until(() => last.endpoint !== null);
  freeze(engines[0]);
  await clock.pass(30 * SECOND);
  await clock.pass(19 * SECOND);
  assert.equal(last.failure === null, true, 'too soon');
  await clock.pass(1100);
  await last.answered();
  assert.deepEqual([last.failure?.cause, last.failure?.grpc], ['session_lost', 14]);
  const { counters } = upstream.endpoints[0]!;
  assert.deepEqual([counters.get(Count.PINGS_UNANSWERED), upstream.endpoints[0]!.active], [1, 0]);
});

test('no call goes to an engine that owes an answer to a PING, and none after it was given up', async (t) => {
  const { clock, engines, callWith, upstream } = await stage(t, 2);
  const [dead, good] = engines as [Engine, Engine];
  freeze(dead);
  await clock.pass(31 * SECOND);
  await until(() => pings(good.sessions[0]!) === 1);
  await sleep(10);
  const place = async (): Promise<void> => {
    for (let i = 0; i < 10; i++) {
      const each = callWith([]);
      await each.settled();
      assert.equal(each.endpoint, good.address);
    }
  };
  await place();
  await clock.pass(20 * SECOND);
  await until(() => upstream.endpoints[0]!.pool.sessions.every(({ room }) => room > 0));
  await place();
});

test('whatever frame an engine sends, it lives and is not asked', async (t) => {
  const { clock, engines } = await stage(t, 1);
  const [session] = engines[0].sessions as [RawSession];
  for (let i = 0; i < 12; i++) {
    session.send(windowFrame(0, 1));
    await clock.pass(25 * SECOND);
  }
  assert.equal(pings(session), 0);
});

test('an engine that says nothing for an hour of a call is asked once, and then every five minutes', async (t) => {
  const { clock, engines, held } = await stage(t, 1);
  for (let i = 0; i < 120; i++) await clock.pass(30 * SECOND);
  const asked = pings(engines[0].sessions[0]!);
  assert.ok(asked >= 10 && asked <= 13, `${asked} PINGs`);
  assert.equal(held[0]!.failure, null);
});

test('a session without calls is never asked', async (t) => {
  const clock = new Clock();
  const one = await engine(t);
  serve(one);
  const { call, upstream } = bench(t, [one], { ...SPEC, minConnections: 2 }, clock.wheel);
  upstream.start();
  await call().answered();
  for (let i = 0; i < 30; i++) await clock.pass(10 * MINUTE);
  assert.deepEqual([one.open.map(pings), one.sessions.length], [[0, 0], 2]);
});

/** An engine with one session, which has been silent and without calls for ten minutes. */
async function rested(t: TestContext, spec: Partial<UpstreamSpec>) {
  const clock = new Clock();
  const one = await engine(t);
  serve(one);
  const { call } = bench(t, [one], spec, clock.wheel);
  await call().answered();
  await clock.pass(10 * MINUTE);
  return { clock, one, call };
}

test('a session that was idle for long is asked before the next call, which waits for the answer', async (t) => {
  const { clock, one, call } = await rested(t, { ...SPEC, maxConnections: 1 });
  const next = call();
  assert.equal(next.waiting, true);
  await next.answered();
  const [session] = one.sessions as [RawSession];
  const order = session.frames.map(({ typeName }) => typeName).filter((name) => /HEADERS|PING/.test(name));
  assert.deepEqual([next.status, order, one.sessions.length], [200, ['HEADERS', 'PING', 'HEADERS'], 1]);
  // A minute later it is not asked again.
  await clock.pass(MINUTE);
  assert.equal(call().waiting, false);
});

test('where a session that was idle for long is dead, the call goes to a fresh one without waiting for that', async (t) => {
  const { clock, one, call } = await rested(t, SPEC);
  freeze(one);
  const next = call();
  await next.answered();
  assert.deepEqual([next.status, one.sessions.length, one.sessions[0]!.isClosed], [200, 2, false]);
  await clock.pass(51 * SECOND);
  await clock.pass(SECOND);
  one.sessions[0]!.socket.resume();
  await one.sessions[0]!.gone();
});

test('where there may be no fresh one, the call waits until the dead one is given up, and no longer', async (t) => {
  const { clock, one, call } = await rested(t, { ...SPEC, maxConnections: 1 });
  freeze(one);
  const next = call();
  await clock.pass(19 * SECOND);
  assert.equal(next.waiting, true);
  await clock.pass(1100);
  await next.answered();
  assert.deepEqual([next.status, one.sessions.length], [200, 2]);
});

test('where one endpoint slept and the other did not, calls go to the other meanwhile', async (t) => {
  const { clock, engines, held, placed } = await stage(t, 2);
  const [silent, busy] = engines as [Engine, Engine];
  const [session] = silent.sessions as [RawSession];
  const count = session.frames.filter(({ typeName }) => typeName === 'HEADERS').length;
  for (let i = 0; i < count; i++) answer(session, 2 * i + 1);
  await until(() => held.some(({ status }) => status === 200));
  for (let i = 0; i < 10; i++) {
    busy.sessions[0]!.send(windowFrame(0, 1));
    await clock.pass(20 * SECOND);
  }
  freeze(silent);
  for (const each of await placed(10)) assert.equal(each.endpoint, busy.address);
});

test('a session that cannot be asked without a strike takes a call all the same where there is no other', async (t) => {
  const { clock, engines, call } = await stage(t, 1, { maxConnections: 1 });
  const [session] = engines[0].sessions as [RawSession];
  // Its free PING, one that is early, and then none is left before five minutes have passed.
  await clock.pass(31 * SECOND);
  await until(() => pings(session) === 1);
  for (let i = 0; i < 2; i++) {
    await clock.pass(125 * SECOND);
    const next = call();
    await sleep(20);
    assert.equal(next.endpoint, engines[0].address, `call ${i + 1}`);
  }
  assert.equal(pings(session), 2);
});

test('too_many_pings doubles the interval, replaces the session and moves the calls that had not begun', async (t) => {
  const { clock, engines, call, upstream, records } = await stage(t, 1);
  const [one] = engines;
  const [session] = one.sessions as [RawSession];
  await clock.pass(31 * SECOND);
  await until(() => pings(session) === 1);
  await sleep(10);
  const begun = call();
  const unstarted = call();
  await until(() => begun.endpoint !== null && unstarted.endpoint !== null);
  const ids = session.frames.filter(({ typeName }) => typeName === 'HEADERS').map(({ streamId }) => streamId);
  await until(() => session.frames.filter(({ typeName }) => typeName === 'HEADERS').length >= ids.length);
  await sleep(10);
  const last = Math.max(...session.frames.map(({ streamId }) => streamId));
  session.send(goawayFrame(last - 2, 11, 'too_many_pings'));
  session.socket.end();
  await Promise.all([begun.answered(), unstarted.answered()]);
  assert.deepEqual([unstarted.failure?.cause, unstarted.failure?.retryable], ['unprocessed', true]);
  assert.deepEqual([begun.failure?.cause, begun.failure?.grpc], ['session_lost', 14]);
  const endpoint = upstream.endpoints[0]!;
  assert.deepEqual([endpoint.keepalive.interval, endpoint.counters.get(Count.TOO_MANY_PINGS)], [60 * SECOND, 1]);
  assert.ok(records.some(({ event, message }) => event === 'keepalive' && message.includes('60 s')), 'not logged'); // prettier-ignore
  const next = call();
  await until(
    () => one.sessions.length === 2 && one.sessions[1]!.frames.some(({ typeName }) => typeName === 'HEADERS'),
  );
  assert.equal(next.failure, null);
  await clock.pass(31 * SECOND);
  assert.equal(pings(one.sessions[1]!), 0, 'the new session is asked later');
  await clock.pass(30 * SECOND);
  await until(() => pings(one.sessions[1]!) === 1);
});

test('an answer to no PING of ours is nobody’s life', async (t) => {
  const { clock, engines, call } = await stage(t, 1);
  const last = call();
  const [session] = engines[0].sessions as [RawSession];
  session.manners.ping = false;
  await clock.pass(31 * SECOND);
  await until(() => pings(session) === 1);
  session.send(pingFrame('whatever', Flag.ACK));
  await sleep(10);
  // It is a frame, so a new silence begins; but the PING stays unanswered.
  await clock.pass(51 * SECOND);
  await last.answered();
  assert.equal(last.failure?.grpc, 14);
});
