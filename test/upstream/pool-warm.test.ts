import assert from 'node:assert/strict';
import { test } from 'node:test';
import { settingsFrame } from '../support/frames.ts';
import { sleep, until } from '../io/wire.ts';
import { bench, Clock, engine, nobody } from './stage.ts';

test('min_connections are opened to every endpoint at the start, before any call', async (t) => {
  const engines = [await engine(t), await engine(t)];
  const { upstream, placed } = bench(t, engines, { minConnections: 2 });
  upstream.start();
  await until(() => engines.every(({ sessions }) => sessions.length === 2));
  await placed(2);
  await sleep(20);
  assert.ok(
    engines.every(({ sessions, requests }) => sessions.length === 2 && requests === 1),
    'calls share them',
  );
});

test('min_connections are opened even where one session would do for max_streams', async (t) => {
  const one = await engine(t);
  const { upstream } = bench(t, [one], { minConnections: 2, maxStreams: 1 });
  upstream.start();
  await until(() => one.sessions.length === 2);
});

test('a warm session that is lost is replaced, though no call asks for it', async (t) => {
  const one = await engine(t);
  const clock = new Clock();
  const { upstream } = bench(t, [one], { minConnections: 2 }, clock.wheel);
  upstream.start();
  await until(() => one.sessions.length === 2);
  await sleep(10);
  await clock.pass(60_000);
  one.sessions[0]!.close();
  await until(() => one.sessions.length === 3);
  await sleep(20);
  assert.equal(one.open.length, 2);
});

test('warm sessions come back after the engine does, within its backoff', async (t) => {
  const one = await nobody(t);
  const { upstream, records } = bench(t, [one], { minConnections: 1, backoffMax: 50 });
  upstream.start();
  await sleep(120);
  const refused = records.filter(({ event }) => event === 'connect_failed').length;
  assert.ok(refused >= 2 && refused <= 5, `${refused} connects in 120 ms at 50 ms each`);
  await one.start();
  await until(() => one.open.length === 1);
});

test('an engine that greets and hangs up is not connected to without a pause', async (t) => {
  const one = await engine(t);
  one.script = (session) => {
    session.send(settingsFrame());
    session.socket.end();
  };
  const { upstream } = bench(t, [one], { minConnections: 1 });
  upstream.start();
  await sleep(300);
  assert.ok(one.sessions.length <= 2, `${one.sessions.length} connects in 300 ms`);
});

test('what fails at once for many calls is one failure to the backoff', async (t) => {
  const clock = new Clock();
  const one = await nobody(t);
  const { call } = bench(t, [one], { exclusive: true }, clock.wheel);
  const calls = Array.from({ length: 8 }, call);
  for (const each of calls) await each.settled();
  assert.ok(calls.every(({ failure }) => failure?.cause === 'connect_refused'));
  await one.start();
  await clock.pass(700);
  assert.equal(call().failure?.cause, 'connect_refused', 'sooner than a second and its jitter');
  await clock.pass(550);
  const next = call();
  await next.settled();
  assert.equal(next.endpoint, one.address);
});

test('an engine that hangs up before it has spoken is left alone for a while, and calls go elsewhere', async (t) => {
  const [mute, good] = [await engine(t), await engine(t)];
  mute.script = (session) => session.close();
  const { placed, call, upstream } = bench(t, [mute, good]);
  await placed(1);
  await until(() => good.sessions.length === 1 && mute.sessions.length === 1);
  await sleep(30);
  const calls = Array.from({ length: 10 }, call);
  assert.ok(
    calls.every(({ endpoint }) => endpoint === good.address),
    'a call went to the mute one',
  );
  await sleep(100);
  assert.deepEqual([mute.sessions.length, upstream.endpoints[0]!.pool.alive], [1, false]);
});

test('where the only engine hangs up before it has spoken, calls fail at once during the backoff', async (t) => {
  const replies = ['', 'HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n'];
  for (const reply of replies) {
    const one = await engine(t);
    one.script = (session) => session.socket.end(reply);
    const { placed, call, upstream } = bench(t, [one], { minConnections: 1 });
    upstream.start();
    const [first] = await placed(1);
    await first!.answered();
    assert.equal(first!.failure?.grpc, 14);
    for (let i = 0; i < 20; i++) {
      assert.equal(call().failure?.cause, 'session_lost');
      await sleep(5);
    }
    assert.equal(one.sessions.length, 1);
  }
});
