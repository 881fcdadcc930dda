/** Where a CONNECT may lead: what the client names, and what the operator allows. Pure. */
import { isIPv4, isIPv6, SocketAddress } from 'node:net';
import { AddressBlocks, plainAddress } from '../relay/cidr.ts';

export interface Destination {
  /** A name in lower case, or an address in its plain form, without brackets. */
  readonly host: string;
  readonly port: number;
  /** The host is an address. */
  readonly literal: boolean;
}

const AUTHORITY = /^(?:\[([^\]]+)\]|([^:[\]]+)):(\d{1,5})$/;
const NAME = /^(?=.{1,253}$)(?:[a-z0-9_-]{1,63}\.)*([a-z0-9_-]{1,63})\.?$/;
/** `getaddrinfo` reads `127.1` and `0x7f000001` as addresses: what ends in a number is one, or nothing. */
const NUMBER = /^(?:\d+|0x[0-9a-f]*)$/;

/**
 * Reads the authority of a CONNECT; null if it is none. "There is no default port; a client MUST send the port number even if
 * the CONNECT request is based on a URI reference that [...] elides it" (RFC 9110 section 9.3.6).
 */
export function parseDestination(authority: string): Destination | null {
  const [, bracketed, plain = '', digits] = AUTHORITY.exec(authority) ?? [];
  const port = Number(digits);
  if (digits === undefined || port === 0 || port > 65535) return null;
  if (bracketed !== undefined) {
    const address = canonicalAddress(bracketed);
    return address === null ? null : { host: address, port, literal: true };
  }
  if (isIPv4(plain)) return { host: plain, port, literal: true };
  const host = plain.toLowerCase();
  const last = NAME.exec(host)?.[1];
  return last === undefined || NUMBER.test(last) ? null : { host, port, literal: false };
}

/** One form of each IPv6 address, and that of IPv4 for one that is mapped; null for others, and for what names a zone of ours. */
function canonicalAddress(text: string): string | null {
  if (!isIPv6(text) || text.includes('%')) return null;
  return plainAddress(new SocketAddress({ address: text, family: 'ipv6' }).address);
}

/** One entry of the list. At most one of `name`, `suffix` and `blocks` is set; without them it stands for any host. */
interface Rule {
  /** 0: any. */
  readonly port: number;
  readonly name: string | null;
  /** `.example`, of the names that end so. */
  readonly suffix: string | null;
  readonly blocks: AddressBlocks | null;
}

const ENTRY = /^(?:\[([^\]]+)\]|([^:[\]/]+))(\/\d{1,3})?:(\*|\d{1,5})$/;

function parseRule(entry: string): Rule {
  const [, bracketed, plain = '', bits = '', port] = ENTRY.exec(entry === '*' ? '*:*' : entry) ?? [];
  if (port === undefined) throw new Error(`not a destination: ${entry}`);
  const rule: Rule = { port: port === '*' ? 0 : Number(port), name: null, suffix: null, blocks: null };
  const address = bracketed ?? plain;
  if (isIPv4(address) || isIPv6(address)) return { ...rule, blocks: new AddressBlocks([address + bits]) };
  if (bracketed !== undefined || bits !== '') throw new Error(`not an address: ${entry}`);
  if (plain === '*') return rule;
  const name = withoutDot(plain.toLowerCase());
  return name.startsWith('*.') ? { ...rule, suffix: name.slice(1) } : { ...rule, name };
}

const withoutDot = (name: string): string => (name.endsWith('.') ? name.slice(0, -1) : name);

/**
 * The destinations that an operator allows, as `ConnectSpec` has them. A name that is listed may stand for any address: whoever
 * listed it trusts whoever answers for it. Any other name is worth no more than the addresses that it stands for.
 */
export class Destinations {
  private readonly rules: readonly Rule[];

  /** Throws on what is no entry. */
  constructor(allow: readonly string[]) {
    this.rules = allow.map(parseRule);
  }

  /** Whether the destination is allowed by its name, or as any host is. */
  admitsName({ host, port, literal }: Destination): boolean {
    const name = withoutDot(host);
    return this.rules.some((rule) => {
      if (rule.blocks !== null || !covers(rule, port)) return false;
      if (rule.name === null && rule.suffix === null) return true;
      return !literal && (rule.name === name || (rule.suffix !== null && name.endsWith(rule.suffix)));
    });
  }
  /** Whether this address is allowed, whatever name it stands for. */
  admitsAddress(address: string, port: number): boolean {
    return this.rules.some((rule) => covers(rule, port) && rule.blocks?.has(address) === true);
  }
  /** Whether there is an address at this port that is allowed: only then is it worth to look up a name. */
  admitsAddresses(port: number): boolean {
    return this.rules.some((rule) => covers(rule, port) && rule.blocks !== null);
  }
}

const covers = (rule: Rule, port: number): boolean => rule.port === 0 || rule.port === port;
