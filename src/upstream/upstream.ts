/**
 * A named group of endpoints, and the calls that wait for one: first come first served by whichever endpoint has room
 * first, bounded in number and in time.
 */
import { Counters, DURATION_BOUNDS, Upstream as Count, upstreamLayout } from '../counters.ts';
import type { MetricLabels } from '../counters.ts';
import { Failures } from '../errors.ts';
import type { Failure } from '../errors.ts';
import type { SessionContext } from '../h2/core.ts';
import { Timer } from '../io/timer-wheel.ts';
import { atEndOfTurn, now } from '../io/turn.ts';
import type { TurnTask } from '../io/turn.ts';
import type { Caller, Carrier, CarrierSource, OpenCall } from '../relay/half.ts';
import type { TenantSpec } from '../policy.ts';
import type { UpstreamSpec } from '../snapshot.ts';
import type { Endpoint } from './endpoint.ts';
import type { EngineConnection } from './engine-connection.ts';
import { Placement } from './placement.ts';
import { Roster } from './roster.ts';
import type { RosterOwner } from './roster.ts';
import { TenantShares } from './tenant-shares.ts';
import { WaitQueue } from './wait-queue.ts';

export class Upstream implements CarrierSource, RosterOwner, TurnTask {
  readonly name: string;
  readonly counters: Counters;
  private readonly spec: UpstreamSpec;
  private readonly context: SessionContext;
  /** A connection carries one call at a time. */
  private readonly solo: boolean;
  /** Milliseconds that a call waits; where a connection has to be made for it, the time for that on top. */
  private readonly patience: number;
  private readonly shares: TenantShares | null;
  private readonly placement: Placement;
  private readonly roster: Roster;
  private readonly waiters: WaitQueue<Caller, Endpoint>;
  private readonly timer: Timer;
  private wakeAt = Infinity;
  /** Waiters are to be served at the end of the turn. */
  private due = false;
  /** Some endpoint has neither a session nor one on the way. */
  private cold = true;
  private closed = false;

  /** `labels` are those of its metrics. */
  constructor(
    spec: UpstreamSpec,
    context: SessionContext,
    tenants: readonly TenantSpec[] = [],
    labels: MetricLabels = { upstream: spec.name },
  ) {
    this.name = spec.name;
    this.spec = spec;
    this.context = context;
    this.solo = spec.protocol !== 'h2';
    this.patience = spec.acquireTimeout + (this.solo ? spec.connectTimeout : 0);
    this.counters = new Counters(upstreamLayout, labels);
    this.shares = sharesOf(tenants, labels);
    this.waiters = new WaitQueue(spec.maxPending);
    this.placement = new Placement(spec, context.journal, this.counters);
    this.timer = new Timer(() => this.expire());
    this.roster = new Roster(spec, context, labels, this.placement, this);
  }

  get endpoints(): readonly Endpoint[] {
    return this.roster.endpoints;
  }
  /** Those of the upstream and of each endpoint, as they are now. */
  get scopes(): readonly Counters[] {
    return [this.counters, ...this.roster.counters, ...(this.shares?.counters ?? [])];
  }

  /** Begins to warm up and to check; without it sessions are opened by calls alone. */
  start(): void {
    this.roster.start();
  }

  acquire(caller: Caller, avoid: Carrier | null): Carrier | null {
    const { shares } = this;
    const { maxActive } = this.spec;
    const tenant = caller.tenant ?? null;
    const reserved = shares !== null && shares.reserves(tenant);
    if (maxActive > 0 && !reserved && this.active >= maxActive) return this.refuse(caller);
    const session = avoid as EngineConnection | null;
    if (this.cold) this.warm();
    // Nobody passes those that wait for any endpoint, but to what is reserved.
    const admitted = shares === null || shares.admits(tenant, this.free);
    const first = admitted && (reserved || this.waiters.undemanding === 0);
    const carrier = first ? this.placement.find(caller, session, null, true) : null;
    if (carrier !== null) {
      shares?.took(tenant);
      return carrier;
    }
    const time = now();
    const { affinityWait } = this.spec;
    const wanted = first ? this.placement.wanted : this.placement.bound(caller, session);
    if (!this.hope) {
      caller.onUnavailable(this.lastFailure);
      return null;
    }
    const queued = this.waiters.add(caller, time + this.patience, avoid, wanted, time + affinityWait);
    if (!queued) return this.refuse(caller);
    this.counters.add(Count.WAITED, 1);
    this.counters.add(Count.WAITING, 1);
    this.watch(time);
    if (wanted !== null) this.growFor(wanted, 1);
    else this.grow(this.waiters.undemanding + Number(avoid !== null));
    // Who waits for a tenant's share does not hold up the others.
    if (shares !== null) this.onRoom();
    return null;
  }

  cancel(caller: Caller): void {
    if (this.waiters.remove(caller)) this.counters.add(Count.WAITING, -1);
  }

  released({ tenant = null }: Caller): void {
    if (this.shares === null) return;
    this.shares.gave(tenant);
    this.onRoom();
  }

  /** Takes no more calls, and says goodbye to the engines. */
  close(): void {
    this.closed = true;
    this.roster.close();
    this.failIfHopeless();
    if (this.waiters.size === 0) this.context.wheel.disarm(this.timer);
  }

  // --- Taking engines out of service --------------------------------------------------------------------------------

  /** Takes an engine out: see `Endpoint.drain`. False if there is none of this address. */
  drain(address: string, deadline: number): boolean {
    const endpoint = this.at(address);
    endpoint?.drain(deadline);
    if (endpoint !== undefined) this.onRoom();
    return endpoint !== undefined;
  }
  undrain(address: string): boolean {
    const endpoint = this.at(address);
    endpoint?.undrain();
    return endpoint !== undefined;
  }
  /** The open calls of an engine, the oldest first; null if there is none of this address. */
  calls(address: string): readonly OpenCall[] | null {
    return this.at(address)?.calls() ?? null;
  }
  private at(address: string): Endpoint | undefined {
    return this.endpoints.find((endpoint) => endpoint.address === address);
  }

  // --- RosterOwner -------------------------------------------------------------------------------------------------

  /** At the end of the turn: a client that goes takes its own waiting calls along first. */
  onRoom(): void {
    if (this.due || this.waiters.size === 0) return;
    this.due = true;
    atEndOfTurn(this);
  }
  onCold(): void {
    this.cold = true;
    this.onRoom();
  }
  onEndpoints(): void {
    this.onCold();
  }

  endTurn(): void {
    this.due = false;
    if (this.cold) this.warm();
    let avoiding = 0;
    let wants: Map<Endpoint, number> | null = null;
    for (const waiter of this.waiters) {
      const { caller, avoid, wanted, until } = waiter;
      if (this.shares?.admits(caller.tenant ?? null, this.free) === false) continue;
      const carrier = this.placement.find(caller, avoid as EngineConnection | null, wanted, wanted !== null);
      if (carrier !== null) {
        this.cancel(caller);
        const waited = now() - (until - this.patience);
        this.counters.observe(Count.WAIT, DURATION_BOUNDS, waited / 1000);
        this.shares?.took(caller.tenant ?? null);
        this.serve(caller, carrier);
      } else if (this.placement.wanted === null) {
        // What it wanted is gone.
        this.waiters.settle(waiter);
        // One that waits for another session than all others does not hold them up.
        if (waiter.undemanding && this.shares === null) break;
        avoiding++;
      } else {
        wants ??= new Map();
        const calls = (wants.get(this.placement.wanted) ?? 0) + 1;
        wants.set(this.placement.wanted, calls);
        waiter.wanted = this.placement.wanted;
        this.growFor(this.placement.wanted, calls);
      }
    }
    this.grow(this.waiters.undemanding + avoiding);
    this.failIfHopeless();
  }

  /** A throw is a bug that costs one call, not those that wait behind it. */
  private serve(caller: Caller, carrier: Carrier): void {
    try {
      caller.onCarrier(carrier);
    } catch (error) {
      const message = error instanceof Error ? (error.stack ?? error.message) : String(error);
      this.context.journal.connection({ side: 'upstream', peer: this.name, event: 'bug', code: null, message });
      caller.onUnavailable(Failures.bug);
    }
  }

  private refuse(caller: Caller): null {
    this.counters.add(Count.REFUSED, 1);
    caller.onUnavailable(Failures.poolFull);
    return null;
  }

  // --- Growing -----------------------------------------------------------------------------------------------------

  /** Every endpoint without a session gets one: until then it cannot be picked. Where each call has its own, it can. */
  private warm(): void {
    this.cold = false;
    if (this.closed || this.solo) return;
    for (const { pool } of this.endpoints) if (pool.cold) pool.connect();
  }

  /** Opens sessions for so many calls that wait for any endpoint, as many as they will fill. */
  private grow(calls: number): void {
    if (this.closed || calls === 0) return;
    let coming = 0;
    for (const { pool } of this.endpoints) coming += pool.coming;
    while (coming < calls) {
      const endpoint = this.placement.grower();
      if (endpoint === null) return;
      const { pool } = endpoint;
      coming -= pool.coming;
      pool.connect();
      coming += pool.coming;
    }
  }

  /** The same for calls that wait for this one: sessions to others would be of no use to them. */
  private growFor({ pool }: Endpoint, calls: number): void {
    while (pool.coming < calls && pool.mayConnect) pool.connect();
  }

  // --- Waiting in vain ---------------------------------------------------------------------------------------------

  private watch(time: number): void {
    const { nextAt } = this.waiters;
    if (nextAt === Infinity || (this.timer.armed && this.wakeAt <= nextAt)) return;
    this.wakeAt = nextAt;
    this.context.wheel.arm(this.timer, Math.max(0, nextAt - time));
  }

  private expire(): void {
    const time = now();
    for (let late = this.waiters.expire(time); late !== null; late = this.waiters.expire(time)) {
      this.counters.add(Count.WAITING, -1);
      this.refuse(late);
    }
    if (this.waiters.lapse(time)) this.onRoom();
    this.wakeAt = Infinity;
    this.watch(time);
  }

  /** Something is there, or on its way, that may take a call some time. */
  private get hope(): boolean {
    if (this.closed) return false;
    if (this.roster.resolving) return true;
    for (const { inRotation, pool } of this.endpoints) {
      if (inRotation && (pool.alive || (pool.solo && pool.mayConnect))) return true;
    }
    return false;
  }

  private get lastFailure(): Failure {
    if (this.closed) return Failures.draining;
    for (const { failure } of this.endpoints) if (failure !== Failures.noEndpoint) return failure;
    return Failures.noEndpoint;
  }

  private failIfHopeless(): void {
    if (this.waiters.size === 0 || this.hope) return;
    const failure = this.lastFailure;
    this.counters.add(Count.WAITING, -this.waiters.size);
    for (const caller of this.waiters.drain()) caller.onUnavailable(failure);
  }

  /** Streams that the upstream could still carry, by all that is configured. */
  private get free(): number {
    const { maxActive } = this.spec;
    let free = 0;
    let served = 0;
    for (const { inRotation, maxStreams, pool } of this.endpoints) {
      served += pool.active;
      if (inRotation) free += Math.min(maxStreams, pool.maxConnections * pool.sessionLimit) - pool.active;
    }
    return maxActive > 0 ? Math.min(free, maxActive - served) : free;
  }

  /** Calls in all: those that are served and those that wait. */
  private get active(): number {
    let active = this.waiters.size;
    for (const endpoint of this.endpoints) active += endpoint.active;
    return active;
  }
}

/** Of the tenants that have a share of the upstream; null if none has. */
function sharesOf(tenants: readonly TenantSpec[], labels: MetricLabels): TenantShares | null {
  const shared = tenants.flatMap(({ name, shares }) =>
    shares.filter(({ upstream }) => upstream === labels['upstream']).map((share) => ({ name, share })),
  );
  return shared.length === 0 ? null : new TenantShares(shared, labels);
}
