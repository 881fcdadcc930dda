/** An address that accepts. What its connections speak is told by their first bytes; each request becomes an exchange. */
import { createServer } from 'node:net';
import type { Server, Socket } from 'node:net';
import type { TLSSocket } from 'node:tls';
import { countLimit, Counters, Listener as Count, listenerLayout } from '../counters.ts';
import type { Failure } from '../errors.ts';
import type { SessionContext } from '../h2/core.ts';
import type { ConnectionRecord } from '../journal.ts';
import type { Filter } from '../filter/filter.ts';
import { AddressRule } from '../relay/cidr.ts';
import { TrustedProxies } from '../relay/client-address.ts';
import type { CarrierSource } from '../relay/half.ts';
import { NO_POLICY } from '../relay/exchange-context.ts';
import type { ExchangeContext } from '../relay/exchange-context.ts';
import type { Origin, Place } from '../relay/origin.ts';
import { RetryPolicy } from '../relay/retry.ts';
import { limitsOf } from '../route/route.ts';
import type { Destination, Route } from '../route/route.ts';
import { Router } from '../route/router.ts';
import type { RouteTable } from '../route/table.ts';
import type { ListenerSpec } from '../snapshot.ts';
import { Downstream } from './downstream.ts';
import type { Front } from './front.ts';
import { Reception } from './reception.ts';
import type { Reserved } from './reception.ts';
import { TlsTerminator } from './tls.ts';
import type { TlsEntry, TlsTexts } from './tls-entry.ts';

const REASONS: Readonly<Record<string, string>> = {
  EADDRINUSE: 'the address is already in use',
  EACCES: 'not permitted',
  EADDRNOTAVAIL: 'no such address on this machine',
};
const reasonOf = (error: NodeJS.ErrnoException): string => REASONS[error.code ?? ''] ?? error.message;

/** Where a listener's requests may go. */
export interface Routing {
  readonly routes: readonly Route[];
  readonly table: RouteTable<Route>;
  readonly fallback: Destination | null;
  readonly forward: CarrierSource | null;
  readonly reserved: Reserved;
  /** Asked of every request before its route's, and after all others. */
  readonly tenants: readonly Filter[];
  readonly filters: readonly Filter[];
}

export class Listener implements Front {
  readonly spec: ListenerSpec;
  readonly counters: Counters;
  readonly context: SessionContext;
  readonly reception: Reception;
  readonly trusted: TrustedProxies;
  readonly terminator: TlsTerminator<Downstream> | null;
  readonly serves: Readonly<Record<Origin['protocol'], boolean>>;
  readonly only: Front['only'];
  readonly bytesAlone: boolean;
  private readonly rule: AddressRule;
  private readonly server: Server;
  private readonly connections = new Set<Downstream>();

  constructor(spec: ListenerSpec, routing: Routing, context: SessionContext) {
    this.spec = spec;
    this.context = context;
    this.counters = new Counters(listenerLayout, { listener: spec.name });
    this.trusted = new TrustedProxies(spec.trustedProxies);
    this.rule = new AddressRule(spec);
    this.terminator = spec.tls.length === 0 ? null : this.terminate();
    const { routes, table, fallback, forward, reserved, tenants, filters: last } = routing;
    const router = new Router(routes, table, { listener: spec.name, fallback, forward, websocket: spec.websocket });
    const own: ExchangeContext = { ...this.exchanges(), reservedTrailers: reserved.all };
    const first = [...limitsOf(spec.limits).flat(), ...tenants];
    this.reception = new Reception({
      router,
      context: own,
      contexts: routes.map((route) => contextOf(route, own)),
      filters: [...first, ...last],
      routeFilters: routes.map(({ filters }) => [...first, ...filters, ...last]),
      trusted: this.trusted,
      policies: this.terminator,
      grpcWeb: spec.grpcWeb,
      reserved,
    });
    const { protocols } = spec;
    this.serves = { h2: router.serves('h2'), http1: router.serves('http1'), tcp: router.serves('tcp') };
    const http = (['h2', 'http1'] as const).some((each) => protocols.includes(each) && this.serves[each]);
    this.bytesAlone = !http && protocols.includes('tcp') && this.serves.tcp;
    const tls = protocols.includes('tls') && (this.terminator !== null || router.passes);
    this.only = this.bytesAlone && !tls ? 'tcp' : null;
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
    return this.rule.admits(address);
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

  /** Of what has no route. */
  private exchanges(): ExchangeContext {
    const { spec, context, counters } = this;
    const { wheel, journal, limits } = context;
    const { maxBody, maxMessage } = spec.limits;
    return {
      ...NO_POLICY,
      ...{ listener: spec.name, counters, wheel, journal, replayBuffer: limits.replayBuffer },
      ...{ maxBody, maxMessage, tunnelIdleTimeout: spec.tunnelIdleTimeout },
      retry: spec.retry === null ? null : new RetryPolicy(spec.retry),
    };
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

/** What a route makes of what its listener says. */
function contextOf({ spec, index, responseEdits }: Route, own: ExchangeContext): ExchangeContext {
  const { timeout, idleTimeout, limits, retry } = spec;
  return {
    ...own,
    route: { name: spec.name, index },
    ...{ timeout, idleTimeout, responseEdits },
    maxBody: lesser(limits.maxBody, own.maxBody),
    maxMessage: lesser(limits.maxMessage, own.maxMessage),
    hashKey: spec.hashKey,
    retry: retry === 'listener' ? own.retry : retry === null ? null : new RetryPolicy(retry),
  };
}

/** The stricter of two limits, of which 0 is none. */
const lesser = (a: number, b: number): number => (a === 0 ? b : b === 0 ? a : Math.min(a, b));
