/** Sockets to engines, in clear text or over TLS, that read into the shared buffer. */
import { X509Certificate } from 'node:crypto';
import { connect, isIP } from 'node:net';
import type { NetConnectOpts, OnReadOpts, Socket } from 'node:net';
import { checkServerIdentity, connect as connectTls, createSecureContext } from 'node:tls';
import type { ConnectionOptions, SecureContext, SecureContextOptions, TLSSocket } from 'node:tls';
import type { UpstreamTlsSpec } from '../snapshot.ts';
import { PROMPT } from './output.ts';

/** The kernel asks a silent peer after so long: for sockets whose protocol does not, and for paths that forget. Milliseconds. */
export const TCP_KEEPALIVE = 60_000;
const TCP = { noDelay: true, keepAlive: true, keepAliveInitialDelay: TCP_KEEPALIVE };

/** Where to connect; `host` is best an address, since a name is resolved anew each time. */
export type DialTarget = { readonly host: string; readonly port: number } | { readonly path: string };

/**
 * TLS towards the engines of one name. It is made once and shared by their connections: PEM is read once, and a session that
 * one of them was given spares the next the certificates and their verification.
 */
export class ClientTls {
  /** What the certificate has to bear, and the SNI unless it is an IP address (RFC 6066 section 3). */
  readonly name: string;
  /** The one ALPN protocol that is offered, and `h2` has to be chosen; null: none is. */
  readonly protocol: string | null;
  readonly verify: boolean;
  readonly context: SecureContext;
  private session: Buffer | undefined;

  /**
   * `host` of the endpoint as configured, '' for a Unix socket: the name where the settings have none. Throws on PEM that
   * cannot be used.
   */
  constructor(settings: UpstreamTlsSpec, host: string, protocol: string | null = 'h2') {
    this.name = settings.serverName || host || 'localhost';
    this.protocol = protocol;
    this.verify = settings.verify;
    // RFC 9113 section 9.2, whatever flags Node was started with.
    const options: SecureContextOptions = { minVersion: 'TLSv1.2' };
    if (settings.ca !== null) options.ca = certificates(settings.ca);
    if (settings.certificate !== null) options.cert = settings.certificate;
    if (settings.key !== null) options.key = settings.key;
    this.context = createSecureContext(options);
  }

  /** Used once, as RFC 8446 appendix C.4 asks: so a session that an engine chokes on spoils one connect at most. */
  takeSession(): Buffer | undefined {
    const { session } = this;
    this.session = undefined;
    return session;
  }
  keepSession(session: Buffer): void {
    this.session = session;
  }
}

/**
 * Opens a socket. `onReady` is called once it stands; with `tls` that is after the handshake, when the certificate and the
 * protocol are as they have to be. Whatever else happens is an `error` of the socket.
 */
export function dial(to: DialTarget, onread: OnReadOpts, onReady: () => void, tls?: ClientTls): Socket {
  if (tls !== undefined) return dialTls(to, onread, onReady, tls);
  const how = { onread, ...TCP, allowHalfOpen: true, writableHighWaterMark: PROMPT };
  const socket = connect({ ...to, ...how } as NetConnectOpts);
  return socket.once('connect', onReady);
}

function dialTls(to: DialTarget, onread: OnReadOpts, onReady: () => void, tls: ClientTls): Socket {
  const { name, protocol, verify: rejectUnauthorized, context: secureContext } = tls;
  // No high water mark: encrypted writes are never done at once, so that `Output` has to be called back.
  const options: ConnectionOptions = {
    ...to,
    // Node's types do not list these two.
    ...{ onread, allowHalfOpen: true },
    secureContext,
    rejectUnauthorized,
    // Node would take the address that is dialled for the name where there is no SNI.
    checkServerIdentity: (_host, certificate) => checkServerIdentity(name, certificate),
  };
  if (protocol !== null) options.ALPNProtocols = [protocol];
  if (isIP(name) === 0) options.servername = name;
  const session = tls.takeSession();
  if (session !== undefined) options.session = session;

  const socket = connectTls(options);
  socket.setNoDelay(true);
  socket.setKeepAlive(true, TCP_KEEPALIVE);
  socket.on('error', (error: Error) => {
    clarify(error);
    // After the handshake Node only tells of an alert.
    socket.destroy();
  });
  socket.on('session', (ticket: Buffer) => tls.keepSession(ticket));
  socket.once('secureConnect', () => {
    // Servers of HTTP/1.1 that know no ALPN are many.
    if (socket.alpnProtocol === protocol || (protocol !== 'h2' && !socket.alpnProtocol)) onReady();
    else socket.destroy(new Error(`TLS: the engine chose ${chosen(socket)} by ALPN, not ${String(protocol)}`));
  });
  return socket;
}

/** Node passes over what it cannot read of a bundle; it should be told when the bundle is set. */
function certificates(bundle: string): string[] {
  const blocks = bundle.match(/-----BEGIN [A-Z0-9 ]*CERTIFICATE-----[^]*?-----END [A-Z0-9 ]*CERTIFICATE-----/g) ?? [];
  if (blocks.length === 0) throw new Error('no certificate in PEM form');
  return blocks.map((block) => new X509Certificate(block).toString());
}

const chosen = ({ alpnProtocol }: TLSSocket): string => (alpnProtocol ? alpnProtocol : 'no protocol');

/** OpenSSL's messages name its source lines; what happened is their reason. */
function clarify(error: Error & { reason?: string; library?: string }): void {
  if (error.library === undefined || error.reason === undefined) return;
  const { reason } = error;
  error.message = reason.includes('no application protocol')
    ? `TLS: no common ALPN protocol (${reason})`
    : `TLS: ${reason}`;
}
