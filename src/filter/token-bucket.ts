/** A token bucket: `rate` tokens a second flow in, up to `burst`; each call takes one out. It does nothing while nobody asks. */

/** What rounding may cost: a token counts as there when so little of it is missing. */
const SLACK = 1e-9;

export class TokenBucket {
  /** When it is full again, in milliseconds of the caller's clock. */
  fullAt: number;
  /** Tokens there were, and when. */
  private tokens: number;
  private at: number;
  private readonly perMs: number;
  private readonly burst: number;

  /** `rate` above 0, `burst` at least 1. It begins full. */
  constructor(rate: number, burst: number, now: number) {
    this.perMs = rate / 1000;
    this.burst = burst;
    this.tokens = burst;
    this.at = this.fullAt = now;
  }

  /** Takes a token and returns 0; or, without one, the milliseconds until there is one. `now` may not go back: then it stands still. */
  take(now: number): number {
    const at = Math.max(now, this.at);
    const tokens = Math.min(this.burst, this.tokens + (at - this.at) * this.perMs);
    if (tokens < 1 - SLACK) return (1 - tokens) / this.perMs + at - now;
    this.tokens = Math.max(0, tokens - 1);
    this.at = at;
    this.fullAt = at + (this.burst - this.tokens) / this.perMs;
    return 0;
  }
}
