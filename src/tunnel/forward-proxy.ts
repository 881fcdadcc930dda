/**
 * Forward proxying: where a CONNECT (RFC 9110 section 9.3.6, RFC 9113 section 8.5) leads is what the client names, within what
 * the operator allows. To the relay this is one more upstream, whose every call has a connection of its own.
 */
import { lookup as getAddressInfo } from 'node:dns/promises';
import { isIPv6 } from 'node:net';
import { Failures } from '../errors.ts';
import type { Failure } from '../errors.ts';
import type { SessionContext } from '../h2/core.ts';
import { Connection } from '../io/connection.ts';
import { Timer } from '../io/timer-wheel.ts';
import { plainAddress } from '../relay/cidr.ts';
import type { Caller, Carrier, CarrierSource, Half, HalfSink } from '../relay/half.ts';
import type { RequestHead } from '../relay/message.ts';
import type { ConnectSpec } from '../snapshot.ts';
import { Destinations, parseDestination } from './destinations.ts';
import type { Destination } from './destinations.ts';
import { RawHalf } from './raw-half.ts';

/** A name may stand for many addresses; a client does not wait for more than these. */
const MAX_TRIED = 4;

/** All IP addresses of a name, the best first. */
export type Lookup = (name: string) => Promise<readonly string[]>;

/** As every other program on the machine would: with its hosts file, its search list and its order. */
const system: Lookup = async (name) => (await getAddressInfo(name, { all: true })).map(({ address }) => address);

export class ForwardProxy implements CarrierSource {
  readonly name = 'connect';
  readonly context: Pick<SessionContext, 'limits' | 'counters' | 'wheel' | 'journal'>;
  /** Milliseconds for the name, and for each address that is tried. */
  readonly connectTimeout: number;
  readonly lookup: Lookup;
  readonly allowed: Destinations;
  /** Callers that wait, and sockets that are open or on their way. */
  readonly dials = new Set<Dial>();
  readonly connections = new Set<Connection>();

  /** Throws on an allow list that cannot be read. */
  constructor(
    spec: ConnectSpec,
    context: Pick<SessionContext, 'limits' | 'counters' | 'wheel' | 'journal'>,
    connectTimeout: number,
    lookup: Lookup = system,
  ) {
    this.allowed = new Destinations(spec.allow);
    this.context = context;
    this.connectTimeout = connectTimeout;
    this.lookup = lookup;
  }

  acquire(caller: Caller): null {
    const destination = parseDestination(caller.head.authority);
    if (destination === null) caller.onUnavailable(Failures.malformedRequest);
    else new Dial(this, caller, destination).begin();
    return null;
  }
  cancel(caller: Caller): void {
    if (caller.place instanceof Dial) caller.place.end();
  }

  /** Cuts every tunnel, and tells those who wait for one. */
  close(): void {
    for (const dial of this.dials) dial.fail(Failures.draining);
    for (const connection of this.connections) connection.reset();
  }
}

/** One caller's way to its destination: the name, then its addresses one after the other. */
class Dial {
  private readonly proxy: ForwardProxy;
  private readonly caller: Caller;
  private readonly destination: Destination;
  private readonly timer: Timer;
  /** Still to be tried. */
  private addresses: readonly string[] = [];
  private connection: Connection | null = null;
  private over = false;

  constructor(proxy: ForwardProxy, caller: Caller, destination: Destination) {
    this.proxy = proxy;
    this.caller = caller;
    this.destination = destination;
    this.timer = new Timer(() => this.late());
  }

  begin(): void {
    const { proxy, destination } = this;
    const { host, port, literal } = destination;
    proxy.dials.add(this);
    this.caller.place = this;
    if (literal) this.resolved([host]);
    // What can only be refused is not looked up either: that would tell the client of names that it may not reach.
    else if (!proxy.allowed.admitsName(destination) && !proxy.allowed.admitsAddresses(port)) {
      this.fail(Failures.forbidden);
    } else {
      proxy.context.wheel.arm(this.timer, proxy.connectTimeout);
      proxy.lookup(host).then(
        (found) => this.resolved(found.map(plainAddress)),
        () => this.fail(Failures.noEndpoint),
      );
    }
  }

  fail(failure: Failure): void {
    if (this.over) return;
    this.end();
    this.caller.onUnavailable(failure);
  }
  /** Nobody waits any more. */
  end(): void {
    const { connection } = this;
    this.settle();
    connection?.destroy();
  }

  /**
   * What is dialled are the addresses that were judged, never the name again: by then it could stand for others (DNS
   * rebinding).
   */
  private resolved(found: readonly string[]): void {
    if (this.over) return;
    const { allowed } = this.proxy;
    const { destination } = this;
    const admitted = allowed.admitsName(destination)
      ? found
      : found.filter((address) => allowed.admitsAddress(address, destination.port));
    this.addresses = admitted.slice(0, MAX_TRIED);
    this.next(found.length === 0 ? Failures.noEndpoint : Failures.forbidden);
  }

  /** Tries the next address; `failure` is what became of the last. */
  private next(failure: Failure): void {
    const [host, ...rest] = this.addresses;
    this.connection = null;
    if (host === undefined) {
      this.fail(failure);
      return;
    }
    this.addresses = rest;
    const { context, connections, connectTimeout } = this.proxy;
    const { port } = this.destination;
    context.wheel.arm(this.timer, connectTimeout);
    const connection = Connection.open({ host, port }, context.counters, () => this.stands(half, connection, host));
    const half = new RawHalf(connection, context, { opening: true }, () => {
      connections.delete(connection);
      if (this.connection === connection) this.next(Failures.connectRefused);
    });
    this.connection = connection;
    connections.add(connection);
    connection.begin(half, true);
  }

  private stands(half: RawHalf, connection: Connection, host: string): void {
    if (this.connection !== connection) return;
    const { port } = this.destination;
    this.settle();
    const carrier = new Tunnel(half, `${isIPv6(host) ? `[${host}]` : host}:${port}`);
    this.caller.onCarrier(carrier);
    if (!carrier.taken) connection.destroy();
  }

  private late(): void {
    const { connection } = this;
    if (connection === null) this.fail(Failures.connectTimeout);
    else this.next(Failures.connectTimeout);
    connection?.destroy();
  }

  private settle(): void {
    this.over = true;
    this.connection = null;
    this.caller.place = null;
    this.proxy.dials.delete(this);
    this.proxy.context.wheel.disarm(this.timer);
  }
}

/** A connection that stands, for the one call that asked for it. */
class Tunnel implements Carrier {
  readonly endpoint: string;
  readonly term = 0;
  taken = false;
  private readonly half: RawHalf;

  constructor(half: RawHalf, endpoint: string) {
    this.half = half;
    this.endpoint = endpoint;
  }
  refusal(): null {
    return null;
  }
  open(_head: RequestHead, end: boolean, sink: HalfSink): Half {
    this.taken = true;
    this.half.sink = sink;
    if (end) this.half.sendTrailers();
    return this.half;
  }
  answered(): void {
    // Destinations are the client's choice: there is nothing to learn for the next.
  }
  ended(): void {
    // As above.
  }
}
