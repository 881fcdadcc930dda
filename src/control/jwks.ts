/**
 * Files with keys that tokens are signed with. What cannot be used is an error that says where; what is meant for something
 * else (encryption, algorithms that are not spoken here) is left out with a note. Neither quotes a key.
 */
import { createPublicKey } from 'node:crypto';
import { importJwtKey } from '../jwt-key.ts';
import type { JwtKeySpec } from '../policy.ts';

export interface KeySet {
  readonly keys: readonly JwtKeySpec[];
  /** What was left out, and why: `keys[1] ("2024"): ...`. */
  readonly notes: readonly string[];
}

type Json = Readonly<Record<string, unknown>>;
const isObject = (value: unknown): value is Json =>
  typeof value === 'object' && value !== null && !Array.isArray(value);

/** A key file: a JWK set (RFC 7517), or PEM. Throws an Error that says what is wrong with it. */
export const readKeys = (text: string): KeySet => (/^\s*\{/.test(text) ? readJwks(text) : readPem(text));

/** The octets of a secret for HS256. The line break at the end of a text file is not one of them. Throws an Error. */
export function readSecret(octets: Buffer): JwtKeySpec {
  const text = octets.toString('latin1');
  const key = /^[\x20-\x7e]+\r?\n$/.test(text) ? Buffer.from(text.replace(/\r?\n$/, ''), 'latin1') : octets;
  importJwtKey({ algorithm: 'HS256', key });
  return { id: null, algorithm: 'HS256', key };
}

/** Public keys and certificates, RSA for RS256 and P-256 for ES256. Throws an Error. */
export function readPem(text: string): KeySet {
  const blocks = text.match(/-----BEGIN ([A-Z0-9 ]+)-----[^-]*-----END \1-----/g) ?? [];
  const keys = blocks.map((key, i): JwtKeySpec => {
    const spec: JwtKeySpec = { id: null, algorithm: algorithmOfPem(key), key };
    return judged(spec, `key ${i + 1} in the file`);
  });
  if (keys.length === 0) throw new Error('holds no key: neither PEM nor a JWK set');
  return { keys, notes: [] };
}

function algorithmOfPem(pem: string): JwtKeySpec['algorithm'] {
  try {
    return createPublicKey(pem).asymmetricKeyType === 'ec' ? 'ES256' : 'RS256';
  } catch {
    return 'RS256';
  }
}

/** Throws an Error that says which key is wrong, and how. */
export function readJwks(text: string): KeySet {
  const entries = entriesOf(text);
  const keys: JwtKeySpec[] = [];
  const notes: string[] = [];
  const places = new Map<string, string>();
  for (const [i, jwk] of entries.entries()) {
    const place = `keys[${i}]`;
    if (!isObject(jwk)) throw new Error(`${place} is no object`);
    const { kid } = jwk;
    if (kid !== undefined && typeof kid !== 'string') throw new Error(`${place}: "kid" is no string`);
    const where = kid === undefined ? place : `${place} (${JSON.stringify(kid)})`;
    const kind = kindOf(jwk);
    if ('reason' in kind) {
      notes.push(`${where}: ${kind.reason}`);
      continue;
    }
    const { algorithm } = kind;
    if (kid !== undefined) {
      const other = places.get(`${algorithm} ${kid}`);
      if (other !== undefined) throw new Error(`${where}: ${other} has the same "kid"`);
      places.set(`${algorithm} ${kid}`, place);
    }
    keys.push(judged({ id: kid ?? null, algorithm, key: keyOf(jwk, algorithm, where) }, where));
  }
  if (keys.length === 0) throw new Error(['holds no key that can be used', ...notes].join('; '));
  return { keys, notes };
}

function entriesOf(text: string): readonly unknown[] {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    // JSON.parse quotes what it stumbles over.
    throw new Error('is not JSON');
  }
  const entries = isObject(value) ? value['keys'] : undefined;
  if (!Array.isArray(entries)) throw new Error('is no JWK set: there is no list "keys"');
  return entries;
}

/** What the key is for, or why not for us. "Implementations SHOULD ignore JWKs [...] that are not understood" (RFC 7517 section 5). */
function kindOf({ kty, crv, alg, use, key_ops: ops }: Json): Pick<JwtKeySpec, 'algorithm'> | { reason: string } {
  if (use !== undefined && use !== 'sig') return { reason: `is not for signatures: "use" is ${shown(use)}` };
  if (ops !== undefined && !(Array.isArray(ops) && ops.includes('verify'))) return { reason: 'is not to verify with' };
  const algorithm =
    kty === 'RSA' ? 'RS256' : kty === 'oct' ? 'HS256' : kty === 'EC' && crv === 'P-256' ? 'ES256' : null;
  if (algorithm === null) {
    const kind = kty === undefined ? 'no "kty"' : [kty, crv].filter(Boolean).map(shown).join(' ');
    return { reason: `is of a kind that is not known here: ${kind}` };
  }
  if (alg !== undefined && alg !== algorithm) return { reason: `is for ${shown(alg)}, not for ${algorithm}` };
  return { algorithm };
}

/** Names of kinds are short; anything longer is something else in the wrong place. */
const shown = (value: unknown): string =>
  typeof value === 'string' && value.length <= 32 ? JSON.stringify(value) : 'something else';

function keyOf(jwk: Json, algorithm: JwtKeySpec['algorithm'], where: string): string | Buffer {
  const parameter = (name: string): string => {
    const value = jwk[name];
    if (typeof value !== 'string' || !/^[\w-]+$/.test(value)) throw new Error(`${where}: "${name}" is not base64url`);
    return value;
  };
  if (algorithm === 'HS256') return Buffer.from(parameter('k'), 'base64url');
  if ('d' in jwk) throw new Error(`${where} is a private key; only its public part belongs here`);
  const names = algorithm === 'RS256' ? ['n', 'e'] : ['x', 'y'];
  const crv = algorithm === 'ES256' ? { crv: 'P-256' } : {};
  const key = {
    kty: jwk['kty'] as string,
    ...crv,
    ...Object.fromEntries(names.map((name) => [name, parameter(name)])),
  };
  try {
    return createPublicKey({ key, format: 'jwk' }).export({ type: 'spki', format: 'pem' });
  } catch {
    throw new Error(`${where} is no key of this kind`);
  }
}

function judged(spec: JwtKeySpec, where: string): JwtKeySpec {
  try {
    importJwtKey(spec);
  } catch (error) {
    throw new Error(`${where} ${(error as Error).message}`, { cause: error });
  }
  return spec;
}
