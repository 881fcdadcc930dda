/** Request lines and status lines (RFC 9112 sections 3 and 4). Each is `octets[start, end)`, and a CR follows. */
import { fieldFrom, wellKnown } from '../hpack/field.ts';
import { HTAB, Refusal, SP, TOKEN } from './octets.ts';

/** Long lines only come from clients that mean no good. */
export const MAX_REQUEST_LINE = 16 * 1024;

export interface RequestLine {
  readonly method: string;
  readonly target: string;
  readonly minor: 0 | 1;
}
export interface StatusLine {
  readonly status: number;
  readonly reason: string;
  readonly minor: 0 | 1;
}

const METHOD = wellKnown(':method');
const PATH = wellKnown(':path');

/** "HTTP/1.1", read as octets. */
const VERSION = Buffer.from('HTTP/1.1');
const DIGIT_0 = 0x30;
const isDigit = (octet: number): boolean => octet >= DIGIT_0 && octet <= 0x39;

export function parseRequestLine(octets: Buffer, start: number, end: number): RequestLine {
  let at = start;
  // The CR at the end stops these loops.
  while (TOKEN[octets[at]!] !== 0) at++;
  if (at === start || octets[at] !== SP) throw new Refusal(400, 'malformed method');
  // Methods and targets come again and again: as values of fields they are found, not made.
  const method = fieldFrom(METHOD, octets, start, at, false).value;
  const from = ++at;
  while (octets[at]! > SP && octets[at]! < 0x7f) at++;
  // "Recipients of an invalid request-line SHOULD respond with either a 400 (Bad Request) error" (section 3)
  if (at === from || octets[at] !== SP) throw new Refusal(400, 'malformed request target');
  const target = fieldFrom(PATH, octets, from, at, false).value;
  return { method, target, minor: parseVersion(octets, at + 1, end) };
}

export function parseStatusLine(octets: Buffer, start: number, end: number): StatusLine {
  const code = start + VERSION.length + 1;
  if (end < code + 3) throw new Refusal(400, 'malformed status line');
  const minor = parseVersion(octets, start, code - 1);
  let status = 0;
  for (let at = code; at < code + 3; at++) {
    if (!isDigit(octets[at]!)) throw new Refusal(400, 'malformed status');
    status = status * 10 + octets[at]! - DIGIT_0;
  }
  if (octets[code - 1] !== SP || status < 100) throw new Refusal(400, 'malformed status');
  // Some servers leave out the space before an empty reason.
  if (end === code + 3) return { status, reason: '', minor };
  if (octets[code + 3] !== SP) throw new Refusal(400, 'malformed status');
  for (let at = code + 4; at < end; at++) {
    const octet = octets[at]!;
    if (octet < SP ? octet !== HTAB : octet === 0x7f) throw new Refusal(400, 'malformed reason phrase');
  }
  return { status, reason: octets.latin1Slice(code + 4, end), minor };
}

/** The minor version of `HTTP/1.0` or `HTTP/1.1`. */
function parseVersion(octets: Buffer, start: number, end: number): 0 | 1 {
  if (end - start !== VERSION.length) throw new Refusal(400, 'malformed HTTP version');
  for (let i = 0; i < VERSION.length; i++) {
    if (octets[start + i] === VERSION[i]) continue;
    const other = (i === 5 || i === 7) && isDigit(octets[start + i]!);
    if (!other) throw new Refusal(400, 'malformed HTTP version');
  }
  const minor = octets[end - 1]! - DIGIT_0;
  if (octets[end - 3] !== VERSION[5] || minor > 1) throw new Refusal(505, 'HTTP version not supported');
  return minor as 0 | 1;
}
