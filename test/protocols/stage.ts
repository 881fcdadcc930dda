/** A gateway of several upstreams on one port. */
import type { TestContext } from 'node:test';
import { DEFAULT_LISTENER, type Limits, type ListenerSpec, type UpstreamSpec } from '../../src/snapshot.ts';
import { eventually, onlyLeft } from '../edge/eventually.ts';
import { startGateway, upstreamOf, type TestGateway } from '../support/gateway.ts';
import { routeTo, type RouteTo } from '../support/routes.ts';

export type Place = Partial<Omit<UpstreamSpec, 'endpoints'>> & {
  /** `host:port`, one or more. */
  readonly at: string | readonly string[];
};

export interface Plan {
  /** By name; where no route claims it, all goes to the first. */
  readonly upstreams: Readonly<Record<string, Place>>;
  readonly routes?: readonly RouteTo[];
  readonly listener?: Partial<ListenerSpec>;
  readonly limits?: Partial<Limits>;
  readonly drainTimeout?: number;
}

export interface Stage {
  readonly gateway: TestGateway;
  readonly port: number;
  /** Waits until every client has gone and nothing that is counted is left open. */
  readonly settled: (connections?: number) => Promise<void>;
}

export async function stage(t: TestContext, plan: Plan): Promise<Stage> {
  const upstreams = new Map(
    Object.entries(plan.upstreams).map(([name, { at, ...rest }]) => [name, upstreamOf(name, [at].flat(), rest)]),
  );
  const listener: ListenerSpec = {
    ...DEFAULT_LISTENER,
    name: 'front',
    host: '127.0.0.1',
    port: 0,
    upstream: Object.keys(plan.upstreams)[0]!,
    ...plan.listener,
  };
  const gateway = await startGateway({
    endpoints: [],
    ...(plan.limits && { limits: plan.limits }),
    snapshot: {
      upstreams,
      listeners: [listener],
      routes: (plan.routes ?? []).map(routeTo),
      drainTimeout: plan.drainTimeout ?? 2000,
    },
  });
  t.after(() => gateway.close());
  return { gateway, port: gateway.port, settled: (connections = 0) => settled(gateway, connections) };
}

async function settled(gateway: TestGateway, connections: number): Promise<void> {
  await onlyLeft(gateway, connections);
  const begun = (): number => gateway.count('frameway_exchanges_total');
  const ended = (): number => gateway.count('frameway_exchanges_ended_total');
  await eventually(
    () => begun() === ended() && begun() === gateway.exchanges.length,
    () => `${begun()} exchanges begun, ${ended()} ended, ${gateway.exchanges.length} logged`,
  );
}
