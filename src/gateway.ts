/** The composition root: builds listeners and upstreams from a snapshot, starts them, and drains them. */
import { Counters, sessionLayout } from './counters.ts';
import { Failures } from './errors.ts';
import { Authenticator } from './filter/authenticate.ts';
import type { Filter } from './filter/filter.ts';
import { believedBy, reservedBy, reservedOf, secretsOf } from './filter/reserved-headers.ts';
import { TenantFilter } from './filter/tenant.ts';
import type { SessionContext } from './h2/core.ts';
import { trimPools } from './io/buffer-pool.ts';
import { budget } from './io/budget.ts';
import { startWheel, Timer } from './io/timer-wheel.ts';
import { now } from './io/turn.ts';
import type { Journal } from './journal.ts';
import { Listener } from './listener/listener.ts';
import type { TlsTexts } from './listener/tls-entry.ts';
import { Duplicates } from './relay/duplicates.ts';
import type { OpenCall } from './relay/half.ts';
import { DEFAULT_UPSTREAM } from './snapshot.ts';
import type { ConnectSpec, Snapshot } from './snapshot.ts';
import { Route } from './route/route.ts';
import type { RouteParts } from './route/route.ts';
import { RouteTable } from './route/table.ts';
import { ForwardProxy } from './tunnel/forward-proxy.ts';
import { UpstreamByProtocol } from './upstream/by-protocol.ts';

export type { Call, Filter, Identity, Refusal } from './filter/filter.ts';
export { Failures } from './errors.ts';
export type { OpenCall } from './relay/half.ts';
export type { Snapshot } from './snapshot.ts';
export type { ConnectionRecord, ExchangeRecord, Journal } from './journal.ts';
export { Counters } from './counters.ts';

export interface Gateway {
  /** Binds all listeners; rejects with an error that names the address. */
  start(): Promise<void>;
  /** Bound `host:port` of each listener. */
  readonly addresses: readonly string[];
  ready(): { readonly ok: boolean; readonly reason?: string };
  /** Every scope's counters, for whoever shows them. */
  counters(): readonly Counters[];
  /**
   * Takes an engine out of service: no new calls, those that are open have `deadline` milliseconds (each up to a tenth more) to end, then
   * they get UNAVAILABLE. False if the upstream has no such endpoint.
   */
  drainEngine(upstream: string, address: string, deadline: number): boolean;
  /** The engine gets calls again. */
  undrainEngine(upstream: string, address: string): boolean;
  /** What is open at an engine, the oldest first; null if there is no such endpoint. */
  engineCalls(upstream: string, address: string): readonly OpenCall[] | null;
  /** New texts for one of a listener's `tls` entries, by their places; throws on PEM that cannot be used, and changes nothing then. */
  reloadTls(listener: number, entry: number, texts: TlsTexts): void;
  /** Accepts nothing new and lets what is open finish; after `drain_timeout` the rest gets UNAVAILABLE. */
  drain(): Promise<void>;
  /** Ends everything at once. */
  close(): Promise<void>;
}

/** Between two looks at the buffer pools. */
const TRIM = 10_000;
/** After the answers of the deadline have been written, connections have so long to take them. */
const LAST_WORDS = 1000;
const POLL = 20;

/**
 * A gateway for this configuration, not started. `filters` are an embedding program's own: asked of each request, after those that are
 * configured.
 */
export function createGateway(snapshot: Snapshot, journal: Journal, filters: readonly Filter[] = []): Gateway {
  const wheel = startWheel(now, (error) => {
    const message = error instanceof Error ? (error.stack ?? error.message) : String(error);
    journal.connection({ side: 'downstream', peer: 'timer', event: 'bug', code: null, message });
  });
  const { limits } = snapshot;
  budget.limit = limits.bufferBudget;
  const downstream = new Counters(sessionLayout, { side: 'downstream' });
  const upstreamSide = new Counters(sessionLayout, { side: 'upstream' });
  const engineSide: SessionContext = {
    role: 'client',
    connectProtocol: false,
    limits,
    counters: upstreamSide,
    wheel,
    journal,
  };
  const upstreams = new Map(
    [...snapshot.upstreams].map(([name, spec]) => [
      name,
      new UpstreamByProtocol(spec, engineSide, snapshot.tenants?.tenants ?? []),
    ]),
  );
  const upstreamOf = (name: string): UpstreamByProtocol => {
    const upstream = upstreams.get(name);
    if (upstream === undefined) throw new Error(`there is no upstream ${name}`);
    return upstream;
  };
  const proxies: ForwardProxy[] = [];
  const forwardProxy = (spec: ConnectSpec): ForwardProxy => {
    const proxy = new ForwardProxy(spec, engineSide, DEFAULT_UPSTREAM.connectTimeout);
    proxies.push(proxy);
    return proxy;
  };
  const once: Duplicates[] = [];
  const authenticators = new Map([...snapshot.auth].map(([name, spec]) => [name, new Authenticator(spec)]));
  const parts: RouteParts = {
    destination: upstreamOf,
    authenticator: (name) => authenticators.get(name)!,
    duplicates: ({ duplicates: spec }) => {
      if (spec === null) return null;
      const duplicates = new Duplicates(spec, wheel);
      once.push(duplicates);
      return duplicates;
    },
  };
  const tenants = snapshot.tenants === null ? [] : [new TenantFilter(snapshot.tenants)];
  const routes = snapshot.routes.map((spec, index) => new Route(spec, index, parts));
  const table = new RouteTable(routes.map((route) => ({ match: route.spec.match, route })));
  const auth = [...snapshot.auth.values()];
  const reserved = {
    believed: reservedOf(auth.flatMap(believedBy)),
    secret: reservedOf(auth.flatMap(secretsOf)),
    all: reservedOf(auth.flatMap(reservedBy)),
  };
  const listeners = snapshot.listeners.map((spec) => {
    const forward = spec.connect === null ? null : forwardProxy(spec.connect);
    const fallback = spec.upstream === null ? null : upstreamOf(spec.upstream);
    const connectProtocol = spec.websocket;
    const context: SessionContext = { role: 'server', connectProtocol, limits, counters: downstream, wheel, journal };
    return new Listener(spec, { routes, table, fallback, forward, reserved, tenants, filters }, context);
  });
  const trimmer: Timer = new Timer(() => {
    trimPools();
    wheel.arm(trimmer, TRIM);
  });

  let state: 'new' | 'started' | 'draining' | 'closed' = 'new';
  let draining: Promise<void> | null = null;
  const open = (): number => listeners.reduce((sum, listener) => sum + listener.open, 0);
  const sleep = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms));
  const settled = async (ms: number): Promise<boolean> => {
    for (const end = now() + ms; open() > 0;) {
      if (now() >= end || state === 'closed') return open() === 0;
      await sleep(POLL);
    }
    return true;
  };

  async function drainAll(): Promise<void> {
    state = 'draining';
    for (const listener of listeners) listener.drain();
    if (!(await settled(snapshot.drainTimeout))) {
      for (const listener of listeners) listener.abort(Failures.draining);
      await settled(LAST_WORDS);
    }
    closeAll();
  }

  function closeAll(): void {
    state = 'closed';
    wheel.disarm(trimmer);
    for (const listener of listeners) listener.close();
    for (const each of [...proxies, ...once]) each.close();
    for (const upstream of upstreams.values()) upstream.close();
  }

  return {
    async start() {
      await Promise.all(listeners.map((listener) => listener.listen()));
      for (const upstream of upstreams.values()) upstream.start();
      wheel.arm(trimmer, TRIM);
      state = 'started';
    },
    get addresses() {
      return listeners.map(({ address }) => address);
    },
    ready() {
      return state === 'started' ? { ok: true } : { ok: false, reason: state === 'new' ? 'starting' : 'draining' };
    },
    counters: () => [
      ...listeners.map(({ counters }) => counters),
      ...[...upstreams.values()].flatMap(({ scopes }) => scopes),
      downstream,
      upstreamSide,
    ],
    drainEngine: (name, address, deadline) => upstreams.get(name)?.drain(address, deadline) ?? false,
    undrainEngine: (name, address) => upstreams.get(name)?.undrain(address) ?? false,
    engineCalls: (name, address) => upstreams.get(name)?.calls(address) ?? null,
    reloadTls: (listener, entry, texts) => listeners[listener]?.reloadTls(entry, texts),
    drain: () => (draining ??= drainAll()),
    close() {
      closeAll();
      return Promise.resolve();
    },
  };
}
