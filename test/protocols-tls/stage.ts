/** A gateway that ends TLS on its one port, all that it wrote down, and a watch over what nobody handles in the process. */
import assert from 'node:assert/strict';
import type { TestContext } from 'node:test';
import { createGateway, type Gateway } from '../../src/gateway.ts';
import type { ConnectionRecord, ExchangeRecord } from '../../src/journal.ts';
import {
  DEFAULT_LIMITS,
  DEFAULT_LISTENER,
  DEFAULT_UPSTREAM,
  type Limits,
  type ListenerSpec,
  type ServerTlsSpec,
  type UpstreamSpec,
} from '../../src/snapshot.ts';
import { eventually } from '../edge/eventually.ts';
import { entry } from '../listener/tls-ends.ts';
import { routeTo, type RouteTo } from '../support/routes.ts';

export type Place = Partial<Omit<UpstreamSpec, 'endpoints'>> & {
  /** `host:port`, one or more. */
  readonly at: string | readonly string[];
};

export interface Plan {
  /** By name; where no route claims it, all goes to the first. */
  readonly upstreams: Readonly<Record<string, Place>>;
  readonly routes?: readonly RouteTo[];
  /** By default `localhost`, which serves those that name nothing, and `*.wild.test`. */
  readonly tls?: readonly ServerTlsSpec[];
  readonly listener?: Partial<ListenerSpec>;
  readonly limits?: Partial<Limits>;
  readonly drainTimeout?: number;
}

export interface Stage {
  readonly gateway: Gateway;
  readonly port: number;
  readonly exchanges: readonly ExchangeRecord[];
  readonly connections: readonly ConnectionRecord[];
  /** A metric's value over all scopes; with `label`, of that value of its label only. */
  readonly count: (metric: string, label?: string) => number;
  /** Waits until so many connections, and no exchange and no stream to an engine, are left; each exchange is in the log then. */
  readonly settled: (connections?: number) => Promise<void>;
}

export const TWO_NAMES: readonly ServerTlsSpec[] = [
  entry('server', ['localhost']),
  entry('wild', ['*.wild.test', 'wild.test']),
];

/** What nobody handled, since the process began. */
const unhandled: string[] = [];
for (const event of ['uncaughtException', 'unhandledRejection', 'warning'] as const) {
  process.on(event, (error: Error) => {
    if (!/experimental/i.test(error.name + error.message)) unhandled.push(`${event}: ${error.stack ?? error.message}`);
  });
}

const GAUGES = ['downstream_connections', 'exchanges', 'upstream_streams'].map((name) => `frameway_${name}`);

export async function stage(t: TestContext, plan: Plan): Promise<Stage> {
  const exchanges: ExchangeRecord[] = [];
  const connections: ConnectionRecord[] = [];
  const upstreams = Object.entries(plan.upstreams).map(([name, { at, ...rest }]) =>
    upstreamOf(name, [at].flat(), rest),
  );
  const gateway = createGateway(
    {
      listeners: [
        {
          ...DEFAULT_LISTENER,
          name: 'front',
          host: '127.0.0.1',
          port: 0,
          upstream: Object.keys(plan.upstreams)[0]!,
          tls: plan.tls ?? TWO_NAMES,
          ...plan.listener,
        },
      ],
      routes: (plan.routes ?? []).map(routeTo),
      auth: new Map(),
      tenants: null,
      upstreams: new Map(upstreams.map((spec) => [spec.name, spec])),
      limits: { ...DEFAULT_LIMITS, ...plan.limits },
      drainTimeout: plan.drainTimeout ?? 2000,
      log: { level: 'silent', access: true },
      admin: null,
      demoEngines: [],
      demoServers: [],
    },
    {
      access: true,
      exchange: (record) => void exchanges.push(record),
      connection: (record) => void connections.push(record),
    },
  );
  const count = (metric: string, label?: string): number => {
    let sum = 0;
    for (const { layout, slots } of gateway.counters()) {
      const found = layout.metrics.find(({ name }) => name === metric);
      if (!found) continue;
      const { slot, values = [''] } = found;
      values.forEach((value, i) => (sum += label === undefined || label === value ? slots[slot + i]! : 0));
    }
    return sum;
  };
  const gauges = (): string => GAUGES.map((name) => count(name)).join();
  const left = (connections_: number): Promise<void> =>
    eventually(
      () => gauges() === `${connections_},0,0`,
      () => `connections, exchanges and streams are ${gauges()}, not ${connections_},0,0`,
    );
  await gateway.start();
  t.after(async () => {
    await gateway.close();
    await left(0);
    assert.deepEqual(
      connections.filter(({ event }) => event === 'bug'),
      [],
    );
    assert.deepEqual(unhandled.splice(0), []);
  });
  return {
    gateway,
    port: Number(gateway.addresses[0]!.split(':').at(-1)),
    exchanges,
    connections,
    count,
    settled: async (open = 0) => {
      await left(open);
      await eventually(
        () => count('frameway_exchanges_total') === exchanges.length,
        () => `${count('frameway_exchanges_total')} exchanges, ${exchanges.length} logged`,
      );
      assert.equal(count('frameway_exchanges_ended_total'), exchanges.length);
    },
  };
}

const upstreamOf = (name: string, addresses: readonly string[], rest: Partial<UpstreamSpec>): UpstreamSpec => ({
  ...DEFAULT_UPSTREAM,
  name,
  endpoints: addresses.map((address) => ({ address, weight: 1, maxStreams: null })),
  connectTimeout: 2000,
  backoffMax: 1000,
  acquireTimeout: 2000,
  ...rest,
});

/** Fails the test unless `promise` settles within so many milliseconds. */
export async function within<T>(ms: number, what: string, promise: Promise<T>): Promise<T> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(new Error(`${ms} ms passed waiting for ${what}`)), ms);
  });
  try {
    return await Promise.race([promise, late]);
  } finally {
    clearTimeout(timer);
  }
}
