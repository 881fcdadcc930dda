/** What HTTP/1.1's grammar says of single octets, and how a parser says that it is not so. */

export const HTAB = 0x09;
export const LF = 0x0a;
export const CR = 0x0d;
export const SP = 0x20;
export const COLON = 0x3a;

/** A token octet (RFC 9110 section 5.6.2) in lower case; 0 is none. */
export const TOKEN = new Uint8Array(256);
for (const c of "!#$%&'*+-.^_`|~0123456789abcdefghijklmnopqrstuvwxyz") {
  TOKEN[c.charCodeAt(0)] = c.charCodeAt(0);
  TOKEN[c.toUpperCase().charCodeAt(0)] = c.charCodeAt(0);
}

/** The value of a hexadecimal digit; -1 is none. */
export const HEX = new Int8Array(256).fill(-1);
for (let digit = 0; digit < 16; digit++) {
  HEX[digit.toString(16).charCodeAt(0)] = digit;
  HEX[digit.toString(16).toUpperCase().charCodeAt(0)] = digit;
}

/** A message that is not taken: thrown by the parts of the parser, caught by `Parser.read`. */
export class Refusal extends Error {
  /** What a client is answered: 400, 414, 431, 501 or 505. */
  readonly status: number;

  constructor(status: number, message: string) {
    super(message);
    this.status = status;
  }
}
