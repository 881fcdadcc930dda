/** A connection to an engine that speaks HTTP/2: a session, and its keepalive. */
import { Endpoint as Count, PING_REASONS } from '../counters.ts';
import { Failures } from '../errors.ts';
import type { Failure } from '../errors.ts';
import { Session } from '../h2/session.ts';
import type { SessionOwner } from '../h2/core.ts';
import { Keepalive, Look, Opening } from '../h2/keepalive.ts';
import { Timer } from '../io/timer-wheel.ts';
import { now } from '../io/turn.ts';
import type { Half, HalfSink } from '../relay/half.ts';
import type { RequestHead } from '../relay/message.ts';
import { EngineConnection } from './engine-connection.ts';
import type { Carried } from './engine-connection.ts';
import type { Pool } from './pool.ts';

/** While the session is not read, its ledger is not asked. */
const PAUSED = 1000;

export class EngineSession extends EngineConnection implements SessionOwner {
  readonly session: Session;
  /** Streams that it may carry, by all that is known of the engine. */
  private limit = 0;
  /** When a stream was opened where none was. */
  private openedAt = 0;
  private readonly ledger: Keepalive;
  private readonly pulse: Timer;
  private spoken = false;

  constructor(pool: Pool, overflow: boolean, settled?: (stands: boolean) => void) {
    super(pool, overflow, settled);
    const { context, endpoint } = pool;
    this.pulse = new Timer(() => this.look());
    this.ledger = new Keepalive(endpoint.keepalive, now());
    this.session = new Session(this.connection, context, this);
    this.connection.begin(this.session, true);
  }

  get room(): number {
    const { session } = this;
    return this.state === 'ready' && !session.dead ? this.limit - session.streamsUsed : 0;
  }
  get openCalls(): number {
    return this.session.streams.size;
  }
  carried(): readonly Carried[] {
    return this.session.streams.all();
  }

  override get takesTunnels(): boolean {
    return this.spoken;
  }
  refusal(head: RequestHead): Failure | null {
    const { peer } = this.session;
    // "A sender MUST NOT" use `:protocol` unless it has received the setting (RFC 8441 section 3).
    if (head.upgrade !== null && !peer.enableConnectProtocol) return Failures.tunnelRefused;
    return peer.accepts(head.fields) ? null : Failures.headersTooLarge;
  }
  open(head: RequestHead, end: boolean, sink: HalfSink): Half {
    this.pool.endpoint.counters.add(Count.STREAMS, 1);
    const stream = this.session.openStream(head, end, sink);
    this.pool.active++;
    if (this.used++ === 0) this.begin();
    return stream;
  }

  /** A call may be opened at once. A session that was silent for long is asked first, and heard of when it answers. */
  awake(): boolean {
    const time = now();
    this.mute = false;
    if (time - this.session.readAt < this.pool.endpoint.keepalive.interval) return true;
    this.tell();
    switch (this.ledger.beforeStream(time, this.used)) {
      case Opening.NOW:
        return true;
      case Opening.PING:
        this.ping(time);
        return false;
      case Opening.WAIT:
        return false;
      case Opening.ELSEWHERE:
        // It cannot be asked without a strike; without calls it is not worth keeping.
        this.pool.endpoint.counters.addTo(Count.PINGS_WITHHELD, 1, PING_REASONS.length);
        if (this.used === 0) this.close();
        else this.mute = true;
        return false;
    }
  }

  protected leave(): void {
    this.session.drain();
  }

  // --- SessionOwner ------------------------------------------------------------------------------------------------

  onRequest(): void {
    // Engines open no streams: push is disabled.
  }
  onRefused(): void {
    // As above.
  }
  onFreed(): void {
    this.count();
    this.pool.freed();
  }
  onSettings(): void {
    if (!this.spoken) {
      this.spoken = true;
      this.pool.spoke();
      if (this.state === 'connecting') this.stands();
    }
    this.bound();
    this.pool.limited(this.session.peer.maxConcurrentStreams);
  }
  onRetired(): void {
    this.retire();
  }
  onPong(): void {
    // What was read before the answer may have been sent before the question came.
    this.session.spoke = false;
    this.ledger.heard(this.session.readAt);
    this.ledger.acked(now());
    this.pool.endpoint.counters.add(Count.PINGS_ANSWERED, 1);
    this.listen(now());
    this.pool.freed();
  }
  onTooManyPings(): void {
    const { counters, keepalive } = this.pool.endpoint;
    counters.add(Count.TOO_MANY_PINGS, 1);
    if (!this.ledger.tooManyPings()) return;
    const message = `too many pings: silence is asked about after ${keepalive.interval / 1000} s from now on`;
    this.record('keepalive', message);
  }
  onClosed(): void {
    // What never spoke was no engine: it is not to be connected to again at once.
    if (!this.spoken && this.state === 'ready') this.pool.failed(this, Failures.sessionLost);
    this.gone();
    this.count();
    this.pool.context.wheel.disarm(this.pulse);
    this.pool.freed();
  }

  protected connected(): void {
    if (this.state !== 'connecting') return;
    this.session.start();
    // A hung process accepts connections, too: after a loss it has to speak first, within the same time.
    if (!this.pool.doubtful) this.stands();
  }
  protected override stands(): void {
    this.bound();
    super.stands();
  }

  private bound(): void {
    const { maxConcurrentStreams, received } = this.session.peer;
    // Before its SETTINGS an engine is taken at its last word.
    const allowed = received ? maxConcurrentStreams : Math.min(maxConcurrentStreams, this.pool.streamLimit);
    this.limit = Math.min(this.pool.perSession, allowed);
  }

  // --- Keepalive ---------------------------------------------------------------------------------------------------

  /** Tells the ledger what was read since it was last told. */
  private tell(): void {
    const { session, ledger } = this;
    // Nobody owed us a word before the first of the open streams.
    ledger.heard(Math.max(session.readAt, this.openedAt));
    if (session.spoke) ledger.answered();
    session.spoke = false;
  }

  private listen(time: number): void {
    const wait = this.ledger.nextCheck(time, this.used);
    if (wait < Infinity) this.pool.context.wheel.arm(this.pulse, wait);
  }

  private look(): void {
    if (this.session.dead) return;
    const time = now();
    if (this.connection.paused) {
      // It is we who do not read: its answer may be there.
      this.pool.context.wheel.arm(this.pulse, PAUSED);
      return;
    }
    this.tell();
    switch (this.ledger.check(time, this.used)) {
      case Look.DEAD:
        this.pool.endpoint.counters.add(Count.PINGS_UNANSWERED, 1);
        this.pool.doubtful = true;
        this.record('closed', 'a keepalive PING was not answered');
        this.session.cut();
        return;
      case Look.PING:
        this.ping(time);
        return;
      case Look.WITHHELD:
        this.pool.endpoint.counters.addTo(Count.PINGS_WITHHELD, 0, PING_REASONS.length);
        this.listen(time);
        return;
      case Look.REST:
        this.listen(time);
    }
  }

  private ping(time: number): void {
    this.pool.endpoint.counters.add(Count.PINGS, 1);
    this.session.ping();
    this.listen(time);
  }

  /** There are streams again: only while there are does the ledger's clock run. */
  private begin(): void {
    this.openedAt = now();
    this.tell();
    this.listen(this.openedAt);
  }

  /** Streams may be free again. */
  private count(): void {
    const { streamsUsed, dead } = this.session;
    // RSTs that still wait are as good as said once the session is dead.
    const used = dead ? 0 : streamsUsed;
    const freed = this.used - used;
    if (freed === 0) return;
    this.used = used;
    this.pool.active -= freed;
    if (used > 0) return;
    this.idleSince = now();
    this.pool.idle(this);
  }
}
