/**
 * Takes one engine out of service: it gets no new calls, those that are open may end, and the rest is told UNAVAILABLE
 * after the deadline; each at a moment of its own, so that their clients do not all come back at once.
 */
import { Failures } from '../errors.ts';
import { Timer } from '../io/timer-wheel.ts';
import type { TimerWheel } from '../io/timer-wheel.ts';
import type { Pool } from './pool.ts';

/** Calls are ended up to this share later than the deadline. */
const JITTER = 0.1;

export class EngineDrain {
  private readonly wheel: TimerWheel;
  private readonly timers: readonly Timer[];

  /** Begins at once; `deadline` is milliseconds from now. */
  constructor(pool: Pool, deadline: number, random: () => number = Math.random) {
    this.wheel = pool.context.wheel;
    pool.close();
    this.timers = pool.carried().map((call) => {
      const timer = new Timer(() => call.sink?.onAborted(Failures.engineDraining));
      this.wheel.arm(timer, deadline * (1 + JITTER * random()));
      return timer;
    });
  }

  /** What is still open there is left alone. */
  cancel(): void {
    for (const timer of this.timers) this.wheel.disarm(timer);
  }
}
