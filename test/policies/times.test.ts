/** How long an exchange may take, how often it is tried, and where its key places it. */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { describe, test } from 'node:test';
import type { RetrySpec } from '../../src/snapshot.ts';
import { DEFAULT_BALANCE } from '../../src/snapshot.ts';
import { grpcClient, statusOf, unary } from '../edge/grpc-peers.ts';
import { h2call, http1, http2 } from '../protocols/clients.ts';
import { h2Engine, webEngine } from '../protocols/engines.ts';
import { ensemble } from './ensemble.ts';
import { call, echoed, metadata, opened } from './peers.ts';
import { stage } from './stage.ts';

const RETRY: RetrySpec = {
  ...{ attempts: 3, grpcStatuses: [14], httpStatuses: [503], backoffBase: 1, backoffMax: 5 },
  ...{ perTryTimeout: 0, budget: 1, minPerSecond: 100 },
};
const took = async <T>(work: Promise<T>): Promise<[T, number]> => {
  const since = performance.now();
  return [await work, performance.now() - since];
};
const within = (ms: number, least: number, most: number): void =>
  assert.ok(ms >= least && ms < most, `after ${Math.round(ms)} ms, not ${least} to ${most}`);

describe('the time of a route', () => {
  test('ends a request that takes longer: 504, and DEADLINE_EXCEEDED for gRPC', async (t) => {
    const engine = await h2Engine(t, () => undefined);
    const { port, settled, line } = await stage(t, {
      upstreams: { engine: { at: engine.address } },
      routes: [{ timeout: 150 }],
    });
    const [answer, ms] = await took(http1(port));
    assert.equal(answer.status, 504);
    within(ms, 140, 1000);
    const client = grpcClient(t, port);
    assert.equal((await call(client)).status.code, 4);
    const [{ failure }, second] = [await line(0), await line(1)];
    assert.deepEqual([failure?.cause, second.grpcStatus, second.route], ['deadline_exceeded', 4, 'r0']);
    client.close();
    await settled();
  });
  test("does not lengthen a client's own, which the engine still hears", async (t) => {
    const told: unknown[] = [];
    const engine = await h2Engine(t, (_, headers) => void told.push(headers['grpc-timeout']));
    const { port } = await stage(t, { upstreams: { engine: { at: engine.address } }, routes: [{ timeout: 3000 }] });
    const fields = { ':method': 'POST', 'content-type': 'application/grpc', te: 'trailers' };
    const session = await http2(t, port);
    const [own, ms] = await took(h2call(session, { headers: { ...fields, 'grpc-timeout': '150m' }, body: '' }));
    assert.equal(own.headers['grpc-status'], '4');
    within(ms, 140, 1000);
    assert.match(String(told[0]), /^\d+[mun]$/);
  });
  test("is shorter than a client's own", async (t) => {
    const engine = await h2Engine(t, () => undefined);
    const { port } = await stage(t, { upstreams: { engine: { at: engine.address } }, routes: [{ timeout: 150 }] });
    const client = grpcClient(t, port);
    const [{ status }, ms] = await took(unary(client, Buffer.from('x'), metadata({}), { deadline: Date.now() + 4000 }));
    assert.equal(status.code, 4);
    within(ms, 140, 1000);
  });
  test('is that of all attempts together', async (t) => {
    const web = await webEngine(t, (_, response) => void response.writeHead(503).end());
    const { port, line } = await stage(t, {
      upstreams: { web: { at: web.address, protocol: 'http1' } },
      routes: [
        { timeout: 200, retry: { ...RETRY, attempts: 10_000, backoffBase: 20, backoffMax: 30, minPerSecond: 1e6 } },
      ],
    });
    const [{ status }, ms] = await took(http1(port));
    assert.equal(status, 504);
    within(ms, 190, 1000);
    assert.ok((await line(0)).attempts > 2, 'not tried again');
  });
  test('does not end WebSockets', async (t) => {
    const { port } = await ensemble(t, { timeout: 50, idleTimeout: 50 });
    const socket = await opened(t, port);
    await new Promise((resolve) => setTimeout(resolve, 150));
    assert.equal(await echoed(socket, 'here'), 'here');
    socket.terminate();
  });
});

describe('the idle time of a route', () => {
  test('ends what does not move, before and after the answer has begun', async (t) => {
    const engine = await h2Engine(t, (stream, headers) => {
      if (headers[':path'] === '/begun') stream.respond({ ':status': 200 });
    });
    const { port, line } = await stage(t, {
      upstreams: { engine: { at: engine.address } },
      routes: [{ idleTimeout: 100 }],
    });
    const session = await http2(t, port);
    const [{ status }, ms] = await took(h2call(session));
    assert.equal(status, 504);
    within(ms, 90, 1000);
    await assert.rejects(h2call(session, { headers: { ':path': '/begun' } }));
    assert.equal((await line(1)).failure?.cause, 'idle_timeout');
  });
  test('leaves alone what moves, either way', async (t) => {
    const { port } = await ensemble(t, { idleTimeout: 150 });
    const talk = grpcClient(t, port).talk();
    for (let i = 0; i < 8; i++) {
      talk.write(Buffer.from('x'));
      await once(talk, 'data');
      await new Promise((resolve) => setTimeout(resolve, 50));
    }
    const status = statusOf(talk);
    talk.end();
    assert.equal((await status).code, 0);
  });
});

test('each route has its own retries, or those of its listener', async (t) => {
  const tries = new Map<string, number>();
  const web = await webEngine(t, (request, response) => {
    tries.set(request.url!, (tries.get(request.url!) ?? 0) + 1);
    response.writeHead(503).end();
  });
  const at = (value: string) => ({ match: { path: { kind: 'exact', value } as const } });
  const { port } = await stage(t, {
    upstreams: { web: { at: web.address, protocol: 'http1' } },
    listeners: [{ retry: { ...RETRY, attempts: 2 } }],
    routes: [{ ...at('/four'), retry: { ...RETRY, attempts: 4 } }, { ...at('/none'), retry: null }, {}],
  });
  for (const path of ['/four', '/none', '/listener']) assert.equal((await http1(port, { path })).status, 503);
  assert.deepEqual(Object.fromEntries(tries), { '/four': 4, '/none': 1, '/listener': 2 });
});

for (const duplicates of [null, { header: 'x-key', ttl: 1000, maxEntries: 1000, maxBytes: 1000 }])
  test(`the hash key of a route places its calls${duplicates ? ', also those that are executed once' : ''}`, async (t) => {
    const engines = await Promise.all([1, 2, 3, 4].map(() => h2Engine(t)));
    const { port } = await stage(t, {
      upstreams: {
        ring: {
          at: engines.map(({ address }) => address),
          balance: { ...DEFAULT_BALANCE, policy: 'consistent_hash', maxLoad: 0, key: { source: 'client', name: '' } },
        },
      },
      routes: [{ hashKey: { source: 'header', name: 'x-session' }, duplicates }],
    });
    const session = await http2(t, port);
    for (let i = 0; i < 120; i++) {
      const headers = { 'x-session': `s${i % 12}`, 'x-key': `k${i}` };
      assert.equal((await h2call(session, { headers })).status, 200);
    }
    const places = new Map<unknown, Set<number>>();
    engines.forEach(({ seen }, engine) => {
      for (const { headers } of seen) {
        const at = places.get(headers['x-session']) ?? new Set();
        places.set(headers['x-session'], at.add(engine));
      }
    });
    // While engines are still being reached, a call may go elsewhere.
    const moved = [...places.values()].filter((each) => each.size > 2);
    assert.equal(moved.length, 0, 'calls of one key are scattered');
    assert.ok(engines.filter(({ seen }) => seen.length > 0).length > 1, 'all keys are at one engine');
  });
