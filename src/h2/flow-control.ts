/** Windows of RFC 9113 section 6.9, those of a stream or of a connection: arithmetic apart from frames and sockets. */
import { MAX_WINDOW } from './settings.ts';

export class FlowControl {
  /** What we may still send. Negative after the peer lowered its initial window (section 6.9.2). */
  sendable: number;
  /** What the peer may still send. `receivable + owing` plus what is held is always `size`. */
  receivable: number;
  size: number;
  /** Bytes done with and not yet announced: small updates are saved up. */
  owing = 0;

  /** Initial windows, ours to send and the peer's. */
  constructor(send: number, receive: number) {
    this.sendable = send;
    this.receivable = receive;
    this.size = receive;
  }

  spend(bytes: number): void {
    this.sendable -= bytes;
  }
  /** False if the window would exceed 2^31-1; it is then unchanged. */
  grow(bytes: number): boolean {
    if (this.sendable + bytes > MAX_WINDOW) return false;
    this.sendable += bytes;
    return true;
  }

  /** A larger initial window applies to streams that are open. */
  widen(by: number): void {
    this.receivable += by;
    this.size += by;
  }
  /** False if the peer sent more than it was allowed. */
  receive(bytes: number): boolean {
    this.receivable -= bytes;
    return this.receivable >= 0;
  }
  /** Bytes have been done with. Returns the increment to announce now, or 0. */
  release(bytes: number): number {
    this.owing += bytes;
    if (this.owing * 2 < this.size) return 0;
    const increment = this.owing;
    this.receivable += increment;
    this.owing = 0;
    return increment;
  }
}
