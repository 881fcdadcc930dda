/** One after the other, whatever their weights. Of n candidates, one that is always available has its turn within n picks. */
import type { Candidate, Picker } from './picker.ts';

export class RoundRobin<C extends Candidate> implements Picker<C> {
  private candidates: readonly C[] = [];
  /** Whose turn it is. */
  private next = 0;

  /** The turn stays with whom it was, or goes to the first after it that is still there: else updates would favour the first. */
  update(candidates: readonly C[]): void {
    const places = new Map(candidates.map(({ address }, index) => [address, index]));
    const before = this.candidates;
    let next = 0;
    for (let i = 0; i < before.length; i++) {
      const place = places.get(before[(this.next + i) % before.length]!.address);
      if (place === undefined) continue;
      next = place;
      break;
    }
    this.candidates = [...candidates];
    this.next = next;
  }

  pick(_hash: number, avoid: C | null): C | null {
    const { candidates } = this;
    for (let i = 0; i < candidates.length; i++) {
      const index = (this.next + i) % candidates.length;
      const candidate = candidates[index]!;
      if (!candidate.available || candidate === avoid) continue;
      this.next = (index + 1) % candidates.length;
      return candidate;
    }
    return null;
  }

  report(): void {
    // Failures are for ejection to judge.
  }
}
