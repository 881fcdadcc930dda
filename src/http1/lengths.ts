/** Content-Length as a field of the h2 form. */
import { Token } from '../hpack/field.ts';
import type { Field } from '../hpack/field.ts';

/** Declared length of a body, or -1. */
export function lengthOf(fields: readonly Field[]): number {
  for (const { name, value } of fields) if (name.token === Token.CONTENT_LENGTH) return Number(value);
  return -1;
}

export const withoutLength = (fields: readonly Field[]): readonly Field[] =>
  lengthOf(fields) < 0 ? fields : fields.filter(({ name }) => name.token !== Token.CONTENT_LENGTH);
