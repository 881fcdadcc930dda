/** The share of its weight that a new or returned endpoint has: caches fill and compilers warm up before it is full. */
const LEAST = 0.1;

export class SlowStart {
  private readonly duration: number;
  private began = -Infinity;

  /** `duration` in milliseconds; 0: the full share at once. */
  constructor(duration: number) {
    this.duration = duration;
  }

  /** The endpoint comes into rotation. */
  begin(now: number): void {
    this.began = now;
  }

  /** From 0.1 to 1 in a straight line; 1 if it never began. */
  share(now: number): number {
    const elapsed = Math.max(0, now - this.began);
    return elapsed >= this.duration ? 1 : LEAST + (1 - LEAST) * (elapsed / this.duration);
  }
}
