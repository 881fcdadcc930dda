/**
 * One coarse timer for everything that may have to be done later: deadlines, stalls, idle sessions. Adding and removing
 * is a few pointer writes; nothing fires early, and at most one tick (plus the loop's own delay) late.
 */
const TICK = 8;
const SLOTS = 1024;

/** A timer belongs to its owner for life and is armed and disarmed as often as needed. */
export class Timer {
  /** Called when the time has come; the timer is then disarmed and may be armed again. */
  readonly fire: () => void;
  prev: Timer | null = null;
  next: Timer | null = null;
  /** Tick at which to fire. */
  due = 0;

  constructor(fire: () => void) {
    this.fire = fire;
  }
  get armed(): boolean {
    return this.prev !== null;
  }
}

const nothing = (): void => undefined;

export class TimerWheel {
  private readonly now: () => number;
  /** Asks to be called back in so many milliseconds, in place of what was asked before. */
  private readonly wake: (ms: number) => void;
  private readonly onBug: (error: unknown) => void;
  /** Rings of timers: each slot is a sentinel. */
  private readonly slots: Timer[] = [];
  /** The last tick that has been served. */
  private served: number;
  private wakeTick = Infinity;
  private count = 0;

  constructor(now: () => number, wake: (ms: number) => void, onBug: (error: unknown) => void) {
    this.now = now;
    this.onBug = onBug;
    this.wake = wake;
    for (let i = 0; i < SLOTS; i++) {
      const sentinel = new Timer(nothing);
      sentinel.prev = sentinel.next = sentinel;
      this.slots.push(sentinel);
    }
    this.served = Math.floor(now() / TICK);
  }

  /** Arms the timer, or moves it: it fires when at least `ms` have passed. */
  arm(timer: Timer, ms: number): void {
    this.disarm(timer);
    const now = this.now();
    if (this.count === 0) this.served = Math.floor(now / TICK);
    timer.due = Math.max(Math.ceil((now + ms) / TICK), this.served + 1);
    const slot = this.slots[timer.due & (SLOTS - 1)]!;
    timer.prev = slot.prev;
    timer.next = slot;
    slot.prev!.next = timer;
    slot.prev = timer;
    this.count++;
    if (timer.due < this.wakeTick) this.wakeAt(timer.due, now);
  }

  disarm(timer: Timer): void {
    if (timer.prev === null) return;
    timer.prev.next = timer.next;
    timer.next!.prev = timer.prev;
    timer.prev = timer.next = null;
    this.count--;
  }

  /** Fires what is due and asks for the next wake-up. */
  advance(): void {
    const now = this.now();
    const tick = Math.floor(now / TICK);
    this.wakeTick = Infinity;
    // After a long sleep every slot is looked at once, not once a round.
    const first = Math.max(this.served + 1, tick - SLOTS + 1);
    this.served = tick;
    for (let at = first; at <= tick; at++) {
      const slot = this.slots[at & (SLOTS - 1)]!;
      let timer = slot.next!;
      while (timer !== slot) {
        // What a timer does may unlink its neighbours, so the search begins again after each.
        if (timer.due <= tick) {
          this.disarm(timer);
          this.fire(timer);
          timer = slot.next!;
        } else timer = timer.next!;
      }
    }
    for (let at = tick + 1; at <= tick + SLOTS && this.count > 0; at++) {
      const slot = this.slots[at & (SLOTS - 1)]!;
      if (slot.next === slot) continue;
      if (at < this.wakeTick) this.wakeAt(at, now);
      break;
    }
  }

  /** A throw is a bug of one owner; the others' timers go on. */
  private fire(timer: Timer): void {
    try {
      timer.fire();
    } catch (error) {
      this.onBug(error);
    }
  }

  private wakeAt(tick: number, now: number): void {
    this.wakeTick = tick;
    this.wake(Math.max(1, Math.ceil(tick * TICK - now)));
  }
}

/** A wheel on the process's own clock. It does not keep the process alive. */
export function startWheel(now: () => number, onBug: (error: unknown) => void): TimerWheel {
  let timeout: NodeJS.Timeout | undefined;
  const wake = (ms: number): void => {
    clearTimeout(timeout);
    timeout = setTimeout(() => wheel.advance(), ms).unref();
  };
  const wheel: TimerWheel = new TimerWheel(now, wake, onBug);
  return wheel;
}
