import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { TestContext } from 'node:test';
import { ErrorCode } from '../../src/errors.ts';
import type { UpstreamSpec } from '../../src/snapshot.ts';
import { goawayFrame, isAck } from '../support/frames.ts';
import { until } from '../io/wire.ts';
import { bench, Clock, engine, serve } from './stage.ts';
import type { Bench, Call, Engine } from './stage.ts';

const SECOND = 1000;
const MINUTE = 60 * SECOND;
const HOUR = 60 * MINUTE;

interface Idling extends Bench {
  readonly clock: Clock;
  readonly asr: Engine;
  /** A call that is given as long as calls are by default. */
  readonly succeeds: () => Promise<Call>;
}

/** A session that has carried one call, and sessions that are never closed for being idle, unless `spec` says so. */
async function idling(t: TestContext, spec: Partial<UpstreamSpec> = {}): Promise<Idling> {
  const clock = new Clock();
  const asr = await engine(t);
  serve(asr);
  const keepalive = { interval: 30 * SECOND, timeout: 20 * SECOND };
  const made = bench(t, [asr], { idleTimeout: 0, keepalive, acquireTimeout: 5 * SECOND, ...spec }, clock.wheel);
  made.upstream.start();
  const succeeds = async (): Promise<Call> => {
    const call = made.call();
    await call.answered();
    assert.deepEqual([call.failure, call.status], [null, 200]);
    return call;
  };
  await succeeds();
  return { ...made, clock, asr, succeeds };
}

const count = ({ sessions }: Engine, type: string): number =>
  sessions.flatMap(({ frames }) => frames).filter((frame) => frame.typeName === type && !isAck(frame)).length;

test('a call after a long idle time is not "Cancelled on the server side"', async (t) => {
  const { clock, asr, succeeds } = await idling(t);
  for (const idle of [29 * SECOND, 31 * SECOND, 3 * MINUTE, 6 * MINUTE, HOUR, 3 * HOUR, 25 * HOUR]) {
    await clock.pass(idle);
    await succeeds();
  }
  assert.equal(count(asr, 'RST_STREAM'), 0);
  assert.equal(asr.requests, 8);
});

test('idling itself sends no PING, so that no engine has a reason to say "too_many_pings"', async (t) => {
  const { clock, asr } = await idling(t);
  for (let minutes = 0; minutes < 120; minutes++) await clock.pass(MINUTE);
  assert.equal(count(asr, 'PING'), 0);
});

test('a call succeeds after the engine has closed the idle session, by GOAWAY, by FIN or by RST', async (t) => {
  const { clock, asr, succeeds } = await idling(t);
  const ends: Readonly<Record<string, () => void>> = {
    // What gRPC engines say at the end of MAX_CONNECTION_IDLE.
    goaway: () => asr.open.at(-1)!.send(goawayFrame(1, ErrorCode.NO_ERROR, 'max_idle')),
    fin: () => asr.open.at(-1)!.socket.end(),
    rst: () => asr.open.at(-1)!.socket.resetAndDestroy(),
  };
  for (const [name, end] of Object.entries(ends)) {
    await clock.pass(10 * MINUTE);
    const before = asr.sessions.length;
    end();
    // As it is on a network that takes its time, and as it is on one that does not.
    if (name !== 'fin') await clock.pass(MINUTE);
    await succeeds();
    assert.equal(asr.sessions.length > before, true, `${name}: on another session`);
  }
  assert.equal(count(asr, 'RST_STREAM'), 0);
});

test('a call succeeds after the network has forgotten the idle session, without a word to either side', async (t) => {
  const { clock, asr, call } = await idling(t);
  await clock.pass(10 * MINUTE);
  const [forgotten] = asr.open;
  forgotten!.manners.ping = false;
  forgotten!.socket.pause();
  const late = call();
  await until(() => !late.waiting || asr.sessions.length > 1, 'another session, or a PING that is answered');
  await late.answered();
  assert.deepEqual([late.failure, late.status], [null, 200]);
  assert.equal(asr.sessions.length, 2);
});

test('a call succeeds after our own idle_timeout has closed the session', async (t) => {
  const { clock, asr, succeeds } = await idling(t, { idleTimeout: 5 * MINUTE });
  await clock.pass(5 * MINUTE + 30 * SECOND);
  await until(() => asr.open.length === 0, 'the idle session to be closed');
  await succeeds();
  assert.deepEqual([asr.sessions.length, count(asr, 'RST_STREAM')], [2, 0]);
});
