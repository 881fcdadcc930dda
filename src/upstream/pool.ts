/**
 * The sessions to one endpoint: opened on demand and ahead of it, shared or exclusive, renewed when old, closed when idle.
 * It counts the endpoint's streams exactly, whatever session carries them.
 */
import { Endpoint as Count } from '../counters.ts';
import type { Failure } from '../errors.ts';
import type { SessionContext } from '../h2/core.ts';
import { Timer } from '../io/timer-wheel.ts';
import { now } from '../io/turn.ts';
import type { RequestHead } from '../relay/message.ts';
import { defaultConnections } from '../snapshot.ts';
import type { UpstreamSpec } from '../snapshot.ts';
import { Backoff } from './backoff.ts';
import type { Carried, EngineConnection } from './engine-connection.ts';
import { EngineHttp1 } from './engine-http1.ts';
import { EngineSession } from './engine-session.ts';
import { EngineTcp } from './engine-tcp.ts';
import type { Endpoint } from './endpoint.ts';

/** Free streams, as a share of a session's, from which on another session is opened before the limit hurts. */
const SPARE = 0.2;
/** A session is renewed up to this share later than it has to be, so that those of one age do not go together. */
const AGE_JITTER = 0.1;
/** A session that is lost sooner is replaced only after as long, unless a call needs it: milliseconds. */
const SHORT_LIFE = 1000;

/** What a pool tells its upstream. */
export interface PoolOwner {
  /** There may be room for calls that wait, or a connect failed and they have to go elsewhere. */
  onRoom(): void;
  /** The endpoint has neither a session nor one on the way, and may be connected to. */
  onCold(): void;
}

export class Pool {
  readonly endpoint: Endpoint;
  readonly spec: UpstreamSpec;
  readonly context: SessionContext;
  /** A connection carries one call at a time. */
  readonly solo: boolean;
  readonly maxConnections: number;
  /** Those that take calls, in the order in which they were opened. */
  readonly sessions: EngineConnection[] = [];
  /** Where a connection carries one call at a time: those that were free when last looked at, the latest last. */
  private readonly vacant: EngineConnection[] = [];
  readonly connecting = new Set<EngineConnection>();
  /** Those that end with their last call. */
  readonly leaving = new Set<EngineConnection>();
  /** The endpoint fell silent, or could not be reached: a new session carries calls only once the engine has spoken. */
  doubtful = false;
  /** Streams in use on all sessions, those that take no more calls among them. */
  active = 0;
  /** Streams that the engine allowed when it last said so: a session that has not heard from it yet goes by that. */
  streamLimit = Infinity;
  /** So many free streams or fewer are few. */
  private spare: number;
  private readonly owner: PoolOwner;
  private readonly backoff: Backoff;
  private readonly retry: Timer;
  private readonly reaper: Timer;
  private retryAt = 0;
  private closed = false;

  constructor(endpoint: Endpoint, spec: UpstreamSpec, context: SessionContext, owner: PoolOwner) {
    this.endpoint = endpoint;
    this.spec = spec;
    this.context = context;
    this.owner = owner;
    this.solo = spec.protocol !== 'h2';
    this.maxConnections = spec.maxConnections ?? defaultConnections(spec.protocol);
    this.backoff = new Backoff(spec.backoffMax);
    this.retry = new Timer(() => this.tend());
    this.reaper = new Timer(() => this.reap());
    this.spare = Math.floor(this.perSession * SPARE);
  }

  /** Streams that one session may carry, as far as we decide. */
  get perSession(): number {
    return this.solo || this.spec.exclusive ? 1 : this.spec.maxStreamsPerConnection;
  }
  /** Streams that a session carries, by all that is known of the engine. */
  get sessionLimit(): number {
    return Math.min(this.perSession, this.streamLimit);
  }
  /** Calls that what is connecting will carry, no more of them than the endpoint takes. */
  get coming(): number {
    const left = this.endpoint.maxStreams - this.active - this.free;
    return Math.max(0, Math.min(this.connecting.size * this.sessionLimit, left));
  }
  /** Something is there, or on its way, that may take a call some time. */
  get alive(): boolean {
    return this.sessions.length > 0 || this.connecting.size > 0;
  }
  /** A call could be carried now. */
  get room(): boolean {
    if (this.active >= this.endpoint.maxStreams) return false;
    // A call that a connection has to itself may have one made for it.
    if (this.solo) return this.vacancy(null) !== null || this.mayConnect;
    for (const session of this.sessions) if (session.room > 0) return true;
    return false;
  }
  /** Neither a session nor one on the way, and nothing against one: not even that all it serves is still on sessions that are going. */
  get cold(): boolean {
    return !this.alive && this.mayOpen;
  }
  /** Another session may be opened now, and calls could use it. */
  get mayConnect(): boolean {
    const expected = this.active + this.free + this.connecting.size * this.sessionLimit;
    return this.mayOpen && expected < this.endpoint.maxStreams;
  }
  /** Neither the number of sessions stands against another, nor a failure a moment ago. */
  private get mayOpen(): boolean {
    const { maxConnections } = this;
    const { mode, overflowFactor } = this.spec;
    const most = mode === 'loose' ? Math.floor(maxConnections * overflowFactor) : maxConnections;
    return !this.closed && this.sessions.length + this.connecting.size < most && now() >= this.retryAt;
  }
  /** Streams that the sessions have left. */
  private get free(): number {
    let free = 0;
    for (const session of this.sessions) free += session.room;
    return free;
  }

  /** The first session with room for the call, so that the others fall idle; not `avoid`. */
  take(head: RequestHead, avoid: EngineConnection | null): EngineConnection | null {
    if (this.active >= this.endpoint.maxStreams) return null;
    if (this.solo) {
      const session = this.vacancy(avoid);
      if (session !== null) this.endpoint.took();
      return session;
    }
    let mute: EngineConnection | null = null;
    for (const session of this.sessions) {
      if (session === avoid) continue;
      const { room } = session;
      if (room <= 0 || (head.upgrade !== null && !session.takesTunnels)) continue;
      if (!session.awake()) {
        if (session.mute) mute ??= session;
        continue;
      }
      // Another one before the limit hurts; what is more than `max_connections` is for those that wait already.
      if (room - 1 <= this.spare) this.growAhead();
      this.endpoint.took();
      return session;
    }
    // Where there can be no other, a session that cannot be asked is at the call's own risk.
    if (mute === null || this.mayConnect || this.connecting.size > 0) return null;
    this.endpoint.took();
    return mute;
  }

  /** The connection that fell free last, so that the others fall idle; not `avoid`. */
  private vacancy(avoid: EngineConnection | null): EngineConnection | null {
    const { vacant } = this;
    for (let i = vacant.length - 1; i >= 0; i--) {
      const session = vacant[i]!;
      if (session.room > 0) {
        if (session !== avoid) return session;
      } else if (i === vacant.length - 1) {
        session.vacant = false;
        vacant.pop();
      }
    }
    return null;
  }

  /** Begins to connect one session more. */
  connect(): void {
    const overflow = this.sessions.length + this.connecting.size >= this.maxConnections;
    this.connecting.add(this.create(overflow));
  }

  /** Sees to it that `min_connections` stand; called at the start, after a loss, and when a failed connect may be tried again. */
  tend(): void {
    while (this.sessions.length + this.connecting.size < this.spec.minConnections && this.mayOpen) this.connect();
    if (this.cold) this.owner.onCold();
  }

  /** Takes no more calls; open ones may end. */
  close(): void {
    this.closed = true;
    const { wheel } = this.context;
    wheel.disarm(this.retry);
    wheel.disarm(this.reaper);
    for (const session of [...this.connecting, ...this.sessions]) session.close();
  }

  /** Takes calls again. */
  reopen(): void {
    this.closed = false;
    this.retryAt = 0;
    this.tend();
  }

  /** How many streams are open, on whatever session. */
  get open(): number {
    let open = 0;
    for (const { openCalls } of [...this.sessions, ...this.leaving]) open += openCalls;
    return open;
  }
  /** What they carry. */
  carried(): Carried[] {
    return [...this.sessions, ...this.leaving].flatMap((session) => session.carried());
  }

  // --- What its sessions tell --------------------------------------------------------------------------------------

  connected(session: EngineConnection): void {
    this.connecting.delete(session);
    this.sessions.push(session);
    this.endpoint.counters.add(Count.SESSIONS, 1);
    this.endpoint.counters.add(Count.SESSIONS_OPEN, 1);
    this.owner.onRoom();
    // One that nobody takes up is idle from the first.
    this.idle(session);
  }

  /** The engine speaks HTTP/2: not before that is a connect a success. */
  spoke(): void {
    this.doubtful = false;
    this.backoff.reset();
    this.retryAt = 0;
    this.endpoint.reached();
  }

  /** No session came of it: for some time none is tried. */
  failed(session: EngineConnection, failure: Failure): void {
    this.connecting.delete(session);
    // What was tried together fails together, and counts once.
    if (now() >= this.retryAt) {
      this.doubtful = true;
      const wait = this.backoff.next();
      this.retryAt = now() + wait;
      this.context.wheel.arm(this.retry, wait);
    }
    this.endpoint.counters.add(Count.CONNECT_FAILURES, 1);
    this.endpoint.failed(failure);
    this.owner.onRoom();
  }

  /** The session takes no new streams; its open ones may go on. */
  retire(session: EngineConnection): void {
    const at = this.sessions.indexOf(session);
    if (at < 0) return;
    this.sessions.splice(at, 1);
    if (session.vacant) this.vacant.splice(this.vacant.indexOf(session), 1);
    session.vacant = false;
    this.endpoint.counters.add(Count.SESSIONS_OPEN, -1);
    this.leaving.add(session);
    if (now() - session.stoodAt >= SHORT_LIFE) this.tend();
    else {
      // An engine that hangs up as soon as it has greeted is not kept warm without a pause; calls need not wait for that.
      if (!this.retry.armed && !this.closed) this.context.wheel.arm(this.retry, SHORT_LIFE);
      if (this.cold) this.owner.onCold();
    }
  }

  /** A session has no streams. */
  idle(session: EngineConnection): void {
    if (this.solo && !session.vacant) {
      session.vacant = true;
      this.vacant.push(session);
    }
    const patience = this.patience(session);
    if (patience === 0 || (patience < Infinity && !this.reaper.armed)) this.context.wheel.arm(this.reaper, patience);
  }

  /** There may be room where there was none. */
  freed(): void {
    this.owner.onRoom();
  }
  /** So many streams the engine allows on a session. */
  limited(streams: number): void {
    this.streamLimit = streams;
    this.spare = Math.floor(this.sessionLimit * SPARE);
    this.owner.onRoom();
  }

  /** The session is old: another takes its place, then it takes its leave. */
  renew(session: EngineConnection): void {
    // Only where calls would otherwise find nothing is it worth while to have one more.
    if (this.sessions.length + this.connecting.size > 1 || session.used === 0) session.close();
    else {
      const settled = (stands: boolean): void => {
        if (stands) session.close();
        // Old is better than none.
        else session.age(Math.max(0, this.retryAt - now()));
      };
      this.connecting.add(this.create(false, settled));
    }
  }

  // --- Growing and shrinking ---------------------------------------------------------------------------------------

  private create(overflow: boolean, settled?: (stands: boolean) => void): EngineConnection {
    switch (this.spec.protocol) {
      case 'http1':
        return new EngineHttp1(this, overflow, settled);
      case 'tcp':
        return new EngineTcp(this, overflow, settled);
      default:
        return new EngineSession(this, overflow, settled);
    }
  }

  private growAhead(): void {
    if (this.connecting.size > 0 || this.sessions.length >= this.maxConnections) return;
    if (this.spare > 0 && this.free - 1 <= this.spare && this.mayConnect) this.connect();
  }

  /** How long a session may be idle: what is more than `max_connections` only until those that wait have had their turn. */
  private patience(session: EngineConnection): number {
    if (session.overflow && this.sessions.length > this.maxConnections) return 0;
    return this.spec.idleTimeout || Infinity;
  }

  /** Closes what has been idle for long, the youngest first; looks again when the next may have been. */
  private reap(): void {
    const time = now();
    let next = Infinity;
    for (let i = this.sessions.length - 1; i >= 0; i--) {
      const session = this.sessions[i]!;
      if (session.used > 0) continue;
      const rest = this.patience(session) - (time - session.idleSince);
      if (rest > 0) next = Math.min(next, rest);
      else if (this.sessions.length > this.spec.minConnections) session.close();
    }
    if (next < Infinity) this.context.wheel.arm(this.reaper, next);
  }

  /** How long a session may live, a little different for each. */
  get lifetime(): number {
    return this.spec.maxAge * (1 + AGE_JITTER * Math.random());
  }
}
