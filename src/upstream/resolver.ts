/** From an endpoint as it is configured to the addresses of its engines, which change while the gateway runs. */
import { lookup as getAddressInfo } from 'node:dns/promises';
import { isIP, isIPv6 } from 'node:net';
import { schedule } from '../schedule.ts';
import type { Cancellable, Schedule } from '../schedule.ts';
import { Backoff } from './backoff.ts';

interface Named {
  readonly kind: 'name';
  readonly host: string;
  readonly port: number;
}
export type Target =
  | Named
  | { readonly kind: 'ip'; readonly host: string; readonly port: number }
  | { readonly kind: 'unix'; readonly path: string };

/** Reads `host:port`, `[v6]:port` or `unix:/path`, which the configuration has found to be well-formed. */
export function parseTarget(address: string): Target {
  if (address.startsWith('unix:')) return { kind: 'unix', path: address.slice(5) };
  const colon = address.lastIndexOf(':');
  const host = address.slice(0, colon).replace(/^\[|\]$/g, '');
  return { kind: isIP(host) === 0 ? 'name' : 'ip', host, port: Number(address.slice(colon + 1)) };
}

/** All IP addresses of a name, in any order. */
export type Lookup = (name: string) => Promise<readonly string[]>;

export interface ResolverEvents {
  /** The addresses from now on, in the form that `parseTarget` reads: sorted, without duplicates, never none. */
  onChange(addresses: readonly string[]): void;
  /** Why the name could not be resolved, when that begins; null when it can be again. The last good answer stands meanwhile. */
  onFailure(error: Error | null): void;
}

/** What a test may replace. */
export interface ResolverWorld {
  readonly lookup: Lookup;
  readonly schedule: Schedule;
  readonly random: () => number;
}

/**
 * `getaddrinfo` alone, and no DNS queries of our own: it knows the hosts file, the search list (short names in Kubernetes) and
 * whatever else the machine is set up to ask, in the order that it is set up for, and it yields all A and AAAA records.
 * So the gateway reaches what every other program on the machine would. It tells no TTL; caches below it keep to that.
 */
const system: ResolverWorld = {
  lookup: async (name) => (await getAddressInfo(name, { all: true })).map(({ address }) => address),
  schedule,
  random: Math.random,
};

/**
 * Resolves one endpoint. A literal address or a Unix socket is told at `start`, before it returns; a name is resolved then, and
 * anew `interval` milliseconds after each answer. After a failure, an empty answer too, it is tried again sooner.
 */
export class Resolver {
  /** What the name stood for when it was last resolved. */
  addresses: readonly string[] = [];
  /** Why the last attempt failed; null if it did not. */
  failure: Error | null = null;
  private readonly address: string;
  private readonly interval: number;
  private readonly events: ResolverEvents;
  private readonly world: ResolverWorld;
  private readonly backoff: Backoff;
  private next: Cancellable | null = null;
  private stopped = false;

  constructor(address: string, interval: number, events: ResolverEvents, world: Partial<ResolverWorld> = {}) {
    this.address = address;
    this.interval = interval;
    this.events = events;
    this.world = { ...system, ...world };
    this.backoff = new Backoff(interval, this.world.random);
  }

  /** To be called once. */
  start(): void {
    const target = parseTarget(this.address);
    if (target.kind === 'name') this.resolve(target);
    else this.settle([this.address]);
  }
  /** For good: an answer that is still to come is not told. */
  stop(): void {
    this.stopped = true;
    this.next?.cancel();
  }

  private resolve(name: Named): void {
    this.world.lookup(name.host).then(
      (hosts) => this.answered(name, hosts),
      (error: unknown) => this.failed(name, error),
    );
  }

  private answered(name: Named, hosts: readonly string[]): void {
    if (hosts.length === 0) {
      this.failed(name, new Error(`${name.host} has no address`));
      return;
    }
    if (this.stopped) return;
    this.backoff.reset();
    this.again(name, this.interval);
    this.settle(hosts.map((host) => (isIPv6(host) ? `[${host}]:${name.port}` : `${host}:${name.port}`)));
  }

  private failed(name: Named, thrown: unknown): void {
    if (this.stopped) return;
    this.again(name, this.backoff.next());
    const news = this.failure === null;
    this.failure = thrown instanceof Error ? thrown : new Error(String(thrown));
    if (news) this.events.onFailure(this.failure);
  }

  /** Counted from the answer: however slow the servers of a name are, it is asked for once at a time. */
  private again(name: Named, ms: number): void {
    this.next = this.world.schedule(() => this.resolve(name), ms);
  }

  private settle(found: readonly string[]): void {
    const addresses = [...new Set(found)].sort();
    const changed = addresses.join() !== this.addresses.join();
    const recovered = this.failure !== null;
    this.addresses = addresses;
    this.failure = null;
    if (recovered) this.events.onFailure(null);
    if (changed && !this.stopped) this.events.onChange(addresses);
  }
}
