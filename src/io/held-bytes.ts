/**
 * Bytes that have to wait, in order and coalesced: a few pooled blocks, whatever the size of the frames they came in.
 * The first block is small, so that a stream that holds little costs little.
 */
import { copyRange } from '../octets.ts';
import { blocks, smallBlocks } from './buffer-pool.ts';

export class HeldBytes {
  private chain: Buffer[] = [];
  /** Start of the held bytes in the first block, end of them in the last. */
  private head = 0;
  private tail = 0;
  length = 0;

  append(from: Buffer, start: number, end: number): void {
    this.length += end - start;
    while (start < end) {
      let last = this.chain[this.chain.length - 1];
      if (last === undefined || this.tail === last.length) {
        last = last === undefined && end - start <= smallBlocks.size ? smallBlocks.take() : blocks.take();
        this.chain.push(last);
        this.tail = 0;
      }
      const n = Math.min(end - start, last.length - this.tail);
      copyRange(from, start, start + n, last, this.tail);
      this.tail += n;
      start += n;
    }
  }
  /** Moves the first `n` bytes to `to[at]`; no more than `length`. */
  shift(to: Buffer, at: number, n: number): void {
    this.length -= n;
    while (n > 0) {
      const first = this.chain[0]!;
      const filled = this.chain.length === 1 ? this.tail : first.length;
      const part = Math.min(n, filled - this.head);
      copyRange(first, this.head, this.head + part, to, at);
      at += part;
      n -= part;
      this.head += part;
      if (this.head === filled && (this.chain.length > 1 || this.length === 0)) {
        give(first);
        this.chain.shift();
        this.head = 0;
        if (this.chain.length === 0) this.tail = 0;
      }
    }
  }
  /** Calls `visit` with each run of held bytes, in order, and keeps them. */
  forEach(visit: (block: Buffer, start: number, end: number) => void): void {
    const last = this.chain.length - 1;
    this.chain.forEach((block, i) => visit(block, i === 0 ? this.head : 0, i === last ? this.tail : block.length));
  }
  clear(): void {
    for (const block of this.chain) give(block);
    this.chain.length = 0;
    this.head = this.tail = this.length = 0;
  }
}

function give(block: Buffer): void {
  (block.length === smallBlocks.size ? smallBlocks : blocks).give(block);
}
