import assert from 'node:assert/strict';
import { once } from 'node:events';
import { Agent, createServer, request } from 'node:http';
import type { IncomingMessage, ServerResponse } from 'node:http';
import type { AddressInfo, Socket } from 'node:net';
import { test } from 'node:test';
import type { TestContext } from 'node:test';
import { startGateway } from '../support/gateway.ts';
import { until } from '../io/wire.ts';

/** A real HTTP/1.1 engine behind a gateway: it answers `/now` at once and holds everything else. */
async function stage(t: TestContext) {
  const sockets: Socket[] = [];
  const by: number[] = [];
  const held: ServerResponse[] = [];
  const server = createServer((asked: IncomingMessage, answer: ServerResponse) => {
    by.push(sockets.indexOf(asked.socket));
    if (asked.url === '/now') answer.end('x');
    else held.push(answer);
  });
  server.on('connection', (socket: Socket) => sockets.push(socket));
  await once(server.listen(0, '127.0.0.1'), 'listening');
  const engine = `127.0.0.1:${(server.address() as AddressInfo).port}`;
  const gateway = await startGateway({
    endpoints: [engine],
    upstream: { protocol: 'http1' },
    listener: { protocols: ['http1'] },
  });
  const agent = new Agent({ keepAlive: true });
  t.after(async () => {
    agent.destroy();
    await gateway.close();
    server.closeAllConnections();
    server.close();
  });
  const get = async (path: string): Promise<number> => {
    const call = request({ port: gateway.port, host: '127.0.0.1', path, agent }).end();
    const [answer] = (await once(call, 'response')) as [IncomingMessage];
    await once(answer.resume(), 'end');
    return answer.statusCode!;
  };
  /** So many calls at once, and so that many connections to the engine. */
  const burst = async (calls: number): Promise<void> => {
    const all = Array.from({ length: calls }, () => get('/later'));
    await until(() => held.length === calls);
    for (const answer of held.splice(0)) answer.end();
    await Promise.all(all);
  };
  return { sockets, by, get, burst, gateway };
}

test('calls one after the other use one connection, so that the others of a burst fall idle', async (t) => {
  const { sockets, by, get, burst } = await stage(t);
  await burst(6);
  assert.equal(sockets.length, 6);
  by.length = 0;
  for (let n = 0; n < 20; n++) assert.equal(await get('/now'), 200);
  assert.deepEqual([new Set(by).size, sockets.length], [1, 6]);
});

test('connections that the engine closed are passed over, wherever they stood', async (t) => {
  const { sockets, by, get, burst, gateway } = await stage(t);
  await burst(6);
  assert.equal(await get('/now'), 200);
  const [used] = by.splice(0).slice(-1);
  const others = sockets.filter((_, i) => i !== used);
  // The one that would come next, and some that would not.
  for (const socket of [sockets[used!]!, others[1]!, others[3]!]) socket.destroy();
  await until(() => gateway.count('frameway_upstream_sessions') === 3);
  for (let n = 0; n < 10; n++) assert.equal(await get('/now'), 200);
  assert.equal(sockets.length, 6);
  await burst(3);
  assert.equal(sockets.length, 6);
  await burst(4);
  assert.equal(sockets.length, 7);
});
