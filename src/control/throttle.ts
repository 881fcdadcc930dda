/** So many lines of one kind in a second, and a count of the rest: a bad peer must not fill the disk. */

/** Time, injectable. */
export interface Clock {
  /** Milliseconds from any fixed point. */
  now(): number;
  /** Calls back once; must not keep the process alive. */
  after(ms: number, callback: () => void): void;
}

export const systemClock: Clock = {
  now: () => performance.now(),
  after: (ms, callback) => void setTimeout(callback, ms).unref(),
};

interface Window {
  start: number;
  admitted: number;
  suppressed: number;
}

export class Throttle {
  private readonly windows = new Map<string, Window>();
  private readonly limit: number;
  private readonly period: number;
  private readonly clock: Clock;
  private readonly report: (kind: string, suppressed: number) => void;

  /** @param report is told, when a window of `period` ms ends, how many of its kind were held back in it */
  constructor(limit: number, period: number, clock: Clock, report: (kind: string, suppressed: number) => void) {
    this.limit = limit;
    this.period = period;
    this.clock = clock;
    this.report = report;
  }

  /** Whether one more of this kind may pass. Kinds are few and fixed: each is remembered. */
  admit(kind: string): boolean {
    const now = this.clock.now();
    let window = this.windows.get(kind);
    if (window === undefined || now - window.start >= this.period) {
      if (window) this.settle(kind, window);
      window = { start: now, admitted: 0, suppressed: 0 };
      this.windows.set(kind, window);
    }
    if (window.admitted < this.limit) {
      window.admitted++;
      return true;
    }
    const flooded = window;
    // The flood may end inside its window: then nobody else would come by to report it.
    if (flooded.suppressed++ === 0) {
      this.clock.after(this.period - (now - flooded.start), () => this.settle(kind, flooded));
    }
    return false;
  }

  /** Reports what is still held back: before the log ends. */
  flush(): void {
    for (const [kind, window] of this.windows) this.settle(kind, window);
  }

  private settle(kind: string, window: Window): void {
    const { suppressed } = window;
    window.suppressed = 0;
    if (suppressed > 0) this.report(kind, suppressed);
  }
}
