/**
 * Calls of one key go to one endpoint: the first at or after the key's hash on a ring where every endpoint has many points.
 * One that comes or goes moves its own share of the keys and no others. Load is bounded (Mirrokni, Thorup and Zadimoghaddam,
 * "Consistent Hashing with Bounded Loads"): a key hotter than its endpoint can bear spills over to the next on the ring.
 *
 * Each endpoint has all of its points on the ring, and only so many of them count as its weight is of the heaviest's. So
 * a weight that changes (slow start, overload) moves keys in proportion, and the ring is built anew for `update` alone.
 */
import { hashString, mix32 } from './hash.ts';
import type { Candidate, Picker } from './picker.ts';

/** A point is sorted as one double: 32 bits of hash above 21 bits that say whose it is. */
const POINTS = 2 ** 21;

export class ConsistentHash<C extends Candidate> implements Picker<C> {
  private readonly virtualNodes: number;
  private readonly maxLoad: number;
  private candidates: readonly C[] = [];
  /** The ring in order: where each point is, whose it is, and which of its owner's it is. */
  private places = new Uint32Array(0);
  private owners = new Uint32Array(0);
  private ranks = new Uint32Array(0);
  /** Points of each candidate. */
  private nodes = 0;
  /** The greatest weight since the last update. One that falls behind its own past leaves its neighbours' points alone. */
  private heaviest = 0;

  /**
   * `virtualNodes`: points of the heaviest. `maxLoad`: streams of an endpoint relative to the mean of those that can be picked, by
   * weight; 0: no bound, and less than 1 is 1, since somebody has to be at the mean.
   */
  constructor(virtualNodes: number, maxLoad: number) {
    this.virtualNodes = Math.max(1, Math.floor(virtualNodes));
    this.maxLoad = maxLoad === 0 ? Infinity : Math.max(1, maxLoad);
  }

  update(candidates: readonly C[]): void {
    // The order of a DNS answer must not decide who has a place that two claim.
    this.candidates = [...candidates].sort((a, b) => (a.address < b.address ? -1 : Number(a.address > b.address)));
    this.heaviest = 0;
    const nodes = (this.nodes = Math.min(this.virtualNodes, Math.floor(POINTS / Math.max(1, candidates.length))));
    const points = new Float64Array(candidates.length * nodes);
    this.candidates.forEach(({ address }, owner) => {
      const seed = hashString(address);
      for (let rank = 0; rank < nodes; rank++) {
        const index = owner * nodes + rank;
        points[index] = mix32(seed ^ mix32(rank + 1)) * POINTS + index;
      }
    });
    points.sort();
    this.places = Uint32Array.from(points, (point) => Math.floor(point / POINTS));
    this.owners = Uint32Array.from(points, (point) => Math.floor((point % POINTS) / nodes));
    this.ranks = Uint32Array.from(points, (point) => (point % POINTS) % nodes);
  }

  pick(hash: number, avoid: C | null): C | null {
    let any: C | null = null;
    let weights = 0;
    let active = 1; // The call that is placed now counts.
    for (const candidate of this.candidates) {
      const { weight } = candidate;
      if (weight > this.heaviest) this.heaviest = weight;
      if (!candidate.available || candidate === avoid) continue;
      any = candidate;
      weights += weight;
      active += candidate.active;
    }
    if (any === null) return null;
    return this.walk(hash, avoid, (this.maxLoad * active) / weights) ?? any;
  }

  report(): void {
    // Failures are for ejection to judge.
  }

  /** The first from `hash` on that can be picked and has room for one stream more; `room` is streams for each unit of weight. */
  private walk(hash: number, avoid: C | null, room: number): C | null {
    const { candidates, owners, ranks, nodes, heaviest } = this;
    let at = this.search(hash);
    for (let left = owners.length; left > 0; left--, at++) {
      if (at === owners.length) at = 0;
      const candidate = candidates[owners[at]!]!;
      if (!candidate.available || candidate === avoid) continue;
      const { weight } = candidate;
      if (ranks[at]! * heaviest < nodes * weight && candidate.active < Math.ceil(room * weight)) return candidate;
    }
    return null;
  }

  /** The first point at or after `hash`; the number of points if there is none. */
  private search(hash: number): number {
    const { places } = this;
    let low = 0;
    let high = places.length;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if (places[middle]! < hash) low = middle + 1;
      else high = middle;
    }
    return low;
  }
}
