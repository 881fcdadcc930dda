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
  /** Above the limit credit waits and nothing is kept for a replay. */
  get spent(): boolean {
    return this.used > this.limit;
  }
}

export const budget = new Budget();
