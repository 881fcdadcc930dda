/** How often, how many at once, and from where. */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { describe, test } from 'node:test';
import { WebSocket } from 'ws';
import type { LimitKeySpec, LimitsSpec } from '../../src/policy.ts';
import { grpcClient, statusOf } from '../edge/grpc-peers.ts';
import { eventually } from '../edge/eventually.ts';
import { authSpec, sha256 } from '../filter/stage.ts';
import { h2call, http1, http2 } from '../protocols/clients.ts';
import { echoEngine, h2Engine, webEngine } from '../protocols/engines.ts';
import { Wire } from '../protocols/wire.ts';
import { ensemble } from './ensemble.ts';
import { call, echoed, grpcWeb, opened, rpc, websocket, type Headers } from './peers.ts';
import { stage } from './stage.ts';

const ALL: LimitKeySpec = { source: 'all', name: '' };
const rate = (perSecond: number, burst: number, by = ALL): Partial<LimitsSpec> => ({
  rates: [{ by, rate: perSecond, burst, maxKeys: 100 }],
});
const atOnce = (max: number, by = ALL): Partial<LimitsSpec> => ({ concurrency: [{ by, max }] });

describe('a rate limit', () => {
  test('says by HTTP when to come again: the seconds that are left, rounded up', async (t) => {
    const { port, web, line, count } = await ensemble(t, { limits: rate(0.4, 2) });
    const session = await http2(t, port);
    assert.equal((await http1(port)).status, 200);
    assert.equal((await h2call(session)).status, 200);
    for (const answer of [await http1(port), await h2call(session), await http1(port, { method: 'POST', body: 'x' })]) {
      assert.equal(answer.status, 429);
      assert.equal(answer.headers['retry-after'], '3');
      assert.deepEqual(JSON.parse(answer.body.toString()), { error: 'rate_limited', message: 'rate limit exceeded' });
    }
    assert.equal(web.seen.length, 2);
    const { route, upstream, failure, httpStatus } = await line(2);
    assert.deepEqual([route, upstream, failure?.cause, httpStatus], ['web', null, 'rate_limited', 429]);
    assert.equal(count('frameway_failures_total', 'rate_limited'), 3);
  });
  test('says by gRPC how many milliseconds to wait, also to browsers', async (t) => {
    const { port, calls } = await ensemble(t, { limits: rate(0.4, 1) });
    assert.equal((await rpc(t, port)).status.code, 0);
    const { status } = await rpc(t, port);
    assert.equal(status.code, 8);
    const pushback = Number(status.metadata.get('grpc-retry-pushback-ms')[0]);
    assert.ok(pushback > 2000 && pushback <= 2500, `${pushback} ms`);
    const { fields, answer } = await grpcWeb(port);
    assert.equal(answer.status, 200);
    assert.equal(fields['grpc-status'], '8');
    assert.ok(Number(fields['grpc-retry-pushback-ms']) > 1500, `${fields['grpc-retry-pushback-ms']} ms`);
    assert.equal(calls.length, 1);
  });
  test('lets in again as tokens flow in', async (t) => {
    const { port } = await ensemble(t, { limits: rate(20, 1) });
    assert.equal((await http1(port)).status, 200);
    assert.equal((await http1(port)).status, 429);
    await new Promise((resolve) => setTimeout(resolve, 60));
    assert.equal((await http1(port)).status, 200);
  });
  test('counts WebSockets as they open, not what is said in them', async (t) => {
    const { port } = await ensemble(t, { limits: rate(0.1, 1) });
    const socket = await opened(t, port);
    for (let i = 0; i < 5; i++) assert.equal(await echoed(socket, `${i}`), `${i}`);
    const refused = await websocket(t, port);
    assert.ok('status' in refused, 'a second WebSocket was opened');
    assert.equal(refused.status, 429);
    assert.equal(refused.headers['retry-after'], '10');
  });
  test('is of a route, and routes do not share', async (t) => {
    const web = await webEngine(t);
    const at = (value: string) => ({ match: { path: { kind: 'prefix', value } as const }, limits: rate(0.1, 1) });
    const { port } = await stage(t, {
      upstreams: { web: { at: web.address, protocol: 'http1' } },
      routes: [at('/a'), at('/b'), {}],
    });
    const statuses = [];
    for (const path of ['/a', '/a', '/b', '/b', '/c', '/c']) statuses.push((await http1(port, { path })).status);
    assert.deepEqual(statuses, [200, 429, 200, 429, 200, 200]);
  });
  test('by client, header and identity counts each for itself', async (t) => {
    const web = await webEngine(t);
    const keys = ['alice', 'bob'].map((name) => ({ name, sha256: sha256(`key of ${name}`.replaceAll(' ', '-')) }));
    const by = (path: string, source: LimitKeySpec['source'], name = '') => ({
      match: { path: { kind: 'exact', value: path } as const },
      limits: rate(0.1, 1, { source, name }),
      auth: source === 'identity' ? 'keys' : null,
    });
    const { port } = await stage(t, {
      upstreams: { web: { at: web.address, protocol: 'http1' } },
      listeners: [{ trustedProxies: ['127.0.0.0/8'] }],
      auth: { keys: authSpec({ jwt: null, apiKeys: keys }) },
      routes: [
        by('/client', 'client'),
        by('/header', 'header', 'x-user'),
        by('/key', 'header', 'x-api-key'),
        by('/identity', 'identity'),
      ],
    });
    const statuses = async (path: string, ...each: Headers[]): Promise<number[]> => {
      const found = [];
      for (const headers of each) found.push((await http1(port, { path, headers })).status);
      return found;
    };
    const from = (address: string): Headers => ({ 'x-forwarded-for': address });
    assert.deepEqual(await statuses('/client', from('10.0.0.1'), from('10.0.0.2'), from('10.0.0.1')), [200, 200, 429]);
    const user = (name: string): Headers => ({ 'x-user': name });
    assert.deepEqual(await statuses('/header', user('a'), user('b'), user('a'), {}, {}), [200, 200, 429, 200, 200]);
    const key = (name: string): Headers => ({ 'x-api-key': `key-of-${name}` });
    assert.deepEqual(await statuses('/key', key('alice'), key('bob'), key('alice')), [200, 200, 429]);
    assert.deepEqual(await statuses('/identity', key('alice'), key('bob'), key('alice')), [200, 200, 429]);
  });
  test('of a listener comes before all routes, and holds for what has none', async (t) => {
    const web = await webEngine(t);
    const { ports } = await stage(t, {
      upstreams: { web: { at: web.address, protocol: 'http1' } },
      listeners: [
        { limits: { allow: [], deny: [], concurrency: [], maxBody: 0, maxMessage: 0, rates: rate(0.1, 2).rates! } },
        { upstream: 'web' },
      ],
      routes: [{ match: { listeners: ['front'], hosts: ['a.test'] } }],
    });
    const [limited = 0, free = 0] = ports;
    const statuses = [];
    for (const host of ['a.test', 'none.test', 'a.test', 'none.test'])
      statuses.push((await http1(limited, { headers: { host } })).status);
    assert.deepEqual(statuses, [200, 404, 429, 429]);
    assert.equal((await http1(free)).status, 200);
  });
});

describe('a concurrency limit', () => {
  test('is given back when clients cancel', async (t) => {
    const { port, settled } = await ensemble(t, { limits: atOnce(2) });
    const client = grpcClient(t, port);
    for (let round = 0; round < 3; round++) {
      const calls = [client.talk(), client.talk()];
      for (const each of calls) {
        each.on('error', () => undefined);
        each.write(Buffer.from('x'));
        await once(each, 'data');
      }
      const { code, metadata } = await statusOf(client.talk());
      assert.equal(code, 8);
      assert.deepEqual(metadata.get('grpc-retry-pushback-ms'), ['1000']);
      for (const each of calls) each.cancel();
      await settled(1);
    }
    assert.equal((await call(client)).status.code, 0);
  });
  test('is given back when engines die', async (t) => {
    const engine = await h2Engine(t, () => undefined);
    const { port, settled } = await stage(t, {
      upstreams: { engine: { at: engine.address } },
      routes: [{ limits: atOnce(1) }],
    });
    const session = await http2(t, port);
    for (let round = 0; round < 3; round++) {
      const first = h2call(session, { headers: { ':path': '/hangs' } });
      await eventually(
        () => engine.open > 0,
        () => 'no connection to the engine',
      );
      assert.equal((await h2call(session)).status, 429);
      await new Promise((resolve) => setTimeout(resolve, 20));
      engine.cut();
      assert.ok((await first).status >= 500, 'answered by a dead engine');
      await settled(1);
    }
  });
  test('holds a WebSocket until it closes, however it closes', async (t) => {
    const { port, ws, settled } = await ensemble(t, { limits: atOnce(1) });
    const ends: ((socket: WebSocket) => void)[] = [
      (socket) => socket.close(),
      (socket) => socket.terminate(),
      () => ws.sockets.at(-1)!.terminate(),
      () => ws.cut(),
    ];
    for (const end of ends) {
      const socket = await opened(t, port);
      const refused = await websocket(t, port);
      assert.ok('status' in refused && refused.status === 429, 'a second WebSocket was opened');
      assert.equal(await echoed(socket, 'still here'), 'still here');
      const closed = once(socket, 'close');
      end(socket);
      await closed;
      await settled();
    }
  });
  test('by header counts each value, and by identity each bearer', async (t) => {
    const engine = await h2Engine(t, (stream, headers) => {
      if (headers[':path'] === '/quick') stream.respond({ ':status': 200 }, { endStream: true });
      else stream.respond({ ':status': 200 });
    });
    const { port, settled } = await stage(t, {
      upstreams: { engine: { at: engine.address } },
      routes: [{ limits: atOnce(1, { source: 'header', name: 'x-user' }) }],
    });
    const session = await http2(t, port);
    const held = session.request({ ':path': '/held', 'x-user': 'a' });
    held.on('error', () => undefined);
    await once(held, 'response');
    const status = async (user: string): Promise<number> =>
      (await h2call(session, { headers: { ':path': '/quick', 'x-user': user } })).status;
    assert.deepEqual([await status('a'), await status('b'), await status('b')], [429, 200, 200]);
    held.close(8);
    await settled(1);
    assert.equal(await status('a'), 200);
  });
  test('is not held by what another limit refuses', async (t) => {
    const { port, settled } = await ensemble(t, { limits: { ...atOnce(1), ...rate(0.01, 1) } });
    assert.equal((await http1(port)).status, 200);
    for (let i = 0; i < 5; i++) assert.equal((await http1(port)).headers['retry-after'], '100');
    await settled();
  });
  test('of TCP connections closes those that are too many', async (t) => {
    const echo = await echoEngine(t);
    const { port, settled } = await stage(t, {
      upstreams: { echo: { at: echo.address, protocol: 'tcp' } },
      routes: [{ match: { protocols: ['tcp'] }, limits: atOnce(1) }],
    });
    const first = await Wire.connect(t, port);
    first.send('\0one');
    assert.equal((await first.take(4)).toString(), '\0one');
    const second = await Wire.connect(t, port);
    second.send('\0two');
    assert.equal((await second.end()).rest, '');
    second.reset();
    first.reset();
    await settled();
    const third = await Wire.connect(t, port);
    third.send('\0tre');
    assert.equal((await third.take(4)).toString(), '\0tre');
    third.reset();
  });
});

describe('addresses', () => {
  test('that are denied, or not allowed, are refused by every protocol before an engine hears of them', async (t) => {
    const { port, web, ws, calls } = await ensemble(t, { limits: { deny: ['127.0.0.0/8'] } });
    assert.equal((await http1(port)).status, 403);
    assert.equal((await h2call(await http2(t, port))).status, 403);
    assert.equal((await rpc(t, port)).status.code, 7);
    assert.equal((await grpcWeb(port)).fields['grpc-status'], '7');
    const refused = await websocket(t, port);
    assert.equal('status' in refused ? refused.status : 101, 403);
    assert.deepEqual([web.accepted, ws.accepted, calls.length], [0, 0, 0]);
  });
  test('are those that trusted proxies tell; who is denied is denied whatever allows him', async (t) => {
    const { port } = await ensemble(
      t,
      { limits: { allow: ['10.0.0.0/8', '2001:db8::/32'], deny: ['10.0.0.7/32'] } },
      { listeners: [{ trustedProxies: ['127.0.0.0/8'] }] },
    );
    for (const [address, status] of Object.entries({
      '10.0.0.1': 200,
      '10.0.0.7': 403,
      '11.0.0.1': 403,
      '2001:db8::1': 200,
    }))
      assert.equal((await http1(port, { headers: { 'x-forwarded-for': address } })).status, status, address);
    assert.equal((await http1(port)).status, 403);
  });
});
