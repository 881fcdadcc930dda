/** What a TLS connection says of its client: for routes and logs. */
import type { X509Certificate } from 'node:crypto';
import type { TLSSocket } from 'node:tls';
import type { TlsOrigin } from '../relay/origin.ts';
import { canonical } from '../route/server-names.ts';

export interface TlsIdentity extends TlsOrigin {
  /** The protocol that ALPN chose: `h2`, `http/1.1`. */
  readonly alpn: string | null;
}

/** To be asked once, after the handshake: it takes the client's certificate apart. */
export function identityOf(socket: TLSSocket): TlsIdentity {
  // A resumed session without a certificate is `authorized`, too.
  const certificate = socket.authorized ? socket.getPeerX509Certificate() : undefined;
  return {
    serverName: serverNameOf(socket),
    alpn: socket.alpnProtocol ? socket.alpnProtocol : null,
    version: socket.getProtocol() ?? '',
    subject: certificate === undefined ? null : oneLine(certificate),
    fingerprint: certificate === undefined ? null : certificate.fingerprint256.replaceAll(':', '').toLowerCase(),
    names: certificate === undefined ? [] : namesOf(certificate.subjectAltName ?? ''),
  };
}

/** SNI of a connection whose handshake is done. */
export function serverNameOf(socket: TLSSocket): string | null {
  // Node's types leave it out on this side of a connection.
  const { servername } = socket as { servername?: string | false | null };
  return servername ? canonical(servername) : null;
}

/** Node gives a line to each part, the most general first, its values escaped as in RFC 2253. */
const oneLine = ({ subject }: X509Certificate): string => subject.split('\n').reverse().join(',');

/** One entry of a list of alternative names; what breaks the pattern ends the list. */
const NAME = /(?:^|, )([^:,"]+):("(?:[^"\\]|\\.)*"|[^,"]*)/gy;
/** What a host name is made of: a DNS name that was made to look like a URI is none. */
const HOST = /^[a-z0-9*._-]+$/i;

/**
 * `DNS:a.example, URI:spiffe://b, URI:"odd\u002c one"` -> the names. Node quotes, as JSON, each value that could be taken for more
 * than one (CVE-2021-44532).
 */
export function namesOf(subjectAltName: string): readonly string[] {
  const names: string[] = [];
  for (const [, kind, value] of subjectAltName.matchAll(NAME)) {
    if (value === undefined) continue;
    const name = value.startsWith('"') ? (JSON.parse(value) as string) : value;
    if (kind === 'URI' || (kind === 'DNS' && HOST.test(name))) names.push(name);
  }
  return names;
}
