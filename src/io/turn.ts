/**
 * One turn of the event loop: all that the poll phase delivered, then one flush. The clock stands still within a turn,
 * outputs written to during it leave once at its end, and sockets that used up their share are read again after it.
 */

/** Something to be done when the turn ends. It is put down at most once a turn: the owner keeps a flag. */
export interface TurnTask {
  endTurn(): void;
}

let open = false;
let time = 0;
let tasks: TurnTask[] = [];
let flushes: TurnTask[] = [];
let running: TurnTask[] = [];

/** Milliseconds of a monotonic clock; the same value throughout a turn. */
export const now = (): number => (open ? time : performance.now());

/** Begins a turn, unless one has begun: called where bytes come in. */
export function beginTurn(): void {
  if (open) return;
  open = true;
  time = performance.now();
  setImmediate(endTurn);
}

/** Puts down a task for the end of this turn, or of a new one. */
export function atEndOfTurn(task: TurnTask): void {
  beginTurn();
  tasks.push(task);
}

/** The same for what is to be done last: what the tasks of a turn write leaves with it. */
export function flushAtEndOfTurn(task: TurnTask): void {
  beginTurn();
  flushes.push(task);
}

function endTurn(): void {
  open = false;
  // What a task puts down belongs to the next turn, so that no socket can keep the loop from polling.
  const due = tasks;
  tasks = running;
  running = due;
  for (let i = 0; i < due.length; i++) due[i]!.endTurn();
  due.length = 0;
  // A flush puts down what it made others write: that is for the next turn as well.
  const last = flushes;
  flushes = running;
  running = last;
  for (let i = 0; i < last.length; i++) last[i]!.endTurn();
  last.length = 0;
}
