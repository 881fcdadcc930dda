/** What a route answers itself, and what it makes of a request on its way. */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { connect } from 'node:http2';
import { describe, test, type TestContext } from 'node:test';
import { Agent, request } from 'undici';
import { http1, http2, h2call } from '../protocols/clients.ts';
import { h2Engine, webEngine, wsEngine } from '../protocols/engines.ts';
import { Wire } from '../protocols/wire.ts';
import { BOTH, asking, opened, rpc, websocket } from './peers.ts';
import { stage, type Way } from './stage.ts';

const respond = (status: number, body = '', contentType = 'text/plain'): NonNullable<Way['action']> => ({
  kind: 'respond',
  status,
  body,
  contentType,
});
const redirect = (more: Partial<Extract<Way['action'], { kind: 'redirect' }>> = {}): NonNullable<Way['action']> => ({
  ...{ kind: 'redirect', status: 308, scheme: null, host: null, path: null },
  ...more,
});

const answering = async (t: TestContext, ...routes: Way[]) => {
  const staged = await stage(t, { upstreams: { nobody: { at: '127.0.0.1:1' } }, routes });
  return { ...staged, session: await http2(t, staged.port) };
};

for (const version of BOTH) {
  describe(`over ${version}`, () => {
    test('a route answers by itself: GET, HEAD, and POST with a body that nobody wants', async (t) => {
      const { port, session, line } = await answering(t, { action: respond(418, '{"tea":true}', 'application/json') });
      const ask = asking(version, port, session);
      const got = await ask('/');
      assert.equal(got.status, 418);
      assert.equal(got.headers['content-type'], 'application/json');
      assert.equal(got.headers['content-length'], '12');
      assert.equal(got.body.toString(), '{"tea":true}');
      const head = await ask('/', { method: 'HEAD' });
      assert.equal(head.status, 418);
      assert.equal(head.headers['content-length'], '12');
      assert.equal(head.body.length, 0);
      const posted = await ask('/', { body: 'some text' });
      assert.equal(posted.body.toString(), '{"tea":true}');
      const { upstream, route, httpStatus, failure } = await line(0);
      assert.deepEqual(
        { upstream, route, httpStatus, failure },
        { upstream: null, route: 'r0', httpStatus: 418, failure: null },
      );
    });
    test('an answer without a body says so, and 204 says nothing', async (t) => {
      const { port, session } = await answering(
        t,
        { match: { path: { kind: 'exact', value: '/204' } }, action: respond(204) },
        { action: respond(404) },
      );
      const ask = asking(version, port, session);
      const none = await ask('/204');
      assert.equal(none.status, 204);
      assert.equal(none.headers['content-length'], undefined);
      const empty = await ask('/');
      assert.equal(empty.status, 404);
      assert.equal(empty.headers['content-length'], '0');
    });
    test('a redirect changes what it names and keeps the rest', async (t) => {
      const at = (value: string): Way['match'] => ({ path: { kind: 'exact', value } });
      const { port, session } = await answering(
        t,
        { match: at('/https')!, action: redirect({ scheme: 'https' }) },
        { match: at('/host')!, action: redirect({ status: 302, host: 'b.test:81' }) },
        { match: at('/path')!, action: redirect({ status: 301, path: '/new?x=1' }) },
      );
      const ask = asking(version, port, session);
      for (const [path, status, location] of [
        ['/https?q=a%20b', 308, 'https://a.test/https?q=a%20b'],
        ['/host?q', 302, 'http://b.test:81/host?q'],
        ['/path?q', 301, 'http://a.test/new?x=1'],
        ['/x/../%68ost', 302, 'http://b.test:81/host'],
      ] as const) {
        const { status: seen, headers, body } = await ask(path);
        assert.deepEqual([seen, headers['location'], body.length], [status, location, 0], path);
      }
    });
    test('what is not a path is refused, and what is one comes to the engine in its one form', async (t) => {
      const web = await webEngine(t);
      const { port, line } = await stage(t, {
        upstreams: { web: { at: web.address, protocol: 'http1' } },
        routes: [{}],
      });
      const session = await http2(t, port);
      const ask = asking(version, port, session);
      for (const [path, expected] of Object.entries({
        '/a/../b': '/b',
        '/a/%2e%2E/b': '/b',
        '/a/./b/.': '/a/b/',
        '/../../etc': '/etc',
        '/%41%7e%2d': '/A~-',
        '/a%3fb%c3': '/a%3Fb%C3',
        '/a//b': '/a//b',
        '/q?x=/../%2F%2e': '/q?x=/../%2F%2e',
      })) {
        assert.equal((await ask(path)).status, 200, path);
        assert.equal(web.seen.at(-1)?.url, expected, path);
      }
      const before = web.seen.length;
      for (const path of ['/a%2Fb', '/a%2fb', '/a%5cb', '/%00', '/%zz', '/a%', '/a\\b']) {
        assert.equal((await ask(path)).status, 400, path);
      }
      assert.equal(web.seen.length, before);
      assert.equal((await line(before)).failure?.cause, 'malformed_request');
    });
    test('the engine hears of hosts in lower case and without the last dot', async (t) => {
      const web = await webEngine(t);
      const { port } = await stage(t, { upstreams: { web: { at: web.address, protocol: 'http1' } }, routes: [{}] });
      const ask = asking(version, port, await http2(t, port));
      for (const [host, expected] of [
        ['ASR.Example', 'asr.example'],
        ['asr.example.', 'asr.example'],
        ['Asr.Example.:81', 'asr.example:81'],
        ['[::1]:81', '[::1]:81'],
      ] as const) {
        assert.equal((await ask('/', { host })).status, 200);
        assert.equal(web.seen.at(-1)?.headers['host'], expected);
      }
    });
    test('prefix, path and host are rewritten', async (t) => {
      const web = await webEngine(t);
      const { port } = await stage(t, {
        upstreams: { web: { at: web.address, protocol: 'http1' } },
        routes: [
          { match: { path: { kind: 'prefix', value: '/strip' } }, rewrite: { stripPrefix: '/strip' } },
          {
            match: { path: { kind: 'prefix', value: '/re' } },
            rewrite: { regex: { pattern: '^/re/(\\w+)/(\\w+)', replace: '/$2/$1' }, host: 'inner.test' },
          },
        ],
      });
      const ask = asking(version, port, await http2(t, port));
      for (const [path, url, host] of [
        ['/strip', '/', 'a.test'],
        ['/strip?q=1', '/?q=1', 'a.test'],
        ['/strip/a/b?q', '/a/b?q', 'a.test'],
        ['/strip//evil.test/x', '/evil.test/x', 'a.test'],
        ['/re/a/b/c?q', '/b/a/c?q', 'inner.test'],
        ['/re/a', '/re/a', 'inner.test'],
      ] as const) {
        assert.equal((await ask(path)).status, 200, path);
        const { url: seen, headers } = web.seen.at(-1)!;
        assert.deepEqual([seen, headers['host']], [url, host], path);
      }
    });
    test('headers are removed, set and added on both ways', async (t) => {
      const web = await webEngine(t, (_, response) => {
        response.writeHead(200, { server: 'secret/1.0', 'x-old': ['a', 'b'], 'x-many': 'one' });
        response.end('body');
      });
      const { port } = await stage(t, {
        upstreams: { web: { at: web.address, protocol: 'http1' } },
        routes: [
          {
            requestHeaders: { remove: ['x-gone'], set: [['x-set', 'ours']], add: [['x-add', 'two']] },
            responseHeaders: { remove: ['server'], set: [['x-old', 'new']], add: [['x-many', 'two']] },
          },
        ],
      });
      const ask = asking(version, port, await http2(t, port));
      const { headers, body } = await ask('/', { headers: { 'x-gone': '1', 'x-set': 'theirs', 'x-add': 'one' } });
      const seen = web.seen[0]!.headers;
      assert.deepEqual([seen['x-gone'], seen['x-set'], seen['x-add']], [undefined, 'ours', 'one, two']);
      assert.deepEqual([headers['server'], headers['x-old'], headers['x-many']], [undefined, 'new', 'one, two']);
      assert.equal(body.toString(), 'body');
    });
  });
}

describe('what a route answers itself', () => {
  test('is an HTTP answer to gRPC clients, too', async (t) => {
    const { port } = await answering(t, { action: respond(503, 'closed') });
    assert.equal((await rpc(t, port)).status.code, 14);
  });
  test('refuses a WebSocket, and never opens it', async (t) => {
    const { port, session } = await answering(
      t,
      { match: { path: { kind: 'exact', value: '/moved' } }, action: redirect({ host: 'b.test' }) },
      { match: { path: { kind: 'exact', value: '/ok' } }, action: respond(200, 'hello') },
      { action: respond(403, 'no') },
    );
    for (const [path, status] of [
      ['/', 403],
      ['/moved', 308],
    ] as const) {
      const answer = await websocket(t, port, {}, path);
      assert.equal('status' in answer ? answer.status : 101, status, path);
    }
    const refused = await websocket(t, port, {}, '/ok');
    assert.ok('status' in refused, 'a WebSocket was opened by a direct response');
    assert.notEqual(refused.status, 101);
    const stream = session.request({
      ...{ ':method': 'CONNECT', ':protocol': 'websocket', ':scheme': 'http', ':authority': 'a', ':path': '/ok' },
      'sec-websocket-version': '13',
    });
    stream.on('error', () => undefined);
    const [head] = (await once(stream, 'response')) as [Record<string, number>];
    // RFC 8441 section 5: any 2xx opens it.
    assert.ok(head[':status']! >= 300, `CONNECT was answered with ${head[':status']}`);
  });
  test('reaches a client that has a large body to send, and one that reads slowly', async (t) => {
    const long = 'x'.repeat(300_000);
    const { port } = await answering(t, { action: respond(200, long) });
    const agent = new Agent({ connections: 1 });
    t.after(() => agent.destroy());
    for (let i = 0; i < 5; i++) {
      const body = Buffer.alloc(1 << 20);
      const { statusCode, body: answer } = await request(`http://127.0.0.1:${port}/`, {
        method: 'POST',
        body,
        dispatcher: agent,
      });
      assert.equal(statusCode, 200);
      assert.equal((await answer.text()).length, long.length);
    }
    const session = connect(`http://127.0.0.1:${port}`, { settings: { initialWindowSize: 1000 } });
    t.after(() => session.destroy());
    const { body } = await h2call(session, { body: Buffer.alloc(100_000) });
    assert.equal(body.length, long.length);
  });
});

test('a rewritten host is said to the engine even where the client named none', async (t) => {
  const modern = await h2Engine(t);
  const { port } = await stage(t, {
    upstreams: { modern: { at: modern.address } },
    routes: [{ rewrite: { host: 'inner.test' } }],
  });
  const wire = await Wire.connect(t, port);
  wire.send('GET /x HTTP/1.0\r\n\r\n');
  await wire.message();
  assert.equal(modern.seen[0]?.headers[':authority'], 'inner.test');
});

test('WebSockets are rewritten as requests are', async (t) => {
  const ws = await wsEngine(t);
  const { port } = await stage(t, {
    upstreams: { ws: { at: ws.address, protocol: 'http1' } },
    routes: [{ rewrite: { stripPrefix: '/ws', host: 'inner.test' }, requestHeaders: { set: [['x-by', 'us']] } }],
  });
  (await opened(t, port, { 'x-by': 'them' }, '/ws/a/../b?c')).terminate();
  const { url, headers } = ws.requests[0]!;
  assert.deepEqual([url, headers.host, headers['x-by']], ['/b?c', 'inner.test', 'us']);
});

test('response headers are edited once, in the answer that the client gets after a retry', async (t) => {
  let calls = 0;
  const web = await webEngine(t, (_, response) => {
    response.statusCode = ++calls === 1 ? 503 : 200;
    response.end(`${calls}`);
  });
  const { port, line } = await stage(t, {
    upstreams: { web: { at: web.address, protocol: 'http1' } },
    routes: [
      {
        requestHeaders: { add: [['x-via', 'us']] },
        responseHeaders: { add: [['x-by', 'us']] },
        retry: {
          ...{ attempts: 3, grpcStatuses: [], httpStatuses: [503], backoffBase: 1, backoffMax: 5 },
          ...{ perTryTimeout: 0, budget: 1, minPerSecond: 10 },
        },
      },
    ],
  });
  const { headers, body, rawHeaders } = await http1(port);
  assert.equal(body.toString(), '2');
  assert.equal(headers['x-by'], 'us');
  assert.equal(rawHeaders.filter((name) => name === 'x-by').length, 1);
  assert.deepEqual(
    web.seen.map((seen) => seen.headers['x-via']),
    ['us', 'us'],
  );
  assert.equal((await line(0)).attempts, 2);
});

test('response headers are edited in Trailers-Only answers, which stay what they are', async (t) => {
  const engine = await h2Engine(t, (stream) => {
    stream.respond(
      { ':status': 200, 'content-type': 'application/grpc', 'grpc-status': '5', 'grpc-message': 'none', server: 'x' },
      { endStream: true },
    );
  });
  const { port, line } = await stage(t, {
    upstreams: { engine: { at: engine.address } },
    routes: [{ responseHeaders: { remove: ['server'], add: [['x-by', 'us']] } }],
  });
  const { status } = await rpc(t, port);
  assert.equal(status.code, 5);
  assert.equal(status.details, 'none');
  assert.deepEqual([status.metadata.get('server'), status.metadata.get('x-by')], [[], ['us']]);
  assert.equal((await line(0)).grpcStatus, 5);
});

test('what a route does to the headers of responses it does to its own answers, too', async (t) => {
  const { port } = await answering(t, {
    action: respond(200, 'hello'),
    responseHeaders: { remove: [], set: [['x-frame-options', 'deny']], add: [] },
  });
  const answer = await http1(port, { path: '/' });
  assert.deepEqual([answer.status, answer.headers['x-frame-options'], String(answer.body)], [200, 'deny', 'hello']);
});
