/** The same request twice is executed once, whatever it came by. */
import assert from 'node:assert/strict';
import { describe, test, type TestContext } from 'node:test';
import type { DuplicatesSpec } from '../../src/policy.ts';
import { grpcClient, grpcEngine } from '../edge/grpc-peers.ts';
import { eventually } from '../edge/eventually.ts';
import { authSpec, sha256 } from '../filter/stage.ts';
import { http2 } from '../protocols/clients.ts';
import { webEngine } from '../protocols/engines.ts';
import { BOTH, asking, call } from './peers.ts';
import { stage, type Way } from './stage.ts';

const ONCE: DuplicatesSpec = { header: 'idempotency-key', ttl: 300, maxEntries: 100, maxBytes: 10_000 };
const key = (value: string): Record<string, string> => ({ 'idempotency-key': value });

/** An engine that counts what it executes, each after a while. */
async function counting(t: TestContext, way: Way = {}, ms = 30) {
  let executed = 0;
  const web = await webEngine(t, (_, response) => {
    const number = ++executed;
    setTimeout(() => response.writeHead(201, { 'x-number': number }).end(`number ${number}`), ms);
  });
  const keys = ['alice', 'bob'].map((name) => ({ name, sha256: sha256(name) }));
  const staged = await stage(t, {
    upstreams: { web: { at: web.address, protocol: 'http1' } },
    auth: { keys: authSpec({ jwt: null, apiKeys: keys }) },
    routes: [{ duplicates: ONCE, ...way }],
  });
  return { ...staged, web, session: await http2(t, staged.port) };
}

for (const version of BOTH) {
  describe(`over ${version}`, () => {
    test('two equal requests at once are executed once, and so is one that comes within its time', async (t) => {
      const { port, session, web, settled, exchanges } = await counting(t);
      const ask = asking(version, port, session);
      const post = () => ask('/order', { body: 'one coffee', headers: key('k') });
      const answers = await Promise.all([post(), post(), post()]);
      answers.push(await post());
      for (const { status, headers, body } of answers)
        assert.deepEqual([status, headers['x-number'], body.toString()], [201, '1', 'number 1']);
      assert.equal(web.seen.length, 1);
      await settled(1);
      assert.deepEqual(
        exchanges.map(({ route, httpStatus }) => [route, httpStatus]),
        Array.from({ length: 4 }, () => ['r0', 201]),
      );
      await new Promise((resolve) => setTimeout(resolve, 400));
      assert.equal((await post()).body.toString(), 'number 2');
    });
    test('another body, path or query with the key is refused with 422; another method or route is another request', async (t) => {
      const { port, session, web } = await counting(t);
      const ask = asking(version, port, session);
      assert.equal((await ask('/order', { body: 'one', headers: key('k') })).status, 201);
      assert.equal((await ask('/order', { body: 'two', headers: key('k') })).status, 422);
      assert.equal((await ask('/other', { body: 'one', headers: key('k') })).status, 422);
      assert.equal((await ask('/order', { body: 'one', headers: key('l') })).status, 201);
      assert.equal((await ask('/order', { body: 'one', method: 'PUT', headers: key('k') })).status, 201);
      assert.equal((await ask('/order', { body: 'one' })).status, 201);
      assert.equal((await ask('/order', { body: 'one' })).status, 201);
      assert.equal(web.seen.length, 5);
    });
    test('identities are apart', async (t) => {
      const { port, session, exchanges, settled } = await counting(t, { auth: 'keys' });
      const ask = asking(version, port, session);
      const post = async (who: string, body = 'x') =>
        (await ask('/', { body, headers: { ...key('k'), 'x-api-key': who } })).body.toString();
      assert.deepEqual(
        [await post('alice'), await post('bob'), await post('alice')],
        ['number 1', 'number 2', 'number 1'],
      );
      assert.match(await post('bob', 'y'), /conflict/);
      await settled(1);
      assert.deepEqual(
        exchanges.map(({ identity }) => identity),
        ['alice', 'bob', 'alice', 'bob'],
      );
    });
    test('what the route changes is the same for all of them', async (t) => {
      const { port, session, web } = await counting(t, {
        rewrite: { stripPrefix: '/api' },
        requestHeaders: { set: [['authorization', 'Bearer ours']], remove: ['cookie'] },
        responseHeaders: { add: [['x-by', 'us']] },
      });
      const ask = asking(version, port, session);
      for (let i = 0; i < 2; i++) {
        const { status, headers } = await ask('/api/order', { body: 'x', headers: { ...key('k'), cookie: 'a=b' } });
        assert.deepEqual([status, headers['x-number'], headers['x-by']], [201, '1', 'us']);
      }
      const { url, headers } = web.seen[0]!;
      assert.deepEqual([url, headers['authorization'], headers['cookie']], ['/order', 'Bearer ours', undefined]);
    });
    test('what does not fit is executed, and then refused', async (t) => {
      const { port, session, web } = await counting(t);
      const ask = asking(version, port, session);
      const body = Buffer.alloc(20_000);
      assert.equal((await ask('/', { body, headers: key('k') })).status, 201);
      assert.equal((await ask('/', { body, headers: key('k') })).status, 422);
      assert.equal(web.seen.length, 1);
    });
  });
}

test('over gRPC, too, where another body is FAILED_PRECONDITION', async (t) => {
  let executed = 0;
  const engine = await grpcEngine(t, {
    unary: ({ request }, done) => {
      const number = ++executed;
      setTimeout(() => done(null, Buffer.from(`${request.toString()} ${number}`)), 30);
    },
  });
  const { port, settled } = await stage(t, {
    upstreams: { engine: { at: engine.address } },
    routes: [{ duplicates: { ...ONCE, header: 'x-request-key' } }],
  });
  const client = grpcClient(t, port);
  const ask = (request: string) => call(client, { 'x-request-key': 'k' }, request);
  const outcomes = [...(await Promise.all([ask('one'), ask('one')])), await ask('one')];
  for (const { status, reply } of outcomes) assert.deepEqual([status.code, reply?.toString()], [0, 'one 1']);
  assert.equal((await ask('two')).status.code, 9);
  assert.equal(executed, 1);
  await settled(1);
});

test('a request that two protocols bring is executed once', async (t) => {
  const { port, session, web } = await counting(t);
  const both = BOTH.map((version) => asking(version, port, session)('/', { body: 'x', headers: key('k') }));
  const bodies = (await Promise.all(both)).map(({ body }) => body.toString());
  assert.deepEqual(bodies, ['number 1', 'number 1']);
  assert.equal(web.seen.length, 1);
});

test('limits count every one of them, and hold none of them for longer than it lasts', async (t) => {
  const { port, session, settled } = await counting(t, {
    limits: { concurrency: [{ by: { source: 'all', name: '' }, max: 2 }] },
  });
  const ask = asking('HTTP/2', port, session);
  const post = async () => (await ask('/', { body: 'x', headers: key('k') })).status;
  const statuses = await Promise.all([post(), post(), post()]);
  assert.deepEqual(statuses.sort(), [201, 201, 429]);
  await settled(1);
  assert.deepEqual(await Promise.all([post(), post()]), [201, 201]);
  for (let i = 0; i < 5; i++) assert.equal((await ask('/', { body: 'y', headers: key('k') })).status, 422);
  assert.deepEqual(await Promise.all([post(), post()]), [201, 201]);
});

test('a leader counts in the shares of its tenant, and is placed by the hash key of its route', async (t) => {
  const held: (() => void)[] = [];
  const web = await webEngine(t, (_, response) => void held.push(() => response.end('done')));
  const { port, count, settled } = await stage(t, {
    upstreams: { web: { at: web.address, protocol: 'http1' } },
    tenants: {
      header: 'x-tenant',
      tenants: [{ name: 'acme', tokens: ['a'], shares: [{ upstream: 'web', reserved: 0, max: 1 }] }],
      unknown: 'shared',
    },
    routes: [{ duplicates: ONCE }],
  });
  const ask = asking('HTTP/2', port, await http2(t, port));
  const post = (name: string) => ask('/', { body: 'x', headers: { ...key(name), 'x-tenant': 'a' } });
  const first = post('one');
  await eventually(
    () => held.length === 1,
    () => 'the first never arrived',
  );
  assert.equal(count('frameway_tenant_streams', 'acme'), 1);
  const second = post('two');
  await new Promise((resolve) => setTimeout(resolve, 50));
  assert.equal(held.length, 1, 'a tenant has more streams than its cap');
  held[0]!();
  assert.equal((await first).status, 200);
  await eventually(
    () => held.length === 2,
    () => 'the second was not served once there was room',
  );
  held[1]!();
  assert.equal((await second).status, 200);
  await settled(1);
});
