/**
 * Smooth weighted turns, as nginx takes them: at each pick all earn their weight, who has most is picked and pays what all
 * earned together. Weights of 5, 1 and 1 give a a b a c a a instead of five in a row.
 */
import type { Candidate } from './picker.ts';

/** A place in the turn, kept while its candidate stays. */
export interface Turn<C extends Candidate> {
  candidate: C;
  credit: number;
}

/**
 * Earns `weight` of the `total` that all earn, and returns the credit. While weights stand still credits keep within these bounds
 * by themselves; but what was earned or paid under greater weights than now would mean picks in a row, or none for long.
 */
export function earn(turn: Turn<Candidate>, weight: number, total: number): number {
  return (turn.credit = Math.min(Math.max(turn.credit, -total), 2 * total) + weight);
}

/** The places of `candidates`: those of `before` by address, and what `create` makes for those that are new. */
export function carryOver<C extends Candidate, T extends Turn<C>>(
  before: readonly T[],
  candidates: readonly C[],
  create: (candidate: C) => T,
): T[] {
  const known = new Map(before.map((turn) => [turn.candidate.address, turn]));
  return candidates.map((candidate) => {
    const turn = known.get(candidate.address);
    // Two of one address are two: the second begins anew.
    if (turn === undefined || !known.delete(candidate.address)) return create(candidate);
    turn.candidate = candidate;
    return turn;
  });
}
