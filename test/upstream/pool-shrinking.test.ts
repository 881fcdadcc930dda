import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Endpoint as Count } from '../../src/counters.ts';
import { sleep, until } from '../io/wire.ts';
import { answer, bench, Clock, engine, serve, UNASKED } from './stage.ts';
import type { Call, Engine } from './stage.ts';

const MINUTE = 60_000;
const said = (one: Engine, name: string): number =>
  one.sessions.filter(({ frames }) => frames.some(({ typeName }) => typeName === name)).length;

test('a session that nobody uses is closed after idle_timeout, without any call', async (t) => {
  const clock = new Clock();
  const one = await engine(t);
  serve(one);
  const { call, upstream } = bench(t, [one], { idleTimeout: 5 * MINUTE }, clock.wheel);
  await call().answered();
  await clock.pass(5 * MINUTE - 1000);
  await sleep(10);
  assert.equal(one.open.length, 1);
  await clock.pass(1100);
  await one.sessions[0]!.gone();
  assert.deepEqual([said(one, 'GOAWAY'), upstream.endpoints[0]!.counters.get(Count.SESSIONS_OPEN)], [1, 0]);
  const next = call();
  await next.answered();
  assert.deepEqual([next.status, one.sessions.length], [200, 2]);
});

test('a session that no call ever took up is closed as well', async (t) => {
  const clock = new Clock();
  const one = await engine(t);
  const { call } = bench(t, [one], { keepalive: UNASKED }, clock.wheel);
  call().cancel();
  await until(() => one.sessions.length === 1);
  await sleep(10);
  await clock.pass(5 * MINUTE + 100);
  await one.sessions[0]!.gone();
});

test('after a burst the pool shrinks back to min_connections, and stays there', async (t) => {
  for (const minConnections of [0, 2]) {
    const clock = new Clock();
    const one = await engine(t);
    const { call, upstream } = bench(t, [one], { exclusive: true, minConnections }, clock.wheel);
    upstream.start();
    const calls = Array.from({ length: 6 }, call);
    await until(() => one.requests === 6);
    for (const session of one.sessions) answer(session, 1);
    for (const each of calls) await each.answered();
    await clock.pass(5 * MINUTE + 100);
    await until(() => one.open.length === minConnections);
    for (let i = 0; i < 5; i++) await clock.pass(5 * MINUTE + 100);
    await sleep(20);
    assert.deepEqual([one.open.length, one.sessions.length], [minConnections, 6]);
  }
});

test('a session with a call is not idle, however silent it is', async (t) => {
  const clock = new Clock();
  const one = await engine(t);
  const { placed } = bench(t, [one], { keepalive: UNASKED }, clock.wheel);
  const [long] = (await placed(1)) as [Call];
  await until(() => one.requests === 1);
  for (let i = 0; i < 40; i++) {
    await clock.pass(MINUTE / 4);
    await sleep(2);
  }
  answer(one.sessions[0]!, 1);
  await long.answered();
  assert.equal(long.status, 200);
});

test('few calls keep few sessions busy, so that the others fall idle', async (t) => {
  const clock = new Clock();
  const one = await engine(t);
  const { call } = bench(t, [one], { exclusive: true, keepalive: UNASKED }, clock.wheel);
  const burst = Array.from({ length: 4 }, call);
  await until(() => one.requests === 4);
  for (const session of one.sessions) answer(session, 1);
  for (const each of burst) await each.answered();
  for (let minute = 0, id = 3; minute < 6; minute++, id += 2) {
    const each = call();
    await until(() => one.requests === 5 + minute);
    answer(one.sessions[0]!, id);
    await each.answered();
    assert.equal(each.status, 200);
    await clock.pass(MINUTE);
  }
  await until(() => one.open.length === 1);
  assert.equal(one.sessions[0]!.isClosed, false);
});
