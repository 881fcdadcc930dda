/** An upstream of the configuration, as clients of each protocol see it: `same` is one upstream for each, with the same endpoints. */
import type { Counters } from '../counters.ts';
import type { SessionContext } from '../h2/core.ts';
import type { OpenCall } from '../relay/half.ts';
import type { TenantSpec } from '../policy.ts';
import type { UpstreamSpec } from '../snapshot.ts';
import { Upstream } from './upstream.ts';

export class UpstreamByProtocol {
  readonly h2: Upstream | null;
  readonly http1: Upstream | null;
  readonly tcp: Upstream | null;
  private readonly all: readonly Upstream[];

  constructor(spec: UpstreamSpec, context: SessionContext, tenants: readonly TenantSpec[]) {
    if (spec.protocol === 'same') {
      const speaking = (protocol: 'h2' | 'http1' | 'tcp'): Upstream =>
        new Upstream({ ...spec, protocol }, context, tenants, { upstream: spec.name, protocol });
      this.h2 = speaking('h2');
      this.http1 = speaking('http1');
      this.tcp = speaking('tcp');
      this.all = [this.h2, this.http1, this.tcp];
    } else {
      const upstream = new Upstream(spec, context, tenants);
      const tcp = spec.protocol === 'tcp';
      // HTTP is HTTP: whatever version the engine speaks, the relay joins the two.
      this.h2 = this.http1 = tcp ? null : upstream;
      this.tcp = tcp ? upstream : null;
      this.all = [upstream];
    }
  }

  get scopes(): readonly Counters[] {
    return this.all.flatMap(({ scopes }) => scopes);
  }
  start(): void {
    for (const upstream of this.all) upstream.start();
  }
  close(): void {
    for (const upstream of this.all) upstream.close();
  }

  /** As of `Upstream`. */
  drain(address: string, deadline: number): boolean {
    return this.all.map((upstream) => upstream.drain(address, deadline)).includes(true);
  }
  undrain(address: string): boolean {
    return this.all.map((upstream) => upstream.undrain(address)).includes(true);
  }
  calls(address: string): readonly OpenCall[] | null {
    const known = this.all.flatMap((upstream) => upstream.calls(address) ?? []);
    if (known.length > 0) return known.sort((a, b) => b.age - a.age);
    return this.all.some((upstream) => upstream.calls(address) !== null) ? known : null;
  }
}
