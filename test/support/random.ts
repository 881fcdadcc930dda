/** Random numbers that are the same in every run (mulberry32), so that a seed names a failure. */
export class Random {
  private state: number;

  constructor(seed: number) {
    this.state = seed;
  }

  /** In [0, 1). */
  next(): number {
    this.state = (this.state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(this.state ^ (this.state >>> 15), this.state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  }
  /** An integer of 0 to `n - 1`. */
  below(n: number): number {
    return Math.floor(this.next() * n);
  }
  /** An integer of `min` to `max`. */
  between(min: number, max: number): number {
    return min + this.below(max - min + 1);
  }
  chance(probability: number): boolean {
    return this.next() < probability;
  }
  pick<T>(from: readonly T[]): T {
    return from[this.below(from.length)]!;
  }
  octets(length: number): Buffer {
    const buffer = Buffer.allocUnsafe(length);
    for (let i = 0; i < length; i++) buffer[i] = this.below(256);
    return buffer;
  }
  /** Text of `length` characters out of an alphabet. */
  text(length: number, alphabet: string): string {
    let text = '';
    for (let i = 0; i < length; i++) text += alphabet[this.below(alphabet.length)]!;
    return text;
  }
  /** Places to cut `length` octets at, in order; some pieces may be empty. */
  cuts(length: number, count: number): number[] {
    return Array.from({ length: count }, () => this.below(length + 1)).sort((a, b) => a - b);
  }
}
