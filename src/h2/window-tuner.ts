/**
 * How large a window to offer for the peer's streams. A larger one saves round trips where the window is what holds the peer
 * back; elsewhere it would only fill the socket's buffers, and small messages would wait behind bulk.
 */
import { DEFAULT_WINDOW } from './settings.ts';

const MAX_WINDOW_SIZE = 1024 * 1024;
/** Milliseconds of a round trip up to which a window of moderate size is no bound: 128 MB/s a stream and more. */
const SHORT_PATH = 2;
const SHORT_PATH_WINDOW = 256 * 1024;
/** A peer that is bound by its window spends half of it in half a round trip; half as much again for jitter. */
const WINDOW_BOUND = 0.75;
/** One round trip says little, for it may have met a busy loop. */
const TRIPS_NEEDED = 4;

export class WindowTuner {
  /** What a new stream of the peer may send at once. */
  size = DEFAULT_WINDOW;
  /** Shortest time to a SETTINGS ACK, and how many have been measured with this size. */
  private roundTrip = Infinity;
  private roundTrips = 0;

  /** A SETTINGS frame of ours was acknowledged after so many milliseconds. */
  acknowledged(ms: number): void {
    this.roundTrip = Math.min(this.roundTrip, ms);
    this.roundTrips++;
  }

  /**
   * A stream spent half its window in `ms`. Returns the size to announce now, or 0 for nothing: a larger one, or the same
   * again to measure another round trip.
   */
  spentHalf(ms: number): number {
    if (this.roundTrips === 0 || ms > this.roundTrip * WINDOW_BOUND) return 0;
    const most = this.roundTrip < SHORT_PATH ? SHORT_PATH_WINDOW : MAX_WINDOW_SIZE;
    if (this.size >= MAX_WINDOW_SIZE) return 0;
    if (this.roundTrips < TRIPS_NEEDED) return this.size;
    return this.size < most ? Math.min((this.size + 1) * 4, most) : 0;
  }

  /** The size has been announced. Returns by how much the windows of open streams grow. */
  announced(size: number): number {
    const by = size - this.size;
    this.size = size;
    if (by > 0) this.roundTrips = 0;
    return by;
  }
}
