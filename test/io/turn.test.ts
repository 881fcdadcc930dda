import assert from 'node:assert/strict';
import { test } from 'node:test';
import { atEndOfTurn, beginTurn, flushAtEndOfTurn, now, wallNow } from '../../src/io/turn.ts';
import { turnOver, until } from './wire.ts';

const spin = (ms: number): void => {
  for (const end = performance.now() + ms; performance.now() < end;);
};

test('the clock stands still within a turn and goes on after it', async () => {
  beginTurn();
  const time = now();
  spin(3);
  beginTurn();
  assert.equal(now(), time);
  await turnOver();
  assert.ok(now() >= time + 3);
});

test('outside a turn the clock runs', () => {
  const time = now();
  spin(2);
  assert.ok(now() >= time + 2);
});

test('tasks run once, at the end of the turn, in order', async () => {
  const ran: number[] = [];
  for (let i = 0; i < 3; i++) atEndOfTurn({ endTurn: () => ran.push(i) });
  await Promise.resolve();
  assert.deepEqual(ran, []);
  await turnOver();
  assert.deepEqual(ran, [0, 1, 2]);
  await turnOver();
  assert.deepEqual(ran, [0, 1, 2]);
});

test('a task put down by a task belongs to the next turn, so that the loop polls between', async () => {
  const order: string[] = [];
  let rounds = 0;
  const again = {
    endTurn: () => {
      order.push('task');
      if (++rounds < 5) atEndOfTurn(again);
      // An immediate of this round would run before the task if the task waited for a later loop; a timer polls.
      if (rounds === 1) setTimeout(() => order.push('timer'), 0);
      spin(2);
    },
  };
  atEndOfTurn(again);
  await until(() => rounds === 5 && order.includes('timer'));
  assert.ok(order.indexOf('timer') < order.length - 1, order.join());
});

test('flushes come after the tasks of a turn, those that a task puts down too', async () => {
  const order: string[] = [];
  const late = { endTurn: () => order.push('flush of the task') };
  flushAtEndOfTurn({ endTurn: () => order.push('flush') });
  atEndOfTurn({
    endTurn: () => {
      order.push('task');
      flushAtEndOfTurn(late);
    },
  });
  await turnOver();
  assert.deepEqual(order, ['task', 'flush', 'flush of the task']);
});

test('the wall clock stands still within a turn as well, and is read anew in the next', async () => {
  assert.ok(Math.abs(wallNow() - Date.now()) <= 1);
  beginTurn();
  const time = wallNow();
  spin(3);
  assert.equal(wallNow(), time);
  await turnOver();
  assert.ok(wallNow() >= time + 3);
  beginTurn();
  assert.ok(wallNow() >= time + 3);
  await turnOver();
});
