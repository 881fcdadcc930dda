/** Windows of RFC 9113 section 6.9, those of a stream or of a connection: arithmetic apart from frames and sockets. */
import { MAX_WINDOW } from './settings.ts';

/** Both directions of one flow. A stream is its own windows rather than to point to them: one is made for every call. */
export interface Windows {
  /** What we may still send. Negative after the peer lowered its initial window (section 6.9.2). */
  sendable: number;
  /** What the peer may still send. `receivable + owing` plus what is held is always `size`. */
  receivable: number;
  size: number;
  /** Bytes done with and not yet announced: small updates are saved up. */
  owing: number;
}

/** Initial windows, ours to send and the peer's. */
export const windowsOf = (send: number, receive: number): Windows => ({
  sendable: send,
  receivable: receive,
  size: receive,
  owing: 0,
});

export function spend(windows: Windows, bytes: number): void {
  windows.sendable -= bytes;
}
/** False if the window would exceed 2^31-1; it is then unchanged. */
export function grow(windows: Windows, bytes: number): boolean {
  if (windows.sendable + bytes > MAX_WINDOW) return false;
  windows.sendable += bytes;
  return true;
}

/** A larger initial window applies to streams that are open. */
export function widen(windows: Windows, by: number): void {
  windows.receivable += by;
  windows.size += by;
}
/** False if the peer sent more than it was allowed. */
export function receive(windows: Windows, bytes: number): boolean {
  windows.receivable -= bytes;
  return windows.receivable >= 0;
}
/** Bytes have been done with. Returns the increment to announce now, or 0: a write of its own is worth half a window. */
export function release(windows: Windows, bytes: number): number {
  windows.owing += bytes;
  return windows.owing * 2 < windows.size ? 0 : announce(windows);
}
/** So much is owed that it should go along with what is written anyway. */
export const worthTaking = (windows: Windows): boolean => windows.owing * 4 >= windows.size;

/** What is owed is being announced. Returns how much that is. */
export function announce(windows: Windows): number {
  const increment = windows.owing;
  windows.receivable += increment;
  windows.owing = 0;
  return increment;
}
