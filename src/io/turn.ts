/**
 * One turn of the event loop: all that the poll phase delivered, then one flush. The clock stands still within a turn,
 * outputs written to during it leave once at its end, and sockets that used up their share are read again after it.
 */
import { performance } from 'node:perf_hooks';
import { setImmediate } from 'node:timers';

/** Something to be done when the turn ends. It is put down at most once a turn: the owner keeps a flag. */
export interface TurnTask {
  endTurn(): void;
}

/** The lists are used again, and never shortened: on Node 20 to set an array's length to 0 is a call into the runtime. */
class Tasks {
  private list: (TurnTask | null)[] = [];
  private spare: (TurnTask | null)[] = [];
  private count = 0;

  add(task: TurnTask): void {
    this.list[this.count++] = task;
  }
  /** What a task puts down is for the next turn, so that no socket can keep the loop from polling. */
  run(): void {
    const { list, count } = this;
    this.list = this.spare;
    this.spare = list;
    this.count = 0;
    for (let i = 0; i < count; i++) {
      const task = list[i]!;
      list[i] = null;
      task.endTurn();
    }
  }
}

let open = false;
let turns = 0;
let time = 0;
let moment = 0;
/** The wall clock as it was read in that turn. */
let wallTime = 0;
let wallTurn = -1;
const tasks = new Tasks();
const flushes = new Tasks();

/** Milliseconds of a monotonic clock; the same value throughout a turn. */
export const now = (): number => (open ? time : performance.now());

/**
 * The same in whole milliseconds, for what is noted with every message: V8 keeps a number that is not whole in an object of its
 * own, and to fetch that into the cache takes longer than to read the clock.
 */
export const clock = (): number => (open ? moment : Math.floor(performance.now()));

/** Tells one turn from another. */
export const turnCount = (): number => turns;

/** Milliseconds since 1970, read once a turn: what lasts for hours need not know them better. */
export function wallNow(): number {
  if (!open) return Date.now();
  if (wallTurn !== turns) {
    wallTime = Date.now();
    wallTurn = turns;
  }
  return wallTime;
}

/** Begins a turn, unless one has begun: called where bytes come in. */
export function beginTurn(): void {
  if (open) return;
  open = true;
  turns++;
  time = performance.now();
  moment = Math.floor(time);
  setImmediate(endTurn);
}

/** Puts down a task for the end of this turn, or of a new one. */
export function atEndOfTurn(task: TurnTask): void {
  beginTurn();
  tasks.add(task);
}

/** The same for what is to be done last: what the tasks of a turn write leaves with it. */
export function flushAtEndOfTurn(task: TurnTask): void {
  beginTurn();
  flushes.add(task);
}

function endTurn(): void {
  open = false;
  tasks.run();
  // A flush puts down what it made others write: that is for the next turn as well.
  flushes.run();
}
