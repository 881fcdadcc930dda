/**
 * One connection to an engine: its connect, its age and its place in the pool. It carries requests; what it speaks is for those
 * that extend it.
 */
import { Failures } from '../errors.ts';
import type { Failure } from '../errors.ts';
import { Connection } from '../io/connection.ts';
import { Timer } from '../io/timer-wheel.ts';
import { now } from '../io/turn.ts';
import type { ConnectionRecord } from '../journal.ts';
import type { Carrier, Half, HalfSink } from '../relay/half.ts';
import type { RequestHead } from '../relay/message.ts';
import type { Pool } from './pool.ts';

/** A call on a connection: whoever hears of it, while somebody does. */
export interface Carried {
  readonly sink: HalfSink | null;
}

export abstract class EngineConnection implements Carrier {
  readonly pool: Pool;
  /** One more than `max_connections`, for the time that it is needed. */
  readonly overflow: boolean;
  /** Calls on it that count in the pool. */
  used = 0;
  /** When the last call ended, by the turn's clock. */
  idleSince = now();
  /** When it began to take calls. */
  stoodAt = 0;
  /** When last asked for a call, it could not be asked whether it lives without a strike. */
  mute = false;
  /** It stands in its pool's list of those that may be free. */
  vacant = false;
  protected readonly connection: Connection;
  protected state: 'connecting' | 'ready' | 'retired' = 'connecting';
  private readonly connectTimer: Timer;
  private readonly ageTimer: Timer;
  /** What is to be done once it stands, or could not be had. */
  private readonly settled: ((stands: boolean) => void) | undefined;

  /** Begins to connect; the pool hears of the outcome. Whoever extends it begins the connection. */
  constructor(pool: Pool, overflow: boolean, settled?: (stands: boolean) => void) {
    this.pool = pool;
    this.overflow = overflow;
    this.settled = settled;
    const { context, endpoint, spec } = pool;
    this.connectTimer = new Timer(() => this.connectFailed(Failures.connectTimeout, 'connect timed out'));
    this.ageTimer = new Timer(() => pool.renew(this));
    context.wheel.arm(this.connectTimer, spec.connectTimeout);
    this.connection = Connection.open(endpoint.target, context.counters, () => this.connected(), endpoint.tls);
  }

  get endpoint(): string {
    return this.pool.endpoint.address;
  }
  get term(): number {
    return this.pool.endpoint.term;
  }
  answered(ms: number, term: number): void {
    this.pool.endpoint.answered(ms, term);
  }
  ended(failure: Failure | null, httpStatus: number, grpcStatus: number, term: number): void {
    this.pool.endpoint.ended(failure, httpStatus, grpcStatus, term);
  }

  /** Calls that may be opened now, by the engine's limit and by ours. */
  abstract readonly room: number;
  /** Calls that are open; there may be more in use. */
  abstract readonly openCalls: number;
  abstract carried(): readonly Carried[];
  /** It may be given a tunnel, as far as is known: what its engine thinks of them stands in its first SETTINGS. */
  get takesTunnels(): boolean {
    return true;
  }
  /** What stands against this call on it, whatever room it has; null if nothing does. */
  abstract refusal(head: RequestHead): Failure | null;
  abstract open(head: RequestHead, end: boolean, sink: HalfSink): Half;
  /** A call may be opened at once. One that was silent for long is asked first, and heard of when it answers. */
  abstract awake(): boolean;
  /** It stands: what is to be said first is said. Whoever extends it says `stands` when it may carry calls. */
  protected abstract connected(): void;
  /** Says goodbye; what is open may end. */
  protected abstract leave(): void;

  /** It is to be renewed in so many milliseconds. */
  age(ms: number): void {
    if (this.state === 'ready') this.pool.context.wheel.arm(this.ageTimer, ms);
  }

  /** Takes no more calls: one that stands says goodbye, and one that does not stand yet is given up. */
  close(): void {
    if (this.state !== 'connecting') {
      this.leave();
      return;
    }
    this.end();
    this.pool.connecting.delete(this);
    this.connection.destroy();
  }

  protected stands(): void {
    this.pool.context.wheel.disarm(this.connectTimer);
    this.state = 'ready';
    this.idleSince = this.stoodAt = now();
    if (this.pool.spec.maxAge > 0) this.age(this.pool.lifetime);
    this.pool.connected(this);
    this.settled?.(true);
  }

  protected connectFailed(failure: Failure, message: string): void {
    if (this.state !== 'connecting') return;
    this.end();
    this.record('connect_failed', message);
    this.connection.destroy();
    this.pool.failed(this, failure);
    this.settled?.(false);
  }

  /** Takes no more calls. */
  protected retire(): void {
    if (this.state !== 'ready') return;
    this.end();
    this.pool.retire(this);
  }

  /** The socket is gone. */
  protected gone(): void {
    if (this.state === 'connecting') {
      this.connectFailed(Failures.connectRefused, this.connection.error?.message ?? '');
      return;
    }
    this.retire();
    this.pool.leaving.delete(this);
  }

  protected record(event: ConnectionRecord['event'], message: string): void {
    this.pool.context.journal.connection({ side: 'upstream', peer: this.endpoint, event, code: null, message });
  }

  private end(): void {
    this.state = 'retired';
    const { wheel } = this.pool.context;
    wheel.disarm(this.connectTimer);
    wheel.disarm(this.ageTimer);
  }
}
