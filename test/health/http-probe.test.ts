import assert from 'node:assert/strict';
import type { ServerHttp2Stream } from 'node:http2';
import { test } from 'node:test';
import { ask, checking, probing, until } from './asking.ts';
import { http2Engine, RawEngine } from './engines.ts';

const HTTP = { kind: 'http' } as const;

test('a 2xx is healthy, and nothing else', async (t) => {
  let status = 0;
  const { target, connected } = await http2Engine(t, (stream) =>
    stream.respond({ ':status': status }, { endStream: true }),
  );
  const probe = probing(t, target, HTTP);
  for (status of [200, 204, 299, 300, 302, 404, 500, 503]) {
    const { healthy, reason, decisive } = await ask(probe);
    assert.deepEqual([healthy, reason, decisive], [status < 300, `HTTP ${status}`, false]);
  }
  assert.equal(connected.count, 1, 'one session carries them all');
});

test('an engine sees a GET of the path, with its own authority', async (t) => {
  const seen: Record<string, unknown>[] = [];
  const { target } = await http2Engine(t, (stream, headers) => {
    seen.push(headers);
    stream.respond({ ':status': 200 }, { endStream: true });
  });
  await ask(probing(t, target, { ...HTTP, path: '/ready?full' }));
  const { ':method': method, ':path': path, ':scheme': scheme, ':authority': authority } = seen[0]!;
  assert.ok('port' in target, 'a host and a port');
  assert.deepEqual([method, path, scheme, authority], ['GET', '/ready?full', 'http', `127.0.0.1:${target.port}`]);
});

test('an informational answer is none yet', async (t) => {
  const { target } = await http2Engine(t, (stream) => {
    stream.additionalHeaders({ ':status': 103 });
    stream.respond({ ':status': 500 }, { endStream: true });
  });
  assert.equal((await ask(probing(t, target, HTTP))).reason, 'HTTP 500');
});

test('a body without end is cancelled', async (t) => {
  let sent = 0;
  let code: number | undefined;
  const { target } = await http2Engine(t, (stream: ServerHttp2Stream) => {
    const chunk = Buffer.alloc(16_384);
    const pour = (): void => {
      if (stream.closed || stream.destroyed) return;
      sent += chunk.length;
      stream.write(chunk, pour);
    };
    stream.on('close', () => (code = stream.rstCode));
    stream.respond({ ':status': 200 });
    pour();
  });
  assert.equal((await ask(probing(t, target, HTTP))).healthy, true);
  await until(() => code !== undefined, 'the cancellation');
  assert.equal(code, 8);
  assert.ok(sent < 1024 * 1024, `${sent} octets were taken`);
});

test('a session that the engine cuts under a question is opened again, and the question asked once more', async (t) => {
  let streams = 0;
  const { target, connected } = await http2Engine(t, (stream) => {
    // Of each session the second stream finds it closed.
    if (++streams % 2 === 0 && connected.open.size > 0) stream.session?.destroy();
    else stream.respond({ ':status': 200 }, { endStream: true });
  });
  const probe = probing(t, target, HTTP);
  assert.equal((await ask(probe)).healthy, true);
  assert.equal((await ask(probe)).healthy, true);
  assert.deepEqual([streams, connected.count], [3, 2]);
});

test('an engine that cuts every session is asked at most twice for one answer', async (t) => {
  let streams = 0;
  const { target } = await http2Engine(t, (stream) => {
    streams++;
    stream.session?.destroy();
  });
  const probe = probing(t, target, HTTP);
  for (let n = 1; n <= 5; n++) assert.equal((await ask(probe)).healthy, false);
  assert.ok(streams <= 10, `${streams} streams`);
});

test('an engine that comes and goes is seen to do so', async (t) => {
  let status = 200;
  const { target } = await http2Engine(t, (stream) => stream.respond({ ':status': status }, { endStream: true }));
  const { check, changes } = checking(t, target, { ...HTTP, unhealthyThreshold: 2, healthyThreshold: 2 });
  await until(() => check.state === 'healthy', 'the first answer');
  status = 503;
  await until(() => changes.length === 1, 'the change');
  assert.equal(check.failures, 2);
  status = 200;
  await until(() => changes.length === 2, 'the change back');
  assert.deepEqual(changes, ['down: HTTP 503', 'up: HTTP 200']);
});

test('a peer that does not speak HTTP/2 is not healthy, however it shows', async (t) => {
  const ways = {
    'speaks HTTP/1.1': (socket: { write(text: string): unknown }) => socket.write('HTTP/1.1 200 OK\r\n\r\n'),
    closes: (socket: { end(): unknown }) => socket.end(),
    resets: (socket: { resetAndDestroy(): unknown }) => socket.resetAndDestroy(),
    'says nothing': () => undefined,
  };
  for (const [way, greet] of Object.entries(ways)) {
    const engine = await RawEngine.start(t, greet);
    const { check } = checking(t, engine.target, { ...HTTP, timeout: 50 });
    await until(() => check.probes >= 5, `five answers of a peer that ${way}`);
    assert.equal(check.failures, check.probes, way);
    check.stop();
    await until(() => engine.sockets.size === 0, `the end of all connections to a peer that ${way}`);
  }
});
