/**
 * RST_STREAMs to an engine go at once while the bucket lasts; beyond it they wait, and their streams still count as
 * used. So one client that cancels without end cannot trip an engine's reset limit for all who share the session.
 */
const BURST = 100;
const PER_SECOND = 30;

export class ResetBucket {
  private tokens = BURST;
  private at = 0;
  private readonly queue: { readonly streamId: number; readonly code: number }[] = [];

  /** Whether a new RST may go now: not before those that wait. */
  take(now: number): boolean {
    return this.queue.length === 0 && this.spend(now);
  }
  private spend(now: number): boolean {
    this.tokens = Math.min(BURST, this.tokens + ((now - this.at) / 1000) * PER_SECOND);
    this.at = now;
    if (this.tokens < 1) return false;
    this.tokens--;
    return true;
  }
  defer(streamId: number, code: number): void {
    this.queue.push({ streamId, code });
  }
  /** RSTs that are not written yet. */
  get waiting(): number {
    return this.queue.length;
  }
  /** The next deferred RST that may go now, or null. */
  next(now: number): { readonly streamId: number; readonly code: number } | null {
    if (this.queue.length === 0 || !this.spend(now)) return null;
    return this.queue.shift() ?? null;
  }
}
