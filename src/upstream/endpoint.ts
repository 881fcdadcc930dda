/** One engine process: the sessions open to it, and when it may be tried again after it could not be reached. */
import { Endpoint as Count } from '../counters.ts';
import type { Counters } from '../counters.ts';
import { Failures } from '../errors.ts';
import type { Failure } from '../errors.ts';
import { Timer } from '../io/timer-wheel.ts';
import { now } from '../io/turn.ts';
import type { Carrier } from '../relay/half.ts';
import type { EndpointSpec, UpstreamSpec } from '../snapshot.ts';
import { Backoff } from './backoff.ts';
import type { EngineSession } from './engine-session.ts';

/** `host:port`, `[v6]:port` or `unix:/path`, as `net.connect` wants it. */
function connectTo(address: string): { host: string; port: number } | { path: string } {
  if (address.startsWith('unix:')) return { path: address.slice(5) };
  const colon = address.lastIndexOf(':');
  return { host: address.slice(0, colon).replace(/^\[|\]$/g, ''), port: Number(address.slice(colon + 1)) };
}

export class Endpoint {
  readonly spec: EndpointSpec;
  /** Where to connect. */
  readonly target: { host: string; port: number } | { path: string };
  readonly counters: Counters;
  readonly sessions: EngineSession[] = [];
  readonly connecting = new Set<EngineSession>();
  /** Armed while it cannot be tried again. */
  readonly retry: Timer;
  /** Streams that it allowed when it last said so: a session that has not heard from it yet goes by that. */
  streamLimit = Infinity;
  /** Why it cannot be used, while it cannot. */
  failure: Failure = Failures.noEndpoint;
  private readonly upstream: UpstreamSpec;
  private readonly backoff: Backoff;
  private retryAt = 0;

  constructor(spec: EndpointSpec, upstream: UpstreamSpec, counters: Counters, onRetry: () => void) {
    this.spec = spec;
    this.target = connectTo(spec.address);
    this.upstream = upstream;
    this.counters = counters;
    this.backoff = new Backoff(upstream.backoffMax);
    this.retry = new Timer(onRetry);
  }

  /** A session with a free stream, or null. The first that has one: so the others fall idle. */
  ready(avoid: Carrier | null): EngineSession | null {
    for (const session of this.sessions) {
      if (session !== avoid && session.room(this.upstream.maxStreamsPerConnection) > 0) return session;
    }
    return null;
  }
  get mayConnect(): boolean {
    return this.sessions.length + this.connecting.size < this.upstream.maxConnections && now() >= this.retryAt;
  }

  connected(session: EngineSession): void {
    this.connecting.delete(session);
    this.backoff.reset();
    this.retryAt = 0;
    this.sessions.push(session);
    this.counters.add(Count.SESSIONS, 1);
    this.counters.add(Count.SESSIONS_OPEN, 1);
  }
  /** Returns how long it is not to be tried. */
  refused(session: EngineSession, failure: Failure): number {
    this.connecting.delete(session);
    this.failure = failure;
    const wait = this.backoff.next();
    this.retryAt = now() + wait;
    this.counters.add(Count.CONNECT_FAILURES, 1);
    return wait;
  }
  /** The session takes no new streams; its open ones may go on. */
  retire(session: EngineSession): void {
    const at = this.sessions.indexOf(session);
    if (at < 0) return;
    this.sessions.splice(at, 1);
    this.counters.add(Count.SESSIONS_OPEN, -1);
  }
}
