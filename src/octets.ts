/** Copies, compares and hashes octets in the way that is quickest for so many. */

/** Up to so many octets a loop is quicker than a call into the runtime; it takes 4 ns for each, the call 40 to 70 (measured). */
const SHORT = 8;
const SHORT_RANGE = 16;

/** Copies all of `octets` to `to[at]`. */
export function copyOctets(octets: Uint8Array, to: Uint8Array, at: number): void {
  const { length } = octets;
  if (length > SHORT) to.set(octets, at);
  else for (let i = 0; i < length; i++) to[at + i] = octets[i]!;
}

/** What was last copied from, and where its octets are: on Node 20 to ask that of a buffer costs more than to copy a frame. */
let source: Uint8Array = new Uint8Array(0);
let { buffer, byteOffset } = source;

/** Copies `from[start, end)` to `to[at]`. Not `Buffer.copy`, which on Node 20 takes twice as long. */
export function copyRange(from: Uint8Array, start: number, end: number, to: Uint8Array, at: number): void {
  const length = end - start;
  if (length <= SHORT_RANGE) {
    for (let i = 0; i < length; i++) to[at + i] = from[start + i]!;
    return;
  }
  if (from !== source) {
    source = from;
    ({ buffer, byteOffset } = from);
  }
  to.set(new Uint8Array(buffer, byteOffset + start, length), at);
}

/** A copy of `from[start, end)` that nothing else holds; `slice` of a Buffer would be a view. */
export const copyOf = (from: Uint8Array, start: number, end: number): Uint8Array =>
  Uint8Array.prototype.slice.call(from, start, end);

/** Up to so many octets are compared, and hashed, one by one. */
const SHORT_TEXT = 24;
/** Of more, so many are hashed. */
const SAMPLES = 12;

/** Whether `buffer[from, to)` are these octets. */
export function sameOctets(octets: Uint8Array, buffer: Buffer, from: number, to: number): boolean {
  const { length } = octets;
  if (length !== to - from) return false;
  if (length > SHORT_TEXT) return buffer.compare(octets, 0, length, from, to) === 0;
  for (let i = 0; i < length; i++) if (octets[i] !== buffer[from + i]) return false;
  return true;
}

/** Tells octets that may have come before from most others; long ones that differ little may have the same. */
export function sampleHash(octets: Uint8Array, from: number, to: number): number {
  let hash = to - from;
  const stride = hash <= SHORT_TEXT ? 1 : Math.ceil(hash / SAMPLES);
  // From the end: what differs from call to call mostly comes last.
  for (let i = to - 1; i >= from; i -= stride) hash = Math.imul(hash ^ octets[i]!, 0x01000193);
  return hash ^ (hash >>> 15);
}
