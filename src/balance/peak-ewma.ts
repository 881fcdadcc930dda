/**
 * The one that will answer sooner, of two drawn by lot: cost is latency x (active + 1) / weight. Two and not all, because
 * a latency is news from before: until the answers are in, all calls would go to whoever looked best last.
 */
import { BestOfTwo } from './by-lot.ts';
import { PeakEwma } from './latency.ts';
import type { Candidate } from './picker.ts';

/**
 * The latency of one that has not answered yet, and of one that failed. Slow, so that one call at a time tries it; but a
 * figure, so that calls spill over to it once the others have hundreds.
 */
const UNKNOWN = 10_000;

export class LeastPeakEwma<C extends Candidate> extends BestOfTwo<C> {
  private readonly now: () => number;
  /** By address. Failures are quick: without this who refuses every call would look like the fastest, and never busy. */
  private readonly penalties = new Map<string, PeakEwma>();

  constructor(now: () => number, random: () => number) {
    super(random);
    this.now = now;
  }

  override update(candidates: readonly C[]): void {
    super.update(candidates);
    const addresses = new Set(candidates.map(({ address }) => address));
    for (const address of this.penalties.keys()) if (!addresses.has(address)) this.penalties.delete(address);
  }

  protected better(second: C, first: C): boolean {
    return this.cost(second) < this.cost(first);
  }

  /** A failure counts as a very late answer, which fades as latency does; a success clears it. */
  report(candidate: C, ok: boolean): void {
    const { address } = candidate;
    if (ok) {
      this.penalties.delete(address);
      return;
    }
    // One that has left is not remembered.
    if (!this.candidates.some((other) => other.address === address)) return;
    const penalty = this.penalties.get(address) ?? new PeakEwma();
    penalty.observe(UNKNOWN, this.now());
    this.penalties.set(address, penalty);
  }

  private cost({ address, latency, active, weight }: C): number {
    const penalty = this.penalties.size === 0 ? 0 : (this.penalties.get(address)?.value(this.now()) ?? 0);
    const known = Math.max(latency, penalty);
    if (known === 0 && active === 0) return 0;
    return ((known === 0 ? UNKNOWN : known) * (active + 1)) / weight;
  }
}
