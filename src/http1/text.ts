/** Text on its way into a buffer. No octet that could end a line, or a message, leaves by here. */
import { Defect, Indexing } from '../hpack/field.ts';
import type { Field } from '../hpack/field.ts';
import { copyOf } from '../octets.ts';
import { COLON, CR, HTAB, LF, SP } from './octets.ts';

/** A string constant of ours; returns the position after it, as all of these do. */
export function put(to: Buffer, at: number, text: string): number {
  for (let i = 0; i < text.length; i++) to[at++] = text.charCodeAt(i);
  return at;
}

/** A value, as latin1. Throws where a field was made of what nobody judged, before anything of the head has left. */
export function putValue(to: Buffer, at: number, text: string): number {
  for (let i = 0; i < text.length; i++) {
    const code = text.charCodeAt(i);
    if (code < SP ? code !== HTAB : code === 0x7f || code > 0xff) throw new Error('a control character in a field');
    to[at++] = code;
  }
  return at;
}

/** A method or a target: nothing that ends a word may be in it, and nothing that is not ASCII. */
export function putWord(to: Buffer, at: number, text: string): number {
  if (text === '') throw new Error('an empty word in a request line');
  for (let i = 0; i < text.length; i++) {
    const code = text.charCodeAt(i);
    if (code <= SP || code > 0x7e) throw new Error('an illegal character in a request line');
    to[at++] = code;
  }
  return at;
}

export function putLineEnd(to: Buffer, at: number): number {
  to[at++] = CR;
  to[at++] = LF;
  return at;
}

export function putName(to: Buffer, at: number, field: Field): number {
  if ((field.defect & ~Defect.CONNECTION) !== 0) throw new Error('a malformed field');
  at = putWord(to, at, field.name.text);
  to[at++] = COLON;
  to[at++] = SP;
  return at;
}

/** Lines of fields that came again, by the fields' hashes; what is never indexed is a secret and stays out. */
const CACHED_LINES = 1024;
const MAX_CACHED_LINE = 128;
const cachedFields = new Array<Field | undefined>(CACHED_LINES).fill(undefined);
const cachedLines = new Array<Uint8Array | undefined>(CACHED_LINES).fill(undefined);

/** `name: value`; takes no more than the field's `size`. */
export function putField(to: Buffer, at: number, field: Field): number {
  const slot = field.hash & (CACHED_LINES - 1);
  const again = cachedFields[slot] === field;
  const cached = again ? cachedLines[slot] : undefined;
  if (cached !== undefined) {
    to.set(cached, at);
    return at + cached.length;
  }
  const end = putLineEnd(to, putValue(to, putName(to, at, field), field.value));
  if (field.indexing === Indexing.NEVER) return end;
  cachedFields[slot] = field;
  cachedLines[slot] = again && end - at <= MAX_CACHED_LINE ? copyOf(to, at, end) : undefined;
  return end;
}

/** No lines of these fields take more. */
export function sizeOf(fields: readonly Field[]): number {
  let size = 0;
  for (let i = 0; i < fields.length; i++) size += fields[i]!.size;
  return size;
}
