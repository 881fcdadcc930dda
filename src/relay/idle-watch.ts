/** Notices that nothing has moved for too long. Moving costs a note of the time; the timer is armed anew only when it fires. */
import { Timer } from '../io/timer-wheel.ts';
import type { TimerWheel } from '../io/timer-wheel.ts';
import { now } from '../io/turn.ts';

/** What may come to rest. */
export interface Moving {
  /** When something last moved, by the turn's clock. */
  readonly movedAt: number;
}

export class IdleWatch {
  private readonly wheel: TimerWheel;
  private readonly timer: Timer;

  /** Begins at once; `then` is called after `patience` milliseconds of rest. */
  constructor(wheel: TimerWheel, moving: Moving, patience: number, then: () => void) {
    this.wheel = wheel;
    this.timer = new Timer(() => {
      const rest = moving.movedAt + patience - now();
      if (rest > 0) wheel.arm(this.timer, rest);
      else then();
    });
    wheel.arm(this.timer, patience);
  }

  end(): void {
    this.wheel.disarm(this.timer);
  }
}
