/** Which tenant a request belongs to: by a token, or whatever else a header says. */
import { Failures } from '../errors.ts';
import type { TenantsSpec } from '../policy.ts';
import type { Call, Filter, Refusal } from './filter.ts';

const REFUSED: Refusal = { failure: Failures.forbidden, retryAfter: 0 };

export class TenantFilter implements Filter {
  readonly name = 'tenant';
  private readonly header: string;
  private readonly byToken = new Map<string, string>();
  private readonly unknown: TenantsSpec['unknown'];

  constructor({ header, tenants, unknown }: TenantsSpec) {
    this.header = header;
    this.unknown = unknown;
    for (const { name, tokens } of tenants) for (const token of tokens) this.byToken.set(token, name);
  }

  check(call: Call): Refusal | null {
    for (const { name, value } of call.head.fields) {
      if (name.text !== this.header) continue;
      call.tenant = this.byToken.get(value) ?? null;
      break;
    }
    return call.tenant === null && this.unknown === 'refused' ? REFUSED : null;
  }
}
