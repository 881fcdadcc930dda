/**
 * Smooth weighted round robin with nginx's effective weight: failures lower it, successes raise it, and too many failures in
 * a short time take a candidate out.
 */
import { carryOver, earn, type Turn } from './turn.ts';
import type { Candidate, Picker } from './picker.ts';

/** Of the weight, whatever fails: who never has a turn can never show that it is well again. */
const LEAST = 0.1;

interface Entry<C extends Candidate> extends Turn<C> {
  /** The share of its weight that failures left it. */
  share: number;
  /** Times of the last `maxFails` failures, a ring. */
  readonly failedAt: Float64Array;
  failures: number;
  outUntil: number;
}

export class WeightedRoundRobin<C extends Candidate> implements Picker<C> {
  private readonly now: () => number;
  private readonly maxFails: number;
  private readonly failTimeout: number;
  private entries: Entry<C>[] = [];
  /** Some share is less than 1, so that a success has something to mend. */
  private impaired = false;
  private byAddress = new Map<string, Entry<C>>();

  /** `maxFails` failures within `failTimeout` milliseconds take a candidate out for as long; 0: failures count for nothing, as in nginx. */
  constructor(now: () => number, maxFails: number, failTimeout: number) {
    this.now = now;
    this.maxFails = maxFails;
    this.failTimeout = failTimeout;
  }

  update(candidates: readonly C[]): void {
    this.entries = carryOver(this.entries, candidates, (candidate) => ({
      candidate,
      credit: 0,
      share: 1,
      failedAt: new Float64Array(this.maxFails),
      failures: 0,
      outUntil: -Infinity,
    }));
    this.byAddress = new Map(this.entries.map((entry) => [entry.candidate.address, entry]));
  }

  pick(_hash: number, avoid: C | null): C | null {
    // Where there is no choice nothing is earned, and who is out is a better bet than none.
    if (this.entries.length === 1) {
      const { candidate } = this.entries[0]!;
      return candidate !== avoid && candidate.available ? candidate : null;
    }
    const now = this.now();
    // All out: one of them is a better bet than none.
    return this.turn(avoid, now) ?? this.turn(avoid, Infinity);
  }

  /** A step is the `maxFails`th part of the weight, down for a failure and up for a success. */
  report(candidate: C, ok: boolean): void {
    if (ok && !this.impaired) return;
    const entry = this.byAddress.get(candidate.address);
    if (entry === undefined || this.maxFails === 0) return;
    const step = 1 / this.maxFails;
    if (ok) {
      entry.share = Math.min(1, entry.share + step);
      this.impaired = this.entries.some(({ share }) => share < 1);
      return;
    }
    entry.share = Math.max(LEAST, entry.share - step);
    this.impaired = true;
    const now = this.now();
    entry.failedAt[entry.failures++ % this.maxFails] = now;
    const first = entry.failedAt[entry.failures % this.maxFails]!;
    if (entry.failures >= this.maxFails && now - first <= this.failTimeout) entry.outUntil = now + this.failTimeout;
  }

  /** The next among those that are not out at `now`. */
  private turn(avoid: C | null, now: number): C | null {
    let total = 0;
    for (const { candidate, share, outUntil } of this.entries) {
      if (candidate.available && candidate !== avoid && outUntil <= now) total += candidate.weight * share;
    }
    let best: Entry<C> | null = null;
    for (const entry of this.entries) {
      const { candidate } = entry;
      if (!candidate.available || candidate === avoid || entry.outUntil > now) continue;
      const credit = earn(entry, candidate.weight * entry.share, total);
      if (best === null || credit > best.credit) best = entry;
    }
    if (best === null) return null;
    best.credit -= total;
    return best.candidate;
  }
}
