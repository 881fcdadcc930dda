import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { ask, checking, probing, until } from './asking.ts';
import { http2Engine, RawEngine } from './engines.ts';

const TCP = { kind: 'tcp' } as const;

test('who accepts a connection is healthy, whatever it does with it', async (t) => {
  const ways = {
    'says nothing': () => undefined,
    talks: (socket: { write(text: string): unknown }) => socket.write('hello '.repeat(10_000)),
    closes: (socket: { end(): unknown }) => socket.end(),
  };
  for (const [way, greet] of Object.entries(ways)) {
    const engine = await RawEngine.start(t, greet);
    const probe = probing(t, engine.target, TCP);
    for (let n = 0; n < 10; n++)
      assert.deepEqual(await ask(probe), { healthy: true, reason: 'connected', decisive: false });
    await until(() => engine.connections === 10 && engine.sockets.size === 0, `the end of connections to who ${way}`);
  }
});

test('who refuses one is not', async (t) => {
  const engine = await RawEngine.start(t, () => undefined);
  const { target } = engine;
  engine.kill();
  const { healthy, reason } = await ask(probing(t, target, TCP));
  assert.equal(healthy, false);
  assert.match(reason, /ECONNREFUSED/);
});

test('a question that is given up is not answered any more', async (t) => {
  const engine = await RawEngine.start(t, () => undefined);
  const probe = probing(t, engine.target, TCP);
  const first = ask(probe).then(() => 'first');
  const second = ask(probe).then(() => 'second');
  assert.equal(await Promise.race([first, second]), 'second');
  const third = ask(probe).then(() => 'third');
  probe.drop();
  assert.equal(await Promise.race([first, third, ask(probe).then(() => 'fourth')]), 'fourth');
});

test('an engine that stops and starts is seen to do so', async (t) => {
  const engine = await RawEngine.start(t, () => undefined);
  const { target } = engine;
  const { check, changes } = checking(t, target, { ...TCP, unhealthyThreshold: 2 });
  await until(() => check.state === 'healthy', 'the first answer');
  engine.kill();
  await until(() => changes.length === 1, 'its end');
  await RawEngine.start(t, () => undefined, target);
  await until(() => changes.length === 2, 'its return');
  assert.match(changes[0]!, /^down: .*ECONNREFUSED/);
  assert.equal(changes[1], 'up: connected');
});

test('every kind of probe finds an engine behind a unix socket', async (t) => {
  const folder = mkdtempSync(join(tmpdir(), 'frameway-'));
  t.after(() => rmSync(folder, { recursive: true }));
  const path = join(folder, 'engine.sock');
  assert.match((await ask(probing(t, { path }, TCP))).reason, /ENOENT/);

  const authorities = new Set<unknown>();
  const answer = Buffer.from([0, 0, 0, 0, 2, 8, 1]);
  const { target } = await http2Engine(
    t,
    (stream, headers) => {
      authorities.add(headers[':authority']);
      stream.resume();
      stream.respond({ ':status': 200 }, { waitForTrailers: true });
      stream.on('wantTrailers', () => stream.sendTrailers({ 'grpc-status': '0' }));
      stream.end(answer);
    },
    { at: { path } },
  );
  assert.deepEqual(target, { path });
  for (const kind of ['tcp', 'http', 'grpc'] as const)
    assert.equal((await ask(probing(t, target, { kind }))).healthy, true);
  assert.deepEqual([...authorities], ['localhost']);
});

test('no probe keeps the process alive, whatever it waits for', async (t) => {
  const engine = await RawEngine.start(t, () => undefined);
  assert.ok('port' in engine.target, 'a host and a port');
  const script = fileURLToPath(new URL('bystander.ts', import.meta.url));
  const args = ['--import', 'tsx', script, String(engine.target.port)];
  // It starts one check of each kind, clear and behind TLS, with timeouts of an hour.
  const { stdout } = await promisify(execFile)(process.execPath, args, { timeout: 20_000 });
  assert.equal(stdout, 'asked\n');
});
