/**
 * What RESOURCE_EXHAUSTED does to an engine. It is alive and says that it has too much, so it gets less for a while; to
 * eject it would put its load on its neighbours and overload them next.
 */
const LEAST = 0.1;
/** Calls that were under way together are refused together: a burst of refusals says the same thing once. */
const BURST = 100;
const RECOVERY = 10_000;

export class Overload {
  private low = 1;
  private at = -Infinity;

  /** The engine answered RESOURCE_EXHAUSTED: its share is halved. */
  exhausted(now: number): void {
    if (now - this.at < BURST) return;
    this.low = Math.max(LEAST, this.share(now) / 2);
    this.at = now;
  }

  /** The share of its weight that it has, 0.1 to 1; back at 1 in a straight line, 10 s after the last refusal that counted. */
  share(now: number): number {
    const elapsed = Math.max(0, now - this.at);
    return elapsed >= RECOVERY ? 1 : this.low + (1 - this.low) * (elapsed / RECOVERY);
  }
}
