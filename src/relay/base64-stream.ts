/**
 * Base64 of a stream, as gRPC-Web's text form has it: "base64-encoded chunks with potential padding whenever the runtime
 * needs to flush" (PROTOCOL-WEB), cut up on the wire wherever it likes. And what a window in one form is worth in the other.
 */

/** Octets that are encoded at once: their text fills an HTTP/2 frame of the ordinary size, and not an octet more. */
export const PIECE = 12 * 1024;
/** Characters that are decoded at once. */
export const TEXT_PIECE = (PIECE / 3) * 4;

const PAD = 0x3d;
/** Of each character; -1 is none of the alphabet of RFC 4648 section 4. */
const VALUE = new Int8Array(256).fill(-1);
'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/'.split('').forEach((char, value) => {
  VALUE[char.charCodeAt(0)] = value;
});

/**
 * Encodes `source[from, to)`, padded, to the start of `target`; returns the length of the text. Each chunk is padded: what
 * was carried over would keep the end of a message from a client until the next one came.
 */
export const encodeBase64 = (source: Buffer, from: number, to: number, target: Buffer): number =>
  target.latin1Write(source.toString('base64', from, to), 0, target.length);

/** Decodes a text as it comes. */
export class Base64Decoder {
  /** Characters of the last quantum as long as it is incomplete, 0 to 3: at the end there must be none. */
  pending = 0;
  private bits = 0;
  private padding = 0;

  /** Decodes `source[from, to)` to the start of `target`; returns how many octets that makes, -1 if it is not base64. */
  decode(source: Buffer, from: number, to: number, target: Buffer): number {
    let at = 0;
    while (from < to) {
      if (this.pending === 0) {
        for (; from + 4 <= to; from += 4) {
          const bits =
            (VALUE[source[from]!]! << 18) |
            (VALUE[source[from + 1]!]! << 12) |
            (VALUE[source[from + 2]!]! << 6) |
            VALUE[source[from + 3]!]!;
          if (bits < 0) break;
          target[at] = bits >> 16;
          target[at + 1] = bits >> 8;
          target[at + 2] = bits;
          at += 3;
        }
        if (from === to) break;
      }
      if (!this.take(source[from++]!)) return -1;
      if (this.pending < 4) continue;
      // "Decoders MAY choose to reject an encoding if the pad bits have not been set to zero" (RFC 4648 section 3.5).
      if ((this.bits & ((1 << (8 * this.padding)) - 1)) !== 0) return -1;
      target[at++] = this.bits >> 16;
      if (this.padding < 2) target[at++] = this.bits >> 8;
      if (this.padding < 1) target[at++] = this.bits;
      this.pending = this.bits = this.padding = 0;
    }
    return at;
  }

  /** One character of a quantum that is cut up or padded. */
  private take(char: number): boolean {
    const value = char === PAD ? 0 : VALUE[char]!;
    if (char === PAD) this.padding++;
    if (value < 0 || this.padding > 2 || (this.padding > 0 && (char !== PAD || this.pending < 2))) return false;
    this.bits = (this.bits << 6) | value;
    this.pending++;
    return true;
  }
}

/** What was encoded and has not left: says of characters that leave how many octets have gone with them for certain. */
export class EncodedCredit {
  private octets = 0;
  private text = 0;

  add(octets: number, text: number): void {
    this.octets += octets;
    this.text += text;
  }
  /** So many characters have left. Returns the octets that may be sent again. */
  left(text: number): number {
    this.text = Math.max(0, this.text - text);
    // A quantum has three octets at most, and none of it has left before its last character.
    const kept = Math.min(this.octets, Math.ceil(this.text / 4) * 3);
    const done = this.octets - kept;
    this.octets = kept;
    return done;
  }
}

/** What was decoded and is not done with: says of octets that are how many characters they were at least. */
export class DecodedCredit {
  private octets = 0;
  private text = 0;
  /** Octets that padding stood for: of any of them, nobody knows whether it is among those that are done with. */
  private padding = 0;

  /** `text` are the characters of whole quanta. */
  add(octets: number, text: number): void {
    this.octets += octets;
    this.text += text;
    this.padding += (text / 4) * 3 - octets;
  }
  /** So many octets are done with. Returns the characters that may be sent again. */
  left(octets: number): number {
    this.octets = Math.max(0, this.octets - octets);
    if (this.octets === 0) this.padding = 0;
    const kept = Math.min(this.text, Math.ceil((this.octets + this.padding) / 3) * 4);
    const done = this.text - kept;
    this.text = kept;
    return done;
  }
}
