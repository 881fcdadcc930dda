import { readFileSync, readdirSync } from 'node:fs';

/** The process and all its descendants: nghttpx and HAProxy may fork. */
function tree(pid: number): number[] {
  const children = readdirSync(`/proc/${pid}/task`).flatMap((tid) =>
    readFileSync(`/proc/${pid}/task/${tid}/children`, 'latin1').split(' ').filter(Boolean).map(Number),
  );
  return [pid, ...children.flatMap(tree)];
}

/** Nanoseconds on a processor so far, by thread. */
function threads(pid: number): Map<string, number> {
  const times = new Map<string, number>();
  for (const process of tree(pid)) {
    for (const tid of readdirSync(`/proc/${process}/task`)) {
      times.set(tid, Number(readFileSync(`/proc/${process}/task/${tid}/schedstat`, 'latin1').split(' ')[0]));
    }
  }
  return times;
}

/** Resident memory of the process and its descendants, in KiB. `statm` is off by up to a batch of pages per processor. */
export function residentKiB(pid: number): number {
  return tree(pid)
    .map((process) => Number(/^Rss:\s+(\d+)/m.exec(readFileSync(`/proc/${process}/smaps_rollup`, 'latin1'))![1]))
    .reduce((sum, kib) => sum + kib);
}

/** The processor time that a process tree spends between `begin` and `end`. */
export class Meter {
  readonly #pid: number;
  #before = new Map<string, number>();
  #microseconds = 0;

  constructor(pid: number) {
    this.#pid = pid;
  }

  get microseconds(): number {
    return this.#microseconds;
  }

  begin(): void {
    this.#before = threads(this.#pid);
  }

  end(): void {
    const after = threads(this.#pid);
    for (const tid of this.#before.keys()) {
      // What it had spent since `begin` is gone with it, so the sum would be too small.
      if (!after.has(tid)) throw new Error(`thread ${tid} of the proxy ended while it was measured`);
    }
    let spent = 0;
    for (const [tid, time] of after) spent += time - (this.#before.get(tid) ?? 0);
    this.#microseconds = spent / 1000;
  }
}
