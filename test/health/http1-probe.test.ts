import assert from 'node:assert/strict';
import { once } from 'node:events';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { createServer as createTcpServer } from 'node:net';
import { test } from 'node:test';
import { Http1Probe } from '../../src/health/http1-probe.ts';
import type { Answer } from '../../src/health/probe.ts';

const ask = (probe: Http1Probe): Promise<Answer> => new Promise((resolve) => probe.ask(resolve));

test('an engine of HTTP/1.1 is healthy by a 2xx, and by nothing else', async (t) => {
  const asked: string[] = [];
  const server = createServer((request, response) => {
    asked.push(`${request.method} ${request.url} ${request.headers.host}`);
    response.statusCode = request.url === '/ok' ? 204 : 503;
    response.end();
  }).listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  t.after(() => server.close());
  const target = { host: '127.0.0.1', port };
  assert.deepEqual(await ask(new Http1Probe(target, null, '/ok')), {
    ...{ healthy: true, reason: 'HTTP 204', decisive: false },
  });
  assert.equal((await ask(new Http1Probe(target, null, '/bad'))).reason, 'HTTP 503');
  assert.deepEqual(asked, [`GET /ok 127.0.0.1:${port}`, `GET /bad 127.0.0.1:${port}`]);
});

test('an engine that closes, answers rubbish or is not there is not healthy, and may be asked again', async (t) => {
  let say: string | null = null;
  const server = createTcpServer((socket) => {
    socket.on('error', () => undefined);
    socket.once('data', () => (say === null ? socket.destroy() : socket.end(say)));
  }).listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  const probe = new Http1Probe({ host: '127.0.0.1', port }, null, '/');
  assert.equal((await ask(probe)).healthy, false);
  say = 'SSH-2.0-x\r\n';
  assert.equal((await ask(probe)).healthy, false);
  say = 'HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n';
  assert.equal((await ask(probe)).healthy, true);
  server.close();
  await once(server, 'close');
  assert.match((await ask(probe)).reason, /ECONNREFUSED/);
  t.after(() => probe.drop());
});
