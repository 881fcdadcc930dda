import assert from 'node:assert/strict';
import { test } from 'node:test';
import * as grpc from '@grpc/grpc-js';
import { ask, checking, HOUR, probing, until } from './asking.ts';
import { GrpcEngine, http2Engine, RawEngine } from './engines.ts';

test('an engine that says SERVING is healthy, and none that says anything else', async (t) => {
  const engine = await GrpcEngine.start(t);
  const probe = probing(t, engine.target);
  for (const status of ['SERVING', 'NOT_SERVING', 'UNKNOWN', 'SERVICE_UNKNOWN'] as const) {
    engine.set(status);
    const { healthy, reason, decisive } = await ask(probe);
    assert.deepEqual([healthy, reason, decisive], [status === 'SERVING', status, false]);
  }
});

test('the service that the configuration names is asked for', async (t) => {
  const engine = await GrpcEngine.start(t, { statuses: { '': 'SERVING', 'asr.v1.Recognizer': 'NOT_SERVING' } });
  assert.equal((await ask(probing(t, engine.target, { service: 'asr.v1.Recognizer' }))).reason, 'NOT_SERVING');
  const { healthy, reason } = await ask(probing(t, engine.target, { service: 'tts' }));
  assert.deepEqual([healthy, reason], [false, 'NOT_FOUND: unknown service']);
});

test('an engine learns how long it has for its answer', async (t) => {
  const engine = await GrpcEngine.start(t);
  await ask(probing(t, engine.target, { timeout: 1500 }));
  const left = Number(engine.lastCheck?.getDeadline()) - Date.now();
  assert.ok(left > 0 && left <= 1500, `${left} ms are left`);
});

test('an engine without the health service is not healthy, and the reason says so', async (t) => {
  const engine = await GrpcEngine.start(t, { without: 'Check' });
  const { healthy, reason } = await ask(probing(t, engine.target));
  assert.equal(healthy, false);
  assert.match(reason, /^UNIMPLEMENTED: /);
});

test('one session carries all checks of an endpoint', async (t) => {
  const { target, connected } = await http2Engine(t, (stream) => {
    stream.on('error', () => undefined);
    stream.resume();
    stream.respond({ ':status': 200, 'content-type': 'application/grpc' }, { waitForTrailers: true });
    stream.on('wantTrailers', () => stream.sendTrailers({ 'grpc-status': '0' }));
    stream.end(Buffer.from([0, 0, 0, 0, 2, 8, 1]));
  });
  const probe = probing(t, target);
  for (let n = 0; n < 20; n++) assert.equal((await ask(probe)).reason, 'SERVING');
  assert.equal(connected.count, 1);
});

test('a session that the engine closed between checks is opened again, and no failure', async (t) => {
  const engine = await GrpcEngine.start(t);
  const probe = probing(t, engine.target);
  assert.equal((await ask(probe)).healthy, true);
  engine.kill();
  const next = await GrpcEngine.start(t, { port: engine.port });
  assert.equal((await ask(probe)).healthy, true);
  assert.equal(next.checks, 1);
});

test('a session that says goodbye finishes the open check, and the next goes to another', async (t) => {
  const { target, connected } = await http2Engine(t, (stream) => {
    stream.session?.goaway();
    stream.resume();
    stream.respond({ ':status': 200 }, { waitForTrailers: true });
    stream.on('wantTrailers', () => stream.sendTrailers({ 'grpc-status': '0' }));
    stream.end(Buffer.from([0, 0, 0, 0, 2, 8, 1]));
  });
  const probe = probing(t, target);
  for (let n = 1; n <= 5; n++) {
    assert.equal((await ask(probe)).reason, 'SERVING');
    assert.equal(connected.count, n);
  }
});

test('answers that are no answer are failures, each with its reason', async (t) => {
  const head = { ':status': 200, 'content-type': 'application/grpc' };
  const answers = {
    none: 'no grpc-status',
    bodiless: 'no message',
    teapot: 'HTTP 418',
    garbage: 'malformed health response',
    odd: 'grpc-status 99',
    reset: 'NGHTTP2_INTERNAL_ERROR',
  };
  const { target } = await http2Engine(t, (stream, headers) => {
    stream.resume();
    const kind = String(headers['grpc-timeout']);
    const status = (value: string): void => {
      stream.respond(head, { waitForTrailers: true });
      stream.on('wantTrailers', () => stream.sendTrailers({ 'grpc-status': value }));
      stream.end();
    };
    // The timeout names the case: it is all that reaches the engine of what a test can choose.
    if (kind === '1m') stream.respond(head, { endStream: true });
    else if (kind === '2m') status('0');
    else if (kind === '3m') stream.respond({ ':status': 418 }, { endStream: true });
    else if (kind === '4m') {
      stream.respond(head);
      stream.end('<html>not a message</html>');
    } else if (kind === '5m') status('99');
    else stream.close(2);
  });
  for (const [i, [kind, expected]] of Object.entries(answers).entries()) {
    const { healthy, reason } = await ask(probing(t, target, { timeout: i + 1 }));
    assert.equal(healthy, false, kind);
    assert.match(reason, new RegExp(expected), kind);
  }
});

test('an engine that is down, comes and goes is seen to do so', async (t) => {
  const first = await GrpcEngine.start(t);
  const { check, changes } = checking(t, first.target);
  await until(() => check.state === 'healthy', 'the first answer');
  first.kill();
  await until(() => changes.length === 1, 'the end of the engine');
  assert.match(changes[0]!, /^down: (connect ECONNREFUSED|connection closed|.*ECONNRESET)/);
  await GrpcEngine.start(t, { port: first.port });
  await until(() => changes.length === 2, 'its return');
  assert.equal(changes[1], 'up: SERVING');
  assert.ok(check.failures >= 1 && check.failures < check.probes, `${check.failures} of ${check.probes}`);
});

test('an engine that hangs is out after the timeout, and back with a new connection when it answers again', async (t) => {
  let hangs = false;
  const { target, connected } = await http2Engine(t, (stream) => {
    stream.resume();
    if (hangs) return;
    stream.respond({ ':status': 200 }, { waitForTrailers: true });
    stream.on('wantTrailers', () => stream.sendTrailers({ 'grpc-status': '0' }));
    stream.end(Buffer.from([0, 0, 0, 0, 2, 8, 1]));
  });
  const { check, changes } = checking(t, target, { timeout: 60 });
  await until(() => check.probes >= 3, 'three answers');
  assert.equal(connected.open.size, 1);
  hangs = true;
  await until(() => changes.length === 1, 'the timeout');
  assert.deepEqual(changes, ['down: no answer within 60 ms']);
  hangs = false;
  await until(() => changes.length === 2, 'the return');
  assert.ok(connected.count >= 2, 'the connection that hung is used again');
  await until(() => connected.open.size === 1, 'the end of the old connections');
});

test('a watch tells each change within milliseconds, though the next question is an hour away', async (t) => {
  const engine = await GrpcEngine.start(t);
  const overrides = { watch: true, interval: HOUR, unhealthyThreshold: 3, healthyThreshold: 3 };
  const { check, changes } = checking(t, engine.target, overrides);
  await until(() => check.state === 'healthy', 'the first status');
  for (let n = 0; n < 5; n++) {
    const begun = performance.now();
    engine.set(n % 2 === 0 ? 'NOT_SERVING' : 'SERVING');
    await until(() => changes.length === n + 1, 'the change');
    const took = performance.now() - begun;
    assert.ok(took < 200, `${took} ms`);
    assert.equal(changes[n], n % 2 === 0 ? 'down: NOT_SERVING' : 'up: SERVING');
  }
  assert.equal(engine.watches, 1);
  assert.equal(engine.checks, 0);
});

test('a service that an engine does not know yet is not healthy until it does', async (t) => {
  const engine = await GrpcEngine.start(t);
  const { changes } = checking(t, engine.target, { watch: true, interval: HOUR, service: 'asr' });
  await until(() => changes.length === 1, 'the first status');
  engine.set('SERVING', 'asr');
  await until(() => changes.length === 2, 'the service');
  assert.deepEqual(changes, ['down: SERVICE_UNKNOWN', 'up: SERVING']);
});

test('a watch is begun anew with each question, and one at most is open', async (t) => {
  const engine = await GrpcEngine.start(t);
  const { check, changes } = checking(t, engine.target, { watch: true, interval: 10 });
  await until(() => engine.watches >= 10, 'ten watches');
  check.stop();
  await until(() => engine.watching.size === 0, 'the end of the last');
  assert.equal(check.failures, 0);
  assert.deepEqual(changes, []);
});

test('a watch that breaks is one failure, and begun again after the interval', async (t) => {
  const engine = await GrpcEngine.start(t);
  const overrides = { watch: true, interval: 300, unhealthyThreshold: 2 };
  const { check, changes } = checking(t, engine.target, overrides);
  await until(() => check.state === 'healthy', 'the first status');
  const begun = performance.now();
  engine.endWatches(grpc.status.UNAVAILABLE);
  await until(() => check.failures === 1, 'the break');
  await until(() => engine.watches === 2, 'the next watch');
  const took = performance.now() - begun;
  assert.ok(took >= 290, `${took} ms`);
  await until(() => check.probes === 3, 'its status');
  assert.deepEqual(changes, []);
});

test('a watch of an engine that dies is out once so many attempts have failed, and back when it is', async (t) => {
  const engine = await GrpcEngine.start(t);
  const { check, changes } = checking(t, engine.target, { watch: true, unhealthyThreshold: 3 });
  await until(() => check.state === 'healthy', 'the first status');
  const { failures } = check;
  engine.kill();
  await until(() => changes.length === 1, 'the end of the engine');
  assert.equal(check.failures - failures, 3);
  await GrpcEngine.start(t, { port: engine.port });
  await until(() => changes.length === 2, 'its return');
  assert.equal(changes[1], 'up: SERVING');
});

test('a watch of an engine that accepts and then says nothing ends in the timeout', async (t) => {
  let silent = false;
  const { target } = await http2Engine(t, (stream) => {
    stream.resume();
    if (silent) return;
    stream.respond({ ':status': 200 });
    stream.write(Buffer.from([0, 0, 0, 0, 2, 8, 1]));
  });
  const { check, changes } = checking(t, target, { watch: true, timeout: 60 });
  await until(() => check.state === 'healthy', 'the first status');
  silent = true;
  await until(() => changes.length === 1, 'the timeout');
  assert.deepEqual(changes, ['down: no answer within 60 ms']);
});

test('an engine without Watch is asked with Check, at once, and asked for Watch again once it has been restarted', async (t) => {
  const old = await GrpcEngine.start(t, { without: 'Watch' });
  const { check, changes } = checking(t, old.target, { watch: true, unhealthyThreshold: 1000 });
  await until(() => old.checks >= 5, 'checks');
  assert.deepEqual([check.failures, changes.length], [0, 0]);
  old.set('NOT_SERVING');
  await until(() => check.failures > 0, 'a failure, subject to the threshold');
  assert.equal(check.healthy, true);
  old.kill();
  const restarted = await GrpcEngine.start(t, { port: old.port });
  await until(() => restarted.watches > 0, 'a watch');
  assert.equal(restarted.checks, 0);
});

test('an engine with neither Watch nor Check is not healthy', async (t) => {
  const { target } = await http2Engine(t, (stream) => {
    stream.resume();
    stream.respond({ ':status': 200, 'grpc-status': '12' }, { endStream: true });
  });
  const { healthy, reason } = await ask(probing(t, target, { watch: true }));
  assert.deepEqual([healthy, reason], [false, 'UNIMPLEMENTED']);
});

test('what an engine has to say about its failure is cut to size', async (t) => {
  const { target } = await http2Engine(t, (stream) => {
    stream.resume();
    const head = { ':status': 200, 'grpc-status': '14', 'grpc-message': 'x'.repeat(5000) };
    stream.respond(head, { endStream: true });
  });
  assert.equal((await ask(probing(t, target))).reason, `UNAVAILABLE: ${'x'.repeat(200)}`);
});

test('a peer that does not speak HTTP/2 is not healthy, however it shows', async (t) => {
  const ways = {
    'sends garbage': (socket: { write(text: string): unknown }) => socket.write('SSH-2.0-OpenSSH_9.2\r\n'.repeat(100)),
    closes: (socket: { end(): unknown }) => socket.end(),
    resets: (socket: { resetAndDestroy(): unknown }) => socket.resetAndDestroy(),
    'says nothing': () => undefined,
  };
  for (const watch of [false, true]) {
    for (const [way, greet] of Object.entries(ways)) {
      const engine = await RawEngine.start(t, greet);
      const { check, changes } = checking(t, engine.target, { watch, timeout: 50, unhealthyThreshold: 3 });
      await until(() => check.probes >= 5, `five answers of a peer that ${way}`);
      assert.equal(check.failures, check.probes, way);
      assert.equal(changes.length, 1, way);
      check.stop();
      await until(() => engine.sockets.size === 0, `the end of all connections to a peer that ${way}`);
    }
  }
});
