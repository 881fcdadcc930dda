/**
 * The open streams of a session by id: a table of chains, each through the streams themselves. A `Map` would do, but each
 * time it is rebuilt the old table keeps pointing to the new one; once promoted, that chain keeps every stream alive until
 * the next full collection, and collecting garbage took a quarter of the proxy's time (measured).
 */
import type { Stream } from './stream.ts';

const FEWEST = 4;

export class StreamTable {
  size = 0;
  /** Heads of the chains; the length is a power of two. Ids follow one another, so that chains are short. */
  private heads: (Stream | null)[] = new Array<Stream | null>(FEWEST).fill(null);

  get(id: number): Stream | undefined {
    let stream = this.heads[(id >>> 1) & (this.heads.length - 1)] ?? null;
    while (stream !== null && stream.id !== id) stream = stream.chained;
    return stream ?? undefined;
  }

  add(stream: Stream): void {
    if (++this.size > this.heads.length) this.resize(this.heads.length * 2);
    this.link(stream);
  }

  /** False if the stream was not there. */
  delete(stream: Stream): boolean {
    const slot = (stream.id >>> 1) & (this.heads.length - 1);
    const next = stream.chained;
    let at = this.heads[slot] ?? null;
    if (at === stream) this.heads[slot] = next;
    else {
      while (at !== null && at.chained !== stream) at = at.chained;
      if (at === null) return false;
      at.chained = next;
    }
    stream.chained = null;
    this.size--;
    return true;
  }

  /** The open streams as they are now; the table may change meanwhile. */
  all(): Stream[] {
    const streams: Stream[] = [];
    for (const head of this.heads) for (let at = head; at !== null; at = at.chained) streams.push(at);
    return streams;
  }

  clear(): void {
    this.heads = new Array<Stream | null>(FEWEST).fill(null);
    this.size = 0;
  }

  /** Gives back what a busy time had needed; called when the session is idle. */
  trim(): void {
    if (this.size === 0 && this.heads.length > FEWEST) this.clear();
  }

  private link(stream: Stream): void {
    const slot = (stream.id >>> 1) & (this.heads.length - 1);
    stream.chained = this.heads[slot] ?? null;
    this.heads[slot] = stream;
  }

  private resize(length: number): void {
    const streams = this.all();
    this.heads = new Array<Stream | null>(length).fill(null);
    for (const stream of streams) this.link(stream);
  }
}
