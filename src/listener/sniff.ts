/**
 * What a connection speaks, told by its first bytes. Pure and incremental: each byte is looked at once and none is kept (the
 * caller holds them, to replay them), so that the verdict and its cost are the same wherever the bytes are split.
 */

/** `proxy` is a PROXY header, v1 or v2: never guessed, so where none is required it is a protocol like any other. */
export type Sniffed = 'more' | 'h2' | 'http1' | 'tls' | 'proxy' | 'tcp';

/** A first line longer than this is not HTTP/1. */
export const MAX_FIRST_LINE = 16 * 1024;

/**
 * The IANA registry of HTTP methods. `*` and `PRI` are left out: they are registered so that no request ever bears them, and
 * what resembles an HTTP/2 preface must not be answered with HTTP/1 text.
 */
const METHODS: ReadonlySet<string> = new Set(
  (
    'ACL BASELINE-CONTROL BIND CHECKIN CHECKOUT CONNECT COPY DELETE GET HEAD LABEL LINK LOCK MERGE MKACTIVITY MKCALENDAR ' +
    'MKCOL MKREDIRECTREF MKWORKSPACE MOVE OPTIONS ORDERPATCH PATCH POST PROPFIND PROPPATCH PUT QUERY REBIND REPORT SEARCH ' +
    'TRACE UNBIND UNCHECKOUT UNLINK UNLOCK UPDATE UPDATEREDIRECTREF VERSION-CONTROL'
  ).split(' '),
);
const LONGEST_METHOD = Math.max(...Array.from(METHODS, (method) => method.length));

const CR = 0x0d;
const LF = 0x0a;
const SP = 0x20;

/** Octets of a token (RFC 9110 section 5.6.2). */
const TOKEN = new Uint8Array(256);
for (const octet of Buffer.from("!#$%&'*+-.^_`|~0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz")) {
  TOKEN[octet] = 1;
}

/** A protocol that the first `length` octets tell, whatever follows. */
interface Opening {
  readonly verdict: Sniffed;
  readonly length: number;
  /** Whether `octet` may stand at `index`, after `before`. */
  fits(octet: number, index: number, before: number): boolean;
}

const literal = (verdict: Sniffed, octets: string): Opening => ({
  verdict,
  length: octets.length,
  fits: (octet, index) => octets.charCodeAt(index) === octet,
});

/** A handshake record of 1 to 2^14 octets (RFC 8446 section 5.1), SSL 3.0 to TLS 1.3, that begins with a ClientHello. */
const CLIENT_HELLO: Opening = {
  verdict: 'tls',
  length: 6,
  fits(octet, index, before) {
    if (index === 0) return octet === 0x16;
    if (index === 1) return octet === 0x03;
    if (index === 2) return octet <= 0x04;
    if (index === 3) return octet <= 0x40;
    if (index === 4) return before === 0x40 ? octet === 0 : before > 0 || octet > 0;
    return octet === 0x01;
  },
};

/** No two can come true at the same octet, so their order says nothing. */
const OPENINGS: readonly Opening[] = [
  // As much of the preface as no HTTP/1 request line shares: whatever follows, the session answers it with GOAWAY.
  literal('h2', 'PRI * HTTP/2'),
  literal('proxy', 'PROXY '),
  literal('proxy', '\r\n\r\n\0\r\nQUIT\n'),
  CLIENT_HELLO,
];

/** Where in a request line the next octet is. */
const Part = { START: 0, EMPTY_LINE: 1, METHOD: 2, TARGET: 3, VERSION: 4 } as const;
type Part = (typeof Part)[keyof typeof Part];

/** The octets before the minor version, which is any digit. */
const VERSION = 'HTTP/1.';

/** `token SP target SP HTTP/1.x`, or no more than a registered method and the SP after it. */
class RequestLine {
  private part: Part = Part.START;
  /** Octets of this part so far. */
  private length = 0;
  /** As far as it can be a registered one. */
  private method = '';

  take(octet: number): 'more' | 'http1' | 'tcp' {
    switch (this.part) {
      case Part.START:
        // "a server that is expecting to receive and parse a request-line SHOULD ignore at least one empty line (CRLF)
        // received prior to the request-line" (RFC 9112 section 2.2)
        if (octet === CR) return this.enter(Part.EMPTY_LINE);
        this.enter(Part.METHOD);
        return this.inMethod(octet);
      case Part.EMPTY_LINE:
        return octet === LF ? this.enter(Part.METHOD) : 'tcp';
      case Part.METHOD:
        return this.inMethod(octet);
      case Part.TARGET:
        if (octet === SP) return this.length === 0 ? 'tcp' : this.enter(Part.VERSION);
        this.length++;
        return octet > SP && octet < 0x7f ? 'more' : 'tcp';
      case Part.VERSION:
        if (this.length === VERSION.length) return octet >= 0x30 && octet <= 0x39 ? 'http1' : 'tcp';
        return octet === VERSION.charCodeAt(this.length++) ? 'more' : 'tcp';
    }
  }

  private inMethod(octet: number): 'more' | 'http1' | 'tcp' {
    if (octet === SP && this.length > 0) return METHODS.has(this.method) ? 'http1' : this.enter(Part.TARGET);
    if (TOKEN[octet] === 0) return 'tcp';
    // One octet too many is enough to be none of them.
    if (this.length++ <= LONGEST_METHOD) this.method += String.fromCharCode(octet);
    return 'more';
  }

  private enter(part: Part): 'more' {
    this.part = part;
    this.length = 0;
    return 'more';
  }
}

export class Sniffer {
  private verdict: Sniffed = 'more';
  private seen = 0;
  private before = 0;
  /** A bit for each of the openings that the octets so far fit. */
  private fitting = (1 << OPENINGS.length) - 1;
  private readonly line = new RequestLine();
  /** What the first line said of HTTP/1: once that it is none, only an opening can still come true. */
  private lineVerdict: 'more' | 'http1' | 'tcp' = 'more';

  /** Takes the octets that came since the last call. A verdict other than 'more' is final, and given at the first octet that allows it. */
  push(buffer: Buffer, from: number, to: number): Sniffed {
    for (let at = from; at < to && this.verdict === 'more'; at++) this.verdict = this.take(buffer[at]!);
    return this.verdict;
  }

  /** The verdict when nothing more comes, never 'more': what has told nothing is TCP. */
  end(): Sniffed {
    if (this.verdict === 'more') this.verdict = 'tcp';
    return this.verdict;
  }

  private take(octet: number): Sniffed {
    const index = this.seen++;
    for (let i = 0; this.fitting >> i > 0; i++) {
      const opening = OPENINGS[i]!;
      if ((this.fitting & (1 << i)) === 0) continue;
      if (!opening.fits(octet, index, this.before)) this.fitting &= ~(1 << i);
      else if (this.seen === opening.length) return opening.verdict;
    }
    this.before = octet;
    if (this.lineVerdict === 'more') this.lineVerdict = this.line.take(octet);
    if (this.lineVerdict === 'http1') return 'http1';
    const hopeless = this.lineVerdict === 'tcp' || this.seen === MAX_FIRST_LINE;
    return hopeless && this.fitting === 0 ? 'tcp' : 'more';
  }
}
