/** By what a limit tells one caller from another. */
import { createHash } from 'node:crypto';
import type { LimitKeySpec } from '../policy.ts';
import type { Call } from './filter.ts';

/** A digest is one longer than any value that stands for itself, so that no value can pass for another's digest. */
const MAX_KEY = 63;

/**
 * The key that a limit counts this call by, at most 64 characters; null: the call has none, and is not counted. Who leaves a
 * header out escapes a limit by that header, as he would by making up a value each time: other limits are for him.
 */
export function keyOf(spec: LimitKeySpec, call: Call): string | null {
  switch (spec.source) {
    case 'all':
      return '';
    case 'client':
      return bounded(call.client);
    case 'identity':
      return call.identity === null ? null : bounded(call.identity.name);
    case 'header': {
      const field = call.head.fields.find(({ name }) => name.text === spec.name);
      return field === undefined ? null : bounded(field.value);
    }
  }
}

/** What the client chooses the length of must not choose the length of what is kept. */
const bounded = (value: string): string =>
  value.length <= MAX_KEY ? value : createHash('sha256').update(value).digest('hex');

/** The same text as a string of its own: a part of a long header keeps all of it alive. */
export const ownCopy = (key: string): string => Buffer.from(key).toString();
