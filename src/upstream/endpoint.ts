/** One engine process: how it is reached, the pool of its sessions, and what is thought of it. A candidate for pickers. */
import { PeakEwma } from '../balance/latency.ts';
import { Overload } from '../balance/overload.ts';
import type { Candidate } from '../balance/picker.ts';
import { SlowStart } from '../balance/slow-start.ts';
import { Counters, Endpoint as Count, endpointLayout } from '../counters.ts';
import type { MetricLabels } from '../counters.ts';
import { Failures, GrpcStatus } from '../errors.ts';
import type { Failure } from '../errors.ts';
import type { SessionContext } from '../h2/core.ts';
import { KeepalivePolicy } from '../h2/keepalive.ts';
import type { ClientTls, DialTarget } from '../io/dial.ts';
import { now } from '../io/turn.ts';
import type { OpenCall } from '../relay/half.ts';
import type { UpstreamSpec } from '../snapshot.ts';
import { EngineDrain } from './engine-drain.ts';
import type { OutlierRecord } from './outlier.ts';
import type { Placement } from './placement.ts';
import { Pool } from './pool.ts';
import type { PoolOwner } from './pool.ts';

/** What tells one endpoint of an upstream from the others. */
export interface EndpointPlace {
  /** `host:port`, or `unix:/path`: the name in logs and metrics, and on a hash ring. */
  readonly address: string;
  readonly target: DialTarget;
  readonly weight: number;
  /** Calls that it can serve at once, or Infinity. */
  readonly maxStreams: number;
  readonly tls: ClientTls | undefined;
}

export class Endpoint implements Candidate {
  readonly address: string;
  readonly target: DialTarget;
  readonly maxStreams: number;
  readonly tls: ClientTls | undefined;
  readonly counters: Counters;
  readonly keepalive: KeepalivePolicy;
  readonly pool: Pool;
  readonly outlier: OutlierRecord | null;
  /** What the last active check said; true while there was none. */
  healthy = true;
  /** Calls may go there, as far as its health goes: see `Rotation`. */
  inRotation = true;
  /** Why it cannot be used, while it cannot. */
  failure: Failure = Failures.noEndpoint;
  /** What a call is judged by that begins now. */
  term = 0;
  private drainage: EngineDrain | null = null;
  private readonly placement: Placement;
  private readonly baseWeight: number;
  private readonly ewma = new PeakEwma();
  private readonly slowStart: SlowStart;
  private readonly overload = new Overload();
  /** It may have less than its share. */
  private eased = false;
  /** It was there when last tried, so that another session is no return. */
  private present = false;

  constructor(
    place: EndpointPlace,
    spec: UpstreamSpec,
    context: SessionContext,
    labels: MetricLabels,
    placement: Placement,
    owner: PoolOwner,
  ) {
    this.address = place.address;
    this.target = place.target;
    this.maxStreams = place.maxStreams;
    this.tls = place.tls;
    this.baseWeight = placement.weighted ? place.weight : 1;
    this.placement = placement;
    this.counters = new Counters(endpointLayout, { ...labels, endpoint: place.address });
    this.counters.slots[Count.IN_ROTATION] = 1;
    this.keepalive = new KeepalivePolicy(spec.keepalive);
    this.slowStart = new SlowStart(spec.slowStart);
    this.outlier = placement.outliers?.add(place.address, now()) ?? null;
    this.pool = new Pool(this, spec, context, owner);
  }

  // --- Candidate ---------------------------------------------------------------------------------------------------

  get weight(): number {
    return this.eased ? this.baseWeight * this.share : this.baseWeight;
  }
  get active(): number {
    return this.pool.active;
  }
  get latency(): number {
    return this.ewma.value(now());
  }
  get available(): boolean {
    return this.inRotation && this.pool.room;
  }
  /** How much of its weight it is given: less than 1 while it is new, and after it has said that it is exhausted. */
  get share(): number {
    if (!this.eased) return 1;
    const time = now();
    const share = this.slowStart.share(time) * this.overload.share(time);
    this.eased = share < 1;
    return share;
  }

  // --- What its pool tells -----------------------------------------------------------------------------------------

  reached(): void {
    this.failure = Failures.noEndpoint;
    if (!this.present) this.begin();
    this.present = true;
  }
  failed(failure: Failure): void {
    this.failure = failure;
    if (this.pool.sessions.length === 0) this.present = false;
    this.placement.report(this, false);
  }
  /** It is new, or back: its share begins small. */
  begin(): void {
    this.slowStart.begin(now());
    this.ease();
  }
  private ease(): void {
    this.eased = true;
    this.placement.shareChanged();
  }
  /** It is no more. */
  close(): void {
    this.pool.close();
    if (this.outlier !== null) this.placement.outliers!.remove(this.outlier);
  }

  // --- Taking it out of service -------------------------------------------------------------------------------------

  get draining(): boolean {
    return this.drainage !== null;
  }
  /** No new calls; those that are open have `deadline` milliseconds to end. A second drain brings a new deadline. */
  drain(deadline: number): void {
    this.drainage?.cancel();
    this.drainage = new EngineDrain(this.pool, deadline);
    this.placement.healthChanged();
  }
  undrain(): void {
    this.drainage?.cancel();
    this.drainage = null;
    this.placement.healthChanged();
    this.begin();
    this.pool.reopen();
  }
  /** Its open calls, the oldest first. */
  calls(): OpenCall[] {
    const calls = this.pool.carried().flatMap(({ sink }) => sink?.describe?.() ?? []);
    return calls.sort((a, b) => b.age - a.age);
  }

  // --- What its calls tell -----------------------------------------------------------------------------------------

  took(): void {
    if (this.outlier !== null) this.term = this.placement.outliers!.took(this.outlier, now());
  }
  answered(ms: number, term: number): void {
    if (this.placement.needsLatency) this.ewma.observe(ms, now());
    // A probe call need not end: an hour of speech would keep its engine out for an hour.
    if (this.outlier?.state === 'probing') this.placement.outliers!.ended(this.outlier, term, true, now());
  }
  ended(failure: Failure | null, httpStatus: number, grpcStatus: number, term: number): void {
    if (grpcStatus === GrpcStatus.RESOURCE_EXHAUSTED || httpStatus === 429) {
      // Full is not dead.
      this.counters.add(Count.EXHAUSTED, 1);
      this.overload.exhausted(now());
      this.ease();
      this.judge(null, term);
    } else if (failure !== null) this.judge(failure.side === 'upstream' ? false : null, term);
    else this.judge(grpcStatus >= 0 ? !isFault(grpcStatus) : httpStatus < 500, term);
  }

  /** `ok` is null where the end of a call says nothing of its engine. */
  private judge(ok: boolean | null, term: number): void {
    if (ok !== null) this.placement.report(this, ok);
    if (this.outlier === null) return;
    const { outliers } = this.placement;
    if (ok === null) outliers!.abandoned(this.outlier, term, now());
    else outliers!.ended(this.outlier, term, ok, now());
  }
}

/** Statuses with which an engine says that it is at fault, not the call. */
const isFault = (status: number): boolean =>
  status === GrpcStatus.UNAVAILABLE ||
  status === GrpcStatus.INTERNAL ||
  status === GrpcStatus.UNKNOWN ||
  status === GrpcStatus.DATA_LOSS;
