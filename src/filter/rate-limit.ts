/** At most so many calls a second, for each key. */
import { Failures } from '../errors.ts';
import { now as turnNow } from '../io/turn.ts';
import type { RateLimitSpec } from '../policy.ts';
import { BucketTable } from './bucket-table.ts';
import type { Call, Filter, Refusal } from './filter.ts';
import { keyOf } from './key-of.ts';

export class RateLimit implements Filter {
  readonly name = 'rate_limit';
  private readonly spec: RateLimitSpec;
  private readonly now: () => number;
  private readonly buckets: BucketTable;
  /** The one refusal: whoever floods the gateway is not to make it allocate. It holds until the next check. */
  private readonly refusal = { failure: Failures.rateLimited, retryAfter: 0 };

  /** `now`: milliseconds of a monotonic clock. */
  constructor(spec: RateLimitSpec, now: () => number = turnNow) {
    this.spec = spec;
    this.now = now;
    this.buckets = new BucketTable(spec.rate, spec.burst, spec.maxKeys);
  }

  /** Buckets that are kept. */
  get size(): number {
    return this.buckets.size;
  }

  check(call: Call): Refusal | null {
    const key = keyOf(this.spec.by, call);
    if (key === null) return null;
    const wait = this.buckets.take(key, this.now());
    if (wait === 0) return null;
    this.refusal.retryAfter = Math.ceil(wait);
    return this.refusal;
  }
}
