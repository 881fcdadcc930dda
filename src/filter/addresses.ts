/** Clients that may call, and clients that may not, by address. */
import { Failures } from '../errors.ts';
import type { LimitsSpec } from '../policy.ts';
import { AddressBlocks } from '../relay/cidr.ts';
import type { Call, Filter, Refusal } from './filter.ts';

const REFUSAL: Refusal = { failure: Failures.forbidden, retryAfter: 0 };

export class Addresses implements Filter {
  readonly name = 'addresses';
  private readonly allow: AddressBlocks;
  private readonly deny: AddressBlocks;

  constructor({ allow, deny }: Pick<LimitsSpec, 'allow' | 'deny'>) {
    this.allow = new AddressBlocks(allow);
    this.deny = new AddressBlocks(deny);
  }

  /** Who is denied may not, whatever else allows him; a client without an address is allowed by nothing but an empty list. */
  check({ client }: Call): Refusal | null {
    if (this.deny.has(client)) return REFUSAL;
    return this.allow.empty || this.allow.has(client) ? null : REFUSAL;
  }
}
