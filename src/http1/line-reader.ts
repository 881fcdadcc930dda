/**
 * Lines of heads, chunk sizes and trailers, out of whatever pieces the socket delivers. A line is shown where it lies; one
 * that straddles two reads is put together in a buffer of its own, as large as it needs and no larger than its limit.
 */
import { CR, LF, Refusal } from './octets.ts';

const NOTHING = Buffer.alloc(0);
const LEAST_KEPT = 256;

export class LineReader {
  /** The line that was read last is `octets[start, end)`; its CRLF follows. */
  octets: Buffer = NOTHING;
  start = 0;
  end = 0;
  /** A line that has begun: its first `length` octets. */
  private kept: Buffer = NOTHING;
  private length = 0;

  /** A line has begun and is not whole. */
  get waiting(): boolean {
    return this.length > 0;
  }

  /**
   * Reads to the end of a line and returns the position after it, or -1 where the line goes on in the next read: then
   * all that was there has been copied. Throws `tooLong` for a line of more than `limit` octets, without its CRLF.
   */
  read(buffer: Buffer, from: number, to: number, limit: number, tooLong: Refusal): number {
    let at = from;
    while (at < to && buffer[at] !== LF) at++;
    if (this.length + at - from > limit + 1) throw tooLong;
    if (at === to) {
      this.keep(buffer, from, to);
      return -1;
    }
    if (this.length === 0) {
      this.octets = buffer;
      this.start = from;
      this.end = at - 1;
    } else {
      this.keep(buffer, from, at);
      this.octets = this.kept;
      this.start = 0;
      this.end = this.length - 1;
      this.length = 0;
    }
    // "a recipient MAY recognize a single LF as a line terminator" (RFC 9112 section 2.2): who does and who does not
    // see different messages.
    if (this.end < this.start || this.octets[this.end] !== CR) throw new Refusal(400, 'bare LF');
    return at + 1;
  }

  /** Lets go of the buffers. */
  release(): void {
    this.octets = this.kept = NOTHING;
    this.length = 0;
  }

  private keep(buffer: Buffer, from: number, to: number): void {
    const needed = this.length + to - from;
    if (needed > this.kept.length) {
      const larger = Buffer.allocUnsafeSlow(Math.max(LEAST_KEPT, needed * 2));
      this.kept.copy(larger, 0, 0, this.length);
      this.kept = larger;
    }
    buffer.copy(this.kept, this.length, from, to);
    this.length = needed;
  }
}
