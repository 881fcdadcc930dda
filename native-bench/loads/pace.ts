import { setTimeout as sleep } from 'node:timers/promises';

/** Has each of `talkers` speak once a period, spread evenly over it, for some periods; returns how often it was. */
export async function pace(
  talkers: number,
  period: number,
  periods: number,
  speak: (talker: number) => void,
): Promise<number> {
  const due = Math.round(periods * talkers);
  const start = performance.now();
  let spoken = 0;
  while (spoken < due) {
    await sleep(1);
    const until = Math.min(due, ((performance.now() - start) / period) * talkers);
    for (; spoken < until; spoken++) speak(spoken % talkers);
  }
  return spoken;
}
