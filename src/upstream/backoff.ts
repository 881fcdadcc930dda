/** Waits between attempts to connect: 1 s, growing by 1.6 to a maximum, each with a jitter of a fifth. */
const FIRST = 1000;
const GROWTH = 1.6;
const JITTER = 0.2;

export class Backoff {
  private readonly max: number;
  private readonly random: () => number;
  private base = FIRST;

  constructor(max: number, random: () => number = Math.random) {
    this.max = max;
    this.random = random;
  }
  /** Milliseconds to wait after this failure. */
  next(): number {
    const wait = Math.min(this.base, this.max);
    this.base = Math.min(this.base * GROWTH, this.max);
    return wait * (1 + JITTER * (2 * this.random() - 1));
  }
  reset(): void {
    this.base = FIRST;
  }
}
