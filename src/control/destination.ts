/** Where a CONNECT may lead. Pure. */
import { isIPv6 } from 'node:net';
import { parseBlock } from './address.ts';
import { parseServerName } from './host-pattern.ts';

const FORM = 'host:443, *.example:443, 10.0.0.0/8:443, [2001:db8::]/32:443 or *:443; * is any port';
const BRACKETED = /^\[([^\]]*)\](\/\d{1,3})?$/;

/**
 * `host:port`, `*.example:port`, a CIDR block with a port, `*:port`; a port is a number or `*`. Names come back in lower
 * case, addresses as blocks: `10.0.0.1/32:443`, `[::1]/128:443`. What it cannot read, it answers with what would be right.
 */
export function parseDestination(text: string): { readonly destination: string } | string {
  const [, host, port] = /^(.*):(\d+|\*)$/.exec(text) ?? [];
  if (host === undefined || port === undefined) {
    return typeof parseHostPart(text) === 'string' ? `with its port: ${text}:443` : FORM;
  }
  if (isIPv6(text) || isIPv6(host)) return `an IPv6 address stands in brackets: [${isIPv6(text) ? text : host}]:port`;
  if (port !== '*' && (port.length > 5 || Number(port) > 65535 || Number(port) < 1))
    return 'a port is 1 to 65535, or *';
  const part = parseHostPart(host);
  return part === undefined ? FORM : { destination: `${part}:${port}` };
}

function parseHostPart(host: string): string | undefined {
  if (host === '*') return host;
  const [, address, prefix = ''] = BRACKETED.exec(host) ?? [];
  if (address !== undefined) {
    const [base, bits] = (isIPv6(address) ? parseBlock(address + prefix) : undefined)?.split('/') ?? [];
    return base === undefined ? undefined : `[${base}]/${bits!}`;
  }
  const block = parseBlock(host);
  // Outside brackets nobody could tell the last group from a port.
  if (block !== undefined) return block.includes(':') ? undefined : block;
  const name = parseServerName(host);
  return typeof name === 'string' ? undefined : name.pattern;
}
