/**
 * Names of hosts to be matched, in lower case and without a last dot: `asr.example`, or `*.example`. Pure. What a parser
 * cannot read, it answers with a string that says what would be right.
 */
import { isIP, isIPv4, isIPv6 } from 'node:net';
import { isHostName } from './address.ts';

export interface HostPattern {
  readonly pattern: string;
}

const FORM = 'a name like asr.example, or *.example';
const WITH_PORT = /^(.+):(?:\d+|\*)$/;

/** What TLS clients may name. */
export function parseServerName(text: string): HostPattern | string {
  if (isHostName(text.startsWith('*.') ? text.slice(2) : text)) {
    return { pattern: text.toLowerCase().replace(/\.$/, '') };
  }
  // RFC 6066 section 3: "Literal IPv4 and IPv6 addresses are not permitted in "HostName"."
  if (isIP(text) !== 0) return 'TLS clients name hosts, not addresses';
  const [, bare] = WITH_PORT.exec(text) ?? [];
  if (bare !== undefined) return `a name has no port: ${bare}`;
  return text.includes('*') ? 'a wildcard is the whole first label: *.example' : FORM;
}

/** What `:authority` and Host may name: addresses, too; IPv6 comes back without brackets. */
export function parseHost(text: string): HostPattern | string {
  const [, bracketed] = /^\[(.*)\]$/.exec(text) ?? [];
  const address = (bracketed ?? text).toLowerCase();
  if (isIPv6(address) || isIPv4(text)) return { pattern: address };
  return parseServerName(text);
}

/** Whatever `narrow` matches, `wide` matches: `*.example` stands for one or more labels before `example`. */
export const covers = (wide: string, narrow: string): boolean =>
  wide === narrow || (wide.startsWith('*.') && narrow.endsWith(wide.slice(1)));
