/** An address that accepts. What its connections speak is told by their first bytes; each request becomes an exchange. */
import { createServer } from 'node:net';
import type { Server, Socket } from 'node:net';
import type { TLSSocket } from 'node:tls';
import { countLimit, Counters, Listener as Count, listenerLayout } from '../counters.ts';
import type { Failure } from '../errors.ts';
import type { SessionContext } from '../h2/core.ts';
import type { ConnectionRecord } from '../journal.ts';
import { AddressBlocks } from '../relay/cidr.ts';
import { TrustedProxies } from '../relay/client-address.ts';
import { NO_POLICY } from '../relay/exchange.ts';
import type { ExchangeContext } from '../relay/exchange.ts';
import type { Origin, Place } from '../relay/origin.ts';
import { RetryPolicy } from '../relay/retry.ts';
import type { Router } from '../route/router.ts';
import type { ListenerSpec } from '../snapshot.ts';
import { Downstream } from './downstream.ts';
import type { Front } from './front.ts';
import { Reception } from './reception.ts';
import { TlsTerminator } from './tls.ts';
import type { TlsEntry, TlsTexts } from './tls-entry.ts';

const REASONS: Readonly<Record<string, string>> = {
  EADDRINUSE: 'the address is already in use',
  EACCES: 'not permitted',
  EADDRNOTAVAIL: 'no such address on this machine',
};
const reasonOf = (error: NodeJS.ErrnoException): string => REASONS[error.code ?? ''] ?? error.message;

export class Listener implements Front {
  readonly spec: ListenerSpec;
  readonly counters: Counters;
  readonly context: SessionContext;
  readonly exchanges: ExchangeContext;
  readonly reception: Reception;
  readonly trusted: TrustedProxies;
  readonly terminator: TlsTerminator<Downstream> | null;
  readonly serves: Readonly<Record<Origin['protocol'], boolean>>;
  readonly only: Front['only'];
  private readonly allowed: AddressBlocks;
  private readonly denied: AddressBlocks;
  private readonly server: Server;
  private readonly connections = new Set<Downstream>();

  constructor(spec: ListenerSpec, router: Router, context: SessionContext) {
    this.spec = spec;
    this.context = context;
    this.counters = new Counters(listenerLayout, { listener: spec.name });
    this.trusted = new TrustedProxies(spec.trustedProxies);
    this.allowed = new AddressBlocks(spec.allow);
    this.denied = new AddressBlocks(spec.deny);
    this.exchanges = {
      ...NO_POLICY,
      listener: spec.name,
      counters: this.counters,
      wheel: context.wheel,
      journal: context.journal,
      replayBuffer: context.limits.replayBuffer,
      tunnelIdleTimeout: spec.tunnelIdleTimeout,
      retry: spec.retry === null ? null : new RetryPolicy(spec.retry),
    };
    this.terminator = spec.tls.length === 0 ? null : this.terminate();
    this.reception = new Reception(this.exchanges, router, this.trusted, this.terminator, spec.grpcWeb);
    const { protocols } = spec;
    this.serves = { h2: router.serves('h2'), http1: router.serves('http1'), tcp: router.serves('tcp') };
    this.only = this.onlyProtocol(protocols.includes('tls') && (this.terminator !== null || router.passes));
    this.server = createServer({ pauseOnConnect: true, allowHalfOpen: true }, (socket) => this.accept(socket));
  }

  /** Binds; rejects with an error that names the address. */
  listen(): Promise<void> {
    const { server, spec } = this;
    return new Promise((resolve, reject) => {
      server.once('error', (error: NodeJS.ErrnoException) =>
        reject(new Error(`cannot listen on ${spec.name}: ${reasonOf(error)}`)),
      );
      server.listen({ host: spec.host, port: spec.port, backlog: 4096 }, () => {
        server.removeAllListeners('error');
        // EMFILE and its like: the kernel keeps the connection, and the next accept may succeed.
        server.on('error', (error) => this.record(spec.name, 'limited', error.message));
        resolve();
      });
    });
  }

  /** Bound address, `host:port`. */
  get address(): string {
    const address = this.server.address();
    if (address === null || typeof address === 'string') return '';
    return address.family === 'IPv6' ? `[${address.address}]:${address.port}` : `${address.address}:${address.port}`;
  }
  get open(): number {
    return this.connections.size;
  }

  /** Accepts no more, and asks every client to go. */
  drain(): void {
    this.server.close();
    for (const connection of this.connections) connection.drain();
  }
  /** Ends the exchanges that are still open, with the answer that is still possible. */
  abort(failure: Failure): void {
    for (const connection of this.connections) connection.abort(failure);
  }
  /** Cuts every connection. */
  close(): void {
    this.server.close();
    this.terminator?.close();
    for (const connection of this.connections) connection.destroy();
  }

  /** New texts for one of the `tls` entries, by its place among them; throws on PEM that cannot be used, and changes nothing then. */
  reloadTls(entry: number, texts: TlsTexts): void {
    const { terminator } = this;
    if (terminator !== null) terminator.reload(terminator.entries[entry]!, texts);
  }

  // --- Front -------------------------------------------------------------------------------------------------------

  admits(address: string): boolean {
    return (this.allowed.empty || this.allowed.has(address)) && !this.denied.has(address);
  }
  report(peer: Place, event: ConnectionRecord['event'], message: string): void {
    this.record(`${peer.address}:${peer.port}`, event, message);
  }
  left(connection: Downstream): void {
    if (this.connections.delete(connection)) this.counters.add(Count.CONNECTIONS_OPEN, -1);
  }

  private accept(socket: Socket): void {
    this.counters.add(Count.CONNECTIONS, 1);
    if (this.connections.size >= this.spec.maxConnections) {
      countLimit(this.context.counters, 'connections');
      socket.on('error', () => undefined);
      socket.destroy();
      return;
    }
    const connection = new Downstream(this, socket);
    this.connections.add(connection);
    this.counters.add(Count.CONNECTIONS_OPEN, 1);
    connection.begin();
  }

  private onlyProtocol(tls: boolean): Front['only'] {
    const { serves } = this;
    const allowed = this.spec.protocols.filter((protocol) => protocol !== 'tls');
    // Where only bytes are carried nobody asks what they mean.
    if (!tls && serves.tcp && !serves.h2 && !serves.http1 && allowed.includes('tcp')) return 'tcp';
    if (this.spec.protocols.includes('tls') || allowed.length !== 1) return null;
    const [only] = allowed as ['h2' | 'http1' | 'tcp'];
    return serves[only] ? only : null;
  }

  private terminate(): TlsTerminator<Downstream> {
    const secured = (socket: TLSSocket, entry: TlsEntry, connection: Downstream): void =>
      connection.secured(socket, entry);
    const failed = (error: Error, _remote: string, connection: Downstream): void => connection.unsecured(error);
    return new TlsTerminator(this.spec.tls, this.spec.protocols, this.context.limits, secured, failed);
  }

  private record(peer: string, event: ConnectionRecord['event'], message: string): void {
    this.context.journal.connection({ side: 'downstream', peer, event, code: null, message });
  }
}
