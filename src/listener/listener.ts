/** An address that accepts. Each connection becomes a session, and each of its requests an exchange. */
import { createServer } from 'node:net';
import type { Server, Socket } from 'node:net';
import { countLimit, Counters, Listener as Count, listenerLayout } from '../counters.ts';
import type { Failure } from '../errors.ts';
import type { SessionContext } from '../h2/core.ts';
import { Connection } from '../io/connection.ts';
import { TrustedProxies } from '../relay/client-address.ts';
import type { ExchangeContext } from '../relay/exchange.ts';
import type { CarrierSource } from '../relay/half.ts';
import { RetryPolicy } from '../relay/retry.ts';
import type { ListenerSpec } from '../snapshot.ts';
import { ClientSession } from './client-session.ts';

const REASONS: Readonly<Record<string, string>> = {
  EADDRINUSE: 'the address is already in use',
  EACCES: 'not permitted',
  EADDRNOTAVAIL: 'no such address on this machine',
};
const reasonOf = (error: NodeJS.ErrnoException): string => REASONS[error.code ?? ''] ?? error.message;

export class Listener {
  readonly spec: ListenerSpec;
  readonly counters: Counters;
  private readonly server: Server;
  private readonly context: SessionContext;
  private readonly exchanges: ExchangeContext;
  private readonly trusted: TrustedProxies;
  private readonly sessions = new Set<ClientSession>();

  constructor(spec: ListenerSpec, upstream: CarrierSource, context: SessionContext) {
    this.spec = spec;
    this.context = context;
    this.counters = new Counters(listenerLayout, { listener: spec.name });
    this.trusted = new TrustedProxies(spec.trustedProxies);
    this.exchanges = {
      listener: spec.name,
      upstream,
      counters: this.counters,
      wheel: context.wheel,
      journal: context.journal,
      replayBuffer: context.limits.replayBuffer,
      retry: spec.retry === null ? null : new RetryPolicy(spec.retry),
    };
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
        server.on('error', (error) => this.report(error.message));
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
    return this.sessions.size;
  }

  /** Accepts no more, and asks every client to go. */
  drain(): void {
    this.server.close();
    for (const { session } of this.sessions) session.drain();
  }
  /** Ends the exchanges that are still open, with the answer that is still possible. */
  abort(failure: Failure): void {
    for (const { session } of this.sessions) session.abort(failure);
  }
  /** Cuts every connection. */
  close(): void {
    this.server.close();
    for (const { connection } of this.sessions) connection.destroy();
  }

  private accept(socket: Socket): void {
    this.counters.add(Count.CONNECTIONS, 1);
    if (this.sessions.size >= this.spec.maxConnections) {
      countLimit(this.context.counters, 'connections');
      socket.on('error', () => undefined);
      socket.destroy();
      return;
    }
    Connection.accept(socket, this.context.counters, (connection) => {
      const client = new ClientSession(connection, this.context, this.exchanges, this.trusted, () => {
        this.sessions.delete(client);
        this.counters.add(Count.CONNECTIONS_OPEN, -1);
      });
      this.sessions.add(client);
      this.counters.add(Count.CONNECTIONS_OPEN, 1);
      return client.session;
    });
  }

  private report(message: string): void {
    this.context.journal.connection({
      side: 'downstream',
      peer: this.spec.name,
      event: 'limited',
      code: null,
      message,
    });
  }
}
