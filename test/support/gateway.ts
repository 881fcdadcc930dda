/** A gateway for tests: one listener, one upstream, and everything it wrote down. */
import { createGateway } from '../../src/gateway.ts';
import type { Gateway, OpenCall } from '../../src/gateway.ts';
import type { ConnectionRecord, ExchangeRecord } from '../../src/journal.ts';
import {
  DEFAULT_LIMITS,
  DEFAULT_LISTENER,
  DEFAULT_UPSTREAM,
  type EndpointSpec,
  type Limits,
  type ListenerSpec,
  type Snapshot,
  type UpstreamSpec,
} from '../../src/snapshot.ts';

export interface Overrides {
  /** `host:port` each, of equal weight. */
  readonly endpoints: readonly string[];
  /** A second listener on a second upstream, for neighbours that must not notice. */
  readonly neighbour?: readonly string[];
  readonly limits?: Partial<Limits>;
  readonly upstream?: Partial<UpstreamSpec>;
  readonly listener?: Partial<ListenerSpec>;
  readonly snapshot?: Partial<Snapshot>;
}

export interface TestGateway {
  readonly port: number;
  /** 0 unless a neighbour was asked for. */
  readonly neighbourPort: number;
  readonly exchanges: readonly ExchangeRecord[];
  readonly connections: readonly ConnectionRecord[];
  /** A metric's value over all scopes; with `value`, of that label only: `count('frameway_limited_total', 'resets')`. */
  count(metric: string, value?: string): number;
  /** As of the gateway, for the upstream `main`. */
  drainEngine(address: string, deadline: number): boolean;
  engineCalls(address: string): readonly OpenCall[] | null;
  ready(): { ok: boolean; reason?: string };
  /** As of the gateway. */
  reloadTls: Gateway['reloadTls'];
  drain(): Promise<void>;
  close(): Promise<void>;
}

export async function startGateway(overrides: Overrides): Promise<TestGateway> {
  const exchanges: ExchangeRecord[] = [];
  const connections: ConnectionRecord[] = [];
  const gateway = createGateway(snapshotOf(overrides), {
    access: true,
    exchange: (record) => void exchanges.push(record),
    connection: (record) => void connections.push(record),
  });
  await gateway.start();
  const [port = 0, neighbourPort = 0] = gateway.addresses.map((address) => Number(address.split(':').at(-1)));
  return {
    port,
    neighbourPort,
    exchanges,
    connections,
    count: (metric, value) => {
      let sum = 0;
      for (const { layout, slots } of gateway.counters()) {
        const found = layout.metrics.find(({ name }) => name === metric);
        if (!found) continue;
        const { slot, values = [''] } = found;
        values.forEach((label, i) => (sum += value === undefined || value === label ? slots[slot + i]! : 0));
      }
      return sum;
    },
    drainEngine: (address, deadline) => gateway.drainEngine('main', address, deadline),
    engineCalls: (address) => gateway.engineCalls('main', address),
    ready: () => gateway.ready(),
    reloadTls: (listener, entry, texts) => gateway.reloadTls(listener, entry, texts),
    drain: () => gateway.drain(),
    close: () => gateway.close(),
  };
}

/** An upstream of endpoints of equal weight, less patient than by default. */
export const upstreamOf = (
  name: string,
  addresses: readonly string[],
  rest: Partial<UpstreamSpec> = {},
): UpstreamSpec => ({
  ...DEFAULT_UPSTREAM,
  name,
  endpoints: addresses.map((address): EndpointSpec => ({ address, weight: 1, maxStreams: null })),
  connectTimeout: 2000,
  backoffMax: 1000,
  acquireTimeout: 2000,
  ...rest,
});

function snapshotOf({ endpoints, neighbour, limits, upstream, listener, snapshot }: Overrides): Snapshot {
  const spec = (name: string, addresses: readonly string[]): UpstreamSpec => upstreamOf(name, addresses, upstream);
  const on = (name: string): ListenerSpec => ({
    ...DEFAULT_LISTENER,
    name,
    host: '127.0.0.1',
    port: 0,
    upstream: name,
    protocols: ['h2'],
    ...listener,
  });
  const upstreams = new Map([['main', spec('main', endpoints)]]);
  if (neighbour) upstreams.set('neighbour', spec('neighbour', neighbour));
  return {
    listeners: [...upstreams.keys()].map(on),
    routes: [],
    auth: new Map(),
    tenants: null,
    upstreams,
    limits: { ...DEFAULT_LIMITS, ...limits },
    drainTimeout: 2000,
    log: { level: 'silent', access: true },
    admin: null,
    demoEngines: [],
    demoServers: [],
    ...snapshot,
  };
}
