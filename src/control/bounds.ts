/** The bounds that settings share, and the check of two that bound each other. */
import type { Cursor } from './cursor.ts';
import { camel } from './schema.ts';

export const KIB = 1024;
export const MIB = 1024 * KIB;
/** Milliseconds. */
export const SECOND = 1000;
export const HOUR = 3600 * SECOND;
export const DAY = 24 * HOUR;
/** Larger counts are typing mistakes. */
export const MANY = 1_000_000;

/** Reports where `high` is below `low`, both of them keys with numbers, at the one that was written. */
export function notLess(draft: object, at: Cursor, high: string, low: string, show: (n: number) => string): void {
  const numbers = new Map(Object.entries(draft) as [string, unknown][]);
  const [top, bottom] = [numbers.get(camel(high)), numbers.get(camel(low))];
  if (typeof top !== 'number' || typeof bottom !== 'number' || top >= bottom) return;
  if (at.has(high)) at.key(high).wrong(`${show(top)} is less than ${low}`, `${show(bottom)} or more`);
  else at.key(low).wrong(`${show(bottom)} is more than ${high}`, `${show(top)} or less`);
}
