/** Which engine gets which request. */
import assert from 'node:assert/strict';
import { describe, test, type TestContext } from 'node:test';
import { Metadata } from '@grpc/grpc-js';
import type { MatchSpec } from '../../src/policy.ts';
import { grpcClient, grpcEngine } from '../edge/grpc-peers.ts';
import { entry } from '../listener/tls-ends.ts';
import { h2call, http1, http2 } from '../protocols/clients.ts';
import { echoEngine, tcpEngine, webEngine, wsEngine } from '../protocols/engines.ts';
import { Wire } from '../protocols/wire.ts';
import { h2 as tlsHttp2 } from '../protocols-tls/clients.ts';
import { Random } from '../support/random.ts';
import { BOTH, asking, call, grpcWeb, opened, rpc, type Asking } from './peers.ts';
import { stage, type Way } from './stage.ts';

const said = (body: string): Way['action'] => ({ kind: 'respond', status: 200, body, contentType: 'text/plain' });

/** Each route answers with its place. */
async function routed(t: TestContext, matches: readonly Partial<MatchSpec>[]) {
  const staged = await stage(t, {
    upstreams: { nobody: { at: '127.0.0.1:1' } },
    routes: matches.map((match, i) => ({ match, action: said(String(i))! })),
  });
  const session = await http2(t, staged.port);
  const ways = BOTH.map((version) => [version, asking(version, staged.port, session)] as const);
  /** The route that all HTTP versions find; `none` for 404. */
  const route = async (...args: Parameters<Asking>): Promise<string> => {
    const found: string[] = [];
    for (const [, ask] of ways) {
      const { status, body } = await ask(...args);
      found.push(status === 404 ? 'none' : body.toString());
    }
    assert.equal(found[0], found[1], `HTTP/1.1 and HTTP/2 differ about ${args[0]}`);
    return found[0]!;
  };
  return { ...staged, session, route };
}

describe('a request finds its route', () => {
  test('by path: exact, prefix on borders of segments, regex, and never by its query', async (t) => {
    const { route } = await routed(t, [
      { path: { kind: 'exact', value: '/exact' } },
      { path: { kind: 'prefix', value: '/a/b' } },
      { path: { kind: 'regex', value: '^/v[0-9]+/x$' } },
    ]);
    for (const [path, expected] of Object.entries({
      '/exact': '0',
      '/exact?q=1': '0',
      '/exact/': 'none',
      '/Exact': 'none',
      '/a/b': '1',
      '/a/b/': '1',
      '/a/b/c?d': '1',
      '/a/bc': 'none',
      '/v12/x': '2',
      '/v12/x?y': '2',
      '/v12/xy': 'none',
      '/?/v1/x': 'none',
    }))
      assert.equal(await route(path), expected, path);
  });

  test('by host, whatever its case, port and last dot', async (t) => {
    const { route } = await routed(t, [{ hosts: ['asr.example'] }, { hosts: ['*.wild.example'] }]);
    for (const [host, expected] of Object.entries({
      'asr.example': '0',
      'ASR.Example': '0',
      'asr.example.': '0',
      'asr.example:8443': '0',
      'asr.example.:8443': '0',
      'a.asr.example': 'none',
      'a.wild.example': '1',
      'A.b.Wild.example.': '1',
      'wild.example': 'none',
      'notwild.example': 'none',
    }))
      assert.equal(await route('/', { host }), expected, host);
  });

  test('by method and headers, all of which have to match', async (t) => {
    const { route } = await routed(t, [
      { methods: ['PUT', 'DELETE'] },
      { headers: [{ name: 'x-canary', kind: 'exact', value: 'yes' }] },
      {
        headers: [
          { name: 'x-a', kind: 'prefix', value: 'ab' },
          { name: 'x-b', kind: 'regex', value: '^[0-9]+$' },
        ],
      },
      {
        headers: [
          { name: 'x-here', kind: 'present', value: '' },
          { name: 'x-gone', kind: 'absent', value: '' },
        ],
      },
    ]);
    assert.equal(await route('/', { method: 'PUT', body: 'x' }), '0');
    assert.equal(await route('/', { method: 'DELETE' }), '0');
    assert.equal(await route('/', { headers: { 'x-canary': 'yes' } }), '1');
    assert.equal(await route('/', { headers: { 'x-canary': 'yes!' } }), 'none');
    assert.equal(await route('/', { headers: { 'x-a': 'abc', 'x-b': '12' } }), '2');
    assert.equal(await route('/', { headers: { 'x-a': 'abc', 'x-b': '12a' } }), 'none');
    assert.equal(await route('/', { headers: { 'x-here': '' } }), '3');
    assert.equal(await route('/', { headers: { 'x-here': '1', 'x-gone': '1' } }), 'none');
  });

  test('by its address, as the trusted proxies tell it', async (t) => {
    const { port } = await stage(t, {
      upstreams: { nobody: { at: '127.0.0.1:1' } },
      listeners: [{ trustedProxies: ['127.0.0.0/8'] }],
      routes: [
        { match: { clients: ['10.0.0.0/8', '2001:db8::/32'] }, action: said('inside')! },
        { match: { clients: ['127.0.0.1/32'] }, action: said('here')! },
      ],
    });
    for (const [forwarded, expected] of Object.entries({
      '10.1.2.3': 'inside',
      '2001:db8::7': 'inside',
      '11.1.2.3': '404',
      '10.0.0.1, 11.0.0.1': '404',
    })) {
      const { status, body } = await http1(port, { headers: { 'x-forwarded-for': forwarded } });
      assert.equal(status === 200 ? body.toString() : String(status), expected, forwarded);
    }
    assert.equal((await http1(port)).body.toString(), 'here');
  });

  test('the first that matches in the order of the file', async (t) => {
    const { route } = await routed(t, [
      { path: { kind: 'prefix', value: '/a' }, methods: ['POST'] },
      { path: { kind: 'regex', value: 'b' } },
      { path: { kind: 'exact', value: '/a/b' } },
      { hosts: ['a.test'] },
      {},
    ]);
    assert.equal(await route('/a/b', { body: 'x' }), '0');
    assert.equal(await route('/a/b'), '1');
    assert.equal(await route('/a/c'), '3');
    assert.equal(await route('/a/c', { host: 'b.test' }), '4');
  });

  test('by gRPC service and method', async (t) => {
    const engines = await Promise.all(
      ['method', 'service'].map((name) =>
        grpcEngine(t, {
          unary: (_, done) => done(null, Buffer.from(name)),
          upload: (_, done) => done(null, Buffer.from(name)),
        }),
      ),
    );
    const { port } = await stage(t, {
      upstreams: { method: { at: engines[0]!.address }, service: { at: engines[1]!.address } },
      routes: [
        { match: { path: { kind: 'exact', value: '/test.Bytes/Unary' } }, to: { method: 1 } },
        { match: { path: { kind: 'prefix', value: '/test.Bytes' } }, to: { service: 1 } },
      ],
    });
    const client = grpcClient(t, port);
    assert.equal((await call(client)).reply?.toString(), 'method');
    const uploaded = await new Promise<Buffer | undefined>((resolve) => {
      client.upload(new Metadata(), {}, (_, reply) => resolve(reply)).end();
    });
    assert.equal(uploaded?.toString(), 'service');
  });

  test('by listener, and by what its client speaks', async (t) => {
    const web = await webEngine(t);
    const ws = await wsEngine(t);
    const echo = await echoEngine(t);
    const shout = await tcpEngine(t, (socket) => void socket.end('other listener'));
    const grpc = await grpcEngine(t, { unary: ({ request }, done) => done(null, request) });
    const webRpc = await grpcEngine(t, { unary: (_, done) => done(null, Buffer.from('from the web')) });
    const { ports, exchanges, settled } = await stage(t, {
      upstreams: {
        web: { at: web.address, protocol: 'http1' },
        ws: { at: ws.address, protocol: 'http1' },
        echo: { at: echo.address, protocol: 'tcp' },
        shout: { at: shout.address, protocol: 'tcp' },
        grpc: { at: grpc.address },
        webRpc: { at: webRpc.address },
      },
      listeners: [{ grpcWeb: { allowOrigins: ['*'] } }, { name: 'back' }],
      routes: [
        { name: 'back tcp', match: { listeners: ['back'], protocols: ['tcp'] }, to: { shout: 1 } },
        { name: 'back', match: { listeners: ['back'] }, action: said('back')! },
        { name: 'grpc', match: { protocols: ['grpc'] }, to: { grpc: 1 } },
        { name: 'grpc_web', match: { protocols: ['grpc_web'] }, to: { webRpc: 1 } },
        { name: 'websocket', match: { protocols: ['websocket'] }, to: { ws: 1 } },
        { name: 'tcp', match: { protocols: ['tcp'] }, to: { echo: 1 } },
        { name: 'http', match: { protocols: ['http'] }, to: { web: 1 } },
      ],
    });
    const [front = 0, back = 0] = ports;
    assert.equal((await http1(front, { path: '/p' })).body.toString(), 'GET /p 0');
    assert.equal((await http1(back, { path: '/p' })).body.toString(), 'back');
    assert.equal((await rpc(t, front)).reply?.toString(), 'hello');
    assert.deepEqual((await grpcWeb(front)).messages, ['from the web']);
    (await opened(t, front)).terminate();
    for (const [port, expected] of [
      [front, '\0hello'],
      [back, 'other listener'],
    ] as const) {
      const raw = await Wire.connect(t, port);
      raw.send('\0hello');
      raw.finish();
      assert.equal((await raw.take(expected.length)).toString(), expected);
    }
    await settled(2);
    const names = ['back tcp', 'back', 'grpc', 'grpc_web', 'websocket', 'tcp', 'http'];
    assert.deepEqual(exchanges.map(({ route }) => route).sort(), names.sort());
  });

  test('by the server name that its client asked TLS for', async (t) => {
    const { port } = await stage(t, {
      upstreams: { nobody: { at: '127.0.0.1:1' } },
      listeners: [{ tls: [entry('server', ['localhost']), entry('wild', ['*.wild.test'])] }],
      routes: [
        { match: { sni: ['*.wild.test'] }, action: said('wild')! },
        { match: { sni: ['localhost'] }, action: said('local')! },
      ],
    });
    for (const [servername, expected] of [
      ['localhost', 'local'],
      ['a.wild.test', 'wild'],
    ] as const) {
      const session = await tlsHttp2(t, port, { servername });
      const { body } = await h2call(session, { headers: { ':authority': servername } });
      assert.equal(body.toString(), expected);
    }
    assert.equal((await http1(port)).status, 404);
  });

  test('and where none claims it goes to the upstream of its listener, or nowhere', async (t) => {
    const web = await webEngine(t);
    const { ports, line } = await stage(t, {
      upstreams: { web: { at: web.address, protocol: 'http1' } },
      listeners: [{ upstream: 'web' }, { name: 'bare' }],
      routes: [{ match: { hosts: ['claimed.test'] } }],
    });
    const [with_ = 0, bare = 0] = ports;
    assert.equal((await http1(with_, { path: '/x' })).status, 200);
    assert.equal((await line(0)).route, null);
    assert.equal((await http1(bare)).status, 404);
    assert.equal((await rpc(t, bare)).status.code, 12);
    assert.equal((await line(1)).failure?.cause, 'no_route');
  });
});

describe('a split between upstreams', () => {
  test('follows the weights within two points', async (t) => {
    const random = new Random(6);
    t.mock.method(Math, 'random', () => random.next());
    const engines = await Promise.all([1, 2, 3].map(() => webEngine(t, (_, response) => void response.end())));
    const weights = [70, 25, 5];
    const { port } = await stage(t, {
      upstreams: Object.fromEntries(engines.map(({ address }, i) => [`u${i}`, { at: address, protocol: 'http1' }])),
      routes: [{ to: { u0: 70, u1: 25, u2: 5 } }],
    });
    const session = await http2(t, port);
    for (let i = 0; i < 40; i++) await Promise.all(Array.from({ length: 50 }, () => h2call(session)));
    const shares = engines.map(({ seen }) => (100 * seen.length) / 2000);
    shares.forEach((share, i) =>
      assert.ok(Math.abs(share - weights[i]!) < 2, `${shares.join()} for ${weights.join()}`),
    );
  });
  test('gives nothing to a weight of 0', async (t) => {
    const [one, other] = [await webEngine(t), await webEngine(t)];
    const { port } = await stage(t, {
      upstreams: {
        one: { at: one.address, protocol: 'http1' },
        other: { at: other.address, protocol: 'http1' },
      },
      routes: [{ to: { one: 0, other: 1 } }],
    });
    const session = await http2(t, port);
    await Promise.all(Array.from({ length: 100 }, () => h2call(session)));
    assert.equal(one.seen.length, 0);
    assert.equal(other.seen.length, 100);
  });
});
