import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import * as http2 from 'node:http2';
import type { AddressInfo } from 'node:net';
import { buffer, text } from 'node:stream/consumers';
import { describe, test, type TestContext } from 'node:test';
import { gatewayTo } from '../edge/grpc-peers.ts';
import { arrived, fieldsOf } from '../edge/requests.ts';
import { engineWith, request, stage } from '../edge/stage.ts';
import { Flag } from '../support/frames.ts';

type Answer = (stream: http2.ServerHttp2Stream, headers: http2.IncomingHttpHeaders) => unknown;
interface Reply {
  headers: http2.IncomingHttpHeaders & http2.IncomingHttpStatusHeader;
  trailers: http2.IncomingHttpHeaders;
  informational: number[];
  body: Buffer;
}

async function engine(t: TestContext, answer: Answer) {
  const server = http2.createServer();
  server.on('stream', (stream, headers) => {
    stream.on('error', () => undefined);
    answer(stream, headers);
  });
  server.on('session', (session) => t.after(() => session.destroy()));
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  t.after(() => server.close());
  return { address: `127.0.0.1:${(server.address() as AddressInfo).port}` };
}

async function through(t: TestContext, answer: Answer): Promise<http2.ClientHttp2Session> {
  const { port } = await gatewayTo(t, await engine(t, answer));
  const session = http2.connect(`http://127.0.0.1:${port}`);
  t.after(() => session.destroy());
  return session;
}

async function ask(
  session: http2.ClientHttp2Session,
  headers: http2.OutgoingHttpHeaders,
  body?: Buffer,
  trailers?: http2.OutgoingHttpHeaders,
): Promise<Reply> {
  const stream = session.request(headers, { endStream: body === undefined, waitForTrailers: trailers !== undefined });
  if (trailers) stream.on('wantTrailers', () => stream.sendTrailers(trailers));
  if (body) stream.end(body);
  const heard: Omit<Reply, 'body'> = { headers: {}, trailers: {}, informational: [] };
  stream.on('headers', (fields) => heard.informational.push(Number(fields[':status'])));
  stream.on('response', (fields) => void (heard.headers = fields));
  stream.on('trailers', (fields: http2.IncomingHttpHeaders) => void (heard.trailers = fields));
  const whole = await buffer(stream);
  return { ...heard, body: whole };
}

/** Says what it was asked, and gives the body back. */
const mirror: Answer = (stream, headers) => {
  stream.respond({
    ':status': 200,
    'x-method': headers[':method'],
    'x-path': headers[':path'],
    'x-got': headers['x-say'],
  });
  stream.pipe(stream);
};

describe('a browserless HTTP/2 client', () => {
  for (const method of ['POST', 'PUT', 'PATCH', 'DELETE', 'OPTIONS', 'PROPFIND']) {
    test(`sends and gets a body with ${method}`, async (t) => {
      const session = await through(t, mirror);
      for (const size of [0, 1, 16_384, 16_385, 300_000]) {
        const body = randomBytes(size);
        const reply = await ask(session, { ':method': method, ':path': `/a?size=${size}` }, body);
        const { 'x-method': said, 'x-path': path } = reply.headers;
        assert.deepEqual([reply.headers[':status'], said, path], [200, method, `/a?size=${size}`]);
        assert.ok(reply.body.equals(body), `${reply.body.length} of ${size} octets came back`);
      }
    });
  }
  test('gets a body with GET, and none with HEAD whatever its length', async (t) => {
    const session = await through(t, (stream, headers) => {
      stream.respond({ ':status': 200, 'content-length': 5 }, { endStream: headers[':method'] === 'HEAD' });
      if (headers[':method'] !== 'HEAD') stream.end('hello');
    });
    assert.equal((await ask(session, { ':method': 'GET' })).body.toString(), 'hello');
    const { headers, body } = await ask(session, { ':method': 'HEAD' });
    assert.deepEqual([headers['content-length'], body.length], ['5', 0]);
  });
  test('may ask OPTIONS of the whole server', async (t) => {
    const session = await through(t, mirror);
    assert.equal((await ask(session, { ':method': 'OPTIONS', ':path': '*' })).headers['x-path'], '*');
  });
  for (const status of [204, 205, 304]) {
    test(`gets ${status} without a body`, async (t) => {
      const session = await through(t, (stream) => {
        stream.respond({ ':status': status, etag: '"x"' }, { endStream: true });
      });
      const { headers, body } = await ask(session, { ':method': 'GET' });
      assert.deepEqual([headers[':status'], headers.etag, body.length], [status, '"x"', 0]);
    });
  }
  test('gets informational responses as they come, and trailers', async (t) => {
    const session = await through(t, (stream) => {
      stream.additionalHeaders({ ':status': 103, link: '</style.css>' });
      stream.additionalHeaders({ ':status': 102 });
      stream.respond({ ':status': 200 }, { waitForTrailers: true });
      stream.on('wantTrailers', () => stream.sendTrailers({ 'x-sum': '42' }));
      stream.end('body');
    });
    const { informational, body, trailers } = await ask(session, { ':method': 'GET' });
    assert.deepEqual([informational, body.toString(), trailers['x-sum']], [[103, 102], 'body', '42']);
  });
  test('may wait for 100 Continue', async (t) => {
    const session = await through(t, (stream, headers) => {
      assert.equal(headers.expect, '100-continue');
      stream.additionalHeaders({ ':status': 100 });
      stream.respond({ ':status': 200 });
      stream.pipe(stream);
    });
    const stream = session.request({ ':method': 'POST', expect: '100-continue' });
    await once(stream, 'continue');
    stream.end('now');
    assert.equal(await text(stream), 'now');
  });
  test('sends trailers behind its body, and without one', async (t) => {
    const session = await through(t, (stream) => {
      stream.on('trailers', (fields) => {
        stream.respond({ ':status': 200, 'x-sum': fields['x-sum'] });
        stream.end();
      });
      stream.resume();
    });
    for (const size of [0, 100_000]) {
      const { headers } = await ask(session, { ':method': 'POST' }, Buffer.alloc(size), { 'x-sum': `of ${size}` });
      assert.equal(headers['x-sum'], `of ${size}`);
    }
  });
  test('may say octets over 0x7f, both ways', async (t) => {
    const session = await through(t, mirror);
    const { headers } = await ask(session, { ':method': 'GET', 'x-say': 'caf\xe9 \xff' });
    assert.equal(headers['x-got'], 'caf\xe9 \xff');
  });
  test('is told in JSON when there is no engine', async (t) => {
    const { port } = await gatewayTo(t, { address: '127.0.0.1:1' });
    const session = http2.connect(`http://127.0.0.1:${port}`);
    t.after(() => session.destroy());
    const { headers, body } = await ask(session, { ':method': 'GET' });
    assert.deepEqual([headers[':status'], headers['content-type']], [502, 'application/json']);
    assert.equal((JSON.parse(body.toString()) as { error: string }).error, 'connect_refused');
  });
});

test('Host is :authority to the engine where the client sent none', async (t) => {
  const peers = await engineWith(t);
  const peer = await (await stage(t, peers)).client();
  const id = peer.open([...request('/').slice(0, 3), ['host', 'asr.example:8800']], Flag.END_STREAM);
  assert.equal((await peer.message(id)).status, 200);
  const head = await arrived(await peers.session(), '/');
  assert.deepEqual(fieldsOf(head, ':authority', 'host'), [':authority: asr.example:8800']);
});

test('trailers of a request that waits for a session are not lost', async (t) => {
  const peers = await engineWith(t);
  const peer = await (await stage(t, peers)).client();
  const id = peer.streamId();
  peer.headers(id, request('/'), 0);
  peer.data(id, 'body');
  peer.headers(id, [['x-sum', '42']]);
  assert.equal((await peer.message(id)).body.toString(), 'body');
  const session = await peers.session();
  const { body, trailers } = session.heard((await arrived(session, '/')).streamId);
  assert.deepEqual([body.toString(), trailers['x-sum']], ['body', '42']);
});
