/** The process-wide account of bytes that wait: slabs, held DATA, replay buffers. */
class Budget {
  used = 0;
  limit = 256 * 1024 * 1024;
  take(bytes: number): void {
    this.used += bytes;
  }
  give(bytes: number): void {
    this.used -= bytes;
  }
  /** From half the limit on nothing is kept for a replay. */
  get tight(): boolean {
    return this.used * 2 > this.limit;
  }
  /** Above the limit credit waits, and patience with slow readers is short. */
  get spent(): boolean {
    return this.used > this.limit;
  }
}

export const budget = new Budget();
