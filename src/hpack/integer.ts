/** RFC 7541 section 5.1 integers: how far they may go, and how they are written. */

/** Five octets after the prefix and a value below 2^31: more is nothing that a header block can mean. */
export const MAX_INTEGER_OCTETS = 5;

/** Writes `value` with an n-bit prefix under the high bits `first`; returns the position after it. */
export function writeInteger(to: Uint8Array, at: number, first: number, prefixBits: number, value: number): number {
  const limit = (1 << prefixBits) - 1;
  if (value < limit) {
    to[at] = first | value;
    return at + 1;
  }
  to[at++] = first | limit;
  let rest = value - limit;
  while (rest >= 128) {
    to[at++] = (rest & 127) | 128;
    rest >>>= 7;
  }
  to[at] = rest;
  return at + 1;
}
