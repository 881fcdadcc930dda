/** What the filters made of a request: asked in order, and told of its end as far as they let it pass. */
import { Failures } from '../errors.ts';
import type { Call, Filter, Refusal } from '../filter/filter.ts';
import type { Journal } from '../journal.ts';
import type { Party } from '../relay/exchange-context.ts';

const BUG: Refusal = { failure: Failures.bug, retryAfter: 0 };

export class Admission implements Party {
  readonly call: Call;
  /** What it is refused with, or null. */
  readonly refusal: Refusal | null;
  private readonly filters: readonly Filter[];
  private readonly passed: number;

  /** The first `passed` of `filters` let the call go on. */
  constructor(call: Call, refusal: Refusal | null, filters: readonly Filter[], passed: number) {
    this.call = call;
    this.refusal = refusal;
    this.filters = filters;
    this.passed = passed;
  }

  get identity(): string | null {
    return this.call.identity?.name ?? null;
  }
  get tenant(): string | null {
    return this.call.tenant;
  }
  over(): void {
    for (let i = 0; i < this.passed; i++) this.filters[i]!.ended?.(this.call);
  }
}

/** A filter that throws has a bug, which costs the one request. */
export function admit(filters: readonly Filter[], call: Call, journal: Journal): Admission {
  for (let i = 0; i < filters.length; i++) {
    const refusal = asked(filters[i]!, call, journal);
    if (refusal !== null) return new Admission(call, refusal, filters, i);
  }
  return new Admission(call, null, filters, filters.length);
}

function asked(filter: Filter, call: Call, journal: Journal): Refusal | null {
  try {
    return filter.check(call);
  } catch (error) {
    const what = error instanceof Error ? (error.stack ?? error.message) : String(error);
    const message = `filter ${filter.name}: ${what}`;
    journal.connection({ side: 'downstream', peer: call.client, event: 'bug', code: null, message });
    return BUG;
  }
}
