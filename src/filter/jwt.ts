/**
 * JSON Web Tokens (RFC 7519) as compact JWS (RFC 7515), judged the way RFC 8725 recommends. Pure: keys and the time are given.
 * Header parameters that carry or name keys (`jwk`, `jku`, `x5c`, `x5u`) are not looked at; keys are the configuration's.
 */
import type { JwtSpec } from '../policy.ts';
import { VerifyingKey } from './signature.ts';

/** Characters of a whole token. */
export const MAX_TOKEN = 8192;
/** NumericDates from the year 10000 on: milliseconds taken for seconds, which would make a token eternal. */
const END_OF_TIME = 253_402_300_800;

/** A JSON object without a prototype: what it has not, it has not from elsewhere. */
export type Claims = Readonly<Record<string, unknown>>;

export interface VerifiedToken {
  /** `sub`, else `client_id` (RFC 9068): who bears the token. */
  readonly name: string;
  readonly claims: Claims;
  /** Wall clock, ms, leeway included: from then on it is refused. */
  readonly expiresAt: number;
}

/** Why a token is refused: for logs, never for whoever sent it. */
export type JwtFlaw =
  | 'token_too_large'
  | 'malformed_token'
  /** An extension or a type of token that is not known here. */
  | 'unsupported_token'
  | 'unknown_key'
  | 'wrong_algorithm'
  | 'wrong_signature'
  | 'malformed_claims'
  | 'token_expired'
  | 'token_not_yet_valid'
  | 'wrong_issuer'
  | 'wrong_audience'
  | 'no_subject';

export class JwtVerifier {
  private readonly spec: JwtSpec;
  private readonly keys: readonly VerifyingKey[];

  /** Throws an Error that names the key by its index and says what is wrong with it. */
  constructor(spec: JwtSpec) {
    this.spec = spec;
    this.keys = spec.keys.map((key, i) => {
      try {
        return new VerifyingKey(key);
      } catch (error) {
        throw new Error(`keys[${i}] ${(error as Error).message}`, { cause: error });
      }
    });
  }

  /** What the token says, if it is to be believed at `now` (wall clock, ms). */
  verify(token: string, now: number): VerifiedToken | JwtFlaw {
    if (token.length > MAX_TOKEN) return 'token_too_large';
    const [first = '', second = '', third = '', ...more] = token.split('.', 4);
    const header = objectIn(decode(first));
    const payload = decode(second);
    const signature = decode(third);
    if (header === null || payload === null || signature === null || more.length > 0) return 'malformed_token';

    const keys = this.keysFor(header);
    if (typeof keys === 'string') return keys;
    const input = token.slice(0, first.length + 1 + second.length);
    if (!keys.some((key) => key.signed(input, signature))) return 'wrong_signature';
    const claims = objectIn(payload);
    return claims === null ? 'malformed_claims' : judge(claims, this.spec, now);
  }

  /** The keys that may have signed a token of this header, all of its algorithm; or why there are none. */
  private keysFor({ alg, kid, typ, crit }: Claims): readonly VerifyingKey[] | JwtFlaw {
    if (typeof alg !== 'string' || !isOptionalText(kid) || !isOptionalText(typ)) return 'malformed_token';
    // "If any of the listed extension Header Parameters are not understood [...] then the JWS is invalid" (RFC 7515
    // section 4.1.11): none is.
    if (crit !== undefined || (typ !== undefined && !TYPES.test(typ))) return 'unsupported_token';
    const named = kid === undefined ? this.keys : this.keys.filter(({ id }) => id === kid);
    // Keys without an id come from files that cannot say it; a token that names no key may be of any.
    const candidates = named.length > 0 ? named : this.keys.filter(({ id }) => id === null);
    if (candidates.length === 0) return 'unknown_key';
    const fit = candidates.filter(({ algorithm }) => algorithm === alg);
    return fit.length > 0 ? fit : 'wrong_algorithm';
  }
}

/** Another type, say that of a logout token, may be signed by the same keys and means something else (RFC 8725 section 3.11). */
const TYPES = /^(application\/)?(at\+)?jwt$/i;

const isOptionalText = (value: unknown): value is string | undefined =>
  value === undefined || typeof value === 'string';

/** Base64url the one way it can be written: no padding, no white space, no bits set after the last octet. */
function decode(part: string): Buffer | null {
  const octets = Buffer.from(part, 'base64url');
  return part !== '' && octets.toString('base64url') === part ? octets : null;
}

const utf8 = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });

function objectIn(octets: Buffer | null): Claims | null {
  if (octets === null) return null;
  let value: unknown;
  try {
    // Of names that come twice the last counts, as RFC 7515 section 4 and RFC 7519 section 4 allow.
    value = JSON.parse(utf8.decode(octets));
  } catch {
    return null;
  }
  if (typeof value !== 'object' || value === null || Array.isArray(value)) return null;
  return { __proto__: null, ...value };
}

/** A NumericDate in ms; undefined where there is none, NaN where it is something else. */
function dateIn(claim: unknown): number | undefined {
  if (claim === undefined) return undefined;
  return typeof claim === 'number' && Math.abs(claim) < END_OF_TIME ? claim * 1000 : NaN;
}

/** One string, or a list of them (RFC 7519 section 4.1.3); null where it is something else. */
function audienceIn(claim: unknown): readonly unknown[] | null {
  const list: readonly unknown[] = Array.isArray(claim) ? claim : claim === undefined ? [] : [claim];
  return list.every((each) => typeof each === 'string') ? list : null;
}

function judge(claims: Claims, { issuer, audiences, leeway }: JwtSpec, now: number): VerifiedToken | JwtFlaw {
  const expires = dateIn(claims['exp']) ?? NaN;
  const begins = dateIn(claims['nbf']) ?? -Infinity;
  const issued = dateIn(claims['iat']) ?? -Infinity;
  const audience = audienceIn(claims['aud']);
  if ([expires, begins, issued].some(Number.isNaN) || audience === null) return 'malformed_claims';
  // "on or after which the JWT MUST NOT be accepted" (RFC 7519 section 4.1.4)
  if (now >= expires + leeway) return 'token_expired';
  // From the future: the issuer's clock is wrong, and so is whatever else it says of time.
  if (now < Math.max(begins, issued) - leeway) return 'token_not_yet_valid';
  if (issuer !== null && claims['iss'] !== issuer) return 'wrong_issuer';
  if (audiences.length > 0 && !audiences.some((each) => audience.includes(each))) return 'wrong_audience';
  const name = claims['sub'] ?? claims['client_id'];
  // Without a name all such bearers would share limits, and each other's answers.
  if (typeof name !== 'string' || name === '') return name === undefined ? 'no_subject' : 'malformed_claims';
  return { name, claims, expiresAt: expires + leeway };
}
