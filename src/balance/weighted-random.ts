/** Any, each as likely as its weight: the seeds' `randomWeight`. */
import { drawWeighted } from './draw.ts';
import type { Candidate, Picker } from './picker.ts';

export class WeightedRandom<C extends Candidate> implements Picker<C> {
  private readonly random: () => number;
  private candidates: readonly C[] = [];

  constructor(random: () => number) {
    this.random = random;
  }

  update(candidates: readonly C[]): void {
    this.candidates = [...candidates];
  }

  pick(_hash: number, avoid: C | null): C | null {
    return drawWeighted(this.candidates, this.random, avoid);
  }

  report(): void {
    // Failures are for ejection to judge.
  }
}
