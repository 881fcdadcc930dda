/** Buffers of one size that are used again: the last given back is the first taken, for it is still in the cache. */
import { budget } from './budget.ts';

export class BufferPool {
  readonly size: number;
  private readonly maxFree: number;
  private readonly free: Buffer[] = [];
  /** Fewest free buffers since the last trim: so many were not needed. */
  private unneeded = 0;

  constructor(size: number, maxFree: number) {
    this.size = size;
    this.maxFree = maxFree;
  }
  take(): Buffer {
    budget.take(this.size);
    const buffer = this.free.pop();
    if (buffer === undefined) return Buffer.allocUnsafeSlow(this.size);
    if (this.free.length < this.unneeded) this.unneeded = this.free.length;
    return buffer;
  }
  give(buffer: Buffer): void {
    budget.give(this.size);
    if (this.free.length < this.maxFree) this.free.push(buffer);
  }
  /** Lets go half of what was not needed since the last call. */
  trim(): void {
    this.free.length -= this.unneeded >> 1;
    this.unneeded = this.free.length;
  }
  get freeBuffers(): number {
    return this.free.length;
  }
}

/** Output slabs: a whole one is written at a time. Four full DATA frames fit with their headers, and small ones between. */
export const SLAB_SIZE = 68 * 1024;
export const slabs = new BufferPool(SLAB_SIZE, 512);
/** Bytes that wait for a window, or are kept for a replay. */
export const smallBlocks = new BufferPool(2 * 1024, 2048);
export const blocks = new BufferPool(16 * 1024, 1024);
/** A frame that straddles two reads: the largest payload that we allow, and its header. */
export const frameBuffers = new BufferPool(16 * 1024 + 9, 256);

export function trimPools(): void {
  for (const pool of [slabs, smallBlocks, blocks, frameBuffers]) pool.trim();
}
