/** Answers that are not simply a head and a body: 1xx, HEAD, 204, 304, trailers, between every pair of versions. */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { test, type TestContext } from 'node:test';
import { answerOf, h2call, http1, http2, type Answer, type Call } from './clients.ts';
import { h2Engine, webEngine, type Answering, type H2Answering } from './engines.ts';
import { stage } from './stage.ts';
import { Wire, wireEngine } from './wire.ts';

/** The same answers, as each version's own server gives them. */
const web: Answering = (request, response, body) => {
  const path = request.url!;
  if (path === '/hints') {
    response.writeEarlyHints({ link: ['</a.css>; rel=preload', '</b.js>; rel=preload'] }, () => {
      response.writeHead(200, { 'x-after': 'hints' }).end('done');
    });
  } else if (path === '/204') response.writeHead(204, { 'x-kept': '1' }).end();
  else if (path === '/304') response.writeHead(304, { etag: '"a"', 'content-length': '1000' }).end();
  else if (path === '/head') response.writeHead(200, { 'content-length': '123456' }).end();
  else if (path === '/trailers') {
    response.writeHead(200, { trailer: 'x-sum' });
    response.write('part one, ');
    response.addTrailers({ 'x-sum': '42' });
    response.end('part two');
  } else response.writeHead(200, { 'x-length': String(body.length) }).end('done');
};
const modern: H2Answering = (stream, headers) => {
  const path = headers[':path']!;
  if (path === '/hints') {
    stream.additionalHeaders({ ':status': 103, link: ['</a.css>; rel=preload', '</b.js>; rel=preload'] });
    stream.respond({ ':status': 200, 'x-after': 'hints' });
    stream.end('done');
  } else if (path === '/204') stream.respond({ ':status': 204, 'x-kept': '1' }, { endStream: true });
  else if (path === '/304')
    stream.respond({ ':status': 304, etag: '"a"', 'content-length': 1000 }, { endStream: true });
  else if (path === '/head') stream.respond({ ':status': 200, 'content-length': 123456 }, { endStream: true });
  else if (path === '/trailers') {
    stream.respond({ ':status': 200, trailer: 'x-sum' }, { waitForTrailers: true });
    stream.on('wantTrailers', () => stream.sendTrailers({ 'x-sum': '42' }));
    stream.end('part one, part two');
  } else {
    if (headers['expect'] === '100-continue') stream.additionalHeaders({ ':status': 100 });
    let length = 0;
    stream.on('data', (part: Buffer) => (length += part.length));
    stream.on('end', () => {
      stream.respond({ ':status': 200, 'x-length': String(length) });
      stream.end('done');
    });
    return;
  }
  stream.resume();
};

for (const engine of ['http1', 'h2'] as const) {
  for (const client of ['http1', 'h2'] as const) {
    const pair = async (t: TestContext) => {
      const { address } = engine === 'http1' ? await webEngine(t, web) : await h2Engine(t, modern);
      const made = await stage(t, { upstreams: { main: { at: address, protocol: engine } } });
      const session = client === 'h2' ? await http2(t, made.port) : null;
      const call = (path: string, { method = 'GET', ...rest }: Call = {}): Promise<Answer> =>
        session === null
          ? http1(made.port, { path, method, ...rest })
          : h2call(session, {
              headers: { ':path': path, ':method': method, ...(rest.headers as object) },
              ...bodyOf(rest),
            });
      return { ...made, call, session };
    };

    test(`${client} to ${engine}: 103 precedes the answer`, async (t) => {
      const { call } = await pair(t);
      const { early, status, body, headers } = await call('/hints');
      assert.deepEqual([status, body.toString(), headers['x-after']], [200, 'done', 'hints']);
      assert.equal(early.length, 1);
      assert.equal(early[0]![0], 103);
      assert.deepEqual([early[0]![1]['link']].flat().join(', '), '</a.css>; rel=preload, </b.js>; rel=preload');
    });

    test(`${client} to ${engine}: 204, 304 and answers to HEAD have no body, and say what they said`, async (t) => {
      const { call, gateway } = await pair(t);
      const none = await call('/204');
      assert.deepEqual([none.status, none.body.length, none.headers['x-kept']], [204, 0, '1']);
      assert.deepEqual([none.headers['content-length'], none.headers['transfer-encoding']], [undefined, undefined]);
      const same = await call('/304');
      assert.deepEqual([same.status, same.body.length, same.headers['etag']], [304, 0, '"a"']);
      const head = await call('/head', { method: 'HEAD' });
      assert.deepEqual([head.status, head.body.length, head.headers['content-length']], [200, 0, '123456']);
      assert.equal(gateway.count('frameway_failures_total'), 0);
    });

    test(`${client} to ${engine}: trailers follow the body`, async (t) => {
      const { call } = await pair(t);
      const { body, trailers } = await call('/trailers', { headers: { te: 'trailers' } });
      assert.deepEqual([body.toString(), trailers['x-sum']], ['part one, part two', '42']);
    });

    test(`${client} to ${engine}: 100 Continue comes before the body is sent`, async (t) => {
      const { call, session } = await pair(t);
      if (session === null) {
        const answer = await call('/upload', {
          method: 'POST',
          headers: { expect: '100-continue', 'content-length': '5' },
          body: 'hello',
        });
        assert.deepEqual([answer.status, answer.headers['x-length']], [200, '5']);
        assert.equal(answer.early[0]![0], 100);
      } else {
        const stream = session.request({ ':method': 'POST', ':path': '/upload', expect: '100-continue' });
        const answer = answerOf(stream);
        await once(stream, 'continue');
        stream.end('hello');
        assert.equal((await answer).headers['x-length'], '5');
      }
    });
  }
}

const bodyOf = ({ body }: Call): { body?: Buffer | string } => (body === undefined ? {} : { body });

test('an engine may refuse the body that a client asked leave to send', async (t) => {
  const engine = await wireEngine(t, async (wire) => {
    await wire.upTo('\r\n\r\n');
    wire.send('HTTP/1.1 417 Expectation Failed\r\nContent-Length: 2\r\n\r\nno');
  });
  const { port } = await stage(t, { upstreams: { main: { at: engine.address, protocol: 'http1' } } });
  const wire = await Wire.connect(t, port);
  wire.send('POST / HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nContent-Length: 10\r\n\r\n');
  const answer = await wire.message();
  assert.deepEqual([answer.start, answer.body.toString()], ['HTTP/1.1 417 Expectation Failed', 'no']);
  assert.equal(engine.wires[0]!.received.length, 0, 'no body at the engine');
});

test('an HTTP/1.0 client is sent no 1xx, and no chunks', async (t) => {
  const { address } = await webEngine(t, web);
  const { port } = await stage(t, { upstreams: { main: { at: address, protocol: 'http1' } } });
  for (const path of ['/hints', '/trailers']) {
    const wire = await Wire.connect(t, port);
    wire.send(`GET ${path} HTTP/1.0\r\nHost: a\r\n\r\n`);
    const { rest } = await wire.end();
    assert.match(rest, /^HTTP\/1\.[01] 200 /);
    assert.ok(!/transfer-encoding/i.test(rest), rest);
    assert.ok(rest.endsWith(path === '/hints' ? '\r\n\r\ndone' : '\r\n\r\npart one, part two'), rest);
  }
});

test('a 101 that nobody asked for is no answer', async (t) => {
  const engine = await wireEngine(t, async (wire) => {
    await wire.message();
    wire.send('HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: upgrade\r\n\r\nsurprise');
  });
  const { port, settled } = await stage(t, { upstreams: { main: { at: engine.address, protocol: 'http1' } } });
  assert.equal((await http1(port)).status, 502);
  await settled();
});
