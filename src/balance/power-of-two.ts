/**
 * The less loaded of two drawn by lot. Nearly as even as the least loaded of all, without the herd: several gateways that see
 * the same idle engine do not all run to it. Lots go by weight, else a heavy one among many light ones would be drawn too
 * seldom to ever get its share; and of two with equal load the first drawn is taken, so that weights hold at rest too.
 */
import { BestOfTwo } from './by-lot.ts';
import type { Candidate } from './picker.ts';

export class PowerOfTwo<C extends Candidate> extends BestOfTwo<C> {
  protected better(second: C, first: C): boolean {
    return second.active * first.weight < first.active * second.weight;
  }

  report(): void {
    // Failures are for ejection to judge.
  }
}
