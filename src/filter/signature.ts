/** Signatures of tokens. The algorithm is the key's: a token cannot choose it (RFC 8725 section 3.1). */
import { createHmac, timingSafeEqual, verify } from 'node:crypto';
import type { KeyObject } from 'node:crypto';
import { importJwtKey } from '../jwt-key.ts';
import type { JwtKeySpec } from '../policy.ts';

/** SHA-256's output, and two integers of P-256 (RFC 7518 section 3.4), in octets. */
const HS256_LENGTH = 32;
const ES256_LENGTH = 64;

export class VerifyingKey {
  readonly id: string | null;
  readonly algorithm: JwtKeySpec['algorithm'];
  private readonly key: KeyObject;
  /** Of a signature, in octets: nothing else is even looked at. */
  private readonly length: number;

  /** Throws an Error that says what is wrong with the key. */
  constructor(spec: JwtKeySpec) {
    this.id = spec.id;
    this.algorithm = spec.algorithm;
    this.key = importJwtKey(spec);
    this.length = signatureLength(spec.algorithm, this.key);
  }

  /** Whether `signature` is this key's of `input`, the first two parts of a token and the dot between them. */
  signed(input: string, signature: Buffer): boolean {
    if (signature.length !== this.length) return false;
    if (this.algorithm === 'HS256') {
      return timingSafeEqual(createHmac('sha256', this.key).update(input).digest(), signature);
    }
    // For RSA, which has no such encoding, `dsaEncoding` means nothing.
    return verify('sha256', Buffer.from(input), { key: this.key, dsaEncoding: 'ieee-p1363' }, signature);
  }
}

function signatureLength(algorithm: JwtKeySpec['algorithm'], key: KeyObject): number {
  switch (algorithm) {
    case 'HS256':
      return HS256_LENGTH;
    case 'ES256':
      return ES256_LENGTH;
    case 'RS256':
      // "The length of S must be the length of the modulus in octets" (RFC 8017 section 8.2.2).
      return Math.ceil((key.asymmetricKeyDetails?.modulusLength ?? 0) / 8);
  }
}
