/**
 * Whether a peer still lives, and when it may be asked. Pure: the session that owns a ledger tells it what it reads, asks it
 * when its timer fires, and writes the PINGs that it is told to write. Times are milliseconds of one monotonic clock.
 *
 * A gRPC engine counts a strike for each PING that comes less than 5 minutes (2 hours without streams) after the one before,
 * and closes on the third; HEADERS or DATA that it writes clear them. A PING costs nothing if such a frame was read after
 * the ACK of the one before: read earlier, it may have been written before that PING came, and does not count.
 */
import type { KeepaliveSpec } from '../snapshot.ts';

const MIN_PING_DISTANCE = 300_000;
const MIN_PING_DISTANCE_IDLE = 7_200_000;
/** No engine asks for more than this between two PINGs, so doubling ends here. */
const MAX_INTERVAL = 7_200_000;
/** Azure's load balancer forgets a connection after 4 minutes without a word to either side, AWS's after 350 s: half the shortest. */
const IDLE_FOR_LONG = 120_000;
/** A distance is longer than it has to be: by 1 % always, for clocks that disagree, and by up to a tenth at random. */
const STRETCH_LEAST = 1.01;
const STRETCH_RANDOM = 0.09;
/** A verdict later than `LATE` comes from a process that slept, or did not read: the ACK may lie in the socket, unread. */
const LATE = 2000;
const GRACE = 1000;

/** What `check` finds. */
export const Look = {
  /** Nothing to be done. */
  REST: 0,
  /** A PING has to be written now; it is entered already. */
  PING: 1,
  /** Silent for so long that it should be asked, but the PING would be a strike. Said once a silence, to be counted. */
  WITHHELD: 2,
  /** The session is to be closed: its PING was not answered. */
  DEAD: 3,
} as const;
export type Look = (typeof Look)[keyof typeof Look];

/** What `beforeStream` finds. */
export const Opening = {
  NOW: 0,
  /** A PING has to be written now (it is entered already), and then as for `WAIT`. */
  PING: 1,
  /** Something has to be read first: ask again then, or take another session. */
  WAIT: 2,
  /** It cannot be asked: another session, a new one if need be, or this one at the call's own risk. */
  ELSEWHERE: 3,
} as const;
export type Opening = (typeof Opening)[keyof typeof Opening];

/** What both directions have in common: silence, one PING at most, a verdict. */
abstract class Watch {
  /** When bytes were last read. */
  protected heardAt: number;
  /** A PING was written at `pingAt` and waits for its ACK. */
  protected pingOut = false;
  private pingAt = 0;
  /** When the last PING was acknowledged: the peer had it by then, however long it was under way. */
  protected ackedAt = 0;
  private spared = false;

  constructor(now: number) {
    this.heardAt = now;
  }

  protected abstract get interval(): number;
  protected abstract get timeout(): number;
  /** When the next PING has to be written, as things stand; Infinity: not at all. */
  protected abstract dueAt(streams: number): number;

  /** Bytes were read, whatever they are: told before their frames are. */
  heard(now: number): void {
    this.heardAt = now;
  }
  /** The ACK of our PING was read. False if none was due. */
  acked(now: number): boolean {
    if (!this.pingOut) return false;
    this.pingOut = false;
    this.ackedAt = now;
    return true;
  }

  /** `streams`: how many are open. Not to be asked while the session is not read: what is not read cannot be heard. */
  check(now: number, streams: number): Look {
    if (this.pingOut) return this.verdict(now);
    if (now < this.dueAt(streams)) return Look.REST;
    this.enter(now);
    return Look.PING;
  }
  /**
   * Milliseconds until `check` has to be asked again, Infinity if not before a stream opens where none was. Nothing that is
   * read makes it shorter, so reading arms no timer; a PING of `beforeStream` or `probe` may.
   */
  nextCheck(now: number, streams: number): number {
    const at = this.pingOut ? this.deadAt : this.dueAt(streams);
    // An answer may bring the next PING forward, but not nearer than an interval from then.
    const most = this.pingOut || streams > 0 ? this.interval : Infinity;
    return Math.max(0, Math.min(at - now, most));
  }

  protected enter(now: number): void {
    this.pingOut = true;
    this.pingAt = now;
    this.spared = false;
  }

  /**
   * Silent for an interval and the timeout, of which the PING had the timeout to itself. What is read after the PING without its
   * ACK is life too: a new silence begins, and the PING that is still out asks for it.
   */
  private get deadAt(): number {
    return Math.max(this.pingAt, this.heardAt + this.interval) + this.timeout;
  }
  private verdict(now: number): Look {
    const late = now - this.deadAt;
    if (late < 0) return Look.REST;
    if (late <= LATE || this.spared) return Look.DEAD;
    this.spared = true;
    this.pingAt = now + GRACE - this.timeout;
    return Look.REST;
  }
}

/** What the sessions of one endpoint go by; changed by what the engine says to one of them. */
export class KeepalivePolicy {
  /** Silence after which a session with streams is asked. */
  interval: number;
  readonly timeout: number;
  /** Between the ACK of a PING and the next one that is not free. */
  minPingDistance: number;

  constructor(spec: KeepaliveSpec, minPingDistance = MIN_PING_DISTANCE) {
    this.interval = spec.interval;
    this.timeout = spec.timeout;
    this.minPingDistance = minPingDistance;
  }

  /** Nothing read for so long: a NAT or the engine may have forgotten the connection, so a new stream asks first. */
  get idleForLong(): number {
    return Math.max(this.interval, IDLE_FOR_LONG);
  }
  /** Both double: the interval as promised, and the distance because PINGs so far apart were too many. */
  slowDown(): void {
    this.interval = Math.max(this.interval, Math.min(2 * this.interval, MAX_INTERVAL));
    this.minPingDistance = Math.max(this.minPingDistance, Math.min(2 * this.minPingDistance, MAX_INTERVAL));
  }
}

/** The ledger of a session to an engine. */
export class Keepalive extends Watch {
  private readonly policy: KeepalivePolicy;
  private readonly random: () => number;
  /** The next PING costs nothing: HEADERS or DATA were read after the last one's ACK, or there was none. */
  private free = true;
  /** An early PING was written, and no free one since: the engine may count one strike, and is given no second. */
  private early = false;
  private stretch = STRETCH_LEAST;
  /** `policy.minPingDistance` when the last PING was written. */
  private distance = 0;
  private withheldAt = -1;

  constructor(policy: KeepalivePolicy, now: number, random: () => number = Math.random) {
    super(now);
    this.policy = policy;
    this.random = random;
  }

  /** HEADERS or DATA were read, on whatever stream. */
  answered(): void {
    this.free = true;
  }
  override acked(now: number): boolean {
    if (!super.acked(now)) return false;
    this.free = false;
    this.stretch = STRETCH_LEAST + STRETCH_RANDOM * this.random();
    return true;
  }

  override check(now: number, streams: number): Look {
    const look = super.check(now, streams);
    if (look !== Look.REST || this.pingOut || streams === 0) return look;
    if (now - this.heardAt < this.interval || this.withheldAt === this.heardAt) return look;
    this.withheldAt = this.heardAt;
    return Look.WITHHELD;
  }

  /** A stream may be opened at once: the session is not idle for long, and does not owe an answer. */
  mayOpen(now: number): boolean {
    return now - this.heardAt < (this.pingOut ? this.policy.interval : this.policy.idleForLong);
  }
  /** What has to come before a new stream. `streams`: how many are open, without it. */
  beforeStream(now: number, streams: number): Opening {
    if (this.mayOpen(now)) return Opening.NOW;
    if (this.pingOut) return Opening.WAIT;
    const early = !this.mayPing(now, streams);
    if (early && this.early) return Opening.ELSEWHERE;
    this.enter(now);
    this.early ||= early;
    return Opening.PING;
  }
  /** A PING for another reason, such as a round trip to measure: true if it is entered, and has to be written now. */
  probe(now: number, streams: number): boolean {
    if (streams === 0 || !this.mayPing(now, streams)) return false;
    this.enter(now);
    return true;
  }

  /** The engine said "too_many_pings". False if its endpoint has slowed down since the last PING of this session. */
  tooManyPings(): boolean {
    if (this.distance < this.policy.minPingDistance) return false;
    this.policy.slowDown();
    return true;
  }

  protected override get interval(): number {
    return this.policy.interval;
  }
  protected override get timeout(): number {
    return this.policy.timeout;
  }
  protected override dueAt(streams: number): number {
    if (streams === 0) return Infinity;
    const silent = this.heardAt + this.policy.interval;
    return this.free ? silent : Math.max(silent, this.paidAt(streams));
  }
  /** Whether a PING may be written that is no strike. */
  private mayPing(now: number, streams: number): boolean {
    return !this.pingOut && (this.free || now >= this.paidAt(streams));
  }
  /** When a PING that is not free is no strike any more. */
  private paidAt(streams: number): number {
    const { minPingDistance } = this.policy;
    const distance = streams > 0 ? minPingDistance : Math.max(minPingDistance, MIN_PING_DISTANCE_IDLE);
    return this.ackedAt + distance * this.stretch;
  }
  protected override enter(now: number): void {
    super.enter(now);
    this.distance = this.policy.minPingDistance;
    if (this.free) this.early = false;
  }
}

/** Silence after which a client is asked, with and without streams, and the time for its answer. */
export const DOWNSTREAM_KEEPALIVE = { interval: 60_000, idleInterval: 7_200_000, timeout: 20_000 };

/** The same for a session from a client: clients count no strikes, so silence is all that matters. */
export class DownstreamKeepalive extends Watch {
  private readonly spec: typeof DOWNSTREAM_KEEPALIVE;

  constructor(now: number, spec = DOWNSTREAM_KEEPALIVE) {
    super(now);
    this.spec = spec;
  }
  protected override get interval(): number {
    return this.spec.interval;
  }
  protected override get timeout(): number {
    return this.spec.timeout;
  }
  protected override dueAt(streams: number): number {
    return this.heardAt + (streams > 0 ? this.spec.interval : this.spec.idleInterval);
  }
}
