/**
 * How many retries there may be. When engines fail because they have too much to do, trying everything again makes it
 * worse: so retries are a share of the calls of the last seconds, and a few a second beside them where calls are rare.
 */
const WINDOW = 10_000;
/** The window moves in steps of a twentieth. */
const BUCKETS = 20;
const STEP = WINDOW / BUCKETS;

export class RetryBudget {
  private readonly share: number;
  private readonly perSecond: number;
  /** What `minPerSecond` allows at once: retries come one at a time, however few there may be. */
  private readonly most: number;
  private allowance: number;
  private allowanceAt = 0;
  /** By step of the window, and their sums. Retries out of the allowance are not charged to the share. */
  private readonly calls = new Float64Array(BUCKETS);
  private readonly retries = new Float64Array(BUCKETS);
  private callsInWindow = 0;
  private retriesInWindow = 0;
  /** The step that is being counted. */
  private step = 0;

  /** `share` of the calls of the last 10 s may be tried again, and `minPerSecond` whatever the share. */
  constructor(share: number, minPerSecond: number) {
    this.share = share;
    this.perSecond = minPerSecond;
    this.most = minPerSecond === 0 ? 0 : Math.max(1, minPerSecond);
    this.allowance = this.most;
  }

  /** A call has begun; its retries are not calls. */
  called(now: number): void {
    this.advance(now);
    this.calls[this.step % BUCKETS]!++;
    this.callsInWindow++;
  }

  /** Whether one more retry may be made; if so, it is charged. */
  take(now: number): boolean {
    this.allowance = Math.min(this.most, this.allowance + ((now - this.allowanceAt) / 1000) * this.perSecond);
    this.allowanceAt = now;
    if (this.allowance >= 1) {
      this.allowance--;
      return true;
    }
    this.advance(now);
    if (this.callsInWindow === 0 || (this.retriesInWindow + 1) / this.callsInWindow > this.share) return false;
    this.retries[this.step % BUCKETS]!++;
    this.retriesInWindow++;
    return true;
  }

  private advance(now: number): void {
    const step = Math.floor(now / STEP);
    if (step <= this.step) return;
    const first = Math.max(this.step + 1, step - BUCKETS + 1);
    for (let at = first; at <= step; at++) {
      const bucket = at % BUCKETS;
      this.callsInWindow -= this.calls[bucket]!;
      this.retriesInWindow -= this.retries[bucket]!;
      this.calls[bucket] = this.retries[bucket] = 0;
    }
    this.step = step;
  }
}
