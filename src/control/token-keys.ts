/** Files of keys that tokens are signed with. They are read and judged with the configuration; no mistake quotes a key. */
import { resolve } from 'node:path';
import type { JwtKeySpec } from '../policy.ts';
import { readOctets } from './files.ts';
import { readKeys, readSecret } from './jwks.ts';
import type { Reader } from './schema.ts';

type Keys = readonly JwtKeySpec[];

/** The name of a file -> the keys in it. `parse` throws an Error that says what is wrong with them. */
const keysIn = (type: string, folder: string, parse: (octets: Buffer) => Keys): Reader<Keys> => ({
  type,
  read(at) {
    if (at.node.kind !== 'scalar' || at.node.text === '') return at.wrong(`${at.quoted()} is not a file`, 'its path');
    const file = resolve(folder, at.node.text);
    const found = readOctets(file);
    if ('reason' in found) return at.wrong(`${at.quoted()} cannot be read: ${found.reason}`, file);
    try {
      return parse(found.octets);
    } catch (error) {
      return at.wrong(`${at.quoted()}: ${(error as Error).message}`);
    }
  },
});

/** @param folder what relative paths are relative to */
export const keySet = (folder: string): Reader<Keys> =>
  keysIn('JWK set or PEM file', folder, (octets) => readKeys(octets.toString()).keys);

/** @param folder what relative paths are relative to */
export const secret = (folder: string): Reader<Keys> =>
  keysIn('file of a secret', folder, (octets) => [readSecret(octets)]);
