/**
 * A header field as it crosses the proxy. What a field costs to judge (is its name legal, may it be indexed, is it a
 * pseudo-header) is found out once, when it is made from a literal; an indexed field is the same object again.
 */
import staticTable from 'hpack.js/lib/hpack/static-table.js';

/** How the encoder may represent a field of this name. */
export const Indexing = { ALLOWED: 0, AVOID: 1, NEVER: 2 } as const;
export type Indexing = (typeof Indexing)[keyof typeof Indexing];

/** Names that some rule asks for, as numbers to switch on; 0 is any other. */
export const Token = {
  OTHER: 0,
  METHOD: 1,
  SCHEME: 2,
  AUTHORITY: 3,
  PATH: 4,
  PROTOCOL: 5,
  STATUS: 6,
  HOST: 7,
  TE: 8,
  CONTENT_LENGTH: 9,
  CONTENT_TYPE: 10,
  GRPC_TIMEOUT: 11,
  GRPC_STATUS: 12,
  X_FORWARDED_FOR: 13,
  FORWARDED: 14,
} as const;

/** What makes a field unfit for HTTP/2 (RFC 9113 section 8.2); zero is fit. */
export const Defect = {
  NAME: 1,
  VALUE: 2,
  /** Connection-specific (section 8.2.2). */
  CONNECTION: 4,
} as const;

/** The longest value, and path, that is worth a place in the dynamic table. */
const MAX_INDEXED_VALUE = 256;
const MAX_INDEXED_PATH = 64;

function indexingOf(name: Name, value: string): Indexing {
  if (name.indexing !== Indexing.ALLOWED) return name.indexing;
  if (value.length > MAX_INDEXED_VALUE) return Indexing.AVOID;
  const avoid = name.token === Token.PATH && (value.length > MAX_INDEXED_PATH || value.includes('?'));
  return avoid ? Indexing.AVOID : Indexing.ALLOWED;
}

export class Name {
  readonly text: string;
  readonly indexing: Indexing;
  readonly defect: number;
  readonly pseudo: boolean;
  token: number;
  /** Lowest index of this name in the static table, 0 if it has none. */
  staticIndex = 0;
  readonly hash: number;

  constructor(text: string, indexing: Indexing, defect: number) {
    this.text = text;
    this.indexing = indexing;
    this.defect = defect;
    this.pseudo = text.charCodeAt(0) === 0x3a;
    this.token = text.startsWith('x-forwarded-') ? Token.FORWARDED : Token.OTHER;
    this.hash = hashString(text, 0);
  }
}

export class Field {
  readonly name: Name;
  readonly value: string;
  /** Came as never-indexed (RFC 7541 section 6.2.3) and has to stay so. */
  readonly never: boolean;
  readonly defect: number;
  /** RFC 7541 section 4.1. */
  readonly size: number;
  /** How an encoder has to represent it on a session that strangers share. */
  readonly indexing: Indexing;
  /** Index of the whole field in the static table, 0 if it is not there. */
  staticIndex = 0;
  readonly hash: number;
  /** The literal representation of a field that is never an index, once it has been written twice. */
  octets: Uint8Array | null = null;
  written = 0;

  constructor(name: Name, value: string, never = false, defect = 0, hash = hashString(value, name.hash)) {
    this.name = name;
    this.value = value;
    this.never = never;
    this.size = name.text.length + value.length + 32;
    this.defect = name.defect | defect;
    this.indexing = never ? Indexing.NEVER : indexingOf(name, value);
    this.hash = hash;
  }
  equals(other: Field): boolean {
    return this === other || (this.value === other.value && this.name.text === other.name.text);
  }
}

const HASH_PRIME = 0x01000193;

function hashString(text: string, seed: number): number {
  let hash = seed ^ text.length;
  for (let i = 0; i < text.length; i++) hash = Math.imul(hash ^ text.charCodeAt(i), HASH_PRIME);
  return hash ^ (hash >>> 15);
}

/** The same hash, from the octets of a latin1 text. */
function hashOctets(octets: Uint8Array, start: number, end: number, seed: number): number {
  let hash = seed ^ (end - start);
  for (let i = start; i < end; i++) hash = Math.imul(hash ^ octets[i]!, HASH_PRIME);
  return hash ^ (hash >>> 15);
}

/** Octets of a field name: the token of RFC 9110 section 5.6.2 in lower case. */
const NAME_OCTET = new Uint8Array(256);
for (const c of "!#$%&'*+-.^_`|~0123456789abcdefghijklmnopqrstuvwxyz") NAME_OCTET[c.charCodeAt(0)] = 1;

/** The defects of a literal name, from its octets. Pseudo-header names are judged by `Names`, which lists them all. */
function nameDefect(octets: Uint8Array, start: number, end: number): number {
  if (start === end) return Defect.NAME;
  for (let i = start; i < end; i++) if (NAME_OCTET[octets[i]!] === 0) return Defect.NAME;
  return 0;
}

/** RFC 9113 section 8.2.1: no NUL, LF, CR anywhere, no white space at either end. Other controls go with them. */
function valueDefect(octets: Uint8Array, start: number, end: number): number {
  if (start === end) return 0;
  for (let i = start; i < end; i++) {
    const octet = octets[i]!;
    if (octet < 0x20 ? octet !== 0x09 : octet === 0x7f) return Defect.VALUE;
  }
  const first = octets[start]!;
  const last = octets[end - 1]!;
  return first === 0x20 || first === 0x09 || last === 0x20 || last === 0x09 ? Defect.VALUE : 0;
}

/** A method is a token (RFC 9110 section 9.1). */
const METHOD = /^[!#$%&'*+\-.^_`|~0-9A-Za-z]+$/;
const SCHEME = /^[A-Za-z][A-Za-z0-9+\-.]*$/;
/** Host and port: no userinfo (RFC 9113 section 8.3.1), no path, no white space. */
const AUTHORITY = /^[^\s@/?#\\\x80-\xff]*$/;
/** Origin form or `*`; CONNECT has none. What RFC 3986 has no place for could end a request line. */
const PATH = /^(?:\/[^\s#\x80-\xff]*|\*)$/;

/** Pseudo-headers and the few others whose values have a form of their own are judged when the field is made. */
function formDefect(name: Name, value: string): number {
  switch (name.token) {
    case Token.METHOD:
      return METHOD.test(value) ? 0 : Defect.VALUE;
    case Token.SCHEME:
      return SCHEME.test(value) ? 0 : Defect.VALUE;
    case Token.AUTHORITY:
    case Token.HOST:
      return AUTHORITY.test(value) ? 0 : Defect.VALUE;
    case Token.PATH:
      return PATH.test(value) ? 0 : Defect.VALUE;
    case Token.STATUS:
      return /^[1-9][0-9][0-9]$/.test(value) ? 0 : Defect.VALUE;
    case Token.CONTENT_LENGTH:
      return /^[0-9]{1,15}$/.test(value) ? 0 : Defect.VALUE;
    case Token.TE:
      // "it MUST NOT contain any value other than \"trailers\"" (RFC 9113 section 8.2.2)
      return value.toLowerCase() === 'trailers' ? 0 : Defect.CONNECTION;
    default:
      return 0;
  }
}

const NEVER = ['authorization', 'cookie', 'set-cookie', 'proxy-authorization'];
/** Values that differ from call to call: indexed, they would push out of a shared table what every call repeats. */
const AVOID = [
  'grpc-timeout',
  'grpc-message',
  'traceparent',
  'tracestate',
  'x-request-id',
  'x-forwarded-for',
  'forwarded',
  'content-length',
  'date',
  'age',
];
/** RFC 9113 section 8.2.2. `te` is judged by its value. */
const CONNECTION = ['connection', 'keep-alive', 'proxy-connection', 'transfer-encoding', 'upgrade'];
const COMMON = [
  'te',
  'grpc-status',
  'grpc-encoding',
  'grpc-accept-encoding',
  'x-forwarded-proto',
  'x-forwarded-host',
  ':protocol',
];

const names = new Map<string, Name>();
const known = (text: string, indexing: Indexing, defect = 0): void => {
  if (!names.has(text)) names.set(text, new Name(text, indexing, defect));
};
for (const text of NEVER) known(text, Indexing.NEVER);
for (const text of AVOID) known(text, Indexing.AVOID);
for (const text of CONNECTION) known(text, Indexing.ALLOWED, Defect.CONNECTION);
for (const text of COMMON) known(text, Indexing.ALLOWED);
for (const { name } of staticTable.table) known(name, Indexing.ALLOWED);

const TOKENS: readonly (readonly [number, string])[] = [
  [Token.METHOD, ':method'],
  [Token.SCHEME, ':scheme'],
  [Token.AUTHORITY, ':authority'],
  [Token.PATH, ':path'],
  [Token.PROTOCOL, ':protocol'],
  [Token.STATUS, ':status'],
  [Token.HOST, 'host'],
  [Token.TE, 'te'],
  [Token.CONTENT_LENGTH, 'content-length'],
  [Token.CONTENT_TYPE, 'content-type'],
  [Token.GRPC_TIMEOUT, 'grpc-timeout'],
  [Token.GRPC_STATUS, 'grpc-status'],
  [Token.X_FORWARDED_FOR, 'x-forwarded-for'],
  [Token.FORWARDED, 'forwarded'],
];

/** The one Name of a well-known header; throws for others, for it is called with constants. */
export function wellKnown(text: string): Name {
  const name = names.get(text);
  if (name === undefined) throw new Error(`not a well-known header name: ${text}`);
  return name;
}

/** The Name of a header: the well-known one, or a new one with the given defect. */
export const nameOf = (text: string, defect: number): Name =>
  names.get(text) ?? new Name(text, Indexing.ALLOWED, defect);

for (const [token, text] of TOKENS) wellKnown(text).token = token;

/** RFC 7541 appendix A, from index 1. */
export const STATIC_TABLE: readonly Field[] = [
  new Field(wellKnown(':path'), ''),
  // One of them, `content-length` without a value, is a malformed field all the same.
  ...staticTable.table.map(({ name, value }) => {
    const known = wellKnown(name);
    return new Field(known, value, false, formDefect(known, value));
  }),
];
export const STATIC_LENGTH = STATIC_TABLE.length - 1;

const staticByName = new Map<Name, Field[]>();
STATIC_TABLE.forEach((field, index) => {
  if (index === 0) return;
  field.staticIndex = index;
  if (field.name.staticIndex === 0) field.name.staticIndex = index;
  staticByName.set(field.name, [...(staticByName.get(field.name) ?? []), field]);
});

/** The field of the static table that equals this one, else this one: so an encoder needs no search for it. */
function canonical(field: Field): Field {
  if (field.never || field.name.staticIndex === 0) return field;
  for (const other of staticByName.get(field.name) ?? []) if (other.value === field.value) return other;
  return field;
}

/** A field of our own making. The value must be legal and latin1. */
export const makeField = (name: string, value: string): Field =>
  canonical(new Field(names.get(name) ?? new Name(name, Indexing.ALLOWED, 0), value));

/**
 * Literals that keep coming back (dates, lengths, paths of a peer that indexes little) are found here instead of being
 * made again. Direct-mapped, so bounded; never-indexed ones are secrets and stay out.
 */
const CACHED_FIELDS = 1024;
const MAX_CACHED_TEXT = 64;
const cachedFields = new Array<Field | undefined>(CACHED_FIELDS).fill(undefined);
const CACHED_NAMES = 256;
const cachedNames = new Array<Name | undefined>(CACHED_NAMES).fill(undefined);

/** The name that a literal spells. */
export function nameFrom(octets: Buffer, start: number, end: number): Name {
  const length = end - start;
  const slot = hashOctets(octets, start, end, 0) & (CACHED_NAMES - 1);
  const cached = cachedNames[slot];
  if (cached !== undefined && sameText(cached.text, octets, start, length)) return cached;
  const text = octets.latin1Slice(start, end);
  const name = names.get(text) ?? new Name(text, Indexing.ALLOWED, nameDefect(octets, start, end));
  if (length <= MAX_CACHED_TEXT) cachedNames[slot] = name;
  return name;
}

/** The field with this name and the latin1 value `octets[start, end)`. */
export function fieldFrom(name: Name, octets: Buffer, start: number, end: number, never: boolean): Field {
  const length = end - start;
  const hash = hashOctets(octets, start, end, name.hash);
  const cacheable = !never && name.indexing !== Indexing.NEVER && length <= MAX_CACHED_TEXT;
  const slot = hash & (CACHED_FIELDS - 1);
  if (cacheable) {
    const cached = cachedFields[slot];
    if (cached !== undefined && cached.name === name && sameText(cached.value, octets, start, length)) return cached;
  }
  const value = octets.latin1Slice(start, end);
  const defect = valueDefect(octets, start, end) | formDefect(name, value);
  const field = new Field(name, value, never, defect, hash);
  if (cacheable) cachedFields[slot] = field;
  return field;
}

/** Where a text is put to be looked for by its octets. */
const octetsOfText = Buffer.allocUnsafeSlow(16 * 1024);

/** A field of a latin1 text that may have come before: the same object every time while that is remembered. It is judged as `fieldFrom` does. */
export function sharedField(name: Name, text: string): Field {
  const place = text.length <= octetsOfText.length ? octetsOfText : Buffer.allocUnsafe(text.length);
  return fieldFrom(name, place, 0, place.latin1Write(text, 0, text.length), false);
}

function sameText(text: string, octets: Uint8Array, start: number, length: number): boolean {
  if (text.length !== length) return false;
  for (let i = 0; i < length; i++) if (text.charCodeAt(i) !== octets[start + i]) return false;
  return true;
}
