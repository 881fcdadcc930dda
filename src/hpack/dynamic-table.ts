/** The dynamic table of RFC 7541 section 2.3.2 as a ring of fields, oldest evicted first. */
import type { Field } from './field.ts';

/** The initial size of both tables (RFC 9113 section 6.5.2), and the most that we use of what a peer offers. */
export const DEFAULT_TABLE_SIZE = 4096;

export class DynamicTable {
  /** Grown by doubling; its length is a power of two, or 0 while nothing was ever inserted. */
  private ring: (Field | undefined)[] = [];
  /** Fields ever inserted: the newest has this number. */
  inserted = 0;
  length = 0;
  size = 0;
  maxSize: number;
  /** Another one whenever an index may mean something else than before. */
  version = 0;

  constructor(maxSize: number) {
    this.maxSize = maxSize;
  }
  /** The field `back` places before the newest (0 is the newest). The caller has checked that `back < length`. */
  at(back: number): Field {
    return this.ring[(this.inserted - back) & (this.ring.length - 1)]!;
  }
  /** Inserts, evicting what has to go. A field larger than the table empties it (section 4.4). */
  insert(field: Field): void {
    const size = field.size;
    this.version++;
    this.evict(this.maxSize - size);
    if (size > this.maxSize) return;
    if (this.length === this.ring.length) this.grow();
    this.inserted++;
    this.length++;
    this.size += size;
    this.ring[this.inserted & (this.ring.length - 1)] = field;
  }
  resize(maxSize: number): void {
    this.maxSize = maxSize;
    this.version++;
    this.evict(maxSize);
  }
  private evict(room: number): void {
    while (this.length > 0 && this.size > room) {
      const slot = (this.inserted - this.length + 1) & (this.ring.length - 1);
      this.size -= this.ring[slot]!.size;
      this.ring[slot] = undefined;
      this.length--;
    }
  }
  private grow(): void {
    const ring = new Array<Field | undefined>(Math.max(8, this.ring.length * 2)).fill(undefined);
    for (let back = 0; back < this.length; back++) ring[(this.inserted - back) & (ring.length - 1)] = this.at(back);
    this.ring = ring;
  }
}
