/** Where a call goes: by the key that binds it to an endpoint, else by the policy, among those in rotation with room. */
import { hashString } from '../balance/hash.ts';
import type { Picker } from '../balance/picker.ts';
import { createPicker } from '../balance/policies.ts';
import { Endpoint as Count } from '../counters.ts';
import type { Counters } from '../counters.ts';
import { now } from '../io/turn.ts';
import type { ConnectionRecord, Journal } from '../journal.ts';
import type { Caller } from '../relay/half.ts';
import type { BalanceSpec, UpstreamSpec } from '../snapshot.ts';
import { AffinityTable } from './affinity.ts';
import { callKey } from './call-key.ts';
import type { Endpoint } from './endpoint.ts';
import type { EngineConnection } from './engine-connection.ts';
import { OutlierDetector } from './outlier.ts';
import type { EjectionCause, OutlierRecord } from './outlier.ts';
import { Rotation } from './rotation.ts';

/** Policies that know no weights, and what follows shares in their place while some endpoint has less than its own. */
const EASED: Partial<Record<BalanceSpec['policy'], BalanceSpec['policy']>> = {
  round_robin: 'weighted_round_robin',
  random: 'weighted_random',
};

const CAUSES: Readonly<Record<EjectionCause, string>> = {
  consecutive: 'too many failures in a row',
  share: 'too large a share of failures',
  probe: 'its probe call failed',
};

export class Placement {
  /** After a `find` that returned null: the one endpoint that the call waits for, or null for any. */
  wanted: Endpoint | null = null;
  readonly outliers: OutlierDetector | null;
  private readonly spec: UpstreamSpec;
  private readonly journal: Journal;
  private readonly picker: Picker<Endpoint>;
  private readonly eased: Picker<Endpoint> | null;
  private readonly rotation: Rotation;
  private readonly affinity: AffinityTable<Endpoint> | null;
  private endpoints: readonly Endpoint[] = [];
  /** Some endpoint may have less than its share. */
  private easing = false;
  /** Whose turn it is to grow. */
  private turn = 0;

  constructor(spec: UpstreamSpec, journal: Journal, counters: Counters) {
    this.spec = spec;
    this.journal = journal;
    const { balance, affinity, outlier } = spec;
    const policy = EASED[balance.policy];
    this.picker = createPicker<Endpoint>(balance, now, Math.random);
    this.eased = policy === undefined ? null : createPicker<Endpoint>({ ...balance, policy }, now, Math.random);
    this.affinity = affinity === null ? null : new AffinityTable(affinity.maxKeys, affinity.ttl);
    this.outliers =
      outlier === null
        ? null
        : new OutlierDetector(outlier, {
            onEjected: (record, ban, cause) => this.ejected(record, ban, cause),
            onReturned: (record) => this.returned(record),
          });
    this.rotation = new Rotation(this.outliers, spec.panicThreshold, counters);
  }

  /** Whether the policy looks at how long endpoints take. */
  get needsLatency(): boolean {
    return this.spec.balance.policy === 'peak_ewma';
  }
  /** Whether the policy looks at configured weights. */
  get weighted(): boolean {
    return this.eased === null;
  }

  update(endpoints: readonly Endpoint[]): void {
    for (const gone of this.endpoints) if (!endpoints.includes(gone)) this.affinity?.forget(gone);
    this.endpoints = endpoints;
    this.picker.update(endpoints);
    this.eased?.update(endpoints);
    this.rotation.changed();
  }
  /** An endpoint is healthy, or not any more. */
  healthChanged(): void {
    this.rotation.changed();
  }
  /** An endpoint has less than its share for some time. */
  shareChanged(): void {
    this.easing = this.eased !== null;
  }
  report(endpoint: Endpoint, ok: boolean): void {
    this.picker.report(endpoint, ok);
    this.eased?.report(endpoint, ok);
  }

  /**
   * A session for the call, or null: then it waits for `wanted`, or for any. `waiting`: the one that it has been waiting for;
   * `patient`: it may still wait for the one that it is bound to. After a refusal another session than the one to `avoid` is found, if there can be one.
   */
  find(
    caller: Caller,
    avoid: EngineConnection | null,
    waiting: Endpoint | null,
    patient: boolean,
  ): EngineConnection | null {
    this.wanted = null;
    this.rotation.judge(this.endpoints, now());
    if (this.affinity === null) return this.pick(caller, avoid, waiting);
    const bound = this.bound(caller, avoid);
    if (bound !== null) {
      const session = bound.pool.take(caller.head, null);
      if (session !== null) return session;
      if (patient) {
        this.wanted = bound;
        return null;
      }
    }
    const session = this.pick(caller, avoid, waiting);
    const key = session === null ? null : this.keyOf(caller);
    if (key !== null) this.affinity.set(key, session!.pool.endpoint, now());
    return session;
  }

  /** The endpoint that the call's key binds it to while that is up, or null; after a refusal it goes anywhere. */
  bound(caller: Caller, avoid: EngineConnection | null): Endpoint | null {
    if (this.affinity === null || avoid !== null) return null;
    const key = this.keyOf(caller);
    const endpoint = key === null ? null : this.affinity.get(key, now());
    return endpoint !== null && endpoint.inRotation && endpoint.pool.alive ? endpoint : null;
  }
  private keyOf(caller: Caller): number | null {
    const key = callKey(this.spec.affinity!.key, caller.head, caller.client);
    return key === null ? null : hashString(key);
  }

  /** An endpoint that may open another session for those that wait, in turn; null if none may. */
  grower(): Endpoint | null {
    const { endpoints } = this;
    for (let i = 0; i < endpoints.length; i++) {
      const at = (this.turn + i) % endpoints.length;
      const endpoint = endpoints[at]!;
      if (!endpoint.inRotation || !endpoint.pool.mayConnect) continue;
      this.turn = at + 1;
      return endpoint;
    }
    return null;
  }

  private pick(caller: Caller, avoid: EngineConnection | null, waiting: Endpoint | null): EngineConnection | null {
    if (waiting?.pool.solo && waiting.inRotation && waiting.pool.connecting.size > 0) {
      // A connection is on its way for it.
      const session = waiting.pool.take(caller.head, avoid);
      if (session === null) this.wanted = waiting;
      return session;
    }
    const picker = this.easing ? this.easer() : this.picker;
    const hash = this.spec.balance.policy === 'consistent_hash' ? this.hashOf(caller) : 0;
    const refused = avoid === null ? null : avoid.pool.endpoint;
    const endpoint = picker.pick(hash, refused);
    if (endpoint === null) return avoid === null ? null : this.again(caller, avoid, refused!);
    const session = endpoint.pool.take(caller.head, null);
    if (session !== null) return session;
    if (endpoint.pool.solo) {
      this.wanted = endpoint;
      return null;
    }
    // Its sessions sleep, and are being asked whether they live: another need not wait for that.
    const other = picker.pick(hash, endpoint);
    return other !== null && other !== refused ? other.pool.take(caller.head, null) : null;
  }

  /** Nobody but the endpoint that refused: by another session, or, where there can be none, by the same. */
  private again({ head }: Caller, avoid: EngineConnection, refused: Endpoint): EngineConnection | null {
    if (!refused.inRotation) return null;
    const other = refused.pool.take(head, avoid);
    if (other !== null || refused.pool.mayConnect) return other;
    for (const { pool } of this.endpoints) if (pool.connecting.size > 0) return null;
    return refused.pool.take(head, null);
  }

  /** The picker that follows shares, as long as some endpoint has less than its own. */
  private easer(): Picker<Endpoint> {
    for (const endpoint of this.endpoints) if (endpoint.share < 1) return this.eased!;
    this.easing = false;
    return this.picker;
  }

  /** Of the call's key; a call without one goes anywhere. */
  private hashOf(caller: Caller): number {
    const key = callKey(caller.hashKey ?? this.spec.balance.key, caller.head, caller.client);
    return key === null ? Math.floor(Math.random() * 2 ** 32) : hashString(key);
  }

  // --- Passive ejection --------------------------------------------------------------------------------------------

  private ejected(record: OutlierRecord, ban: number, cause: EjectionCause): void {
    this.rotation.changed();
    const endpoint = this.endpoints.find(({ outlier }) => outlier === record);
    if (endpoint === undefined) return;
    endpoint.counters.add(Count.EJECTIONS, 1);
    this.record(endpoint, 'ejected', `left out for ${Math.round(ban / 1000)} s: ${CAUSES[cause]}`);
  }

  private returned(record: OutlierRecord): void {
    this.rotation.changed();
    const endpoint = this.endpoints.find(({ outlier }) => outlier === record);
    if (endpoint === undefined) return;
    endpoint.begin();
    this.record(endpoint, 'returned', 'its probe call went well');
  }

  private record({ address }: Endpoint, event: ConnectionRecord['event'], message: string): void {
    this.journal.connection({ side: 'upstream', peer: address, event, code: null, message });
  }
}
