/** Clients that may call, and clients that may not, by address. */
import { Failures } from '../errors.ts';
import type { LimitsSpec } from '../policy.ts';
import { AddressRule } from '../relay/cidr.ts';
import type { Call, Filter, Refusal } from './filter.ts';

const REFUSAL: Refusal = { failure: Failures.forbidden, retryAfter: 0 };

export class Addresses implements Filter {
  readonly name = 'addresses';
  private readonly rule: AddressRule;

  constructor(spec: Pick<LimitsSpec, 'allow' | 'deny'>) {
    this.rule = new AddressRule(spec);
  }

  check({ client }: Call): Refusal | null {
    return this.rule.admits(client) ? null : REFUSAL;
  }
}
