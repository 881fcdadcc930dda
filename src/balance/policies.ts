/** The policies by the names that they have in a configuration. */
import type { BalanceSpec } from '../snapshot.ts';
import { ConsistentHash } from './consistent-hash.ts';
import { LeastRequest } from './least-request.ts';
import { LeastPeakEwma } from './peak-ewma.ts';
import type { Candidate, Picker } from './picker.ts';
import { PowerOfTwo } from './power-of-two.ts';
import { UniformRandom } from './random.ts';
import { RoundRobin } from './round-robin.ts';
import { WeightedRandom } from './weighted-random.ts';
import { WeightedRoundRobin } from './weighted-round-robin.ts';

type Factory = <C extends Candidate>(spec: BalanceSpec, now: () => number, random: () => number) => Picker<C>;

const POLICIES: Readonly<Record<BalanceSpec['policy'], Factory>> = {
  round_robin: () => new RoundRobin(),
  weighted_round_robin: (spec, now) => new WeightedRoundRobin(now, spec.maxFails, spec.failTimeout),
  random: (_spec, _now, random) => new UniformRandom(random),
  weighted_random: (_spec, _now, random) => new WeightedRandom(random),
  least_request: () => new LeastRequest(),
  power_of_two: (_spec, _now, random) => new PowerOfTwo(random),
  peak_ewma: (_spec, now, random) => new LeastPeakEwma(now, random),
  consistent_hash: (spec) => new ConsistentHash(spec.virtualNodes, spec.maxLoad),
};

/** A picker without candidates: it returns null until `update`. `now` in monotonic milliseconds, `random` in [0, 1). */
export function createPicker<C extends Candidate>(
  spec: BalanceSpec,
  now: () => number,
  random: () => number,
): Picker<C> {
  return POLICIES[spec.policy](spec, now, random);
}
