/**
 * The head that comes again and again on a connection: clients ask in the same way, and engines answer in the same way until
 * their clock has gone on a second. One that is the same octet for octet says the same, and is not read again.
 */
import { copyOf, sameOctets, sampleHash } from '../octets.ts';
import type { RequestStart, ResponseStart } from './message-handler.ts';

/** The longest head that is worth the memory. */
const LONGEST = 1024;

export class KnownHead<Start extends RequestStart | ResponseStart> {
  /** What it says, once there is one. */
  start: Start | null = null;
  /** What of a response's head depends on its request. */
  private expected = '';
  private octets: Uint8Array | null = null;
  /** Of the head that came last. */
  private hash = 0;

  /** How many octets of `buffer[from, to)` are this head, whole: 0 if it does not begin with it. */
  at(buffer: Buffer, from: number, to: number, expected: string): number {
    const { octets } = this;
    if (octets === null || to - from < octets.length || expected !== this.expected) return 0;
    const { length } = octets;
    return sameOctets(octets, buffer, from, from + length) ? length : 0;
  }

  /** A good head was read that lies in `buffer[from, to)`. One that comes for the second time is kept. */
  read(buffer: Buffer, from: number, to: number, expected: string, start: Start): void {
    if (to - from > LONGEST) return;
    const hash = sampleHash(buffer, from, to);
    if (hash === this.hash) {
      this.octets = copyOf(buffer, from, to);
      this.expected = expected;
      this.start = start;
    }
    this.hash = hash;
  }
}
