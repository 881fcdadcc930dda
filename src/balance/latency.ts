/**
 * How long an endpoint takes, as a moving average that believes bad news at once and good news slowly: a peak counts from
 * the moment it is seen, and fades with a time constant (Finagle's peak EWMA).
 */
const TIME_CONSTANT = 10_000;
/** After so long without news what is left of the average (0.25 %) says nothing, and would look like the fastest of all. */
const FORGOTTEN = 6 * TIME_CONSTANT;
/** 0 stands for unknown, so nothing is ever measured as 0. */
const SHORTEST = 0.001;

export class PeakEwma {
  private average = 0;
  private at = -Infinity;

  /** `ms` were measured at `now`. */
  observe(ms: number, now: number): void {
    const measured = Math.max(ms, SHORTEST);
    const faded = this.value(now);
    this.average = measured >= faded ? measured : faded + measured * (1 - this.fading(now));
    this.at = now;
  }

  /** Milliseconds; 0 while unknown. Without news it falls towards 0, so that who was slow is tried again some day. */
  value(now: number): number {
    return now - this.at > FORGOTTEN ? 0 : this.average * this.fading(now);
  }

  /** What is left of the average, as a share. */
  private fading(now: number): number {
    return Math.exp(-Math.max(0, now - this.at) / TIME_CONSTANT);
  }
}
