/**
 * Drawing lots among candidates. Nothing is kept between draws, since weights and availability change at will, and no list
 * is made: a draw is at most two passes. Who is not available, `avoid` or `other` is never drawn; null if nobody is left.
 */
import type { Candidate } from './picker.ts';

/** Rejection is uniform however often it is tried; after so many misses a pass over all is cheaper. */
const GUESSES = 3;

/** All are equally likely. */
export function drawUniform<C extends Candidate>(
  candidates: readonly C[],
  random: () => number,
  avoid: C | null,
): C | null {
  for (let guess = 0; guess < GUESSES; guess++) {
    const candidate = candidates[Math.floor(random() * candidates.length)];
    if (candidate?.available === true && candidate !== avoid) return candidate;
  }
  let count = 0;
  for (const candidate of candidates) if (candidate.available && candidate !== avoid) count++;
  let left = Math.floor(random() * count);
  for (const candidate of candidates) {
    if (candidate.available && candidate !== avoid && left-- === 0) return candidate;
  }
  return null;
}

/** Each is as likely as its weight is among those that can be drawn. */
export function drawWeighted<C extends Candidate>(
  candidates: readonly C[],
  random: () => number,
  avoid: C | null,
  other: C | null = null,
): C | null {
  let total = 0;
  for (const candidate of candidates) {
    if (candidate.available && candidate !== avoid && candidate !== other) total += candidate.weight;
  }
  let left = random() * total;
  let drawn: C | null = null;
  for (const candidate of candidates) {
    if (!candidate.available || candidate === avoid || candidate === other) continue;
    drawn = candidate;
    left -= candidate.weight;
    if (left < 0) break;
  }
  // Rounding may leave a crumb beyond the last: it is the last's.
  return drawn;
}
