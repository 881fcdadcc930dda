/**
 * Bytes that were read before their time: requests behind the one that is being answered, or the first bytes of a tunnel
 * that does not stand yet. They lie in one piece, for the parser takes as much of them as belongs to a message.
 */
import { budget } from '../io/budget.ts';

const LEAST = 4 * 1024;
const NOTHING = Buffer.alloc(0);

export class Backlog {
  /** They are `buffer[from, to)`. */
  buffer = NOTHING;
  from = 0;
  to = 0;

  get length(): number {
    return this.to - this.from;
  }

  append(source: Buffer, start: number, end: number): void {
    if (this.buffer.length - this.to < end - start) this.grow(end - start);
    this.to += source.copy(this.buffer, this.to, start, end);
  }
  /** The first `bytes` of them have been taken. */
  shift(bytes: number): void {
    this.from += bytes;
    if (this.from === this.to) this.clear();
  }
  clear(): void {
    budget.give(this.buffer.length);
    this.buffer = NOTHING;
    this.from = this.to = 0;
  }

  private grow(bytes: number): void {
    const { buffer, from, to, length } = this;
    this.buffer = Buffer.allocUnsafeSlow(Math.max(LEAST, 2 * (length + bytes)));
    budget.take(this.buffer.length - buffer.length);
    this.to = buffer.copy(this.buffer, 0, from, to);
    this.from = 0;
  }
}
