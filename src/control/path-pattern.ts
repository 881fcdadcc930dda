/** Paths and regular expressions to match them with, held to what requests are normalised to and to what is harmless. */
import { regexFault } from '../route/harmless-regex.ts';
import { normalisePath } from '../route/path.ts';
import { judged } from './readers.ts';

function pathFault(path: string): string | null {
  if (!path.startsWith('/')) return 'it begins with /';
  if (path.includes('?')) return 'without a query';
  const normal = normalisePath(path);
  if (normal === null) return 'no request has it: it is refused with 400';
  return normal === path ? null : `requests have it as ${normal}`;
}

/** As requests have it once it is normalised. */
export const path = judged('path', pathFault);
export const regex = judged('harmless regular expression', regexFault);
