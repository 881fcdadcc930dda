/** Files that the operator names. */
import { readFileSync } from 'node:fs';

const REASONS: Readonly<Record<string, string>> = {
  ENOENT: 'there is no such file',
  EACCES: 'permission denied',
  EISDIR: 'it is a directory',
};

/** A file's text, or in a few words why it cannot be read. */
export function readText(file: string): { readonly text: string } | { readonly reason: string } {
  const found = readOctets(file);
  return 'reason' in found ? found : { text: found.octets.toString() };
}

/** Likewise, of a file that need not be text. */
export function readOctets(file: string): { readonly octets: Buffer } | { readonly reason: string } {
  try {
    return { octets: readFileSync(file) };
  } catch (error) {
    const { code, message } = error as NodeJS.ErrnoException;
    return { reason: REASONS[code ?? ''] ?? message };
  }
}
