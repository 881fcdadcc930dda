/** The lines before chunks (RFC 9112 section 7.1). */
import { HEX, Refusal } from './octets.ts';

/** Extensions are read over, so they need not be long. */
export const MAX_CHUNK_LINE = 256;
const MAX_DIGITS = 8;
/** Octets of a line that cost nothing, and by how much the lines of a body may exceed twice its data. */
const FREE = 16;
const MAX_EXCESS = 16 * 1024;

/**
 * `*( ";" chunk-ext-name [ "=" chunk-ext-val ] )`, without white space: a quoted value closes in the same line, or what is
 * data to one recipient is a chunk to another.
 */
const EXTENSIONS =
  /^(?:;[\w!#$%&'*+\-.^`|~]+(?:=(?:[\w!#$%&'*+\-.^`|~]+|"(?:[\t \x21\x23-\x5b\x5d-\x7e\x80-\xff]|\\[\t \x21-\x7e\x80-\xff])*"))?)*$/;

export class ChunkLines {
  private excess = 0;

  /** Another body. */
  begin(): void {
    this.excess = 0;
  }

  /** The octets of data that follow the line `octets[start, end)`; 0 is the last chunk. */
  read(octets: Buffer, start: number, end: number): number {
    let size = 0;
    let at = start;
    // The CR at the end stops this loop.
    for (let digit; (digit = HEX[octets[at]!]!) >= 0; at++) size = size * 16 + digit;
    const digits = at - start;
    if (digits === 0 || digits > MAX_DIGITS) throw new Refusal(400, 'malformed chunk size');
    if (at === end) return size;
    if (!EXTENSIONS.test(octets.latin1Slice(at, end))) throw new Refusal(400, 'malformed chunk extension');
    // An octet a chunk and a long extension to each make a server read what it never sees (CVE-2023-39326).
    this.excess = Math.max(0, this.excess + end - start - FREE - 2 * size);
    if (this.excess > MAX_EXCESS) throw new Refusal(400, 'too much of chunk extensions');
    return size;
  }
}
