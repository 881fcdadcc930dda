/** One route as requests meet it: what is asked of them, what is changed, and where they go. The same for all listeners. */
import { Addresses } from '../filter/addresses.ts';
import type { Authenticator } from '../filter/authenticate.ts';
import { Concurrency } from '../filter/concurrency.ts';
import type { Filter } from '../filter/filter.ts';
import { Permit } from '../filter/permit.ts';
import { RateLimit } from '../filter/rate-limit.ts';
import type { HeaderEditsSpec, LimitsSpec } from '../policy.ts';
import type { CarrierSource } from '../relay/half.ts';
import type { Duplicates } from '../relay/duplicates.ts';
import type { Origin } from '../relay/origin.ts';
import type { RouteSpec } from '../snapshot.ts';
import { DirectAnswer } from './direct-answer.ts';
import { HeaderEdits } from './header-edits.ts';
import { Rewrite } from './rewrite.ts';

/** An upstream, by what the client speaks; null where its engines could not be given that. */
export type Destination = Readonly<Record<Origin['protocol'], CarrierSource | null>>;

/** What routes are made of that outlives them, or is shared by several. */
export interface RouteParts {
  /** Throws if there is no upstream of that name. */
  destination(upstream: string): Destination;
  authenticator(name: string): Authenticator;
  duplicates(route: RouteSpec): Duplicates | null;
}

export class Route {
  readonly spec: RouteSpec;
  /** Its place in the file. */
  readonly index: number;
  /** In the order in which they are asked. */
  readonly filters: readonly Filter[];
  readonly rewrite: Rewrite | null;
  readonly requestEdits: HeaderEdits | null;
  readonly responseEdits: HeaderEdits | null;
  readonly duplicates: Duplicates | null;
  /** In place of an upstream. */
  readonly answer: DirectAnswer | null;
  private readonly targets: readonly { readonly to: Destination; readonly weight: number }[];
  private readonly weights: number;

  constructor(spec: RouteSpec, index: number, parts: RouteParts) {
    this.spec = spec;
    this.index = index;
    const { action, rewrite } = spec;
    const rewrites = rewrite.stripPrefix !== null || rewrite.regex !== null || rewrite.host !== null;
    this.rewrite = rewrites ? new Rewrite(rewrite) : null;
    this.requestEdits = editsOf(spec.requestHeaders);
    this.responseEdits = editsOf(spec.responseHeaders);
    this.duplicates = parts.duplicates(spec);
    this.answer = action.kind === 'upstream' ? null : new DirectAnswer(action);
    this.targets =
      action.kind !== 'upstream'
        ? []
        : action.upstreams.map(({ name, weight }) => ({ to: parts.destination(name), weight }));
    this.weights = this.targets.reduce((sum, { weight }) => sum + weight, 0);
    this.filters = filtersOf(spec, parts);
  }

  /** Whether its upstreams, or the gateway itself, can serve clients of this protocol. */
  carries(protocol: Origin['protocol']): boolean {
    return this.answer === null ? this.targets.some(({ to }) => to[protocol] !== null) : protocol !== 'tcp';
  }

  /** Where this request goes, by the weights; `random` is [0, 1). */
  target(protocol: Origin['protocol'], random: () => number): CarrierSource | null {
    const { targets } = this;
    if (targets.length === 1) return targets[0]!.to[protocol];
    let rest = random() * this.weights;
    for (const { to, weight } of targets) if ((rest -= weight) < 0) return to[protocol];
    return null;
  }
}

const editsOf = (spec: HeaderEditsSpec): HeaderEdits | null =>
  spec.remove.length + spec.set.length + spec.add.length > 0 ? new HeaderEdits(spec) : null;

/** Those that cost least come first; who is asked for credentials has been held to what everybody is held to. */
function filtersOf(spec: RouteSpec, parts: RouteParts): Filter[] {
  const { auth, permissions } = spec;
  const [before, after] = limitsOf(spec.limits);
  const filters = [...before];
  if (auth !== null) filters.push(parts.authenticator(auth));
  if (permissions.length > 0) filters.push(new Permit(permissions));
  return [...filters, ...after];
}

/** The limits that need not know who asks, and those that are counted by it or last as long as the exchange. */
export function limitsOf({ allow, deny, rates, concurrency }: LimitsSpec): [before: Filter[], after: Filter[]] {
  const before: Filter[] = allow.length + deny.length > 0 ? [new Addresses({ allow, deny })] : [];
  const after: Filter[] = [];
  for (const rate of rates) (rate.by.source === 'identity' ? after : before).push(new RateLimit(rate));
  for (const each of concurrency) after.push(new Concurrency(each));
  return [before, after];
}
