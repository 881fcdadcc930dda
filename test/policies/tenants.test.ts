/** Streams that are one tenant's, and streams that are everybody's. */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import type { ClientHttp2Session, ClientHttp2Stream } from 'node:http2';
import { describe, test, type TestContext } from 'node:test';
import type { TenantShareSpec, TenantsSpec } from '../../src/policy.ts';
import { eventually } from '../edge/eventually.ts';
import { authSpec, sha256 } from '../filter/stage.ts';
import { h2call, http1, http2 } from '../protocols/clients.ts';
import { h2Engine } from '../protocols/engines.ts';
import { ensemble } from './ensemble.ts';
import { grpcWeb, opened, rpc, websocket } from './peers.ts';
import { stage, type Place, type Way } from './stage.ts';

const share = (reserved: number, max: number, upstream = 'engine'): TenantShareSpec => ({ upstream, reserved, max });
const tenantsOf = (shares: Readonly<Record<string, readonly TenantShareSpec[]>>, unknown: TenantsSpec['unknown']) => ({
  header: 'x-tenant',
  tenants: Object.entries(shares).map(([name, each]) => ({ name, tokens: [`token-${name}`], shares: each })),
  unknown,
});

/** An engine for so many streams, each of which is held until it is told to end. */
async function crowded(
  t: TestContext,
  streams: number,
  shares: Readonly<Record<string, readonly TenantShareSpec[]>>,
  place: Partial<Place> = {},
  way: Way = {},
) {
  const engine = await h2Engine(t, (stream) => stream.respond({ ':status': 200 }));
  const staged = await stage(t, {
    upstreams: { engine: { at: engine.address, maxStreams: streams, ...place } },
    tenants: tenantsOf(shares, 'shared'),
    routes: [way],
  });
  const session = await http2(t, staged.port);
  return { ...staged, engine, session, open: (tenant: string | null) => new Held(session, tenant) };
}

class Held {
  answered = false;
  status = 0;
  private readonly stream: ClientHttp2Stream;

  constructor(session: ClientHttp2Session, tenant: string | null) {
    this.stream = session.request(tenant === null ? {} : { 'x-tenant': `token-${tenant}` });
    this.stream.on('error', () => undefined);
    this.stream.once('response', (headers) => {
      this.answered = true;
      this.status = Number(headers[':status']);
    });
  }
  async served(): Promise<this> {
    if (!this.answered) await once(this.stream, 'response');
    assert.equal(this.status, 200);
    return this;
  }
  end(): void {
    this.stream.close(8);
  }
}

const quiet = (): Promise<void> => new Promise((resolve) => setTimeout(resolve, 50));

describe('what is reserved', () => {
  test('is there at once however busy the others are, and whoever waits', async (t) => {
    const { open, count } = await crowded(t, 4, { gold: [share(2, 0)] });
    const others = [await open(null).served(), await open(null).served()];
    const waiting = [open(null), open(null), open(null)];
    await quiet();
    assert.deepEqual(
      waiting.map(({ answered }) => answered),
      [false, false, false],
    );
    const golden = [await open('gold').served(), await open('gold').served()];
    assert.equal(count('frameway_tenant_streams', 'gold'), 2);
    const third = open('gold');
    await quiet();
    assert.equal(third.answered, false);
    others[0]!.end();
    await waiting[0]!.served();
    golden[0]!.end();
    await third.served();
    others[1]!.end();
    await waiting[1]!.served();
    assert.equal(waiting[2]!.answered, false);
    waiting[2]!.end();
    for (const each of [golden[1]!, third, waiting[0]!, waiting[1]!]) each.end();
    await eventually(
      () => count('frameway_tenant_streams') === 0 && count('frameway_upstream_streams') === 0,
      () => 'streams are left',
    );
    assert.equal(count('frameway_tenant_streams_total', 'gold'), 3);
  });
  test('is there where calls in all are bounded, too', async (t) => {
    const { open } = await crowded(t, 0, { gold: [share(1, 0)] }, { maxActive: 3, acquireTimeout: 300 });
    const others = [open(null), open(null), open(null), open(null)];
    await quiet();
    const golden = await open('gold').served();
    for (const each of [...others, golden]) each.end();
  });
  test('is there by every protocol', async (t) => {
    const { port, count } = await ensemble(
      t,
      {},
      { tenants: tenantsOf({ gold: [share(1, 1, 'web'), share(1, 1, 'ws'), share(1, 1, 'rpc')] }, 'refused') },
    );
    const headers = { 'x-tenant': 'token-gold' };
    assert.equal((await http1(port, { headers })).status, 200);
    assert.equal((await rpc(t, port, headers)).status.code, 0);
    assert.equal((await grpcWeb(port, headers)).messages.length, 1);
    const socket = await opened(t, port, headers);
    assert.equal(count('frameway_tenant_streams', 'gold'), 1);
    socket.terminate();
    await eventually(
      () => count('frameway_tenant_streams') === 0,
      () => 'the share is still held',
    );
    assert.equal(count('frameway_tenant_streams_total', 'gold'), 4);
  });
});

describe('a cap', () => {
  test('is exact, and held over cancels, dying engines and retries', async (t) => {
    const { open, engine, count, settled } = await crowded(t, 100, { small: [share(0, 3)] });
    let most = 0;
    for (let round = 0; round < 4; round++) {
      const calls = Array.from({ length: 8 }, () => open('small'));
      await eventually(
        () => calls.filter(({ answered }) => answered).length === 3,
        () => `${calls.filter(({ answered }) => answered).length} calls are served`,
      );
      await quiet();
      most = Math.max(most, count('frameway_tenant_streams', 'small'));
      assert.equal(calls.filter(({ answered }) => answered).length, 3);
      if (round % 2 === 1) engine.cut();
      for (const each of calls) each.end();
      await settled(1);
    }
    assert.equal(most, 3);
  });
  test('makes the tenant wait in vain for no longer than a call may wait', async (t) => {
    const { open, session } = await crowded(t, 100, { small: [share(0, 1)] }, { acquireTimeout: 100 });
    const first = await open('small').served();
    const { status, headers } = await h2call(session, { headers: { 'x-tenant': 'token-small' } });
    assert.equal(status, 503);
    assert.equal(headers['retry-after'], '1');
    await open(null).served();
    first.end();
  });
  test('is kept by a call that is tried again', async (t) => {
    let calls = 0;
    const engine = await h2Engine(t, (stream) => {
      if (++calls <= 2) stream.respond({ ':status': 503 }, { endStream: true });
      else stream.respond({ ':status': 200 });
    });
    const { port, count, settled } = await stage(t, {
      upstreams: { engine: { at: engine.address } },
      tenants: tenantsOf({ small: [share(0, 1)] }, 'shared'),
      routes: [
        {
          retry: {
            ...{ attempts: 3, grpcStatuses: [], httpStatuses: [503], backoffBase: 1, backoffMax: 5 },
            ...{ perTryTimeout: 0, budget: 1, minPerSecond: 10 },
          },
        },
      ],
    });
    const session = await http2(t, port);
    const held = await new Held(session, 'small').served();
    assert.equal(calls, 3);
    assert.equal(count('frameway_tenant_streams', 'small'), 1);
    held.end();
    await settled(1);
    assert.equal(count('frameway_tenant_streams_total', 'small'), 3);
  });
});

test('who is no tenant shares what is not reserved, first come first served', async (t) => {
  const { open } = await crowded(t, 3, { gold: [share(1, 0)], silver: [share(0, 0)] });
  const served = [await open('silver').served(), await open(null).served()];
  const queue = [open(null), open('silver'), open(null)];
  for (const [i, next] of queue.entries()) {
    await quiet();
    assert.deepEqual(
      queue.map(({ answered }) => answered),
      queue.map((_, j) => j < i),
    );
    served.shift()!.end();
    served.push(await next.served());
  }
  for (const each of served) each.end();
});

test('who is no tenant is refused, by every protocol, where that is said', async (t) => {
  const { port, web, ws, calls } = await ensemble(t, {}, { tenants: tenantsOf({ gold: [] }, 'refused') });
  const headers = { 'x-tenant': 'token-iron' };
  for (const said of [{}, headers]) {
    assert.equal((await http1(port, { headers: said })).status, 403);
    assert.equal((await rpc(t, port, said)).status.code, 7);
    assert.equal((await grpcWeb(port, said)).fields['grpc-status'], '7');
    const refused = await websocket(t, port, said);
    assert.equal('status' in refused ? refused.status : 101, 403);
  }
  assert.deepEqual([web.accepted, ws.accepted, calls.length], [0, 0, 0]);
  assert.equal((await http1(port, { headers: { 'x-tenant': 'token-gold' } })).status, 200);
});

test('the tenant of a call may be told by its API key', async (t) => {
  const { port, web, count } = await ensemble(
    t,
    { auth: 'keys' },
    {
      auth: { keys: authSpec({ jwt: null, apiKeys: [{ name: 'gold', sha256: sha256('token-gold') }] }) },
      tenants: { ...tenantsOf({ gold: [share(1, 0, 'web')] }, 'refused'), header: 'x-api-key' },
    },
  );
  assert.equal((await http1(port, { headers: { 'x-api-key': 'token-gold' } })).status, 200);
  assert.equal(count('frameway_tenant_streams_total', 'gold'), 1);
  assert.equal(web.seen[0]?.headers['x-api-key'], undefined);
});
