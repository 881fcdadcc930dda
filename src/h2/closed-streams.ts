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
  /** Rings of ids and of how each ended; they grow as they are needed, for most sessions see few streams. */
  private ids = new Uint32Array(8);
  private how = new Uint8Array(8);
  private count = 0;
  private highestForgotten = 0;

  add(streamId: number, how: Closed): void {
    if (this.count === this.ids.length && this.count < REMEMBERED) this.grow();
    const slot = this.count % this.ids.length;
    if (this.count >= REMEMBERED) this.highestForgotten = Math.max(this.highestForgotten, this.ids[slot]!);
    this.ids[slot] = streamId;
    this.how[slot] = how;
    this.count++;
  }
  /** How the stream ended, or undefined if that is forgotten. Asked only when something odd arrives. */
  get(streamId: number): Closed | undefined {
    const slot = this.ids.indexOf(streamId);
    return slot < 0 ? undefined : (this.how[slot] as Closed);
  }
  /** Whether a stream that `get` does not know may have been open once. */
  mayHaveForgotten(streamId: number): boolean {
    return streamId <= this.highestForgotten;
  }
  private grow(): void {
    const ids = new Uint32Array(this.ids.length * 2);
    const how = new Uint8Array(ids.length);
    ids.set(this.ids);
    how.set(this.how);
    this.ids = ids;
    this.how = how;
  }
}
