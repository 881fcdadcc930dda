/** At most so many calls that are open at once, for each key. */
import { Failures } from '../errors.ts';
import type { ConcurrencySpec } from '../policy.ts';
import type { Call, Filter, Refusal } from './filter.ts';
import { keyOf, ownCopy } from './key-of.ts';

interface Count {
  readonly key: string;
  open: number;
}

/** When one of the calls will end, nobody knows. */
const REFUSAL: Refusal = { failure: Failures.rateLimited, retryAfter: 0 };

export class Concurrency implements Filter {
  readonly name = 'concurrency';
  private readonly spec: ConcurrencySpec;
  /** No more entries than there are open calls. */
  private readonly byKey = new Map<string, Count>();
  /** What each open call counts in: its head may have other fields by the time it ends. */
  private readonly byCall = new Map<Call, Count>();

  constructor(spec: ConcurrencySpec) {
    this.spec = spec;
  }

  /** Keys that have calls open. */
  get size(): number {
    return this.byKey.size;
  }

  check(call: Call): Refusal | null {
    const key = keyOf(this.spec.by, call);
    if (key === null) return null;
    let count = this.byKey.get(key);
    if (count === undefined) {
      count = { key: ownCopy(key), open: 0 };
      this.byKey.set(count.key, count);
    } else if (count.open >= this.spec.max) return REFUSAL;
    count.open++;
    this.byCall.set(call, count);
    return null;
  }

  ended(call: Call): void {
    const count = this.byCall.get(call);
    if (count === undefined) return;
    this.byCall.delete(call);
    if (--count.open === 0) this.byKey.delete(count.key);
  }
}
