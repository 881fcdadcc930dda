/** `protocol: same`: endpoints that speak whatever the client does, on one port. */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { test, type TestContext } from 'node:test';
import { WebSocket } from 'ws';
import { h2call, http1, http2 } from './clients.ts';
import { echoEngine, h2Engine, webEngine, wsEngine } from './engines.ts';
import { stage } from './stage.ts';
import { Wire } from './wire.ts';

/** An endpoint of every protocol: another gateway. */
async function behind(t: TestContext) {
  const web = await webEngine(t);
  const ws = await wsEngine(t);
  const modern = await h2Engine(t);
  const echo = await echoEngine(t);
  const inner = await stage(t, {
    upstreams: {
      web: { at: web.address, protocol: 'http1' },
      ws: { at: ws.address, protocol: 'http1' },
      modern: { at: modern.address },
      echo: { at: echo.address, protocol: 'tcp' },
    },
    routes: [
      { protocols: ['websocket'], upstream: 'ws' },
      { protocols: ['http'], hosts: ['modern.test'], upstream: 'modern' },
      { protocols: ['tcp'], upstream: 'echo' },
    ],
  });
  const outer = await stage(t, { upstreams: { inner: { at: `127.0.0.1:${inner.port}`, protocol: 'same' } } });
  return { inner, outer, web, ws, modern, echo };
}

test('each client reaches an endpoint in its own protocol, through two gateways', async (t) => {
  const { inner, outer, web, modern } = await behind(t);
  const { port } = outer;
  assert.equal((await http1(port, { path: '/a' })).body.toString(), 'GET /a 0');
  assert.equal(web.seen.length, 1);
  const session = await http2(t, port);
  const two = await h2call(session, { headers: { ':path': '/b', ':authority': 'modern.test' }, body: 'xyz' });
  assert.equal(two.body.toString(), 'POST /b 3');
  assert.equal(modern.seen.length, 1);
  const socket = new WebSocket(`ws://127.0.0.1:${port}/`);
  await once(socket, 'open');
  socket.send('hello');
  const [message] = (await once(socket, 'message')) as [Buffer];
  assert.equal(message.toString(), 'hello');
  const stream = session.request({
    ':method': 'CONNECT',
    ':protocol': 'websocket',
    ':scheme': 'http',
    ':path': '/',
    ':authority': 'a',
    'sec-websocket-version': '13',
  });
  const [head] = (await once(stream, 'response')) as [Record<string, unknown>];
  assert.equal(head[':status'], 200);
  const raw = await Wire.connect(t, port);
  raw.send('\0raw');
  assert.equal((await raw.take(4)).toString(), '\0raw');
  raw.finish();
  assert.deepEqual(await raw.end(), { how: 'fin', rest: '' });
  socket.terminate();
  session.destroy();
  await outer.settled();
  await inner.settled(inner.gateway.count('frameway_downstream_connections'));
  assert.equal(outer.gateway.count('frameway_failures_total', 'no_route'), 0);
});

test('no client is translated: HTTP/1.1 stays HTTP/1.1', async (t) => {
  const modern = await h2Engine(t);
  const { port } = await stage(t, { upstreams: { modern: { at: modern.address, protocol: 'same' } } });
  const { status } = await http1(port);
  assert.ok(status >= 500, `${status}`);
  assert.equal(modern.seen.length, 0);
  assert.equal((await h2call(await http2(t, port))).status, 200);
});
