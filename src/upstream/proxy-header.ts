/**
 * The PROXY protocol header (HAProxy's proxy-protocol.txt) that tells a TCP engine whose connection it gets. Pure. Its reader
 * is `listener/proxy-protocol.ts`.
 */
import { isIPv4, isIPv6, SocketAddress } from 'node:net';
import { plainAddress } from '../relay/client-address.ts';
import type { Place } from '../relay/origin.ts';

const SIGNATURE = Buffer.from('\r\n\r\n\0\r\nQUIT\n', 'latin1');
const PROXY_V2 = 0x21;
const UNSPECIFIED = 0x00;
const TCP_OVER_IPV4 = 0x11;
const TCP_OVER_IPV6 = 0x21;

/**
 * The whole header, to be written before anything else. IPv4 addresses mapped to IPv6 go as IPv4. What v1 has no form for (one
 * IPv4 and one IPv6 address) is UNKNOWN there and two IPv6 addresses in v2; addresses that are no IP (a unix socket's) are
 * unknown in both.
 */
export function writeProxyHeader(version: 'v1' | 'v2', source: Place, destination: Place): Buffer {
  const from = bare(source.address);
  const to = bare(destination.address);
  const known = from !== null && to !== null;
  const family = !known ? 0 : isIPv4(from) && isIPv4(to) ? 4 : 6;
  if (version === 'v1') {
    if (!known || isIPv4(from) !== isIPv4(to)) return Buffer.from('PROXY UNKNOWN\r\n', 'latin1');
    return Buffer.from(`PROXY TCP${family} ${from} ${to} ${source.port} ${destination.port}\r\n`, 'latin1');
  }
  if (!known) return Buffer.from([...SIGNATURE, PROXY_V2, UNSPECIFIED, 0, 0]);
  const octets = family === 4 ? octetsOfIPv4 : octetsOfIPv6;
  const addresses = [...octets(from), ...octets(to), ...uint16(source.port), ...uint16(destination.port)];
  const transport = family === 4 ? TCP_OVER_IPV4 : TCP_OVER_IPV6;
  return Buffer.from([...SIGNATURE, PROXY_V2, transport, ...uint16(addresses.length), ...addresses]);
}

/** In its shortest form, without a zone, and IPv4 where it is mapped; null where it is no IP address. */
function bare(address: string): string | null {
  if (isIPv4(address)) return address;
  return isIPv6(address) ? plainAddress(new SocketAddress({ address, family: 'ipv6' }).address) : null;
}

const uint16 = (value: number): [number, number] => [value >> 8, value & 0xff];

const octetsOfIPv4 = (address: string): number[] => address.split('.').map(Number);

function octetsOfIPv6(address: string): number[] {
  if (isIPv4(address)) return [...Array<number>(10).fill(0), 0xff, 0xff, ...octetsOfIPv4(address)];
  // The form that is not mapped but ends in IPv4 all the same, ::1.2.3.4, is written as such by inet_ntop.
  const [head = [], tail = []] = address.split('::').map((part) => part.split(':').flatMap(octetsOfGroup));
  return [...head, ...Array<number>(16 - head.length - tail.length).fill(0), ...tail];
}

function octetsOfGroup(group: string): number[] {
  if (group === '') return [];
  return group.includes('.') ? octetsOfIPv4(group) : uint16(Number.parseInt(group, 16));
}
