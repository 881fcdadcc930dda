/** A socket to an engine for a probe. It has its error handler from the start and never keeps the process alive. */
import { connect, isIP, isIPv6 } from 'node:net';
import type { Socket } from 'node:net';
import { checkServerIdentity, connect as connectTls } from 'node:tls';
import type { ConnectionOptions } from 'node:tls';
import type { UpstreamTlsSpec } from '../snapshot.ts';
import type { Target } from './probe.ts';

/** The event that says that the socket stands, its TLS handshake included. */
export const openEvent = (tls: UpstreamTlsSpec | null): 'connect' | 'secureConnect' =>
  tls === null ? 'connect' : 'secureConnect';

/** `:authority` of requests to the engine: its `host:port`, or the name that it is to prove. */
export function authorityOf(target: Target, tls: UpstreamTlsSpec | null): string {
  if (tls !== null && tls.serverName !== '') return bracketed(tls.serverName);
  // As gRPC names what is behind a unix socket.
  return 'path' in target ? 'localhost' : `${bracketed(target.host)}:${target.port}`;
}
const bracketed = (host: string): string => (isIPv6(host) ? `[${host}]` : host);

/** What an engine's connections offer by ALPN; null: nothing. */
export type Alpn = 'h2' | 'http/1.1' | null;

/** Why an engine behind TLS is no use though its handshake succeeded, or null: calls are made to none that has not agreed on h2. */
export const objection = (alpnProtocol: string | false | null | undefined, alpn: Alpn = 'h2'): Error | null =>
  alpn !== 'h2' || alpnProtocol === 'h2'
    ? null
    : new Error(`TLS: the engine chose ${alpnProtocol || 'no protocol'} by ALPN, not h2`);

/** Begins to connect. An engine that does not prove its name is an `error`. */
export function dial(target: Target, tls: UpstreamTlsSpec | null, alpn: Alpn = 'h2'): Socket {
  const socket = tls === null ? connect(target) : connectTls({ ...target, ...tlsOptions(target, tls, alpn) });
  socket.on('error', () => undefined);
  return socket.unref();
}

function tlsOptions(target: Target, tls: UpstreamTlsSpec, alpn: Alpn): ConnectionOptions {
  const name = tls.serverName !== '' ? tls.serverName : 'host' in target ? target.host : 'localhost';
  return {
    ...(alpn !== null && { ALPNProtocols: [alpn] }),
    // An address is no server name (RFC 6066), but it can be in the certificate.
    ...(isIP(name) === 0 && { servername: name }),
    checkServerIdentity: (_, certificate) => checkServerIdentity(name, certificate),
    rejectUnauthorized: tls.verify,
    ...(tls.ca !== null && { ca: tls.ca }),
    ...(tls.certificate !== null && { cert: tls.certificate }),
    ...(tls.key !== null && { key: tls.key }),
  };
}
