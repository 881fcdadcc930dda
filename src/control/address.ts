/**
 * Addresses as they are written: where to listen, where to connect, whom to trust. Pure. What a parser cannot read, it
 * answers with a string that says what would be right.
 */
import { isIP, isIPv4, isIPv6 } from 'node:net';
import type { EndpointSpec } from '../snapshot.ts';

export interface Address {
  /** Without brackets; empty: all interfaces. */
  readonly host: string;
  readonly port: number;
}

const LISTEN_FORM = 'host:port, [::1]:port, or :port for all interfaces';
const ENDPOINT_FORM = 'host:port, host:port#weight or unix:/path';
const LABEL = /^(?!-)[A-Za-z0-9_-]{1,63}(?<!-)$/;

export const formatAddress = ({ host, port }: Address): string =>
  isIPv6(host) ? `[${host}]:${port}` : `${host}:${port}`;

/** A DNS name, with or without its last dot. */
export function isHostName(host: string): boolean {
  const labels = host.replace(/\.$/, '').split('.');
  // A name that ends in digits is a mistyped IPv4 address: 127.0.0.256.
  return host.length <= 253 && labels.every((label) => LABEL.test(label)) && !/^\d+$/.test(labels.at(-1)!);
}

function parseHostPort(text: string, form: string, minPort: number): Address | string {
  const match = /^(?:\[([^\]]*)\]|([^:]*)):(\d+)$/.exec(text);
  if (match === null) {
    if (/^\d+$/.test(text)) return `did you mean :${text}? ${form}`;
    const bare = /^(.*):(\d+)$/.exec(text);
    if (bare && isIPv6(bare[1]!)) return `did you mean [${bare[1]!}]:${bare[2]!}? ${form}`;
    return isIPv6(text) ? `an IPv6 address stands in brackets: [${text}]:port` : form;
  }
  const [, bracketed, plain, digits] = match;
  const port = Number(digits);
  if (digits!.length > 5 || port > 65535 || port < minPort) return `a port is ${minPort} to 65535`;
  if (bracketed !== undefined) return isIPv6(bracketed) ? { host: bracketed, port } : 'IPv6 goes between brackets';
  if (plain !== '' && !isIPv4(plain!) && !isHostName(plain!)) return form;
  return { host: plain!, port };
}

/** Port 0: any free one. */
export const parseListen = (text: string): Address | string => parseHostPort(text, LISTEN_FORM, 0);

/** `host:port#weight` or `unix:/path#weight`, weight 1 if not given; its `maxStreams` are the upstream's. */
export function parseEndpoint(text: string): EndpointSpec | string {
  const [, address, digits] = /^([^#]*)(?:#(.*))?$/.exec(text) ?? [];
  if (digits !== undefined && !/^[1-9]\d{0,4}$/.test(digits)) return 'a weight is a whole number, 1 to 99999';
  const target = parseTarget(address ?? '');
  return typeof target === 'string' ? target : { ...target, weight: Number(digits ?? 1), maxStreams: null };
}

/** Where to connect, without a weight: `{ address }` as written. */
export function parseTarget(text: string): { address: string } | string {
  if (text.startsWith('unix:')) {
    if (!text.startsWith('unix:/')) return 'a socket has an absolute path: unix:/run/engine.sock';
    // sun_path holds 108 bytes with its NUL, 104 on some systems.
    return Buffer.byteLength(text) - 5 <= 103 ? { address: text } : 'the path of a socket has at most 103 bytes';
  }
  const parsed = parseHostPort(text, ENDPOINT_FORM, 1);
  if (typeof parsed === 'string') return parsed;
  return parsed.host === '' ? ENDPOINT_FORM : { address: text };
}

/** An address or a CIDR block -> the block: `::1` becomes `::1/128`. */
export function parseBlock(text: string): string | undefined {
  const match = /^([^/]+)(?:\/(\d{1,3}))?$/.exec(text);
  const version = isIP(match?.[1] ?? '');
  if (match === null || version === 0 || text.includes('%')) return undefined;
  const longest = version === 4 ? 32 : 128;
  const prefix = Number(match[2] ?? longest);
  return prefix <= longest ? `${match[1]!}/${prefix}` : undefined;
}

const isWildcard = (host: string) => host === '' || host === '::' || host === '0.0.0.0';
const isLoopback = (host: string) => host === 'localhost' || host === '::1' || /^127\./.test(host);
const isOtherFamily = (host: string, other: string) => host === '0.0.0.0' && isIPv6(other) && other !== '::';

/** The second could not be bound while the first is. */
export function collide(a: Address, b: Address): boolean {
  if (a.port !== b.port || a.port === 0) return false;
  if (a.host.toLowerCase() === b.host.toLowerCase()) return true;
  return (
    (isWildcard(a.host) && !isOtherFamily(a.host, b.host)) || (isWildcard(b.host) && !isOtherFamily(b.host, a.host))
  );
}

/** A connection to `endpoint` would come back in at `listener`. */
export function leadsBack(endpoint: string, listener: Address): boolean {
  const target = parseHostPort(endpoint, '', 1);
  if (typeof target === 'string' || target.port !== listener.port) return false;
  return (
    target.host === listener.host || (isWildcard(listener.host) && (isLoopback(target.host) || isWildcard(target.host)))
  );
}
