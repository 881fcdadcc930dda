/**
 * Token buckets by key, a bounded number of them. When there are too many, the one that is full soonest is forgotten: that is the
 * one that has been full longest, which remembers nothing; and where none is full, the one that remembers least.
 *
 * So a client with endless keys pushes out its own buckets, each of which lacks one token, and not that of a busy key: for
 * this key to get back m tokens early, all others have to lack as many, which takes m calls for each, let through at a
 * time. (The least recently used one would go after one call for each.)
 */
import { ownCopy } from './key-of.ts';
import { TokenBucket } from './token-bucket.ts';

/** Full buckets that a new one replaces: more than one, so that the table shrinks again after a flood of keys. */
const FORGOTTEN_AT_ONCE = 2;

class Entry extends TokenBucket {
  readonly key: string;
  /** Index in the heap. */
  place = 0;

  constructor(key: string, rate: number, burst: number, now: number) {
    super(rate, burst, now);
    this.key = key;
  }
}

export class BucketTable {
  private readonly rate: number;
  private readonly burst: number;
  private readonly maxKeys: number;
  private readonly byKey = new Map<string, Entry>();
  /** A binary heap by `fullAt`. */
  private readonly heap: Entry[] = [];

  /** `maxKeys` at least 1; the others as of `TokenBucket`. */
  constructor(rate: number, burst: number, maxKeys: number) {
    this.rate = rate;
    this.burst = burst;
    this.maxKeys = maxKeys;
  }

  get size(): number {
    return this.heap.length;
  }

  /** As `TokenBucket.take`, of the bucket of this key. */
  take(key: string, now: number): number {
    const entry = this.byKey.get(key);
    if (entry === undefined) return this.takeFirst(key, now);
    const wait = entry.take(now);
    if (wait === 0) this.sink(entry);
    return wait;
  }

  private takeFirst(key: string, now: number): number {
    for (let n = 0; n < FORGOTTEN_AT_ONCE && this.heap.length > 0 && this.heap[0]!.fullAt <= now; n++) this.forget();
    if (this.heap.length >= this.maxKeys) this.forget();
    const entry = new Entry(ownCopy(key), this.rate, this.burst, now);
    const wait = entry.take(now);
    this.byKey.set(entry.key, entry);
    this.put(entry, this.heap.length);
    this.rise(entry);
    return wait;
  }

  private forget(): void {
    const first = this.heap[0]!;
    const last = this.heap.pop()!;
    this.byKey.delete(first.key);
    if (last === first) return;
    this.put(last, 0);
    this.sink(last);
  }

  private rise(entry: Entry): void {
    while (entry.place > 0) {
      const parent = this.heap[(entry.place - 1) >> 1]!;
      if (parent.fullAt <= entry.fullAt) return;
      const { place } = parent;
      this.put(parent, entry.place);
      this.put(entry, place);
    }
  }

  /** Its time has moved on: it changes places with the earliest below it. */
  private sink(entry: Entry): void {
    const { heap } = this;
    for (;;) {
      const left = 2 * entry.place + 1;
      if (left >= heap.length) return;
      const right = left + 1 < heap.length && heap[left + 1]!.fullAt < heap[left]!.fullAt;
      const child = heap[right ? left + 1 : left]!;
      if (child.fullAt >= entry.fullAt) return;
      const { place } = child;
      this.put(child, entry.place);
      this.put(entry, place);
    }
  }

  private put(entry: Entry, place: number): void {
    this.heap[place] = entry;
    entry.place = place;
  }
}
