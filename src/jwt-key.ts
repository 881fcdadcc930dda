/** Keys for verifying tokens, judged: by control with the configuration, by the filter that uses them. Errors never quote a key. */
import { createPublicKey, createSecretKey } from 'node:crypto';
import type { KeyObject } from 'node:crypto';
import type { JwtKeySpec } from './policy.ts';

/** "A key of the same size as the hash output [...] or larger MUST be used" (RFC 7518 section 3.2). */
const MIN_SECRET = 32;
/** "A key of size 2048 bits or larger MUST be used" (RFC 7518 section 3.3). */
const MIN_MODULUS = 2048;

/** What node:crypto verifies with. Throws an Error that says what is wrong with a key of this algorithm. */
export function importJwtKey({ algorithm, key }: Pick<JwtKeySpec, 'algorithm' | 'key'>): KeyObject {
  if (algorithm === 'HS256') return secretOf(Buffer.from(key));
  const text = key.toString();
  if (text.includes('PRIVATE KEY-----')) throw new Error('is a private key; only its public part belongs here');
  const imported = publicKey(text);
  if (imported === null) throw new Error('is no public key in PEM');
  const { asymmetricKeyType: type, asymmetricKeyDetails: details = {} } = imported;
  if (algorithm === 'ES256') {
    if (type !== 'ec' || details.namedCurve !== 'prime256v1') throw new Error('is no P-256 key, which ES256 needs');
    return imported;
  }
  // Not `rsa-pss`: such a key is for PS256 alone.
  if (type !== 'rsa') throw new Error('is no RSA key, which RS256 needs');
  const bits = details.modulusLength ?? 0;
  if (bits < MIN_MODULUS) throw new Error(`has ${bits} bits; RS256 needs ${MIN_MODULUS} at least`);
  return imported;
}

function secretOf(octets: Buffer): KeyObject {
  // Whoever has the public key could sign with it: the oldest attack on JWT, here as a mistake in the configuration.
  if (octets.includes('-----BEGIN ') || publicKey(octets) !== null) throw new Error('is a public key, not a secret');
  if (octets.length < MIN_SECRET) {
    throw new Error(`has ${octets.length} octets; HS256 needs ${MIN_SECRET} at least`);
  }
  return createSecretKey(octets);
}

/** Of PEM text, a certificate's too, or of DER; null where it is none. */
function publicKey(key: string | Buffer): KeyObject | null {
  try {
    return createPublicKey(typeof key === 'string' ? key : { key, format: 'der', type: 'spki' });
  } catch {
    return null;
  }
}
