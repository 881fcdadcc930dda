import { Random } from '../support/random.ts';

/** Bytes that tell where they stand, of any length for little: one period is prime, so that no shift by a block fits. */
const PERIOD = new Random(7).octets(65_521);
export function pattern(length: number): Buffer {
  const buffer = Buffer.allocUnsafe(length);
  for (let at = 0; at < length; at += PERIOD.length) PERIOD.copy(buffer, at);
  return buffer;
}
