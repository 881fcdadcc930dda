/**
 * The fewest live streams relative to weight, the seeds' `minConn`. Where several have equally few, idle ones above all,
 * they take smooth weighted turns (nginx's `least_conn`), so that weights hold for an idle gateway too.
 */
import { carryOver, earn, type Turn } from './turn.ts';
import type { Candidate, Picker } from './picker.ts';

export class LeastRequest<C extends Candidate> implements Picker<C> {
  private turns: Turn<C>[] = [];

  update(candidates: readonly C[]): void {
    this.turns = carryOver(this.turns, candidates, (candidate) => ({ candidate, credit: 0 }));
  }

  pick(_hash: number, avoid: C | null): C | null {
    let least = Infinity;
    let total = 0;
    for (const { candidate } of this.turns) {
      if (!candidate.available || candidate === avoid) continue;
      const load = candidate.active / candidate.weight;
      if (load < least) {
        least = load;
        total = candidate.weight;
      } else if (load === least) total += candidate.weight;
    }
    let best: Turn<C> | null = null;
    for (const turn of this.turns) {
      const { candidate } = turn;
      if (!candidate.available || candidate === avoid || candidate.active / candidate.weight > least) continue;
      const credit = earn(turn, candidate.weight, total);
      if (best === null || credit > best.credit) best = turn;
    }
    if (best === null) return null;
    best.credit -= total;
    return best.candidate;
  }

  report(): void {
    // Failures are for ejection to judge.
  }
}
