/**
 * The header by which a proxy in front of us says whose connection it forwards: the PROXY protocol of HAProxy
 * (proxy-protocol.txt, quoted below), versions 1 and 2. Pure. Whom to believe is the listener's to know.
 */
import { isIPv4, isIPv6, SocketAddress } from 'node:net';
import { plainAddress } from '../relay/client-address.ts';
import type { Place } from '../relay/origin.ts';

/** Addresses in one form: IPv6 in its shortest, and an IPv4 address mapped to it as IPv4, so that a client has one name. */
export interface ProxyHeader {
  /** The client; null where the proxy speaks for itself (LOCAL) or does not know, and the connection's own addresses hold. */
  readonly source: Place | null;
  /** Where the client connected to; null exactly where `source` is. */
  readonly destination: Place | null;
  /** Octets of the header: what follows them is the connection's. */
  readonly length: number;
}

const V1 = Buffer.from('PROXY ', 'latin1');
const V2 = Buffer.from('\r\n\r\n\0\r\nQUIT\n', 'latin1');

/** "If the CRLF sequence is not found in the first 107 characters, the receiver should declare the line invalid." */
const MAX_LINE = 107;
/** The length field allows 64 KiB; with all TLVs that are defined, real headers have some hundred octets. */
export const MAX_PROXY_HEADER = 4096;

const CR = 0x0d;
const LF = 0x0a;

/** Reads the header that `buffer` begins with at `from`. 'bad' as soon as that is certain: "abort the connection". */
export function readProxyHeader(buffer: Buffer, from: number, to: number): ProxyHeader | 'more' | 'bad' {
  if (from >= to) return 'more';
  if (buffer[from] === V1[0]) return begins(buffer, from, to, V1) ? readV1(buffer, from, to) : 'bad';
  return begins(buffer, from, to, V2) ? readV2(buffer, from, to) : 'bad';
}

/** Whether the octets, as far as they have come, are those of `signature`. */
function begins(buffer: Buffer, from: number, to: number, signature: Buffer): boolean {
  const length = Math.min(to - from, signature.length);
  return signature.compare(buffer, from, from + length, 0, length) === 0;
}

function readV1(buffer: Buffer, from: number, to: number): ProxyHeader | 'more' | 'bad' {
  const end = Math.min(to, from + MAX_LINE);
  for (let at = from; at < end; at++) {
    // "The receiver must not tolerate a single CR or LF character to end the line"
    if (buffer[at] === LF) return 'bad';
    if (buffer[at] !== CR) continue;
    if (at + 1 < end) return buffer[at + 1] === LF ? parseV1(buffer.latin1Slice(from, at)) : 'bad';
  }
  return end === from + MAX_LINE ? 'bad' : 'more';
}

/** `line` is without its CRLF. */
function parseV1(line: string): ProxyHeader | 'bad' {
  const length = line.length + 2;
  // "For "UNKNOWN" [...] the receiver must ignore anything presented before the CRLF is found."
  if (/^PROXY UNKNOWN(?: |$)/.test(line)) return { source: null, destination: null, length };
  const [, family, from = '', to = '', fromPort = '', toPort = '', more] = line.split(' ');
  if (more !== undefined) return 'bad';
  // isIPv6 takes a zone, too, which means nothing on another host.
  const isAddress = family === 'TCP4' ? isIPv4 : (text: string): boolean => isIPv6(text) && !text.includes('%');
  if ((family !== 'TCP4' && family !== 'TCP6') || !isAddress(from) || !isAddress(to)) return 'bad';
  if (!isPort(fromPort) || !isPort(toPort)) return 'bad';
  return { source: named(from, Number(fromPort)), destination: named(to, Number(toPort)), length };
}

/** "a decimal integer in the range [0..65535] inclusive. Heading zeroes are not permitted" */
const isPort = (text: string): boolean => /^(?:0|[1-9]\d{0,4})$/.test(text) && Number(text) <= 65_535;

function named(address: string, port: number): Place {
  if (isIPv4(address)) return { address, port };
  return { address: plainAddress(new SocketAddress({ address, family: 'ipv6' }).address), port };
}

/** Signature, version and command, family and transport, length. */
const V2_FIXED = V2.length + 4;
const Command = { LOCAL: 0x20, PROXY: 0x21 } as const;
const TCP_OVER_IPV4 = 0x11;
const TCP_OVER_IPV6 = 0x21;
/** Octets of the address block by family: unspecified, IPv4, IPv6, unix. */
const ADDRESSES = [0, 12, 36, 216] as const;
const MAX_TRANSPORT = 2;

function readV2(buffer: Buffer, from: number, to: number): ProxyHeader | 'more' | 'bad' {
  const start = from + V2_FIXED;
  if (to < start) return 'more';
  const command = buffer[from + 12]!;
  const transport = buffer[from + 13]!;
  const length = V2_FIXED + buffer.readUInt16BE(from + 14);
  // "Receivers must drop connections presenting unexpected values here."
  if (command !== Command.LOCAL && command !== Command.PROXY) return 'bad';
  if (length > MAX_PROXY_HEADER) return 'bad';
  const end = from + length;
  const unknown = { source: null, destination: null, length };
  // LOCAL: "discard the protocol block including the family which is ignored"
  if (command === Command.LOCAL) return to < end ? 'more' : unknown;
  const family = transport >> 4;
  const addresses = ADDRESSES[family];
  // "other values are unspecified [...] and must be rejected as invalid by receivers"
  if (addresses === undefined || (transport & 0x0f) > MAX_TRANSPORT || start + addresses > end) return 'bad';
  if (to < end) return 'more';
  // Of an unspecified family nobody knows how many octets are addresses, and so where the TLVs begin.
  if (family === 0) return unknown;
  if (!checkTlvs(buffer, from, start + addresses, end)) return 'bad';
  if (transport === TCP_OVER_IPV4) return { ...readAddresses(buffer, start, 4), length };
  if (transport === TCP_OVER_IPV6) return { ...readAddresses(buffer, start, 16), length };
  return unknown;
}

function readAddresses(buffer: Buffer, at: number, size: 4 | 16): { source: Place; destination: Place } {
  const ports = at + 2 * size;
  return {
    source: named(formatAddress(buffer, at, size), buffer.readUInt16BE(ports)),
    destination: named(formatAddress(buffer, at + size, size), buffer.readUInt16BE(ports + 2)),
  };
}

function formatAddress(buffer: Buffer, at: number, size: 4 | 16): string {
  if (size === 4) return buffer.subarray(at, at + 4).join('.');
  return Array.from({ length: 8 }, (_, group) => buffer.readUInt16BE(at + 2 * group).toString(16)).join(':');
}

const TLV_HEADER = 3;
const TLV_CRC32C = 0x03;

/** TLVs say nothing that we need, but they have to fill the header, and a checksum among them has to be right. */
function checkTlvs(buffer: Buffer, from: number, at: number, end: number): boolean {
  while (at < end) {
    if (end - at < TLV_HEADER) return false;
    const value = at + TLV_HEADER;
    const next = value + buffer.readUInt16BE(at + 1);
    if (next > end) return false;
    if (buffer[at] === TLV_CRC32C) {
      if (next - value !== 4 || crc32c(buffer, from, end, value) !== buffer.readUInt32BE(value)) return false;
    }
    at = next;
  }
  return true;
}

/** CRC-32C (RFC 4960 appendix B) over a range in which the four octets at `zeroed` count as zero. */
function crc32c(buffer: Buffer, from: number, to: number, zeroed: number): number {
  let crc = 0xffffffff;
  for (let at = from; at < to; at++) {
    if (at < zeroed || at >= zeroed + 4) crc ^= buffer[at]!;
    for (let bit = 0; bit < 8; bit++) crc = (crc >>> 1) ^ (crc & 1 ? 0x82f63b78 : 0);
  }
  return ~crc >>> 0;
}
