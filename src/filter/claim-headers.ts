/** Claims as header fields, so that an engine need not open the token. */
import { makeField } from '../hpack/field.ts';
import type { Field } from '../hpack/field.ts';
import type { JwtSpec } from '../policy.ts';
import { encodeMessage } from '../relay/grpc.ts';
import type { Claims } from './jwt.ts';

type Scalar = string | number | boolean;
const isScalar = (value: unknown): value is Scalar => ['string', 'number', 'boolean'].includes(typeof value);

/**
 * Percent-encoded like `grpc-message` (all but printable ASCII, and the percent sign), and so are commas and a space at either
 * end: what a value holds it cannot say as two, nor as another header.
 */
const encode = (value: Scalar): string => encodeMessage(String(value)).replaceAll(',', '%2C').replace(/^ | $/g, '%20');

/** A header's value: scalars as they are, lists of them joined by commas, all else as JSON; null for none. */
export function headerValue(claim: unknown): string | null {
  if (claim === undefined || claim === null) return null;
  if (isScalar(claim)) return encode(claim);
  if (Array.isArray(claim) && claim.every(isScalar)) return claim.map(encode).join(',');
  return encodeMessage(JSON.stringify(claim));
}

/** The fields that tell an engine who calls. */
export function identityFields(
  name: string,
  claims: Claims,
  wanted: JwtSpec['claims'],
  identityHeader: string | null,
): readonly Field[] {
  const said = wanted.map(({ claim, header }) => [header, headerValue(claims[claim])] as const);
  if (identityHeader !== null) said.push([identityHeader, encode(name)]);
  return said.flatMap(([header, value]) => (value === null ? [] : [makeField(header, value)]));
}
