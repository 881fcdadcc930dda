/**
 * Writes HTTP/1.1 messages, heads from their h2 form, straight into an `Output`. Every head is made anew: nothing of what came in
 * frames what goes out. What could break a head in two makes these functions throw before anything of it has left.
 */
import { Indexing, Token, wellKnown } from '../hpack/field.ts';
import type { Field } from '../hpack/field.ts';
import { KeptBlocks } from '../hpack/kept-blocks.ts';
import type { Output } from '../io/output.ts';
import { copyOctets } from '../octets.ts';
import { endsHere } from './hop-by-hop.ts';
import { reasonOf } from './reasons.ts';
import { put, putField, putLineEnd, putName, putValue, putWord, sizeOf } from './text.ts';

export { writeData, writeEnd } from './body-writer.ts';

/** `length`: as a `content-length` among the fields says; `close`: a response that ends with its connection. */
export type BodyFraming = 'none' | 'length' | 'chunked' | 'close';

export interface ResponseManner {
  /** The client's HTTP/1.x. */
  readonly minor: 0 | 1;
  /** The connection ends with this response. */
  readonly close: boolean;
  /** `Sec-WebSocket-Accept` where a WebSocket is opened: a 101 takes the place of the 200. */
  readonly accept: string | null;
}

const COOKIE = wellKnown('cookie');
/** Longer than all constants of a head together. */
const CONSTANTS = 256;
/** "a user agent SHOULD send Content-Length in a request when the method defines a meaning for enclosed content" */
const WITH_CONTENT = new Set(['POST', 'PUT', 'PATCH']);
const NO_OPTIONS: readonly string[] = [];

/** Heads of the whole process that come again. What is never indexed is a secret, and stays out. */
const LONGEST_KEPT = 1024;
const requests = new KeptBlocks(LONGEST_KEPT);
const responses = new KeptBlocks(LONGEST_KEPT);
const MANNERS: readonly BodyFraming[] = ['none', 'length', 'chunked', 'close'];
const isSecret = ({ indexing }: Field): boolean => indexing === Indexing.NEVER;

/**
 * A request without a body has framing `none`. `upgradeKey` is the `Sec-WebSocket-Key` of an extended CONNECT to a WebSocket, which
 * leaves as GET. Throws without `:method`, without what the target is made of, and where framing is `length` and no
 * `content-length` is there, or is `close`.
 */
export function writeRequestHead(
  output: Output,
  fields: readonly Field[],
  framing: BodyFraming,
  upgradeKey: string | null,
): void {
  const manner = MANNERS.indexOf(framing);
  if (upgradeKey === null && putKnown(output, requests.known(fields, manner))) return;
  output.reserve(sizeOf(fields) + pseudo(fields, Token.AUTHORITY).length + (upgradeKey?.length ?? 0) + CONSTANTS);
  const to = output.buffer;
  const start = output.at;
  let at = putRequestLine(to, start, fields, upgradeKey !== null);
  let te = false;
  let cookies = 0;
  let length: Field | null = null;
  let version = false;
  for (let i = 0; i < fields.length; i++) {
    const field = fields[i]!;
    const { name } = field;
    if (name.pseudo || name.token === Token.HOST || endsHere(field, NO_OPTIONS)) continue;
    if (name.token === Token.CONTENT_LENGTH) length = field;
    else if (name.token === Token.TE) te = te || field.defect === 0;
    else if (name === COOKIE) at = cookies++ > 0 ? at : putCookies(to, at, fields, i);
    else if (upgradeKey === null || name.text !== 'sec-websocket-key') {
      version = version || name.text === 'sec-websocket-version';
      at = putField(to, at, field);
    }
  }
  if (upgradeKey !== null) {
    at = put(to, at, 'connection: Upgrade\r\nupgrade: websocket\r\nsec-websocket-key: ');
    at = putLineEnd(to, putValue(to, at, upgradeKey));
    if (!version) at = put(to, at, 'sec-websocket-version: 13\r\n');
  } else {
    // "A sender of TE MUST also send a "TE" connection option" (RFC 9110 section 10.1.4)
    if (te) at = put(to, at, 'te: trailers\r\nconnection: te\r\n');
    at = putRequestFraming(to, at, pseudo(fields, Token.METHOD), framing, length);
  }
  output.at = putLineEnd(to, at);
  if (upgradeKey === null && !fields.some(isSecret)) requests.wrote(fields, manner, to, start, output.at);
}

/** Writes a head that came before, if there is one. */
function putKnown(output: Output, known: Uint8Array | null): boolean {
  if (known === null) return false;
  output.reserve(known.length);
  copyOctets(known, output.buffer, output.at);
  output.at += known.length;
  return true;
}

/** The value of a pseudo-header, '' without one. */
function pseudo(fields: readonly Field[], token: number): string {
  for (let i = 0; i < fields.length && fields[i]!.name.pseudo; i++) {
    if (fields[i]!.name.token === token) return fields[i]!.value;
  }
  return '';
}

/** The request line and Host, which "SHOULD [be sent] as the first field" (RFC 9110 section 7.2). */
function putRequestLine(to: Buffer, at: number, fields: readonly Field[], upgrade: boolean): number {
  const method = pseudo(fields, Token.METHOD);
  const authority = pseudo(fields, Token.AUTHORITY) || hostOf(fields);
  const tunnel = method === 'CONNECT' && !upgrade;
  at = putWord(to, at, upgrade ? 'GET' : method);
  at = put(to, at, ' ');
  // An extended CONNECT has a path, and no business here.
  if (tunnel && pseudo(fields, Token.PROTOCOL) !== '') throw new Error('an extended CONNECT without a key');
  at = putWord(to, at, tunnel ? authority : pseudo(fields, Token.PATH));
  // "If the authority component is missing or undefined [...] a client MUST send a Host header field with an empty field value"
  at = put(to, at, ' HTTP/1.1\r\nhost: ');
  if (authority !== '') at = putWord(to, at, authority);
  return putLineEnd(to, at);
}

function hostOf(fields: readonly Field[]): string {
  for (const { name, value } of fields) if (name.token === Token.HOST) return value;
  return '';
}

/** "these MUST be concatenated into a single octet string using the two-octet delimiter" (RFC 9113 section 8.2.3) */
function putCookies(to: Buffer, at: number, fields: readonly Field[], first: number): number {
  at = putValue(to, putName(to, at, fields[first]!), fields[first]!.value);
  for (let i = first + 1; i < fields.length; i++) {
    if (fields[i]!.name === COOKIE) at = putValue(to, put(to, at, '; '), fields[i]!.value);
  }
  return putLineEnd(to, at);
}

function putRequestFraming(to: Buffer, at: number, method: string, framing: BodyFraming, length: Field | null): number {
  switch (framing) {
    case 'chunked':
      return put(to, at, 'transfer-encoding: chunked\r\n');
    case 'length':
      if (length === null) throw new Error('a length that nobody declared');
      return putField(to, at, length);
    case 'close':
      throw new Error('a request does not end with its connection');
    default:
      // Nothing follows, whatever was declared.
      return length !== null || WITH_CONTENT.has(method) ? put(to, at, 'content-length: 0\r\n') : at;
  }
}

/**
 * `reason` '' takes the registered phrase. A response to HEAD, and a 304, have framing `none` and keep their
 * `content-length`; so does any other without a body, whose `content-length: 0` its caller puts there. Throws for `chunked`
 * towards HTTP/1.0, and as above.
 */
export function writeResponseHead(
  output: Output,
  fields: readonly Field[],
  reason: string,
  framing: BodyFraming,
  how: ResponseManner,
): void {
  const upgraded = how.accept !== null;
  // A phrase of the engine's own is rare.
  const plain = !upgraded && (reason === '' || reason === reasonOf(pseudo(fields, Token.STATUS)));
  const manner = MANNERS.indexOf(framing) * 4 + how.minor * 2 + Number(how.close);
  if (plain && putKnown(output, responses.known(fields, manner))) return;
  const status = upgraded ? '101' : pseudo(fields, Token.STATUS);
  const phrase = reason === '' || upgraded ? reasonOf(status) : reason;
  output.reserve(sizeOf(fields) + phrase.length + (how.accept?.length ?? 0) + CONSTANTS);
  const to = output.buffer;
  const start = output.at;
  let at = putWord(to, put(to, start, 'HTTP/1.1 '), status);
  at = putLineEnd(to, putValue(to, put(to, at, ' '), phrase));
  const interim = status.startsWith('1');
  // "A server MUST NOT send a Content-Length header field in any response with a status code of 1xx (Informational) or
  // 204 (No Content)" (RFC 9110 section 8.6)
  const lengthless = interim || status === '204' || framing === 'chunked' || framing === 'close';
  let declared = false;
  for (let i = 0; i < fields.length; i++) {
    const field = fields[i]!;
    const { name } = field;
    if (name.pseudo || endsHere(field, NO_OPTIONS)) continue;
    if (name.token === Token.CONTENT_LENGTH) {
      if (lengthless) continue;
      declared = true;
    } else if (upgraded && name.text === 'sec-websocket-accept') continue;
    at = putField(to, at, field);
  }
  if (framing === 'length' && !declared) throw new Error('a length that nobody declared');
  if (framing === 'chunked') {
    if (how.minor === 0) throw new Error('chunks for an HTTP/1.0 client');
    at = put(to, at, 'transfer-encoding: chunked\r\n');
  }
  if (how.accept !== null) {
    at = putValue(to, put(to, at, 'connection: Upgrade\r\nupgrade: websocket\r\nsec-websocket-accept: '), how.accept);
    at = putLineEnd(to, at);
  } else if (!interim) {
    if (how.close || framing === 'close') at = put(to, at, 'connection: close\r\n');
    else if (how.minor === 0) at = put(to, at, 'connection: keep-alive\r\n');
  }
  output.at = putLineEnd(to, at);
  if (plain && !fields.some(isSecret)) responses.wrote(fields, manner, to, start, output.at);
}
