/**
 * Ends what makes no progress: a handshake, a frame, a write, a reader too slow, a session that idles. One timer a session;
 * it looks once a second while there is something to watch, and otherwise sleeps until the session has idled too long.
 */
import { countLimit } from '../counters.ts';
import { ErrorCode, Failures } from '../errors.ts';
import { budget } from '../io/budget.ts';
import { Timer } from '../io/timer-wheel.ts';
import { now } from '../io/turn.ts';
import type { Session } from './session.ts';

const LOOK = 1000;
const RESET_STEP = 40;
/** How long held bytes may stand still when the process holds too many. */
const SHORT_PATIENCE = 5000;
/** After GOAWAY the socket is read and its input thrown away so long, or the GOAWAY itself would be lost. */
const LINGER = 1000;
/** The first GOAWAY of a drain is followed by the last after the PING's ACK, or after this. */
const DRAIN_STEP = 1000;

export class StallWatch {
  private readonly session: Session;
  private readonly timer: Timer;
  private drainAt = 0;
  /** Units that the reader had finished when a begun one was last seen to be another. */
  private unitsSeen = 0;
  private unitSince = 0;

  constructor(session: Session) {
    this.session = session;
    this.timer = new Timer(() => this.look());
  }

  /** Something was read or written that may stall. */
  soon(): void {
    this.session.unwatched = false;
    this.arm(LOOK);
  }
  drainAnnounced(): void {
    this.drainAt = now();
    this.soon();
  }
  /** An RST had to wait: it goes with the next token, not with the next look. */
  resetsWait(): void {
    this.session.unwatched = false;
    this.arm(RESET_STEP);
  }
  /** The session is dead; its socket may live a moment longer. */
  linger(): void {
    this.arm(LINGER);
  }
  end(): void {
    this.session.context.wheel.disarm(this.timer);
  }

  private arm(ms: number): void {
    this.session.context.wheel.arm(this.timer, ms);
  }

  private look(): void {
    const { session } = this;
    if (session.dead) {
      session.connection.destroy();
      return;
    }
    const time = now();
    if (session.leaving === 'announced' && time - this.drainAt >= DRAIN_STEP) session.leave();
    session.flushResets();
    session.sender.drained();
    if (this.ended(time)) return;
    this.endSlow(time);
    // A session may end with its last stream.
    if (this.alive) this.sleep(time);
  }

  private get alive(): boolean {
    return !this.session.dead;
  }

  private sleep(time: number): void {
    const { session } = this;
    const { idleTimeout } = session.context.limits;
    const quiet = session.streams.size === 0 && session.output.empty;
    const rest = idleTimeout - (time - session.readAt);
    if (quiet && session.server && rest <= 0) {
      session.drain();
      this.soon();
      return;
    }
    if (session.resets !== null && session.resets.waiting > 0) this.resetsWait();
    else if (!quiet || session.settingsUnacked > 0 || session.reader.waiting || session.leaving !== 'no') this.soon();
    else {
      session.unwatched = true;
      session.streams.trim();
      if (session.server) this.arm(rest);
    }
  }

  /** Ends what has stalled; true if that is the whole session. */
  private ended(time: number): boolean {
    const { session } = this;
    const { limits, counters } = session.context;
    if (!session.output.empty && time - session.output.progressAt >= limits.writeStallTimeout) {
      session.recordLimit('write_stall', null);
      session.cut();
      return true;
    }
    if (session.connection.paused) {
      // It is we who do not read: what the peer owes us may be there.
      session.settingsAt = this.unitSince = time;
      return false;
    }
    if (session.settingsUnacked > 0 && time - session.settingsAt >= limits.handshakeTimeout) {
      countLimit(counters, 'handshake');
      session.onError(ErrorCode.SETTINGS_TIMEOUT, 'no preface or SETTINGS ACK in time');
      return true;
    }
    if (!session.reader.waiting || session.reader.units !== this.unitsSeen) {
      this.unitsSeen = session.reader.units;
      this.unitSince = time;
    } else if (time - this.unitSince >= limits.handshakeTimeout) {
      countLimit(counters, 'frame_stall');
      session.onError(ErrorCode.PROTOCOL_ERROR, 'a frame was begun and not finished in time');
      return true;
    }
    return false;
  }

  /** Resets the streams whose peer does not take what is held for it. */
  private endSlow(time: number): void {
    const { session } = this;
    const { slowReadTimeout } = session.context.limits;
    const patience = budget.spent ? Math.min(slowReadTimeout, SHORT_PATIENCE) : slowReadTimeout;
    for (const stream of session.streams.all()) {
      if (stream.held === null || time - stream.heldSince < patience) continue;
      countLimit(session.context.counters, 'slow_read');
      const { sink } = stream;
      session.resetStream(stream, ErrorCode.CANCEL);
      stream.sink = null;
      sink?.onFailed(session.server ? Failures.slowRead : Failures.resetOther, ErrorCode.CANCEL);
    }
  }
}
