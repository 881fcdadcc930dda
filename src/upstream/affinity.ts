/**
 * Which endpoint the last call of a key went to. Least recently used keys go first when there are too many, and each goes
 * some time after its last call. As every use renews a key for the same time, the order of use is the order of expiry
 * too: one list serves both, and nothing is ever searched.
 */

/** Shared by all keys of an endpoint, so that one write forgets them all. */
interface Home<E> {
  endpoint: E | null;
}

interface Entry<E> {
  readonly key: AffinityKey;
  home: Home<E>;
  until: number;
  older: Entry<E> | null;
  newer: Entry<E> | null;
}

/** A hash of the call's key, or the key itself: which may be long, or hold on to the header that it was cut from. */
export type AffinityKey = number | string;

/** Two, as one operation adds at most one: so what has expired goes faster than it comes. */
const SWEPT = 2;

export class AffinityTable<E extends object> {
  private readonly maxKeys: number;
  private readonly ttl: number;
  private readonly entries = new Map<AffinityKey, Entry<E>>();
  private readonly homes = new Map<E, Home<E>>();
  private oldest: Entry<E> | null = null;
  private newest: Entry<E> | null = null;

  /** `maxKeys` is at least 1. A key is forgotten `ttl` milliseconds after its last use. */
  constructor(maxKeys: number, ttl: number) {
    this.maxKeys = maxKeys;
    this.ttl = ttl;
  }

  /** Keys held: never more than `maxKeys`. Some may have expired. */
  get size(): number {
    return this.entries.size;
  }

  /** The endpoint of this key, or null. A key that is found is renewed. */
  get(key: AffinityKey, now: number): E | null {
    this.sweep(now);
    const entry = this.entries.get(key);
    if (entry === undefined) return null;
    if (this.stale(entry, now)) {
      this.drop(entry);
      return null;
    }
    this.renew(entry, now);
    return entry.home.endpoint;
  }

  set(key: AffinityKey, endpoint: E, now: number): void {
    this.sweep(now);
    let entry = this.entries.get(key);
    if (entry === undefined) {
      if (this.entries.size >= this.maxKeys && this.oldest !== null) this.drop(this.oldest);
      entry = { key, home: this.homeOf(endpoint), until: 0, older: null, newer: null };
      this.entries.set(key, entry);
      this.append(entry);
    } else if (entry.home.endpoint !== endpoint) entry.home = this.homeOf(endpoint);
    this.renew(entry, now);
  }

  /** The endpoint is gone: its keys name nothing any more. Their places are freed as they expire or are asked for. */
  forget(endpoint: E): void {
    const home = this.homes.get(endpoint);
    if (home === undefined) return;
    home.endpoint = null;
    this.homes.delete(endpoint);
  }

  private homeOf(endpoint: E): Home<E> {
    let home = this.homes.get(endpoint);
    if (home === undefined) this.homes.set(endpoint, (home = { endpoint }));
    return home;
  }

  private stale(entry: Entry<E>, now: number): boolean {
    return now >= entry.until || entry.home.endpoint === null;
  }

  private sweep(now: number): void {
    for (let i = 0; i < SWEPT && this.oldest !== null && this.stale(this.oldest, now); i++) this.drop(this.oldest);
  }

  private renew(entry: Entry<E>, now: number): void {
    entry.until = now + this.ttl;
    if (entry === this.newest) return;
    this.unlink(entry);
    this.append(entry);
  }

  private drop(entry: Entry<E>): void {
    this.entries.delete(entry.key);
    this.unlink(entry);
  }

  private append(entry: Entry<E>): void {
    entry.older = this.newest;
    if (this.newest === null) this.oldest = entry;
    else this.newest.newer = entry;
    this.newest = entry;
  }

  private unlink(entry: Entry<E>): void {
    const { older, newer } = entry;
    if (older === null) this.oldest = newer;
    else older.newer = newer;
    if (newer === null) this.newest = older;
    else newer.older = older;
    entry.older = entry.newer = null;
  }
}
