/** What the policies that draw lots have in common: who can be drawn, and the comparison of two that were. */
import { drawWeighted } from './draw.ts';
import type { Candidate, Picker } from './picker.ts';

export abstract class ByLot<C extends Candidate> implements Picker<C> {
  protected readonly random: () => number;
  protected candidates: readonly C[] = [];

  constructor(random: () => number) {
    this.random = random;
  }

  update(candidates: readonly C[]): void {
    this.candidates = [...candidates];
  }

  abstract pick(hash: number, avoid: C | null): C | null;

  abstract report(candidate: C, ok: boolean): void;
}

/** Two are drawn by weight; the second has to be better to be taken. */
export abstract class BestOfTwo<C extends Candidate> extends ByLot<C> {
  protected abstract better(second: C, first: C): boolean;

  pick(_hash: number, avoid: C | null): C | null {
    const first = drawWeighted(this.candidates, this.random, avoid);
    const second = first && drawWeighted(this.candidates, this.random, avoid, first);
    if (first === null || second === null) return first;
    return this.better(second, first) ? second : first;
  }
}
