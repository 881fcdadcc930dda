import assert from 'node:assert/strict';
import { describe, test, type TestContext } from 'node:test';
import { startWheel } from '../../src/io/timer-wheel.ts';
import { now } from '../../src/io/turn.ts';
import { Counters, sessionLayout } from '../../src/counters.ts';
import type { TenantShareSpec } from '../../src/policy.ts';
import type { Caller, Carrier } from '../../src/relay/half.ts';
import { DEFAULT_LIMITS, DEFAULT_UPSTREAM } from '../../src/snapshot.ts';
import { TenantShares } from '../../src/upstream/tenant-shares.ts';
import { Upstream } from '../../src/upstream/upstream.ts';
import { Random } from '../support/random.ts';
import { Setting } from '../support/frames.ts';
import { sleep, until } from '../io/wire.ts';
import { Call, engine, type Engine } from './stage.ts';

type Tenant = string | null;
type Shares = Readonly<Record<string, readonly [reserved: number, max: number]>>;

const listed = (shares: Shares): { name: string; share: TenantShareSpec }[] =>
  Object.entries(shares).map(([name, [reserved, max]]) => ({ name, share: { upstream: 'main', reserved, max } }));

const sharesOf = (shares: Shares): TenantShares => new TenantShares(listed(shares), { upstream: 'main' });

describe('shares', () => {
  test('reserve for one what nobody else may have', () => {
    const shares = sharesOf({ gold: [2, 0] });
    assert.equal(shares.admits(null, 3), true);
    assert.equal(shares.admits(null, 2), false);
    assert.equal(shares.admits('other', 2), false);
    assert.equal(shares.admits('gold', 2), true);
    shares.took('gold');
    assert.equal(shares.admits(null, 1), false);
    shares.took('gold');
    assert.equal(shares.reserves('gold'), false);
    assert.equal(shares.admits(null, 1), true);
    assert.equal(shares.admits('gold', 1), true);
    assert.equal(shares.admits('gold', 0), false);
  });
  test('do not leave to a tenant what is reserved for another', () => {
    const shares = sharesOf({ gold: [1, 0], silver: [1, 0] });
    shares.took('gold');
    assert.equal(shares.admits('gold', 1), false);
    assert.equal(shares.admits('silver', 1), true);
  });
  test('end at the cap, whatever is free, and begin again below it', () => {
    const shares = sharesOf({ small: [1, 2] });
    shares.took('small');
    shares.took('small');
    assert.equal(shares.admits('small', 100), false);
    shares.gave('small');
    assert.equal(shares.admits('small', 100), true);
  });
  test('count by tenant', () => {
    const shares = sharesOf({ gold: [1, 0] });
    shares.took('gold');
    shares.took('gold');
    shares.gave('gold');
    shares.took(null);
    const [{ labels, layout, slots }] = shares.counters as [Counters];
    assert.deepEqual(labels, { upstream: 'main', tenant: 'gold' });
    const values = layout.metrics.map(({ name, slot }) => [name, slots[slot]]);
    assert.deepEqual(Object.fromEntries(values), { frameway_tenant_streams_total: 2, frameway_tenant_streams: 1 });
  });

  test('keep their word over random acquisitions and releases', () => {
    for (let seed = 1; seed <= 200; seed++) {
      const random = new Random(seed);
      const names = ['a', 'b', 'c', 'd'].slice(0, random.between(1, 4));
      const spec: Record<string, [number, number]> = {};
      for (const name of names) {
        const reserved = random.below(5);
        spec[name] = [reserved, random.chance(0.5) ? reserved + random.below(4) + Number(reserved === 0) : 0];
      }
      const reservedInAll = Object.values(spec).reduce((sum, [reserved]) => sum + reserved, 0);
      const capacity = reservedInAll + random.below(6);
      const shares = sharesOf(spec);
      const open = new Map<Tenant, number>();
      const used = (tenant: Tenant): number => open.get(tenant) ?? 0;
      const inAll = (): number => [...open.values()].reduce((sum, n) => sum + n, 0);
      const tenants: Tenant[] = [...names, null, 'stranger'];
      for (let step = 0; step < 300; step++) {
        const tenant = random.pick(tenants);
        const [reserved, max] = (tenant !== null && spec[tenant]) || [0, 0];
        if (random.chance(0.6)) {
          const admitted = shares.admits(tenant, capacity - inAll());
          if (used(tenant) < reserved) assert.ok(admitted, `seed ${seed}: what is reserved was not there`);
          if (max > 0 && used(tenant) >= max) assert.ok(!admitted, `seed ${seed}: over the cap`);
          const unused = names.reduce((sum, name) => sum + Math.max(0, spec[name]![0] - used(name)), 0);
          const rest = capacity - inAll() - unused > 0;
          const capped = max > 0 && used(tenant) >= max;
          assert.equal(admitted, !capped && (used(tenant) < reserved || rest), `seed ${seed}, step ${step}`);
          if (!admitted) continue;
          shares.took(tenant);
          open.set(tenant, used(tenant) + 1);
        } else if (used(tenant) > 0) {
          shares.gave(tenant);
          open.set(tenant, used(tenant) - 1);
        }
        assert.ok(inAll() <= capacity, `seed ${seed}: ${inAll()} of ${capacity}`);
      }
    }
  });
});

/** The upstream, as it is seen by callers of one tenant. */
const seenBy = (upstream: Upstream, tenant: Tenant): Upstream =>
  ({
    acquire: (caller: Caller, avoid: Carrier | null) => upstream.acquire(Object.assign(caller, { tenant }), avoid),
    cancel: (caller: Caller) => upstream.cancel(caller),
  }) as unknown as Upstream;

/** A call of a tenant's, that gives its stream back as exchanges do. */
class TenantCall extends Call {
  private done = false;
  private readonly shared: Upstream;

  constructor(upstream: Upstream, tenant: Tenant) {
    super(seenBy(upstream, tenant));
    this.shared = upstream;
  }
  get served(): boolean {
    return this.endpoint !== null;
  }
  end(): void {
    if (this.done) return;
    this.done = true;
    const { served } = this;
    this.cancel();
    if (served) this.shared.released(this);
  }
}

function upstreamOf(t: TestContext, at: readonly Engine[], shares: Shares, spec: object = {}): Upstream {
  const tenants = listed(shares).map(({ name, share }) => ({ name, tokens: [], shares: [share] }));
  const upstream = new Upstream(
    {
      ...DEFAULT_UPSTREAM,
      name: 'main',
      endpoints: at.map(({ address }) => ({ address, weight: 1, maxStreams: null })),
      acquireTimeout: 20_000,
      ...spec,
    },
    {
      ...{ role: 'client', connectProtocol: false, limits: DEFAULT_LIMITS, counters: new Counters(sessionLayout) },
      wheel: startWheel(now, assert.ifError),
      journal: { access: false, exchange: () => undefined, connection: () => undefined },
    },
    tenants,
  );
  t.after(() => upstream.close());
  return upstream;
}

async function warmed(upstream: Upstream): Promise<void> {
  const first = new TenantCall(upstream, null);
  await first.settled();
  first.end();
  await sleep(10);
}

describe('an upstream', () => {
  test('serves what is reserved at once, past all who wait', async (t) => {
    const upstream = upstreamOf(t, [await engine(t)], { gold: [2, 0] }, { maxStreams: 4 });
    await warmed(upstream);
    const others = Array.from({ length: 6 }, () => new TenantCall(upstream, null));
    await sleep(20);
    assert.deepEqual(
      others.map(({ served }) => served),
      [true, true, false, false, false, false],
    );
    const golden = [new TenantCall(upstream, 'gold'), new TenantCall(upstream, 'gold')];
    assert.deepEqual(
      golden.map(({ served }) => served),
      [true, true],
      'not within the same turn',
    );
    for (const each of [...others, ...golden]) each.end();
  });

  test('serves the rest in the order in which they came, whoever they are', async (t) => {
    const upstream = upstreamOf(t, [await engine(t)], { gold: [1, 0], silver: [0, 3] }, { maxStreams: 3 });
    await warmed(upstream);
    const open = [new TenantCall(upstream, null), new TenantCall(upstream, 'silver')];
    const queue = (['silver', null, 'silver', null] as const).map((tenant) => new TenantCall(upstream, tenant));
    const served: TenantCall[] = [];
    for (const next of queue) {
      await sleep(10);
      assert.deepEqual(
        queue.map((call) => call.served),
        queue.map((call) => served.includes(call)),
      );
      open.shift()!.end();
      await next.settled();
      served.push(next);
      open.push(next);
    }
    for (const each of open) each.end();
  });

  test('passes by those that wait at their cap, and comes back to them first', async (t) => {
    const upstream = upstreamOf(t, [await engine(t)], { small: [0, 1] }, { maxStreams: 2 });
    await warmed(upstream);
    const small = new TenantCall(upstream, 'small');
    const capped = new TenantCall(upstream, 'small');
    const other = new TenantCall(upstream, null);
    await other.settled();
    assert.equal(capped.served, false);
    const later = new TenantCall(upstream, null);
    await sleep(10);
    assert.equal(later.served, false);
    small.end();
    await capped.settled();
    assert.equal(later.served, false);
    other.end();
    await later.settled();
    for (const each of [capped, later]) each.end();
  });

  test('keeps to what its engine allows, which may be less than was configured', async (t) => {
    const limited = await engine(t, [[Setting.MAX_CONCURRENT_STREAMS, 2]]);
    const upstream = upstreamOf(t, [limited], { gold: [1, 0] }, { maxConnections: 1 });
    await warmed(upstream);
    const others = [new TenantCall(upstream, null), new TenantCall(upstream, null)];
    await sleep(20);
    assert.deepEqual(
      others.map(({ served }) => served),
      [true, false],
    );
    const gold = new TenantCall(upstream, 'gold');
    assert.equal(gold.served, true);
    for (const each of [...others, gold]) each.end();
  });

  test('is never over its capacity nor a cap, and always serves what is reserved, over random calls', async (t) => {
    const spec: Shares = { gold: [3, 0], silver: [1, 2], iron: [0, 2] };
    for (let seed = 1; seed <= 4; seed++) {
      const random = new Random(seed);
      const upstream = upstreamOf(t, [await engine(t), await engine(t)], spec, { maxStreams: 4 });
      await warmed(upstream);
      const calls = new Map<TenantCall, Tenant>();
      const open = (tenant?: Tenant): number =>
        [...calls].filter(([call, whose]) => call.served && (tenant === undefined || whose === tenant)).length;
      for (let step = 0; step < 150; step++) {
        if (random.chance(0.6)) {
          const tenant = random.pick(['gold', 'silver', 'iron', null]);
          const reserved = tenant !== null && open(tenant) < spec[tenant]![0];
          const call = new TenantCall(upstream, tenant);
          calls.set(call, tenant);
          if (reserved) assert.ok(call.served, `seed ${seed}, step ${step}: ${tenant} had to wait`);
        } else if (calls.size > 0) {
          const call = random.pick([...calls.keys()]);
          calls.delete(call);
          call.end();
          await new Promise((resolve) => setImmediate(resolve));
        }
        assert.ok(open() <= 8, `seed ${seed}: ${open()} calls are open`);
        for (const [tenant, [, max]] of Object.entries(spec))
          assert.ok(max === 0 || open(tenant) <= max, `seed ${seed}: ${open(tenant)} calls of ${tenant}`);
      }
      for (const call of calls.keys()) call.end();
      await until(() => upstream.endpoints.every(({ active }) => active === 0), 'all calls to be over');
      const [gold] = upstream.scopes.filter(({ labels }) => labels['tenant'] === 'gold');
      const gauge = gold!.layout.metrics.find(({ name }) => name === 'frameway_tenant_streams')!;
      assert.equal(gold!.slots[gauge.slot], 0);
    }
  });
});
