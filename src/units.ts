/** Durations, sizes and percentages as people write them, and back. Pure. */

const DURATION_UNITS = [
  ['d', 86_400_000],
  ['h', 3_600_000],
  ['m', 60_000],
  ['s', 1000],
  ['ms', 1],
] as const;
const NUMBER = '(\\d+(?:\\.\\d+)?)';
const DURATION = new RegExp(`^${DURATION_UNITS.map(([unit]) => `(?:${NUMBER}${unit})?`).join('')}$`);

const SIZE_UNITS = [
  ['GiB', 2 ** 30],
  ['MiB', 2 ** 20],
  ['KiB', 2 ** 10],
  ['B', 1],
] as const;
const SIZE = new RegExp(`^${NUMBER}(${SIZE_UNITS.map(([unit]) => unit).join('|')})?$`);

const whole = (n: number): number | undefined => (Number.isSafeInteger(n) ? n : undefined);

/** `5s`, `250ms`, `1m30s`, `1.5h` or `0` -> milliseconds; undefined for anything else and for parts of a millisecond. */
export function parseDuration(text: string): number | undefined {
  if (text === '0') return 0;
  const amounts = text === '' ? null : DURATION.exec(text);
  if (amounts === null) return undefined;
  // A tenth of a second is no exact binary number: 1.1s must be 1100, not 1100.0000000000002.
  const total = DURATION_UNITS.reduce((sum, [, ms], i) => sum + Number(amounts[i + 1] ?? 0) * ms, 0);
  return whole(Number(total.toFixed(6)));
}

/** `64KiB`, `1.5MiB`, `512B` or `512` -> bytes; undefined for anything else and for parts of a byte. */
export function parseSize(text: string): number | undefined {
  const match = SIZE.exec(text);
  if (match === null) return undefined;
  const factor = SIZE_UNITS.find(([unit]) => unit === match[2])?.[1] ?? 1;
  return whole(Number(match[1]) * factor);
}

/** `25%` or `12.5 %` -> 25 or 12.5; undefined for anything else. */
export function parsePercent(text: string): number | undefined {
  const match = /^(\d+(?:\.\d+)?) ?%$/.exec(text);
  return match === null ? undefined : Number(match[1]);
}

/** Milliseconds -> the shortest exact form that `parseDuration` reads: 90000 -> `1m30s`. */
export function formatDuration(ms: number): string {
  let rest = ms;
  let text = '';
  for (const [unit, length] of DURATION_UNITS) {
    const amount = Math.floor(rest / length);
    if (amount > 0) text += `${amount}${unit}`;
    rest -= amount * length;
  }
  return text === '' ? '0s' : text;
}

/** Bytes -> the largest unit that divides them: 65536 -> `64KiB`, 1000 -> `1000B`. */
export function formatSize(bytes: number): string {
  const [unit, factor] = SIZE_UNITS.find(([, size]) => bytes >= size && bytes % size === 0) ?? ['B', 1];
  return `${bytes / factor}${unit}`;
}
