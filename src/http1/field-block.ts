/** Field lines (RFC 9112 section 5) of a head or of trailers, put together within limits. */
import { Defect, fieldFrom, Indexing, nameFrom, Token } from '../hpack/field.ts';
import type { Field } from '../hpack/field.ts';
import { copyOf, sameOctets } from '../octets.ts';
import { COLON, HTAB, Refusal, SP, TOKEN } from './octets.ts';

export interface FieldLimits {
  readonly maxHeaderListSize: number;
  readonly maxHeaderFields: number;
}

/** What a field counts besides its octets, as in h2 (RFC 9113 section 6.5.2). */
const FIELD_OVERHEAD = 32;
const MAX_NAME = 1024;
/** Where a name is put in lower case: those who hold read buffers may want them unchanged. */
const lowered = Buffer.alloc(MAX_NAME);

export const TOO_LARGE = new Refusal(431, 'header list too large');

/** `name: value`, in `octets[start, end)` with a CR after it. */
function parseField(octets: Buffer, start: number, end: number): Field {
  let at = start;
  let length = 0;
  for (let octet; (octet = TOKEN[octets[at]!]!) !== 0; at++) {
    if (length === MAX_NAME) throw TOO_LARGE;
    lowered[length++] = octet;
  }
  // "No whitespace is allowed between the field name and colon" (section 5.1); obsolete folding (section 5.2) has no
  // name at all.
  if (length === 0 || octets[at] !== COLON) throw new Refusal(400, 'malformed field name');
  at++;
  while (octets[at] === SP || octets[at] === HTAB) at++;
  const last = end;
  while (end > at && (octets[end - 1] === SP || octets[end - 1] === HTAB)) end--;
  const field = fieldFrom(nameFrom(lowered, 0, length), octets, at, end, false);
  // What h2 calls connection-specific has its place here.
  if ((field.defect & ~Defect.CONNECTION) !== 0) throw new Refusal(400, 'malformed field value');
  // White space, but not to every parser (llhttp): no message may end elsewhere for it.
  const { token, defect } = field.name;
  const framing = token === Token.CONTENT_LENGTH || (defect & Defect.CONNECTION) !== 0;
  if (framing && end < last && octets.subarray(end, last).includes(HTAB)) throw new Refusal(400, 'a tab after a value');
  return field;
}

/**
 * Lines that keep coming back are found by their octets, whole, before anything of them is judged again. Direct-mapped, so
 * bounded; what is never indexed is a secret and stays out.
 */
const CACHED_LINES = 1024;
const MAX_CACHED_LINE = 128;
const cachedOctets = new Array<Uint8Array | undefined>(CACHED_LINES).fill(undefined);
const cachedFields = new Array<Field | undefined>(CACHED_LINES).fill(undefined);

function fieldOf(octets: Buffer, start: number, end: number): Field {
  const length = end - start;
  if (length > MAX_CACHED_LINE) return parseField(octets, start, end);
  const slot = slotOf(octets, start, end);
  const cached = cachedOctets[slot];
  if (cached !== undefined && sameOctets(cached, octets, start, end)) return cachedFields[slot]!;
  const field = parseField(octets, start, end);
  if (field.indexing !== Indexing.NEVER) {
    cachedOctets[slot] = copyOf(octets, start, end);
    cachedFields[slot] = field;
  }
  return field;
}

/** By some of the octets: lines of one name differ at their end, if not in length. */
function slotOf(octets: Buffer, start: number, end: number): number {
  const last = (octets[end - 1]! << 16) ^ (octets[end - 2]! << 8) ^ octets[end - 3]!;
  const mixed = Math.imul(last ^ (octets[start]! << 4) ^ (octets[(start + end) >> 1]! << 11), 0x01000193);
  return Math.imul(mixed ^ (end - start), 0x9e3779b1) >>> 22;
}

export class FieldBlock {
  /** Octets that may still come. */
  room = 0;
  private fields: Field[] = [];
  private readonly limits: FieldLimits;

  constructor(limits: FieldLimits) {
    this.limits = limits;
  }

  /** Begins a block, of which a first line of `octets` is part. */
  begin(octets: number): void {
    this.room = this.limits.maxHeaderListSize - octets;
  }

  add(octets: Buffer, start: number, end: number): void {
    this.room -= end - start + FIELD_OVERHEAD;
    if (this.room < 0 || this.fields.length === this.limits.maxHeaderFields) throw TOO_LARGE;
    this.fields.push(fieldOf(octets, start, end));
  }

  /** The fields of the block, which is over. */
  take(): Field[] {
    const { fields } = this;
    this.fields = [];
    return fields;
  }
}
