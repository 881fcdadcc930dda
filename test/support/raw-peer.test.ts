import assert from 'node:assert/strict';
import http2 from 'node:http2';
import type { AddressInfo } from 'node:net';
import { test } from 'node:test';
import { Flag, Type, frame, isAck, pingFrame, type Field } from './frames.ts';
import { RawClient, RawEngine } from './raw-peer.ts';

const request: readonly Field[] = [
  [':method', 'POST'],
  [':scheme', 'http'],
  [':path', '/'],
  [':authority', 'localhost'],
];

test('a raw client and an ordinary server understand each other', async (t) => {
  const server = http2.createServer();
  server.on('stream', (stream) => {
    stream.respond({ ':status': 200, 'x-kind': 'big' }, { waitForTrailers: true });
    stream.on('wantTrailers', () => stream.sendTrailers({ 'grpc-status': '0' }));
    stream.end(Buffer.alloc(200_000, 'x'));
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  t.after(() => server.close());
  const client = await RawClient.connect((server.address() as AddressInfo).port);
  t.after(() => client.close());

  for (let call = 0; call < 2; call++) {
    const id = client.open(request);
    client.data(id, 'hello', Flag.END_STREAM);
    const { status, headers, body, grpcStatus } = await client.message(id);
    assert.deepEqual([status, headers['x-kind'], body.length, grpcStatus], [200, 'big', 200_000, 0]);
  }
  client.send(frame(99, 0, 0, 'whatever'), pingFrame('12345678'));
  const pong = await client.next((f) => f.type === Type.PING && isAck(f));
  assert.equal(pong.payload.toString(), '12345678');
  client.send(pingFrame('short'));
  assert.equal((await client.next('GOAWAY')).errorCode, 6);
});

test('a raw engine serves an ordinary client', async (t) => {
  const engine = await RawEngine.listen(async (session) => {
    const { streamId } = await session.next('HEADERS');
    const { body, headers } = await session.message(streamId);
    session.headers(streamId, [[':status', '103']], 0);
    session.headers(streamId, [[':status', '200'], ['x-path', headers[':path']!]], 0); // prettier-ignore
    session.data(streamId, body, Flag.END_STREAM);
  });
  t.after(() => engine.close());
  const client = http2.connect(`http://${engine.address}`);
  t.after(() => client.destroy());
  const stream = client.request({ ':method': 'POST', ':path': '/echo' });
  const early = new Promise((resolve) => stream.once('headers', resolve));
  stream.end('marco');
  const head = new Promise<http2.IncomingHttpHeaders>((resolve) => stream.once('response', resolve));
  assert.equal((await head)['x-path'], '/echo');
  assert.ok(await early, 'no 103');
  assert.equal((await stream.setEncoding('utf8').toArray()).join(''), 'marco');
  assert.equal(engine.sessions.length, 1);
});

test('waiting for what never comes tells what came instead', async (t) => {
  const engine = await RawEngine.listen();
  t.after(() => engine.close());
  const client = await RawClient.connect(engine.port);
  const session = await engine.session();
  await session.next('SETTINGS');
  session.close();
  await assert.rejects(client.next('GOAWAY'), /connection closed waiting for GOAWAY; received: SETTINGS\[0\]/);
  await assert.rejects(client.message(1, 10), /connection closed/);
});
