import assert from 'node:assert/strict';
import { test } from 'node:test';
import { sleep, until } from '../io/wire.ts';
import { answer, bench, Clock, engine, UNASKED } from './stage.ts';
import type { Call } from './stage.ts';

const HOUR = 3_600_000;
const QUIET = { keepalive: UNASKED, maxAge: HOUR, idleTimeout: 0 };

test('a session that is old is drained, not cut, when another has taken its place', async (t) => {
  const clock = new Clock();
  const one = await engine(t);
  const { placed, call } = bench(t, [one], QUIET, clock.wheel);
  const [old] = (await placed(1)) as [Call];
  await until(() => one.requests === 1);
  await sleep(10);
  await clock.pass(HOUR - 1000);
  await sleep(20);
  assert.equal(one.sessions.length, 1, 'sooner than max_age');
  await clock.pass(0.1 * HOUR + 1100);
  const calls = [call()];
  await one.sessions[0]!.next('GOAWAY');
  assert.equal(one.sessions.length, 2);
  calls.push(call());
  await until(() => one.requests === 3);
  assert.ok(calls.every(({ failure }) => failure === null), 'calls went on'); // prettier-ignore
  answer(one.sessions[0]!, 1);
  await old.answered();
  assert.equal(old.status, 200);
  assert.equal(one.sessions[1]!.isClosed, false);
});

test('calls find a session at every moment of a renewal', async (t) => {
  const clock = new Clock();
  const one = await engine(t);
  const { placed, call } = bench(t, [one], QUIET, clock.wheel);
  const calls = await placed(1);
  for (let round = 2; round <= 4; round++) {
    await until(() => one.requests === calls.length);
    await clock.pass(1.1 * HOUR);
    for (let i = 0; i < 30; i++) {
      calls.push(call());
      assert.equal(calls.at(-1)!.waiting, false, 'a call had to wait');
      await sleep(1);
    }
    await one.sessions[round - 2]!.next('GOAWAY');
    assert.equal(one.sessions.length, round);
  }
  await until(() => one.requests === calls.length);
  for (const session of one.sessions) {
    for (const { typeName, streamId } of session.frames) if (typeName === 'HEADERS') answer(session, streamId);
  }
  for (const each of calls) await each.answered();
  assert.ok(calls.every(({ status }) => status === 200), 'a call failed'); // prettier-ignore
});

test('of several sessions the old one needs no heir', async (t) => {
  const clock = new Clock();
  const one = await engine(t);
  const { call } = bench(t, [one], { ...QUIET, exclusive: true }, clock.wheel);
  const calls = Array.from({ length: 3 }, call);
  await until(() => one.requests === 3);
  await clock.pass(1.1 * HOUR + 100);
  await sleep(30);
  assert.ok(one.sessions.length <= 4, `${one.sessions.length} sessions`);
  for (const session of one.sessions.slice(0, 3)) answer(session, 1);
  for (const each of calls) await each.answered();
  assert.ok(calls.every(({ status }) => status === 200), 'a call was cut'); // prettier-ignore
});

test('a session whose heir cannot be had stays, and is renewed when the engine accepts again', async (t) => {
  const clock = new Clock();
  const one = await engine(t);
  const { placed, call } = bench(t, [one], QUIET, clock.wheel);
  await placed(1);
  await until(() => one.requests === 1);
  one.refuse();
  await clock.pass(1.1 * HOUR + 100);
  await sleep(20);
  const next = call();
  assert.deepEqual([next.waiting, next.endpoint], [false, one.address], 'the old session is as good as ever');
  await one.start();
  for (let i = 0; i < 4; i++) {
    await clock.pass(60_000);
    await sleep(10);
  }
  await one.sessions[0]!.next('GOAWAY');
  assert.equal(one.sessions.length, 2);
});
