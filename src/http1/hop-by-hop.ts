/** Fields that concern one connection and no other (RFC 9110 section 7.6.1). */
import { Defect, Token, wellKnown } from '../hpack/field.ts';
import type { Field, Name } from '../hpack/field.ts';
import { Refusal } from './octets.ts';

const CONNECTION = wellKnown('connection');
const NO_OPTIONS: readonly string[] = [];

/** The members of a list such as `Connection: close, TE`, in lower case. */
export const listed = (value: string): string[] =>
  value
    .toLowerCase()
    .split(',')
    .map((member) => member.trim());

/** All that the Connection fields name, in lower case. */
export function connectionOptions(fields: readonly Field[]): readonly string[] {
  let options = NO_OPTIONS;
  for (const { name, value } of fields) {
    if (name !== CONNECTION) continue;
    const more = value.includes(',') ? listed(value) : [value.toLowerCase()];
    options = options === NO_OPTIONS ? more : [...options, ...more];
  }
  return options;
}

/** Whether the connection may carry another message after this one (RFC 9112 section 9.3). */
export function keepsAlive(minor: 0 | 1, fields: readonly Field[]): boolean {
  const options = connectionOptions(fields);
  if (options.includes('close')) return false;
  return minor === 1 || options.includes('keep-alive');
}

/**
 * What a Connection field may name in vain: what a message means, where it goes, whom it is from. "A sender MUST NOT send a
 * connection option corresponding to a field that is intended for all recipients of the content": who does so wants the
 * next one to miss something.
 */
const LASTING = new Set([
  'authorization',
  'proxy-authorization',
  'cookie',
  'set-cookie',
  'content-type',
  'content-encoding',
  'content-range',
  'cache-control',
  'expect',
  'origin',
  'range',
  'date',
  'x-real-ip',
  'x-request-id',
  'traceparent',
]);

function lasting({ token, text }: Name): boolean {
  // Every name with a token of its own matters to the gateway.
  return token !== Token.OTHER || LASTING.has(text) || text.startsWith('sec-') || text.startsWith('grpc-');
}

/** Whether a field ends here. `te` is for its caller to judge, as its value decides. */
export function endsHere({ name }: Field, options: readonly string[]): boolean {
  if ((name.defect & Defect.CONNECTION) !== 0 || name.text === 'http2-settings') return true;
  return options.length > 0 && options.includes(name.text) && !lasting(name);
}

const framing = ({ name }: Field): boolean => name.token === Token.CONTENT_LENGTH || name.text === 'transfer-encoding';

export const withoutFraming = (fields: readonly Field[]): Field[] => fields.filter((field) => !framing(field));

/**
 * What must not come after a body: "message framing [...], routing [...], request modifiers [...], authentication [...] or
 * content format" (RFC 9110 section 6.5.1). A recipient that merges trailers into its head would take them at their word.
 */
const FORBIDDEN = new Set([
  'trailer',
  'te',
  'http2-settings',
  'authorization',
  'proxy-authorization',
  'cookie',
  'set-cookie',
  'cache-control',
  'content-encoding',
  'content-range',
  'expect',
  'max-forwards',
  'range',
]);

export function forbiddenInTrailers({ name }: Field): boolean {
  switch (name.token) {
    case Token.OTHER:
      return (name.defect & Defect.CONNECTION) !== 0 || FORBIDDEN.has(name.text);
    case Token.GRPC_STATUS:
      return false;
    default:
      return true;
  }
}

const FRAMING = new Set(['content-length', 'transfer-encoding', 'connection']);

/** Trailers as they may be passed on. Throws where they try to frame the message that they end: some parsers let them. */
export function trailersOf(fields: Field[]): Field[] {
  if (!fields.some(forbiddenInTrailers)) return fields;
  if (fields.some(({ name }) => FRAMING.has(name.text))) throw new Refusal(400, 'framing in trailers');
  return fields.filter((field) => !forbiddenInTrailers(field));
}
