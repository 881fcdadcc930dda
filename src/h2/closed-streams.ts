/**
 * How the last closed streams of a session ended: what a late frame on one of them means depends on it (RFC 9113
 * section 5.1, "closed").
 */

export const Closed = {
  /** Both sides ended it: more frames are a connection error. */
  ENDED: 1,
  /** The peer reset it: more frames are a stream error. */
  RESET_BY_PEER: 2,
  /** We reset it: frames already on their way are ignored. */
  RESET_BY_US: 3,
} as const;
export type Closed = (typeof Closed)[keyof typeof Closed];

const REMEMBERED = 1024;

export class ClosedStreams {
  /**
   * A ring of numbers, each an id without its last bit and then two bits for how it ended: all were opened by the same side. It
   * grows as it is needed, for most sessions see few streams.
   */
  private readonly ring: number[] = [];
  private count = 0;
  private highestForgotten = 0;

  add(streamId: number, how: Closed): void {
    const entry = ((streamId >>> 1) << 2) | how;
    if (this.count < REMEMBERED) this.ring.push(entry);
    else {
      const slot = this.count % REMEMBERED;
      this.highestForgotten = Math.max(this.highestForgotten, idOf(this.ring[slot]!));
      this.ring[slot] = entry;
    }
    this.count++;
  }
  /** How the stream ended, or undefined if that is forgotten. Asked only when something odd arrives. */
  get(streamId: number): Closed | undefined {
    for (const entry of this.ring) if (idOf(entry) === streamId) return (entry & 3) as Closed;
    return undefined;
  }
  /** Whether a stream that `get` does not know may have been open once. */
  mayHaveForgotten(streamId: number): boolean {
    return streamId <= this.highestForgotten;
  }
}

/** Only clients open streams, and theirs are odd. */
const idOf = (entry: number): number => (entry >>> 2) * 2 + 1;
