/** The endpoints of an upstream as they are now: names resolved, each address with its pool and its health check. */
import { Endpoint as Count } from '../counters.ts';
import type { Counters, MetricLabels } from '../counters.ts';
import type { SessionContext } from '../h2/core.ts';
import { HealthCheck, probeFor } from '../health/health-check.ts';
import { ClientTls } from '../io/dial.ts';
import type { ConnectionRecord } from '../journal.ts';
import type { EndpointSpec, UpstreamSpec } from '../snapshot.ts';
import { Endpoint } from './endpoint.ts';
import type { Placement } from './placement.ts';
import type { PoolOwner } from './pool.ts';
import { parseTarget, Resolver } from './resolver.ts';

/** What is offered by ALPN. */
const ALPN = { h2: 'h2', http1: 'http/1.1', tcp: null, same: null } as const;

/** What the roster tells its upstream. */
export interface RosterOwner extends PoolOwner {
  /** There are others than before. */
  onEndpoints(): void;
}

/** A line of the configuration, and the endpoints that it stands for now. */
class Line {
  readonly spec: EndpointSpec;
  readonly endpoints = new Map<string, Endpoint>();
  readonly tls: ClientTls | undefined;
  resolver: Resolver | null = null;
  /** A name that nobody has answered for yet. */
  resolving = false;

  constructor(spec: EndpointSpec, tls: ClientTls | undefined) {
    this.spec = spec;
    this.tls = tls;
  }
}

export class Roster {
  endpoints: readonly Endpoint[] = [];
  private readonly spec: UpstreamSpec;
  private readonly context: SessionContext;
  private readonly labels: MetricLabels;
  private readonly placement: Placement;
  private readonly owner: RosterOwner;
  private readonly lines: readonly Line[];
  private readonly checks = new Map<Endpoint, HealthCheck>();
  private started = false;

  constructor(
    spec: UpstreamSpec,
    context: SessionContext,
    labels: MetricLabels,
    placement: Placement,
    owner: RosterOwner,
  ) {
    this.spec = spec;
    this.labels = labels;
    this.context = context;
    this.placement = placement;
    this.owner = owner;
    this.lines = spec.endpoints.map((endpoint) => this.line(endpoint));
    this.list();
  }

  /** Some name has not been answered for yet, so that there may be endpoints soon. */
  get resolving(): boolean {
    return this.lines.some(({ resolving }) => resolving);
  }

  /** Of each endpoint; what others keep count of is copied when asked for. */
  get counters(): readonly Counters[] {
    for (const [{ counters }, { probes, failures }] of this.checks) {
      counters.slots[Count.PROBES] = probes;
      counters.slots[Count.PROBES_FAILED] = failures;
    }
    return this.endpoints.map(({ counters, pool }) => {
      counters.slots[Count.CONNECTING] = pool.connecting.size;
      counters.slots[Count.DRAINING] = pool.leaving.size;
      counters.slots[Count.STREAMS_OPEN] = pool.open;
      return counters;
    });
  }

  /** Begins to resolve, to warm up and to check. */
  start(): void {
    this.started = true;
    for (const { resolver } of this.lines) resolver?.start();
    for (const line of this.lines) for (const endpoint of line.endpoints.values()) this.begin(line, endpoint);
  }

  /** Ends all checks, and says goodbye to the engines. */
  close(): void {
    for (const line of this.lines) {
      line.resolver?.stop();
      line.resolving = false;
    }
    for (const endpoint of this.endpoints) this.end(endpoint);
  }

  private line(spec: EndpointSpec): Line {
    const target = parseTarget(spec.address);
    const host = target.kind === 'unix' ? '' : target.host;
    const line = new Line(
      spec,
      this.spec.tls === null ? undefined : new ClientTls(this.spec.tls, host, ALPN[this.spec.protocol]),
    );
    if (target.kind !== 'name') this.add(line, spec.address);
    else {
      line.resolving = true;
      line.resolver = new Resolver(spec.address, this.spec.resolveInterval, {
        onChange: (addresses) => this.resolved(line, addresses),
        onFailure: (error) => this.unresolved(line, error),
      });
    }
    return line;
  }

  private resolved(line: Line, addresses: readonly string[]): void {
    line.resolving = false;
    for (const [address, endpoint] of line.endpoints) {
      if (addresses.includes(address)) continue;
      line.endpoints.delete(address);
      this.end(endpoint);
    }
    for (const address of addresses) {
      if (line.endpoints.has(address)) continue;
      const endpoint = this.add(line, address);
      if (this.started) this.begin(line, endpoint);
    }
    this.list();
    this.owner.onEndpoints();
  }

  /** What was known of the name stands. */
  private unresolved(line: Line, error: Error | null): void {
    line.resolving = false;
    const { address } = line.spec;
    if (error === null) this.record(address, 'resolved', 'the name is known again');
    else this.record(address, 'resolve_failed', error.message);
    this.owner.onRoom();
  }

  private add(line: Line, address: string): Endpoint {
    const { weight, maxStreams } = line.spec;
    const most = (maxStreams ?? this.spec.maxStreams) || Infinity;
    const place = { address, target: parseTarget(address), weight, maxStreams: most, tls: line.tls };
    const endpoint = new Endpoint(place, this.spec, this.context, this.labels, this.placement, this.owner);
    line.endpoints.set(address, endpoint);
    if (this.spec.draining.includes(address) || this.spec.draining.includes(line.spec.address)) endpoint.drain(0);
    return endpoint;
  }

  private begin(line: Line, endpoint: Endpoint): void {
    if (!endpoint.draining) endpoint.pool.tend();
    const { health } = this.spec;
    // An address that a name stood for bears the name in its certificate.
    const tls = line.tls === undefined ? null : { ...this.spec.tls!, serverName: line.tls.name };
    if (health === null || this.checks.has(endpoint)) return;
    const check = new HealthCheck(
      probeFor(health, endpoint.target, tls, ALPN[this.spec.protocol]),
      health,
      (healthy, reason) => {
        endpoint.healthy = healthy;
        this.record(endpoint.address, healthy ? 'healthy' : 'unhealthy', reason);
        if (healthy) endpoint.begin();
        this.placement.healthChanged();
        this.owner.onRoom();
      },
    );
    this.checks.set(endpoint, check);
    check.start();
  }

  private end(endpoint: Endpoint): void {
    this.checks.get(endpoint)?.stop();
    this.checks.delete(endpoint);
    endpoint.close();
  }

  private list(): void {
    this.endpoints = this.lines.flatMap(({ endpoints }) => [...endpoints.values()]);
    this.placement.update(this.endpoints);
  }

  private record(peer: string, event: ConnectionRecord['event'], message: string): void {
    this.context.journal.connection({ side: 'upstream', peer, event, code: null, message });
  }
}
