/** Any, all equally likely, whatever their weights. */
import { ByLot } from './by-lot.ts';
import { drawUniform } from './draw.ts';
import type { Candidate } from './picker.ts';

export class UniformRandom<C extends Candidate> extends ByLot<C> {
  pick(_hash: number, avoid: C | null): C | null {
    return drawUniform(this.candidates, this.random, avoid);
  }

  report(): void {
    // Failures are for ejection to judge.
  }
}
