/**
 * A named group of endpoints, and the calls that wait for one. First version of the pool: sessions are opened on demand and
 * shared, another is opened when all are full, endpoints take turns. Waiting calls are served first come first served by
 * whichever endpoint has room first.
 */
import { Counters, endpointLayout } from '../counters.ts';
import { Failures } from '../errors.ts';
import type { Failure } from '../errors.ts';
import type { SessionContext } from '../h2/core.ts';
import { Timer } from '../io/timer-wheel.ts';
import { atEndOfTurn, now } from '../io/turn.ts';
import type { TurnTask } from '../io/turn.ts';
import type { Caller, Carrier, CarrierSource } from '../relay/half.ts';
import type { UpstreamSpec } from '../snapshot.ts';
import { Endpoint } from './endpoint.ts';
import { EngineSession } from './engine-session.ts';
import type { EngineSessionOwner } from './engine-session.ts';

interface Waiter {
  readonly avoid: Carrier | null;
  readonly until: number;
}

export class Upstream implements CarrierSource, EngineSessionOwner, TurnTask {
  readonly name: string;
  readonly endpoints: readonly Endpoint[];
  private readonly spec: UpstreamSpec;
  private readonly context: SessionContext;
  /** Callers in the order in which they came; a Map, so that one that leaves costs no search. */
  private readonly waiters = new Map<Caller, Waiter>();
  private readonly timer: Timer;
  private turn = 0;
  /** Waiters that take any carrier: while there are some, a new caller queues behind them. */
  private undemanding = 0;
  /** Waiters are to be served at the end of the turn. */
  private due = false;
  private closed = false;

  constructor(spec: UpstreamSpec, context: SessionContext) {
    this.name = spec.name;
    this.spec = spec;
    this.context = context;
    this.endpoints = spec.endpoints.map((endpoint) => {
      const labels = { upstream: spec.name, endpoint: endpoint.address };
      return new Endpoint(endpoint, spec, new Counters(endpointLayout, labels), () => this.onRoom());
    });
    this.timer = new Timer(() => this.expire());
  }

  acquire(caller: Caller, avoid: Carrier | null): Carrier | null {
    const carrier = this.undemanding === 0 ? this.pick(avoid) : null;
    if (carrier !== null) return carrier;
    if (!this.hope) {
      caller.onUnavailable(this.lastFailure);
      return null;
    }
    const { acquireTimeout } = this.spec;
    this.waiters.set(caller, { avoid, until: now() + acquireTimeout });
    if (avoid === null) this.undemanding++;
    if (!this.timer.armed) this.context.wheel.arm(this.timer, acquireTimeout);
    return null;
  }

  cancel(caller: Caller): void {
    const waiter = this.waiters.get(caller);
    if (waiter?.avoid === null) this.undemanding--;
    this.waiters.delete(caller);
  }

  /** Takes no more calls, and says goodbye to the engines. */
  close(): void {
    this.closed = true;
    for (const { connecting, sessions } of this.endpoints) {
      for (const session of [...connecting, ...sessions]) session.close();
    }
    this.failIfHopeless();
  }

  // --- EngineSessionOwner ------------------------------------------------------------------------------------------

  /** At the end of the turn: a client that goes takes its own waiting calls along first. */
  onRoom(): void {
    if (this.due || this.waiters.size === 0) return;
    this.due = true;
    atEndOfTurn(this);
  }

  endTurn(): void {
    this.due = false;
    for (const [caller, { avoid }] of this.waiters) {
      const carrier = this.pick(avoid);
      // One that waits for another session than all others does not hold them up.
      if (carrier === null && avoid === null) break;
      if (carrier === null) continue;
      this.cancel(caller);
      this.serve(caller, carrier);
    }
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

  // --- Picking -----------------------------------------------------------------------------------------------------

  /** The next endpoint in turn with room. One without a session is connected to, and passed over meanwhile. */
  private pick(avoid: Carrier | null): Carrier | null {
    const { endpoints } = this;
    for (let i = 0; i < endpoints.length; i++) {
      const at = (this.turn + i) % endpoints.length;
      const endpoint = endpoints[at]!;
      const session = endpoint.ready(avoid);
      if (session !== null) {
        this.turn = at + 1;
        return session;
      }
      if (endpoint.connecting.size === 0 && endpoint.mayConnect && !this.closed) this.connect(endpoint);
    }
    // Where there can be no other session, the one that refused may have room again.
    const another = avoid === null || endpoints.some(({ connecting }) => connecting.size > 0);
    return another ? null : this.pick(null);
  }

  private connect(endpoint: Endpoint): void {
    endpoint.connecting.add(new EngineSession(endpoint, this.spec.connectTimeout, this.context, this));
  }

  /** Something is there, or on its way, that may take a call some time. */
  private get hope(): boolean {
    return (
      !this.closed && this.endpoints.some(({ connecting, sessions }) => connecting.size > 0 || sessions.length > 0)
    );
  }

  private get lastFailure(): Failure {
    if (this.closed) return Failures.draining;
    return this.endpoints.find(({ failure }) => failure !== Failures.noEndpoint)?.failure ?? Failures.noEndpoint;
  }

  private failIfHopeless(): void {
    if (this.waiters.size === 0 || this.hope) return;
    const callers = [...this.waiters.keys()];
    this.waiters.clear();
    this.undemanding = 0;
    for (const caller of callers) caller.onUnavailable(this.lastFailure);
  }

  private expire(): void {
    const time = now();
    for (const [caller, { until }] of this.waiters) {
      if (until > time) {
        this.context.wheel.arm(this.timer, until - time);
        return;
      }
      this.cancel(caller);
      caller.onUnavailable(Failures.poolFull);
    }
  }
}
