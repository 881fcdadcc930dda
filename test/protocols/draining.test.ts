/** The gateway drains while exchanges of every protocol are open. */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { Agent } from 'node:http';
import type { ServerResponse } from 'node:http';
import { test, type TestContext } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { WebSocket } from 'ws';
import { h2call, http1, http2 } from './clients.ts';
import { echoEngine, webEngine, wsEngine } from './engines.ts';
import { stage } from './stage.ts';
import { Wire, values } from './wire.ts';

async function all(t: TestContext, drainTimeout: number) {
  const held: ServerResponse[] = [];
  const web = await webEngine(t, (request, response) => {
    if (request.url === '/held') held.push(response);
    else response.end('ok');
  });
  const ws = await wsEngine(t);
  const echo = await echoEngine(t);
  const made = await stage(t, {
    upstreams: {
      web: { at: web.address, protocol: 'http1' },
      ws: { at: ws.address, protocol: 'http1' },
      echo: { at: echo.address, protocol: 'tcp' },
    },
    routes: [
      { protocols: ['websocket'], upstream: 'ws' },
      { protocols: ['tcp'], upstream: 'echo' },
    ],
    drainTimeout,
  });
  const { port } = made;
  const first = await Wire.connect(t, port);
  first.send('GET /held HTTP/1.1\r\nHost: a\r\n\r\n');
  const idle = await Wire.connect(t, port);
  idle.send('GET /x HTTP/1.1\r\nHost: a\r\n\r\n');
  await idle.message();
  const session = await http2(t, port);
  const second = h2call(session, { headers: { ':path': '/held' } });
  const socket = new WebSocket(`ws://127.0.0.1:${port}/`);
  t.after(() => socket.terminate());
  await once(socket, 'open');
  const raw = await Wire.connect(t, port);
  raw.send('\0\x01');
  await raw.take(2);
  while (held.length < 2) await sleep(5);
  return { ...made, held, first, idle, session, second, socket, raw, engines: [web, ws, echo] };
}

test('what is open may finish, what is idle goes at once, and nothing new comes in', { timeout: 20_000 }, async (t) => {
  const { gateway, port, held, first, idle, session, second, socket, raw, engines } = await all(t, 5000);
  const drained = gateway.drain();
  assert.equal((await idle.end()).how, 'fin');
  await assert.rejects(http1(port), 'the listener still accepts');
  // Tunnels go on.
  raw.send('still');
  assert.equal((await raw.take(5)).toString(), 'still');
  socket.send('here');
  const [message] = (await once(socket, 'message')) as [Buffer];
  assert.equal(message.toString(), 'here');
  for (const response of held) response.end('late');
  const answer = await first.message();
  assert.equal(answer.body.toString(), 'late');
  assert.equal(values(answer, 'connection').join().toLowerCase(), 'close');
  assert.equal((await first.end()).how, 'fin');
  assert.equal((await second).body.toString(), 'late');
  session.close();
  socket.close();
  await once(socket, 'close');
  raw.finish();
  await raw.end();
  const begun = performance.now();
  await drained;
  assert.ok(performance.now() - begun < 1500, 'the drain waited for nothing');
  assert.equal(gateway.count('frameway_failures_total'), 0);
  await sleep(50);
  assert.deepEqual(
    engines.map(({ open }) => open),
    [0, 0, 0],
  );
});

test('what is still open at the deadline gets the answer that is still possible', { timeout: 20_000 }, async (t) => {
  const { gateway, first, second, socket, raw, engines } = await all(t, 300);
  const closed = once(socket, 'close');
  const answers = [first.message(), second] as const;
  await gateway.drain();
  const [one, two] = await Promise.all(answers);
  assert.match(one.start, /^HTTP\/1\.1 503 /);
  assert.equal(two.status, 503);
  await closed;
  await raw.end();
  await sleep(50);
  assert.deepEqual(
    engines.map(({ open }) => open),
    [0, 0, 0],
  );
  const gauges = ['downstream_connections', 'exchanges', 'upstream_streams', 'upstream_sessions'];
  assert.deepEqual(
    gauges.map((name) => gateway.count(`frameway_${name}`)),
    [0, 0, 0, 0],
  );
  assert.equal(gateway.count('frameway_failures_total', 'draining'), 4);
});

test(
  'a keep-alive client under load notices a drain by nothing but where its connections close',
  { timeout: 20_000 },
  async (t) => {
    const web = await webEngine(t, (_request, response) => void setTimeout(() => response.end('ok'), 5));
    const { port, gateway } = await stage(t, { upstreams: { web: { at: web.address, protocol: 'http1' } } });
    const agent = new Agent({ keepAlive: true, maxSockets: 4 });
    t.after(() => agent.destroy());
    let served = 0;
    let refused = 0;
    const wrong: string[] = [];
    const client = async (): Promise<void> => {
      while (refused === 0) {
        await http1(port, { agent }).then(
          ({ status }) => {
            if (status === 200) served++;
            else wrong.push(`${status}`);
          },
          (error: unknown) => {
            const { code, message } = error as NodeJS.ErrnoException;
            if (code === 'ECONNREFUSED') refused++;
            // A request may cross the FIN of a connection that was idle in between: RFC 9112 section 9.5.
            else if (code !== 'ECONNRESET' && message !== 'socket hang up') wrong.push(`${code}`);
          },
        );
      }
    };
    const clients = Promise.all([client(), client(), client(), client()]);
    await sleep(300);
    await gateway.drain();
    await clients;
    assert.deepEqual(wrong, []);
    assert.ok(served > 50, `${served}`);
  },
);
