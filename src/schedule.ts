/** Something to be done later on the real clock, by those that have no timer wheel: a test puts its own in its place. */
export interface Cancellable {
  cancel(): void;
}
/** Calls `fire` once, in `ms` milliseconds, unless cancelled. */
export type Schedule = (fire: () => void, ms: number) => Cancellable;

/** More than this, and Node fires at once. */
const LONGEST_TIMEOUT = 2 ** 31 - 1;

/** Does not keep the process alive. */
export const schedule: Schedule = (fire, ms) => {
  const timeout = setTimeout(fire, Math.min(ms, LONGEST_TIMEOUT)).unref();
  return { cancel: () => clearTimeout(timeout) };
};
