/** A gateway of hand-made routes, and everything it wrote down. */
import assert from 'node:assert/strict';
import type { TestContext } from 'node:test';
import { createGateway } from '../../src/gateway.ts';
import type { ConnectionRecord, ExchangeRecord, Filter } from '../../src/gateway.ts';
import type { ActionSpec, AuthSpec, HeaderEditsSpec, LimitsSpec, MatchSpec, RewriteSpec } from '../../src/policy.ts';
import { DEFAULT_LIMITS, DEFAULT_LISTENER, DEFAULT_ROUTE, DEFAULT_UPSTREAM, NO_LIMITS } from '../../src/snapshot.ts';
import type { ListenerSpec, RouteSpec, Snapshot, UpstreamSpec } from '../../src/snapshot.ts';
import { eventually } from '../edge/eventually.ts';

export type Place = Partial<Omit<UpstreamSpec, 'endpoints'>> & {
  /** `host:port`, one or more. */
  readonly at: string | readonly string[];
};

type Partly = 'match' | 'rewrite' | 'requestHeaders' | 'responseHeaders' | 'limits' | 'action';

/** A route, as far as it differs from one for everything to the first upstream. */
export interface Way extends Partial<Omit<RouteSpec, Partly>> {
  readonly match?: Partial<MatchSpec>;
  readonly rewrite?: Partial<RewriteSpec>;
  readonly requestHeaders?: Partial<HeaderEditsSpec>;
  readonly responseHeaders?: Partial<HeaderEditsSpec>;
  readonly limits?: Partial<LimitsSpec>;
  readonly action?: ActionSpec;
  /** In place of `action`: upstreams and their weights. */
  readonly to?: Readonly<Record<string, number>>;
}

export interface Plan {
  /** By name. */
  readonly upstreams: Readonly<Record<string, Place>>;
  readonly routes?: readonly Way[];
  /** One each; by default one named `front`, without an upstream of its own. */
  readonly listeners?: readonly Partial<ListenerSpec>[];
  readonly auth?: Readonly<Record<string, AuthSpec>>;
  readonly tenants?: Snapshot['tenants'];
  readonly filters?: readonly Filter[];
  /** How many the journal will tell of; by default none. */
  readonly bugs?: number;
}

export interface Stage {
  readonly ports: readonly number[];
  readonly port: number;
  readonly exchanges: readonly ExchangeRecord[];
  readonly connections: readonly ConnectionRecord[];
  /** A metric's value over all scopes; with `label`, of scopes that bear it, or of that value of its own label. */
  readonly count: (metric: string, label?: string) => number;
  /** Waits until so many connections are left, and nothing else is open. */
  readonly settled: (connections?: number) => Promise<void>;
  /** The next line of the access log, or that of this place. */
  readonly line: (place?: number) => Promise<ExchangeRecord>;
}

export async function stage(t: TestContext, plan: Plan): Promise<Stage> {
  const exchanges: ExchangeRecord[] = [];
  const connections: ConnectionRecord[] = [];
  const journal = {
    access: true,
    exchange: (record: ExchangeRecord) => void exchanges.push(record),
    connection: (record: ConnectionRecord) => void connections.push(record),
  };
  const gateway = createGateway(snapshotOf(plan), journal, plan.filters);
  await gateway.start();
  const count = (metric: string, label?: string): number => {
    let sum = 0;
    for (const { layout, slots, labels } of gateway.counters()) {
      const found = layout.metrics.find(({ name }) => name === metric);
      if (found === undefined) continue;
      const whole = label === undefined || Object.values(labels).includes(label);
      const { slot, values = [''] } = found;
      values.forEach((value, i) => (sum += whole || value === label ? slots[slot + i]! : 0));
    }
    return sum;
  };
  const gauges = (): number[] =>
    ['downstream_connections', 'exchanges', 'upstream_streams', 'tenant_streams'].map((name) =>
      count(`frameway_${name}`),
    );
  const settled = (left = 0): Promise<void> =>
    eventually(
      () => gauges().join() === [left, 0, 0, 0].join() && exchanges.length === count('frameway_exchanges_total'),
      () => `connections, exchanges, streams, tenants' streams are ${gauges().join()}; ${exchanges.length} logged`,
    );
  t.after(async () => {
    await gateway.close();
    await settled();
    const bugs = connections.filter(({ event }) => event === 'bug');
    assert.equal(bugs.length, plan.bugs ?? 0, JSON.stringify(bugs));
  });
  const ports = gateway.addresses.map((address) => Number(address.split(':').at(-1)));
  const line = async (place = exchanges.length): Promise<ExchangeRecord> => {
    await eventually(
      () => exchanges.length > place,
      () => `only ${exchanges.length} exchanges are in the log`,
    );
    return exchanges[place]!;
  };
  return { ports, port: ports[0]!, exchanges, connections, count, settled, line };
}

function snapshotOf({ upstreams, routes = [], listeners = [{}], auth = {}, tenants = null }: Plan): Snapshot {
  const first = Object.keys(upstreams)[0]!;
  return {
    listeners: listeners.map((listener, i) => ({
      ...DEFAULT_LISTENER,
      ...{ name: i === 0 ? 'front' : `front${i}`, host: '127.0.0.1', port: 0, upstream: null },
      ...listener,
    })),
    routes: routes.map((way, i) => routeOf(way, i, first)),
    auth: new Map(Object.entries(auth)),
    tenants,
    upstreams: new Map(Object.entries(upstreams).map(([name, place]) => [name, upstreamOf(name, place)])),
    limits: DEFAULT_LIMITS,
    drainTimeout: 2000,
    log: { level: 'silent', access: true },
    admin: null,
    demoEngines: [],
    demoServers: [],
  };
}

function routeOf(way: Way, index: number, first: string): RouteSpec {
  const { match, rewrite, requestHeaders, responseHeaders, limits, action, to = { [first]: 1 }, ...rest } = way;
  const upstreams = Object.entries(to).map(([name, weight]) => ({ name, weight }));
  return {
    ...DEFAULT_ROUTE,
    name: `r${index}`,
    ...rest,
    match: { ...DEFAULT_ROUTE.match, ...match },
    rewrite: { ...DEFAULT_ROUTE.rewrite, ...rewrite },
    requestHeaders: { ...DEFAULT_ROUTE.requestHeaders, ...requestHeaders },
    responseHeaders: { ...DEFAULT_ROUTE.responseHeaders, ...responseHeaders },
    limits: { ...NO_LIMITS, ...limits },
    action: action ?? { kind: 'upstream', upstreams },
  };
}

const upstreamOf = (name: string, { at, ...rest }: Place): UpstreamSpec => ({
  ...DEFAULT_UPSTREAM,
  name,
  endpoints: [at].flat().map((address) => ({ address, weight: 1, maxStreams: null })),
  connectTimeout: 2000,
  backoffMax: 1000,
  acquireTimeout: 2000,
  ...rest,
});
