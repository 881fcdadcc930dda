/**
 * What lists of fields were written as, for when they come again: peers repeat themselves, and to find out that a list holds
 * the very same fields takes less than to write it anew.
 */
import { copyOf } from '../octets.ts';
import type { Field } from './field.ts';

/** Kept by the number of fields: in that a response's head differs from its trailers, and one method's calls from another's. */
const PLACES = 8;
/** So much goes before anything is kept of what comes again: thousands of connections that make one call and idle are to hold nothing. */
export const UNKEPT = 4;

class KeptBlock {
  octets: Uint8Array | null = null;
  private fields: readonly Field[] = [];
  private version = -1;

  holds(fields: readonly Field[], version: number): boolean {
    if (version !== this.version) return false;
    if (fields === this.fields) return true;
    if (fields.length !== this.fields.length) return false;
    for (let i = 0; i < fields.length; i++) if (fields[i] !== this.fields[i]) return false;
    return true;
  }
  put(fields: readonly Field[], version: number): void {
    this.octets = null;
    this.fields = fields;
    this.version = version;
  }
}

export class KeptBlocks {
  private places: (KeptBlock | null)[] | null = null;
  private written = 0;
  private readonly longest: number;

  /** Longer ones than so many octets are not kept. */
  constructor(longest: number) {
    this.longest = longest;
  }

  /** What these fields were written as, or null. `version`: of whatever else it depends on. */
  known(fields: readonly Field[], version: number): Uint8Array | null {
    if (this.places === null) return null;
    const place = this.places[fields.length & (PLACES - 1)] ?? null;
    return place !== null && place.octets !== null && place.holds(fields, version) ? place.octets : null;
  }

  /** They were written to `to[start, end)`. Kept is what comes for the second time, so that what never does costs little. */
  wrote(fields: readonly Field[], version: number, to: Buffer, start: number, end: number): void {
    if (end - start > this.longest || ++this.written <= UNKEPT) return;
    this.places ??= new Array<KeptBlock | null>(PLACES).fill(null);
    const place = (this.places[fields.length & (PLACES - 1)] ??= new KeptBlock());
    if (place.holds(fields, version)) place.octets = copyOf(to, start, end);
    else place.put(fields, version);
  }
}
