/** Any, all equally likely, whatever their weights. */
import { drawUniform } from './draw.ts';
import type { Candidate, Picker } from './picker.ts';

export class UniformRandom<C extends Candidate> implements Picker<C> {
  private readonly random: () => number;
  private candidates: readonly C[] = [];

  constructor(random: () => number) {
    this.random = random;
  }

  update(candidates: readonly C[]): void {
    this.candidates = [...candidates];
  }

  pick(_hash: number, avoid: C | null): C | null {
    return drawUniform(this.candidates, this.random, avoid);
  }

  report(): void {
    // Failures are for ejection to judge.
  }
}
