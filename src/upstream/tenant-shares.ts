/**
 * How the streams of one upstream are shared out among tenants: what is reserved for one is there for it however busy the
 * others are, and what is not reserved goes to whoever comes first. Exact, and pure.
 */
import { Counters, Tenant as Count, tenantLayout } from '../counters.ts';
import type { MetricLabels } from '../counters.ts';
import type { TenantShareSpec } from '../policy.ts';

interface Share {
  readonly reserved: number;
  readonly max: number;
  readonly counters: Counters;
  used: number;
}

export class TenantShares {
  private readonly shares = new Map<string, Share>();
  /** Reserved streams that nobody uses now. */
  private held = 0;

  /** `labels` are those of the upstream's metrics. */
  constructor(tenants: readonly { readonly name: string; readonly share: TenantShareSpec }[], labels: MetricLabels) {
    for (const { name, share } of tenants) {
      const counters = new Counters(tenantLayout, { ...labels, tenant: name });
      this.shares.set(name, { reserved: share.reserved, max: share.max || Infinity, counters, used: 0 });
      this.held += share.reserved;
    }
  }

  get counters(): readonly Counters[] {
    return Array.from(this.shares.values(), ({ counters }) => counters);
  }

  /** A reserved stream of the tenant's is free. */
  reserves(tenant: string | null): boolean {
    const share = this.of(tenant);
    return share !== undefined && share.used < share.reserved;
  }
  /** Whether a call of the tenant, or of none, may have one of `free` streams. */
  admits(tenant: string | null, free: number): boolean {
    const share = this.of(tenant);
    if (share !== undefined && share.used >= share.max) return false;
    return free > (this.reserves(tenant) ? 0 : this.held);
  }

  took(tenant: string | null): void {
    const share = this.of(tenant);
    if (share === undefined) return;
    if (share.used++ < share.reserved) this.held--;
    share.counters.add(Count.STREAMS, 1);
    share.counters.add(Count.STREAMS_OPEN, 1);
  }
  gave(tenant: string | null): void {
    const share = this.of(tenant);
    if (share === undefined) return;
    if (--share.used < share.reserved) this.held++;
    share.counters.add(Count.STREAMS_OPEN, -1);
  }

  private of(tenant: string | null): Share | undefined {
    return tenant === null ? undefined : this.shares.get(tenant);
  }
}
