/**
 * One accepted connection, from accept to close: what it speaks is found out, TLS is taken off, and then a client of that
 * protocol has it. What the listener does not allow is refused in the protocol's own words.
 */
import type { Socket } from 'node:net';
import type { TLSSocket } from 'node:tls';
import { countLimit } from '../counters.ts';
import type { Limit } from '../counters.ts';
import type { Failure } from '../errors.ts';
import { Connection } from '../io/connection.ts';
import type { ConnectionHandler } from '../io/connection.ts';
import { Timer } from '../io/timer-wheel.ts';
import { Peer, plainAddress } from '../relay/client-address.ts';
import type { Origin, Place } from '../relay/origin.ts';
import type { Route } from '../route/route.ts';
import { Arrival } from './arrival.ts';
import type { Arrived, ArrivalOptions, ArrivalOwner } from './arrival.ts';
import { Alert, alert } from './client-hello.ts';
import type { ClientHello } from './client-hello.ts';
import { ClientHttp1 } from './client-http1.ts';
import { ClientSession } from './client-session.ts';
import { ClientTcp } from './client-tcp.ts';
import type { Front } from './front.ts';
import { BAD_REQUEST, GOAWAY } from './refusals.ts';
import { LastRoute } from './reception.ts';
import type { Client } from './reception.ts';
import type { Served } from './served.ts';
import { identityOf } from './tls-identity.ts';
import type { TlsEntry } from './tls-entry.ts';

/** For a client that is refused to read why. */
const LAST_WORDS = 1000;
const NOTHING = Buffer.alloc(0);

export class Downstream implements ArrivalOwner {
  private readonly front: Front;
  /** The socket as accepted, or the one over TLS; null once a client has it. */
  private socket: Socket | null;
  private arrival: Arrival | null = null;
  private connection: Connection | null = null;
  private served: Served | null = null;
  private source: Place;
  private destination: Place;
  /** The TLS that was taken off. */
  private entry: TlsEntry | null = null;
  private tls: Origin['tls'] = null;

  constructor(front: Front, socket: Socket) {
    this.front = front;
    this.socket = socket;
    this.source = { address: plainAddress(socket.remoteAddress ?? ''), port: socket.remotePort ?? 0 };
    this.destination = { address: plainAddress(socket.localAddress ?? ''), port: socket.localPort ?? 0 };
    socket.on('error', ignore);
  }

  begin(): void {
    const { front, source, socket } = this;
    const header = front.spec.proxyProtocol === 'required';
    // It was reset before we could look at it.
    if (source.address === '') {
      this.destroy();
      return;
    }
    if (header ? !front.trusted.has(source.address) : !front.admits(source.address)) this.drop('denied');
    else if (!header && front.only !== null) this.serve(front.only, NOTHING, null);
    else this.sniff(socket!, header, front.only);
  }

  drain(): void {
    if (this.served === null) this.destroy();
    else this.served.drain();
  }
  abort(failure: Failure): void {
    if (this.served === null) this.destroy();
    else this.served.abort(failure);
  }
  destroy(): void {
    this.connection?.destroy();
    if (this.socket !== null) this.lose(this.socket);
  }

  // --- ArrivalOwner ------------------------------------------------------------------------------------------------

  onArrived({ protocol, hello, header, bytes }: Arrived): void {
    this.arrival = null;
    const { front } = this;
    if (header?.source) this.source = { ...header.source, address: plainAddress(header.source.address) };
    if (header?.destination) this.destination = header.destination;
    if (header !== null && !front.admits(this.source.address)) this.drop('denied');
    else if (protocol === 'tls' && this.entry === null) this.onHello(hello, bytes);
    else this.onProtocol(protocol, bytes);
  }

  onLost(reason: string | null): void {
    this.arrival = null;
    if (reason === null) this.destroy();
    else this.drop('handshake', reason);
  }

  // --- TLS ---------------------------------------------------------------------------------------------------------

  /** The handshake is done: what the client speaks is inside. */
  secured(socket: TLSSocket, entry: TlsEntry): void {
    const identity = identityOf(socket);
    this.socket = socket;
    this.entry = entry;
    this.tls = identity;
    if (identity.alpn === 'h2') this.onProtocol('h2', NOTHING);
    else if (identity.alpn === 'http/1.1') this.onProtocol('http1', NOTHING);
    else if (this.front.bytesAlone) this.onProtocol('tcp', NOTHING);
    else this.sniff(socket, false, null);
  }
  /** The handshake failed, and its socket is destroyed. */
  unsecured(error: Error): void {
    countLimit(this.front.context.counters, 'handshake');
    this.front.report(this.source, 'limited', error.message);
    this.leave();
  }

  private onHello(hello: ClientHello | null, bytes: Buffer): void {
    const { front } = this;
    const { terminator, reception } = front;
    if (hello === null) this.refuse(alert(Alert.HANDSHAKE_FAILURE));
    else if (!front.spec.protocols.includes('tls')) this.onRefused('tls');
    else {
      const through = reception.router.passthrough(hello.serverName, this.source.address);
      const entry = terminator?.entryFor(hello.serverName) ?? null;
      if (through !== null) this.tunnel(through, bytes, hello.serverName);
      else if (entry !== null) {
        const socket = this.socket!;
        socket.unshift(bytes);
        terminator!.accept(socket, entry, this);
      } else if (terminator === null && front.serves.tcp) this.onProtocol('tcp', bytes);
      else this.refuse(alert(terminator === null ? Alert.HANDSHAKE_FAILURE : Alert.UNRECOGNIZED_NAME));
    }
  }

  // --- What it speaks ----------------------------------------------------------------------------------------------

  private sniff(socket: Socket, header: boolean, only: ArrivalOptions['only']): void {
    const { spec, serves, context } = this.front;
    const serverFirstDelay = serves.tcp ? spec.serverFirstDelay : 0;
    this.arrival = new Arrival(
      socket,
      { header, only, timeout: spec.sniffTimeout, serverFirstDelay },
      context.wheel,
      this,
    );
  }

  private onProtocol(sniffed: Arrived['protocol'], bytes: Buffer): void {
    const { serves, spec } = this.front;
    // A header that nobody asked for, and TLS within TLS, are bytes like any others; so is all where only TCP is served.
    const known = sniffed === 'h2' || sniffed === 'http1' ? sniffed : 'tcp';
    const protocol = known !== 'tcp' && !serves[known] && serves.tcp ? 'tcp' : known;
    if (!serves[protocol] || !spec.protocols.includes(protocol)) this.onRefused(known);
    else this.serve(protocol, bytes, this.tls?.serverName ?? null);
  }

  private onRefused(protocol: 'h2' | 'http1' | 'tls' | 'tcp'): void {
    if (protocol === 'h2') this.refuse(GOAWAY);
    else if (protocol === 'http1') this.refuse(BAD_REQUEST);
    else if (protocol === 'tls') this.refuse(alert(Alert.PROTOCOL_VERSION));
    else this.drop('protocol');
  }

  private serve(protocol: 'h2' | 'http1' | 'tcp', bytes: Buffer, serverName: string | null): void {
    const { context, reception } = this.front;
    const client = this.client(protocol, serverName);
    if (protocol === 'tcp') this.tunnel(null, bytes, serverName);
    else if (protocol === 'h2') {
      this.hand(bytes, (connection) => {
        const session = new ClientSession(connection, context, reception, client, () => this.leave());
        this.served = session;
        return session.session;
      });
    } else {
      this.hand(bytes, (connection) => {
        const http1 = new ClientHttp1(connection, context, reception, client, () => this.leave());
        this.served = http1;
        return http1.handler;
      });
    }
  }

  private tunnel(chosen: Route | null, bytes: Buffer, serverName: string | null): void {
    const { context, reception } = this.front;
    const client = this.client('tcp', serverName);
    this.hand(bytes, (connection) => {
      const tcp = new ClientTcp(connection, context, reception, client, chosen, () => this.leave());
      this.served = tcp;
      return tcp.handler;
    });
  }

  private client(protocol: Origin['protocol'], serverName: string | null): Client {
    const { front, source, destination, tls, entry } = this;
    const origin = { protocol, listener: front.spec.name, source, destination, tls, serverName };
    const peer = new Peer(source.address, front.trusted, entry === null ? 'http' : 'https');
    return { origin, entry, peer, last: new LastRoute() };
  }

  /** Gives the socket to a client; `bytes` were read from it before. */
  private hand(bytes: Buffer, handlerOf: (connection: Connection) => ConnectionHandler): void {
    const socket = this.socket!;
    this.socket = null;
    const { counters } = this.front.context;
    const taken = (connection: Connection): ConnectionHandler => {
      this.connection = connection;
      return handlerOf(connection);
    };
    Connection.accept(socket, counters, taken, bytes.length === 0 ? [] : [bytes]);
  }

  // --- The end -----------------------------------------------------------------------------------------------------

  /** Says why, waits a moment for that to be read, and closes. */
  private refuse(words: Buffer): void {
    const socket = this.socket!;
    countLimit(this.front.context.counters, 'protocol');
    const timer = new Timer(() => this.lose(socket));
    this.front.context.wheel.arm(timer, LAST_WORDS);
    socket.once('close', () => {
      this.front.context.wheel.disarm(timer);
      this.leave();
    });
    socket.end(words);
    socket.resume();
  }

  private drop(limit: Limit, message?: string): void {
    countLimit(this.front.context.counters, limit);
    if (message !== undefined) this.front.report(this.source, 'limited', message);
    this.destroy();
  }

  private lose(socket: Socket): void {
    this.arrival?.stop();
    this.arrival = null;
    socket.destroy();
    this.leave();
  }

  private leave(): void {
    this.socket = null;
    this.connection = null;
    this.front.left(this);
  }
}

function ignore(): void {
  // What follows is `close`.
}
