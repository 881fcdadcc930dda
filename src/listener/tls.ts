/**
 * TLS that ends here. Who listens has read the ClientHello on the ordinary socket, put its bytes back, and hands the socket to
 * the `tls.Server` of the entry that the client named. A bare `TLSSocket` would not do: it does not enforce client certificates.
 */
import type { Socket } from 'node:net';
import { createServer } from 'node:tls';
import type { Server, TlsOptions, TLSSocket } from 'node:tls';
import type { Limits, Protocol, ServerTlsSpec } from '../snapshot.ts';
import { hostOf, isAddress, ServerNames } from '../route/server-names.ts';
import { TlsEntry } from './tls-entry.ts';
import type { TlsTexts } from './tls-entry.ts';
import { serverNameOf } from './tls-identity.ts';

/** In the order in which they are preferred. */
const ALPN: readonly { readonly protocol: Protocol; readonly id: string }[] = [
  { protocol: 'h2', id: 'h2' },
  { protocol: 'http1', id: 'http/1.1' },
];

const CLOSED = 'TLS: the listener is closed';
const ignore = (): void => undefined;

interface Handshake<Owner> {
  /** `address:port`. */
  readonly remote: string;
  readonly owner: Owner;
}

/** `Owner` is whoever hands over a socket, and hears of it. */
export class TlsTerminator<Owner> {
  /** In the order of the configuration. */
  readonly entries: readonly TlsEntry[];
  private readonly names = new ServerNames<TlsEntry>();
  private readonly alpn: string[];
  private readonly handshakeTimeout: number;
  private readonly onSecure: (socket: TLSSocket, entry: TlsEntry, owner: Owner) => void;
  private readonly onFailed: (error: Error, remote: string, owner: Owner) => void;
  /** Sockets whose handshake is under way, and who is at their other end. */
  private readonly handshakes = new Map<Socket, Handshake<Owner>>();
  private closed = false;

  /**
   * `onSecure` gets a socket whose client was let in; nothing has been read from it, and it has a handler for errors. `onFailed`
   * hears once of each other that was accepted, when it is destroyed; `remote` is `address:port`. Throws on PEM that cannot be used.
   */
  constructor(
    specs: readonly ServerTlsSpec[],
    protocols: readonly Protocol[],
    limits: Limits,
    onSecure: (socket: TLSSocket, entry: TlsEntry, owner: Owner) => void,
    onFailed: (error: Error, remote: string, owner: Owner) => void,
  ) {
    this.alpn = ALPN.filter(({ protocol }) => protocols.includes(protocol)).map(({ id }) => id);
    this.handshakeTimeout = limits.handshakeTimeout;
    this.onSecure = onSecure;
    this.onFailed = onFailed;
    const makeServer = (options: TlsOptions, entry: TlsEntry): Server => this.makeServer(options, entry);
    this.entries = specs.map((spec) => new TlsEntry(spec, makeServer));
    for (const entry of this.entries) for (const name of entry.spec.names) this.names.add(name, entry);
  }

  /**
   * Who serves a client that names this (SNI). One that names nothing, or an address, which is no name, gets the first entry;
   * null: no entry serves that name.
   */
  entryFor(serverName: string | null): TlsEntry | null {
    return serverName === null || isAddress(serverName) ? (this.entries[0] ?? null) : this.names.find(serverName);
  }

  /**
   * Shakes hands. The socket was made with `allowHalfOpen`, as the one over TLS will be; it is paused, all bytes that came are
   * in it unread, and its former owner has let go of it: no timeout, and no listeners, each taken off by name
   * (`removeAllListeners()` would have it flow, and the bytes be lost).
   */
  accept(socket: Socket, { server }: TlsEntry, owner: Owner): void {
    const remote = `${socket.remoteAddress ?? ''}:${socket.remotePort ?? 0}`;
    socket.on('error', ignore);
    if (socket.destroyed || this.closed) {
      socket.destroy();
      this.onFailed(new Error(this.closed ? CLOSED : 'TLS: the client went away'), remote, owner);
      return;
    }
    this.handshakes.set(socket, { remote, owner });
    // The socket over TLS takes this over: a FIN ends a handshake, and later one direction.
    socket.allowHalfOpen = false;
    server.emit('connection', socket);
    socket.allowHalfOpen = true;
  }
  /** Handshakes under way. */
  get handshaking(): number {
    return this.handshakes.size;
  }

  /** New handshakes use the new texts, and resume no session of the old; open connections stay. If it throws, nothing has changed. */
  reload(entry: TlsEntry, texts: TlsTexts): void {
    entry.reload(texts);
  }

  /**
   * Whether a request for `authority` must not be answered on a connection that `entry` let in, since a connection for that name
   * would have been let in by another policy: RFC 9110 section 15.5.20, 421. What no entry names, and addresses, which clients do not
   * name, fall under the policy of those that name nothing; `*` comes before that for names. What is no host falls under none; no authority at all
   * is that of the connection.
   */
  misdirected(entry: TlsEntry, authority: string): boolean {
    if (authority === '' || this.entries.length === 1) return false;
    const host = hostOf(authority);
    const own = host === null ? null : (this.entryFor(host) ?? this.entryFor(null));
    return own === null || own.policy !== entry.policy;
  }

  /** Ends the handshakes that are under way, and begins no other. */
  close(): void {
    this.closed = true;
    for (const socket of this.handshakes.keys()) socket.destroy();
  }

  private makeServer(options: TlsOptions, entry: TlsEntry): Server {
    const { alpn, handshakeTimeout } = this;
    // An empty list would have OpenSSL refuse every client that offers something.
    const server = createServer({ ...options, handshakeTimeout, ...(alpn.length > 0 && { ALPNProtocols: alpn }) });
    server.on('secureConnection', (socket) => this.secured(socket, entry));
    server.on('tlsClientError', (error, socket) =>
      this.failed(socket, this.closed ? new Error(CLOSED) : clarified(error, socket)),
    );
    return server;
  }

  private secured(socket: TLSSocket, entry: TlsEntry): void {
    socket.on('error', ignore);
    socket.allowHalfOpen = true;
    const flaw =
      flawOf(socket, entry) ?? (this.entryFor(serverNameOf(socket)) === entry ? null : 'another server name');
    if (flaw !== null) {
      this.failed(socket, new Error(`TLS: ${flaw}`));
      return;
    }
    const settled = this.settle(socket);
    if (settled !== undefined) this.onSecure(socket, entry, settled.owner);
  }

  /** Left alone, a socket whose handshake failed or stalls would stay open. */
  private failed(socket: TLSSocket, error: Error): void {
    const settled = this.settle(socket);
    socket.destroy();
    if (settled !== undefined) this.onFailed(error, settled.remote, settled.owner);
  }

  private settle(socket: TLSSocket): Handshake<Owner> | undefined {
    // The socket below: Node has no public name for it, and forgets who was at its other end once it is reset.
    const { _parent: below } = socket as unknown as { _parent: Socket };
    const handshake = this.handshakes.get(below);
    this.handshakes.delete(below);
    return handshake;
  }
}

/** What is wrong with the certificate that the client showed, or did not show. */
function flawOf(socket: TLSSocket, { spec: { clientCertificate } }: TlsEntry): string | null {
  if (clientCertificate === 'off') return null;
  if (socket.getPeerX509Certificate() === undefined)
    return clientCertificate === 'required' ? 'no client certificate' : null;
  return socket.authorized ? null : refusal(socket);
}

/** Node's type is wrong: it is OpenSSL's name for the error. */
const refusal = ({ authorizationError }: TLSSocket): string =>
  `the client's certificate is refused (${String(authorizationError)})`;

/** OpenSSL's messages name its source lines; what happened is their reason. */
function clarified(error: Error & { code?: string; reason?: string }, socket: TLSSocket): Error {
  // Node destroys the socket for this without a word.
  if ((socket.authorizationError as unknown) !== null) return new Error(`TLS: ${refusal(socket)}`);
  if (error.reason !== undefined) error.message = `TLS: ${error.reason}`;
  else if (error.code === 'ECONNRESET') error.message = 'TLS: the client went away during the handshake';
  else if (error.code === 'ERR_TLS_HANDSHAKE_TIMEOUT') error.message = 'TLS: the handshake took too long';
  return error;
}
