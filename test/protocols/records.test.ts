/** What is counted and logged of each protocol, and that nothing is left over. */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { test } from 'node:test';
import { WebSocket } from 'ws';
import { buffersFree, eventually } from '../edge/eventually.ts';
import { h2call, http1, http2 } from './clients.ts';
import { echoEngine, webEngine, wsEngine } from './engines.ts';
import { stage } from './stage.ts';
import { Wire } from './wire.ts';

test('each exchange has one record that says what it was', async (t) => {
  const web = await webEngine(t);
  const ws = await wsEngine(t);
  const echo = await echoEngine(t);
  const { port, gateway, settled } = await stage(t, {
    upstreams: {
      web: { at: web.address, protocol: 'http1' },
      ws: { at: ws.address, protocol: 'http1' },
      echo: { at: echo.address, protocol: 'tcp' },
    },
    routes: [
      { protocols: ['websocket'], upstream: 'ws' },
      { protocols: ['tcp'], upstream: 'echo' },
      { hosts: ['nobody.test'], upstream: 'echo' },
    ],
  });
  const record = async (play: () => Promise<unknown>) => {
    const number = gateway.exchanges.length;
    await play();
    await eventually(
      () => gateway.exchanges.length > number,
      () => 'no record',
    );
    assert.equal(gateway.exchanges.length, number + 1);
    return gateway.exchanges[number]!;
  };
  const one = await record(() =>
    http1(port, { path: '/one?bytes=1000', method: 'PUT', body: 'hello', headers: { host: 'web.test:1' } }),
  );
  const { method, path, authority, listener, upstream, peer, endpoint, httpStatus, grpcStatus, failure } = one;
  assert.deepEqual(
    { method, path, authority, listener, upstream, peer, endpoint, httpStatus, grpcStatus, failure },
    {
      method: 'PUT',
      path: '/one?bytes=1000',
      authority: 'web.test:1',
      listener: 'front',
      upstream: 'web',
      peer: '127.0.0.1',
      endpoint: web.address,
      httpStatus: 200,
      grpcStatus: null,
      failure: null,
    },
  );
  assert.deepEqual([one.receivedBytes, one.sentBytes, one.attempts], [5, 1000, 1]);
  assert.ok(one.firstByte !== null && one.firstByte <= one.duration, JSON.stringify(one));

  const session = await http2(t, port);
  const two = await record(() => h2call(session, { headers: { ':path': '/two' }, body: 'hello!' }));
  assert.deepEqual([two.path, two.upstream, two.httpStatus, two.receivedBytes], ['/two', 'web', 200, 6]);

  const three = await record(async () => {
    const socket = new WebSocket(`ws://127.0.0.1:${port}/three`);
    await once(socket, 'open');
    socket.close();
    await once(socket, 'close');
  });
  assert.deepEqual([three.path, three.upstream, three.endpoint, three.failure], ['/three', 'ws', ws.address, null]);
  assert.ok(three.receivedBytes > 0 && three.sentBytes > 0, JSON.stringify(three));

  const four = await record(async () => {
    const wire = await Wire.connect(t, port);
    wire.send('\0\x01\x02');
    wire.finish();
    await wire.end();
  });
  assert.deepEqual([four.upstream, four.endpoint, four.receivedBytes, four.sentBytes], ['echo', echo.address, 3, 3]);

  const five = await record(() => http1(port, { headers: { host: 'nobody.test' } }));
  assert.deepEqual([five.httpStatus, five.failure?.cause, five.upstream], [404, 'no_route', null]);

  const six = await record(async () => {
    const wire = await Wire.connect(t, port);
    wire.send('GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n');
    await wire.end();
    wire.finish();
  });
  assert.deepEqual([six.httpStatus, six.failure?.cause, six.endpoint], [400, 'malformed_request', null]);

  session.close();
  await settled();
  assert.equal(gateway.count('frameway_exchanges_total'), 6);
  assert.equal(gateway.count('frameway_failures_total'), 2);
});

test(
  'after hundreds of clients that come and go in every way, every gauge is where it was',
  { timeout: 60_000 },
  async (t) => {
    const web = await webEngine(t, (request, response) => {
      if (request.url === '/hang') return;
      if (request.url === '/die') response.socket!.destroy();
      else response.end('x'.repeat(10_000));
    });
    const ws = await wsEngine(t);
    const echo = await echoEngine(t);
    const { port, gateway, settled } = await stage(t, {
      upstreams: {
        web: { at: web.address, protocol: 'http1', maxConnections: 200 },
        ws: { at: ws.address, protocol: 'http1', maxConnections: 200 },
        echo: { at: echo.address, protocol: 'tcp' },
      },
      routes: [
        { protocols: ['websocket'], upstream: 'ws' },
        { protocols: ['tcp'], upstream: 'echo' },
      ],
    });
    const HOST = 'Host: a\r\n';
    const UPGRADE =
      'Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n';
    const openings = [
      '',
      'GE',
      `GET / HTTP/1.1\r\n${HOST}`,
      `GET /x HTTP/1.1\r\n${HOST}\r\n`,
      `GET /hang HTTP/1.1\r\n${HOST}\r\n`,
      `GET /die HTTP/1.1\r\n${HOST}\r\n`,
      `POST /x HTTP/1.1\r\n${HOST}Content-Length: 100\r\n\r\nhalf`,
      `GET /hang HTTP/1.1\r\n${HOST}\r\n`.repeat(5),
      `GET /ws HTTP/1.1\r\n${HOST}${UPGRADE}\r\n`,
      `GET /ws HTTP/1.1\r\n${HOST}${UPGRADE}\r\nearly bytes`,
      '\0\x01 octets',
      'PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0',
    ];
    for (let round = 0; round < 6; round++) {
      await Promise.all(
        openings.map(async (opening, i) => {
          const wire = await Wire.connect(t, port);
          if (opening !== '') wire.send(opening);
          await new Promise((resolve) => setTimeout(resolve, (round % 3) * 20 * (i % 3)));
          // A call that hangs survives a FIN.
          if (round % 2 === 0 || opening.includes('/hang')) wire.reset();
          else {
            wire.finish();
            setTimeout(() => wire.reset(), 300);
          }
        }),
      );
    }
    await settled();
    assert.equal(gateway.count('frameway_upstream_streams'), 0);
    assert.equal(gateway.count('frameway_upstream_sessions_connecting'), 0);
    await eventually(
      () => ws.open === 0 && echo.open === 0,
      () => `${ws.open} WebSockets and ${echo.open} tunnels are left at their engines`,
    );
    await buffersFree();
    await eventually(
      () => web.open === gateway.count('frameway_upstream_sessions'),
      () => `${web.open} connections at the engine, ${gateway.count('frameway_upstream_sessions')} counted`,
    );
    assert.deepEqual(
      gateway.connections.filter(({ event }) => event === 'bug'),
      [],
    );
    assert.equal((await http1(port, { path: '/x' })).body.length, 10_000);
  },
);
