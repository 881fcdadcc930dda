/**
 * Passive ejection: an endpoint whose calls fail is left out for a while, longer each time in a row, and comes back by
 * way of one probe call. No timers: whoever asks brings the time.
 */
import type { OutlierSpec } from '../snapshot.ts';

/** The term of calls that nobody is judged by. */
const HEARSAY = 0;

/** Too many failures in a row, too large a share of them in an interval, or a failed probe. */
export type EjectionCause = 'consecutive' | 'share' | 'probe';

/** What is known of one endpoint. Plain data; only the detector writes it. */
export interface OutlierRecord {
  readonly address: string;
  state: 'in' | 'out' | 'probing';
  /**
   * Grows with each ejection and each probe. A call is judged only in the term in which it was given out: a stream that
   * was opened an hour ago says nothing of an endpoint that has been thrown out since, nor of how its probe went.
   */
  term: number;
  /** When it last came into rotation. */
  since: number;
  /** End of the ban if `out`; if `probing`, when the probe is taken for lost. */
  until: number;
  failuresInRow: number;
  /** Calls that ended in the interval that ends at `intervalEnd`, and how many of them failed. */
  ended: number;
  failed: number;
  intervalEnd: number;
  /** In a row, as of the last one: the ban is so many times the shortest. */
  ejections: number;
}

export interface OutlierEvents {
  /** Thrown out, or not let in again, for so many milliseconds. */
  onEjected(record: OutlierRecord, ban: number, cause: EjectionCause): void;
  onReturned(record: OutlierRecord): void;
}

/** One an upstream. Durations and times are milliseconds. */
export class OutlierDetector {
  private readonly spec: OutlierSpec;
  private readonly events: OutlierEvents;
  private size = 0;
  /** Endpoints that are out, or have only a probe call. */
  ejected = 0;

  constructor(spec: OutlierSpec, events: OutlierEvents) {
    this.spec = spec;
    this.events = events;
  }

  add(address: string, now: number): OutlierRecord {
    this.size++;
    return {
      address,
      state: 'in',
      term: HEARSAY + 1,
      since: now,
      until: 0,
      failuresInRow: 0,
      ended: 0,
      failed: 0,
      intervalEnd: 0,
      ejections: 0,
    };
  }

  /** The endpoint is no more. Calls still on it may end later; they change nothing. */
  remove(record: OutlierRecord): void {
    this.size--;
    if (record.state !== 'in') this.ejected--;
    record.state = 'in';
    record.term = HEARSAY;
  }

  /** Whether a call may go there: any if it is in, one after a ban. */
  available(record: OutlierRecord, now: number): boolean {
    return record.state === 'in' || now >= record.until;
  }

  /**
   * A call goes there, whether it was available or not (all are picked from in a panic). Returns the term in which the
   * call is judged, to be handed back with its end.
   */
  took(record: OutlierRecord, now: number): number {
    if (record.state === 'in') return record.term;
    if (now < record.until) return HEARSAY;
    record.state = 'probing';
    // A probe that hangs costs its caller what a failed one does, so the next is not due sooner than after a ban.
    record.until = now + this.spec.baseEjection;
    return ++record.term;
  }

  /** A call ended well, or failed through its endpoint's fault. `term` is what `took` returned for it. */
  ended(record: OutlierRecord, term: number, ok: boolean, now: number): void {
    if (term !== record.term || term === HEARSAY) return;
    if (record.state === 'probing') {
      if (ok) this.admit(record, now);
      else this.eject(record, 'probe', now);
      return;
    }
    const cause = this.judge(record, ok, now);
    if (cause !== null && this.mayEject) this.eject(record, cause, now);
  }

  /** A call is over and says nothing of its endpoint: its client left, say. If it was the probe, another may go. */
  abandoned(record: OutlierRecord, term: number, now: number): void {
    if (term !== record.term || record.state !== 'probing') return;
    record.state = 'out';
    record.term++;
    record.until = now;
  }

  private judge(record: OutlierRecord, ok: boolean, now: number): EjectionCause | null {
    const { consecutiveFailures, failureShare, minimumRequests, interval } = this.spec;
    if (now >= record.intervalEnd) {
      record.intervalEnd = now + interval;
      record.ended = record.failed = 0;
    }
    record.ended++;
    if (ok) record.failuresInRow = 0;
    else {
      record.failed++;
      record.failuresInRow++;
      if (record.failuresInRow >= consecutiveFailures) return 'consecutive';
    }
    const enough = failureShare > 0 && record.ended >= minimumRequests;
    return enough && record.failed / record.ended >= failureShare ? 'share' : null;
  }

  /** What cannot be ejected for the others' sake goes on being judged, and goes as soon as one of them is back. */
  private get mayEject(): boolean {
    const out = this.ejected + 1;
    return out === 1 || out / this.size <= this.spec.maxEjected;
  }

  private eject(record: OutlierRecord, cause: EjectionCause, now: number): void {
    const { baseEjection, maxEjection } = this.spec;
    if (record.state === 'in') {
      this.ejected++;
      // Each stretch in rotation that is as long as the shortest ban makes good for one ejection.
      record.ejections = Math.max(0, record.ejections - Math.floor((now - record.since) / baseEjection));
    }
    // No more are counted than lengthen the ban: or an endpoint that was down for a day would be a suspect for another.
    record.ejections = Math.min(record.ejections + 1, Math.ceil(maxEjection / baseEjection));
    const ban = Math.min(record.ejections * baseEjection, maxEjection);
    record.state = 'out';
    record.term++;
    record.until = now + ban;
    this.events.onEjected(record, ban, cause);
  }

  private admit(record: OutlierRecord, now: number): void {
    this.ejected--;
    record.state = 'in';
    record.since = now;
    record.failuresInRow = 0;
    record.intervalEnd = now;
    this.events.onReturned(record);
  }
}
