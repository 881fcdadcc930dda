/**
 * Executes a request once, however often it comes. The first one with an idempotency key is the leader: it goes to an engine.
 * Others with the key wait while it is open, and then get a copy of its answer, as does who comes within `ttl` of its end; with
 * another path or body they are refused (`conflict`).
 *
 * What may have been executed is not executed again, and that is not for the answer to say: 503 or UNAVAILABLE may come from
 * an engine that has done its work. So every answer is kept, whatever its status. An answer that broke off is UNAVAILABLE for
 * all others, and one that was not kept (larger than `maxBytes`, or the process is short of memory) is a refusal, as long
 * as it would have been kept. The key is forgotten at once only if
 * - no engine was ever given the call: those who wait are told the same as the leader, and may try again; or
 * - the request never became complete, and no engine was content with what there was. Those who wait get `unprocessed`.
 *
 * A leader whose client goes away is executed on; what nobody waits for is cancelled after `ttl`. Answers that were kept are
 * forgotten early, the oldest first, if `maxEntries` keys are in use; if all of these are open, a new one is refused as by a
 * full pool. No more than `maxEntries` requests wait.
 */
import { createHash } from 'node:crypto';
import { Failures } from '../errors.ts';
import type { Failure } from '../errors.ts';
import { Timer } from '../io/timer-wheel.ts';
import type { TimerWheel } from '../io/timer-wheel.ts';
import { now as turnNow } from '../io/turn.ts';
import type { DuplicatesSpec } from '../policy.ts';
import { Entry, RequestDigest } from './duplicate-entry.ts';
import { Follower } from './duplicate-follower.ts';
import type { FollowerHost } from './duplicate-follower.ts';
import { Leader } from './duplicate-leader.ts';
import type { LeaderHost } from './duplicate-leader.ts';
import type { CarrierSource, Half } from './half.ts';
import type { RequestHead } from './message.ts';
import { Reached } from './reached.ts';
import { Answer } from './recording.ts';

/** Longer keys are kept as digests. */
const MAX_KEY = 128;

/** A request that would be executed. */
export interface Execution {
  readonly head: RequestHead;
  /** Its head is all there is. */
  readonly ended: boolean;
  /** Who asks, as far as it was authenticated, and the address that it comes from. */
  readonly identity: string | null;
  readonly client: string;
  /** Index of the route. */
  readonly route: number;
  /** Where it would go, and the half that would be answered. */
  readonly upstream: CarrierSource;
  readonly down: Half;
}

export class Duplicates implements LeaderHost, FollowerHost {
  readonly spec: DuplicatesSpec;
  readonly wheel: TimerWheel;
  /** Requests that wait for the answer of another. */
  waiting = 0;
  private readonly now: () => number;
  private readonly entries = new Map<string, Entry>();
  private readonly leaders = new Map<Entry, Leader>();
  /** Those that are over, in the order in which they expire. */
  private readonly kept = new Set<Entry>();
  private readonly expiry = new Timer(() => this.expire());
  private closed = false;

  /** `now`: milliseconds of a monotonic clock, the same as the wheel's. */
  constructor(spec: DuplicatesSpec, wheel: TimerWheel, now: () => number = turnNow) {
    this.spec = spec;
    this.wheel = wheel;
    this.now = now;
  }

  /** Keys that are known. */
  get size(): number {
    return this.entries.size;
  }

  /**
   * What becomes of a request. Null: it has no key, and goes its way. A leader: its exchange goes to `leader.upstream`, answers
   * to the leader, and is its sink; the client's half has the leader for a sink. A follower: it takes the place of the upstream,
   * for an exchange that has no retries. A failure: it is answered with this.
   */
  take(request: Execution): Leader | Follower | Failure | null {
    const { head, identity } = request;
    const value = this.valueOf(head);
    // A tunnel has no answer that could be given twice.
    if (value === '' || head.method === 'CONNECT') return null;
    const key = keyOf(request, value);
    const entry = this.find(key);
    if (entry !== null) {
      if (entry.outcome !== null && !(entry.outcome instanceof Answer)) return entry.outcome;
      if (this.waiting >= this.spec.maxEntries) return Failures.poolFull;
      return new Follower(this, entry, request.upstream.name, identity !== null);
    }
    if (this.entries.size >= this.spec.maxEntries && !this.evict()) return Failures.poolFull;
    return this.lead(new Entry(key), request);
  }

  keep(entry: Entry, outcome: Answer | Failure): void {
    if (this.closed) {
      this.forget(entry, outcome);
      return;
    }
    this.leaders.delete(entry);
    entry.expiresAt = this.now() + this.spec.ttl;
    this.kept.add(entry);
    if (!this.expiry.armed) this.wheel.arm(this.expiry, this.spec.ttl);
    entry.decide(outcome);
  }

  forget(entry: Entry, outcome: Answer | Failure): void {
    entry.decide(outcome);
    this.remove(entry);
  }

  /** Forgets all that is kept, and cancels what goes on without a client. Those who wait for an open leader still hear of it. */
  close(): void {
    this.closed = true;
    this.wheel.disarm(this.expiry);
    for (const leader of [...this.leaders.values()]) leader.abandon();
    for (const entry of [...this.kept]) this.remove(entry);
  }

  private lead(entry: Entry, { head, identity, client, upstream, down, ended }: Execution): Leader {
    this.entries.set(entry.key, entry);
    const digest = new RequestDigest(head, identity !== null);
    const leader = new Leader(this, entry, new Reached(upstream, head, client), down, digest, ended);
    this.leaders.set(entry, leader);
    return leader;
  }

  /** All that stands under the header's name: '' is no key. */
  private valueOf(head: RequestHead): string {
    const said = head.fields.filter(({ name }) => name.text === this.spec.header);
    return said.map(({ value }) => value).join(',');
  }

  private find(key: string): Entry | null {
    const entry = this.entries.get(key);
    if (entry === undefined || entry.expiresAt > this.now()) return entry ?? null;
    this.remove(entry);
    return null;
  }

  /** Makes room by forgetting the oldest that is over, if there is one. */
  private evict(): boolean {
    const [oldest] = this.kept;
    if (oldest !== undefined) this.remove(oldest);
    return oldest !== undefined;
  }

  private expire(): void {
    const now = this.now();
    for (const entry of this.kept) {
      if (entry.expiresAt > now) {
        this.wheel.arm(this.expiry, entry.expiresAt - now);
        return;
      }
      this.remove(entry);
    }
  }

  private remove(entry: Entry): void {
    this.entries.delete(entry.key);
    this.leaders.delete(entry);
    this.kept.delete(entry);
    if (entry.outcome instanceof Answer) entry.outcome.drop();
  }
}

/** Whose request it is, where it goes, and what it calls itself: no part can pass for another. */
function keyOf({ head, identity, client, route }: Execution, value: string): string {
  const key = JSON.stringify([identity, identity === null ? client : '', route, head.method, value]);
  return key.length <= MAX_KEY ? key : createHash('sha256').update(key).digest('hex');
}
