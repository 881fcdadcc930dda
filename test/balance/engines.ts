import { createPicker } from '../../src/balance/policies.ts';
import type { Candidate, Picker } from '../../src/balance/picker.ts';
import { DEFAULT_BALANCE, type BalanceSpec } from '../../src/snapshot.ts';
import { Random } from '../support/random.ts';

/** A candidate whose figures the test sets. */
export class Engine implements Candidate {
  readonly address: string;
  weight: number;
  active = 0;
  latency = 0;
  available = true;

  constructor(address: string, weight = 1) {
    this.address = address;
    this.weight = weight;
  }
}

/** Engines of these weights on ports from 9001 on. */
export function engines(weights: readonly number[]): Engine[] {
  return weights.map((weight, index) => new Engine(`127.0.0.1:${9001 + index}`, weight));
}

export const equal = (count: number): Engine[] => engines(Array.from({ length: count }, () => 1));

/** A clock that stands still until it is set. */
export interface Clock {
  time: number;
}

export function picker(
  policy: BalanceSpec['policy'],
  candidates: readonly Engine[],
  seed: number,
  spec: Partial<BalanceSpec> = {},
  clock: Clock = { time: 86_400_000 },
): Picker<Engine> {
  const random = new Random(seed);
  const made = createPicker<Engine>(
    { ...DEFAULT_BALANCE, ...spec, policy },
    () => clock.time,
    () => random.next(),
  );
  made.update(candidates);
  return made;
}

/**
 * How many of `picks` each got while `streams` calls are always under way: before each pick beyond them one ends, at random. 0: each call ends
 * before the next comes.
 */
export function load(
  balancer: Picker<Engine>,
  candidates: readonly Engine[],
  picks: number,
  streams: number,
  random: Random,
): number[] {
  const counts = new Map(candidates.map((engine) => [engine, 0]));
  const live: Engine[] = [];
  for (let n = 0; n < picks; n++) {
    const picked = balancer.pick(random.below(2 ** 32), null)!;
    counts.set(picked, counts.get(picked)! + 1);
    picked.active++;
    live.push(picked);
    if (live.length <= streams) continue;
    const at = random.below(live.length);
    live[at]!.active--;
    live[at] = live.at(-1)!;
    live.pop();
  }
  return [...counts.values()];
}
