/**
 * The ClientHello of TLS (RFC 8446 section 4.1.2), read without answering it: what a connection is routed by before anyone
 * terminates it, and the alerts that refuse it. Pure.
 */
export interface ClientHello {
  /** In lower case, without a last dot; null where none was sent. */
  readonly serverName: string | null;
  /** In the client's order of preference. */
  readonly alpn: readonly string[];
  /** Such as 0x0303 for TLS 1.2, in the client's order: `supported_versions`, or the one of the hello where that is missing. */
  readonly versions: readonly number[];
}

/** Why a connection is refused (RFC 8446 section 6.2). */
export const Alert = {
  HANDSHAKE_FAILURE: 40,
  DECODE_ERROR: 50,
  PROTOCOL_VERSION: 70,
  INTERNAL_ERROR: 80,
  UNRECOGNIZED_NAME: 112,
  NO_APPLICATION_PROTOCOL: 120,
} as const;
export type Alert = (typeof Alert)[keyof typeof Alert];

/** A fatal alert as one plaintext record, after which the connection is closed. */
export const alert = (description: Alert): Buffer => Buffer.from([0x15, 0x03, 0x03, 0x00, 0x02, 0x02, description]);

/** The octets, records' headers included, within which a hello has to end. Real ones have some hundred, or 2 KiB with post-quantum keys. */
export const MAX_CLIENT_HELLO = 64 * 1024;

/** Records that a hello may be cut into: they are walked anew after each read, which a peer must not be able to make dear. */
export const MAX_RECORDS = 1024;

const RECORD_HEADER = 5;
const HANDSHAKE_HEADER = 4;
const MAX_FRAGMENT = 2 ** 14;

const Extension = { SERVER_NAME: 0, ALPN: 16, SUPPORTED_VERSIONS: 43 } as const;

/**
 * Reads the hello that `buffer` has from `from` on, over as many records as it takes; what follows it is not looked at.
 * 'bad' is what no TLS client sends, and what does not end within `MAX_CLIENT_HELLO` and `MAX_RECORDS`.
 */
export function readClientHello(buffer: Buffer, from: number, to: number): ClientHello | 'more' | 'bad' {
  const end = Math.min(to, from + MAX_CLIENT_HELLO);
  const length = handshakeLength(buffer, from, end);
  if (length === 'more') return to - from >= MAX_CLIENT_HELLO ? 'bad' : 'more';
  if (length === 'bad') return 'bad';
  const inOneRecord = length <= buffer.readUInt16BE(from + 3);
  const message = inOneRecord ? buffer.subarray(from + RECORD_HEADER, to) : gather(buffer, from, length);
  return parse(new Cursor(message, HANDSHAKE_HEADER, length));
}

/** The length of the ClientHello message with its header, if its last octet is there. */
function handshakeLength(buffer: Buffer, from: number, to: number): number | 'more' | 'bad' {
  let header = 0;
  let have = 0;
  let at = from;
  for (let records = 0; records < MAX_RECORDS; records++) {
    if (to - at < RECORD_HEADER) return 'more';
    // "Handshake messages MUST NOT be interleaved with other record types." (section 5.1)
    if (buffer[at] !== 0x16 || buffer[at + 1] !== 0x03 || buffer[at + 2]! > 0x04) return 'bad';
    const fragment = (buffer[at + 3]! << 8) | buffer[at + 4]!;
    // "Implementations MUST NOT send zero-length fragments of Handshake types" (section 5.1)
    if (fragment === 0 || fragment > MAX_FRAGMENT) return 'bad';
    at += RECORD_HEADER;
    const end = Math.min(at + fragment, to);
    for (let i = at; have + i - at < HANDSHAKE_HEADER && i < end; i++) header = (header << 8) | buffer[i]!;
    have += end - at;
    if (have >= HANDSHAKE_HEADER) {
      const length = HANDSHAKE_HEADER + (header & 0xffffff);
      if (header >>> 24 !== 1 || length > MAX_CLIENT_HELLO) return 'bad';
      if (have >= length) return length;
    }
    if (end - at < fragment) return 'more';
    at = end;
  }
  return 'bad';
}

/** Joins a message out of records that are known to hold all of it. */
function gather(buffer: Buffer, from: number, length: number): Buffer {
  const message = Buffer.allocUnsafe(length);
  let have = 0;
  let at = from;
  while (have < length) {
    const end = at + RECORD_HEADER + buffer.readUInt16BE(at + 3);
    have += buffer.copy(message, have, at + RECORD_HEADER, end);
    at = end;
  }
  return message;
}

/** Reads numbers and vectors in order. What its range does not hold is remembered as `short` and read as zero or empty. */
class Cursor {
  private readonly buffer: Buffer;
  private at: number;
  private readonly end: number;
  short = false;

  constructor(buffer: Buffer, at: number, end: number) {
    this.buffer = buffer;
    this.at = at;
    this.end = end;
  }

  get left(): number {
    return this.end - this.at;
  }
  skip(octets: number): void {
    if (octets > this.left) this.short = true;
    this.at = Math.min(this.at + octets, this.end);
  }
  uint8(): number {
    const at = this.at;
    this.skip(1);
    return this.short ? 0 : this.buffer[at]!;
  }
  uint16(): number {
    const high = this.uint8();
    return (high << 8) | this.uint8();
  }
  /** So many octets. */
  range(octets: number): Cursor {
    const from = this.at;
    this.skip(octets);
    return new Cursor(this.buffer, from, this.at);
  }
  /** All that is left. */
  text(): string {
    return this.buffer.latin1Slice(this.at, this.end);
  }
}

/** The body of the message (RFC 8446 section 4.1.2, and RFC 5246 section 7.4.1.2, in which extensions may be missing). */
function parse(body: Cursor): ClientHello | 'bad' {
  const legacyVersion = body.uint16();
  body.skip(32); // random
  const sessionId = body.range(body.uint8());
  const cipherSuites = body.range(body.uint16());
  const compressionMethods = body.range(body.uint8());
  // "The presence of extensions can be detected by determining whether there are bytes following the compression_methods"
  const extensions = body.range(body.left === 0 ? 0 : body.uint16());
  if (body.short || body.left > 0 || sessionId.left > 32) return 'bad';
  if (cipherSuites.left < 2 || cipherSuites.left % 2 !== 0 || compressionMethods.left < 1) return 'bad';

  let serverName: string | null = null;
  let alpn: string[] | null = [];
  let versions: number[] | null = [legacyVersion];
  const types = new Set<number>();
  while (extensions.left > 0) {
    const type = extensions.uint16();
    const data = extensions.range(extensions.uint16());
    // "There MUST NOT be more than one extension of the same type in a given extension block." (RFC 8446 section 4.2)
    if (extensions.short || types.has(type)) return 'bad';
    types.add(type);
    if (type === Extension.SERVER_NAME) serverName = readServerName(data);
    else if (type === Extension.ALPN) alpn = readAlpn(data);
    else if (type === Extension.SUPPORTED_VERSIONS) versions = readVersions(data);
  }
  if (serverName === null && types.has(Extension.SERVER_NAME)) return 'bad';
  return alpn === null || versions === null ? 'bad' : { serverName, alpn, versions };
}

/**
 * The host_name of RFC 6066 section 3; null if there is none that could be a name of the DNS, which would only confuse those
 * that read it after us. (Addresses "are not permitted"; one of IPv4 looks like a name, and matches none.)
 */
function readServerName(data: Cursor): string | null {
  const list = data.range(data.uint16());
  const type = list.uint8();
  const name = list.range(list.uint16());
  // "The ServerNameList MUST NOT contain more than one name of the same name_type", and no other type was ever defined.
  if (data.short || data.left > 0 || list.short || list.left > 0 || type !== 0 || name.left > 255) return null;
  const text = name.text().toLowerCase().replace(/\.$/, '');
  return /^[a-z0-9_-]+(?:\.[a-z0-9_-]+)*$/.test(text) ? text : null;
}

/** RFC 7301 section 3.1; null if malformed. */
function readAlpn(data: Cursor): string[] | null {
  const list = data.range(data.uint16());
  if (data.short || data.left > 0 || list.left === 0) return null;
  const names: string[] = [];
  while (list.left > 0) {
    const name = list.range(list.uint8());
    // "Empty strings MUST NOT be included"
    if (list.short || name.left === 0) return null;
    const text = name.text();
    if (text.length !== 2 || !isGrease((text.charCodeAt(0) << 8) | text.charCodeAt(1))) names.push(text);
  }
  return names;
}

/** RFC 8446 section 4.2.1; null if malformed. */
function readVersions(data: Cursor): number[] | null {
  const list = data.range(data.uint8());
  if (data.short || data.left > 0 || list.left < 2 || list.left % 2 !== 0) return null;
  const versions: number[] = [];
  while (list.left > 0) {
    const version = list.uint16();
    if (!isGrease(version)) versions.push(version);
  }
  return versions;
}

/** Values that clients send so that servers stay used to ignoring what they do not know (RFC 8701): 0x0a0a, 0x1a1a, ... 0xfafa. */
const isGrease = (value: number): boolean => (value & 0x0f0f) === 0x0a0a && value >> 8 === (value & 0xff);
