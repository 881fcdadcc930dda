/**
 * The hash of call keys and of places on a ring: MurmurHash3 (x86, 32 bits, seed 0) over the UTF-16LE octets of a string, so
 * that two code units make a block and no octets have to be made of the text first. Not for secrets: who chooses keys can
 * make them collide.
 */
const C1 = 0xcc9e2d51;
const C2 = 0x1b873593;

function scramble(block: number): number {
  const product = Math.imul(block, C1);
  return Math.imul((product << 15) | (product >>> 17), C2);
}

/** The finaliser: a bijection of 32 bits in which every bit of the input moves half of the output's. Unsigned. */
export function mix32(value: number): number {
  let mixed = Math.imul(value ^ (value >>> 16), 0x85ebca6b);
  mixed = Math.imul(mixed ^ (mixed >>> 13), 0xc2b2ae35);
  return (mixed ^ (mixed >>> 16)) >>> 0;
}

/** 32 bits unsigned, the same in every process. */
export function hashString(text: string): number {
  const { length } = text;
  let hash = 0;
  for (let i = 1; i < length; i += 2) {
    hash ^= scramble(text.charCodeAt(i - 1) | (text.charCodeAt(i) << 16));
    hash = (Math.imul((hash << 13) | (hash >>> 19), 5) + 0xe6546b64) | 0;
  }
  if (length % 2 === 1) hash ^= scramble(text.charCodeAt(length - 1));
  return mix32(hash ^ (length * 2));
}
