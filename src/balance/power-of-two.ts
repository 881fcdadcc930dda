/**
 * The less loaded of two drawn by lot. Nearly as even as the least loaded of all, without the herd: several gateways that see
 * the same idle engine do not all run to it. Lots go by weight, else a heavy one among many light ones would be drawn too
 * seldom to ever get its share; and of two with equal load the first drawn is taken, so that weights hold at rest too.
 */
import { drawWeighted } from './draw.ts';
import type { Candidate, Picker } from './picker.ts';

export class PowerOfTwo<C extends Candidate> implements Picker<C> {
  private readonly random: () => number;
  private candidates: readonly C[] = [];

  constructor(random: () => number) {
    this.random = random;
  }

  update(candidates: readonly C[]): void {
    this.candidates = [...candidates];
  }

  pick(_hash: number, avoid: C | null): C | null {
    const first = drawWeighted(this.candidates, this.random, avoid);
    const second = first && drawWeighted(this.candidates, this.random, avoid, first);
    if (first === null || second === null) return first;
    return second.active * first.weight < first.active * second.weight ? second : first;
  }

  report(): void {
    // Failures are for ejection to judge.
  }
}
