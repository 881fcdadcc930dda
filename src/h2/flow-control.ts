/** Window arithmetic of RFC 9113 section 6.9, apart from streams and sockets. */
import { MAX_WINDOW } from './settings.ts';

/** What we may still send. Negative after the peer lowered its initial window (section 6.9.2). */
export class SendWindow {
  available: number;

  constructor(initial: number) {
    this.available = initial;
  }
  spend(bytes: number): void {
    this.available -= bytes;
  }
  /** False if the window would exceed 2^31-1; it is then unchanged. */
  grow(bytes: number): boolean {
    if (this.available + bytes > MAX_WINDOW) return false;
    this.available += bytes;
    return true;
  }
}

/** What the peer may still send. `available + owed` plus what is held is always `size`. */
export class ReceiveWindow {
  available: number;
  size: number;
  /** Bytes done with and not yet announced: small updates are saved up. */
  owed = 0;

  constructor(size: number) {
    this.available = size;
    this.size = size;
  }
  /** A larger initial window applies to streams that are open. */
  widen(by: number): void {
    this.available += by;
    this.size += by;
  }
  /** False if the peer sent more than it was allowed. */
  receive(bytes: number): boolean {
    this.available -= bytes;
    return this.available >= 0;
  }
  /** Bytes have been done with. Returns the increment to announce now, or 0. */
  release(bytes: number): number {
    this.owed += bytes;
    if (this.owed * 2 < this.size) return 0;
    const increment = this.owed;
    this.available += increment;
    this.owed = 0;
    return increment;
  }
}
