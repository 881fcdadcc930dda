/** Any, each as likely as its weight: the seeds' `randomWeight`. */
import { ByLot } from './by-lot.ts';
import { drawWeighted } from './draw.ts';
import type { Candidate } from './picker.ts';

export class WeightedRandom<C extends Candidate> extends ByLot<C> {
  pick(_hash: number, avoid: C | null): C | null {
    return drawWeighted(this.candidates, this.random, avoid);
  }

  report(): void {
    // Failures are for ejection to judge.
  }
}
