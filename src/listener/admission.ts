/** What the filters made of a request: asked in order, and told of its end as far as they let it pass. */
import { Failures } from '../errors.ts';
import type { Call, Filter, Identity, Refusal } from '../filter/filter.ts';
import type { Journal } from '../journal.ts';
import type { Party } from '../relay/exchange-context.ts';
import type { RequestHead } from '../relay/message.ts';
import type { Origin } from '../relay/origin.ts';

const BUG: Refusal = { failure: Failures.bug, retryAfter: 0 };

export class Admission implements Call, Party {
  readonly head: RequestHead;
  readonly origin: Origin;
  readonly client: string;
  identity: Identity | null = null;
  tenant: string | null = null;
  private readonly filters: readonly Filter[];
  /** So many of them let the call go on. */
  private passed = 0;

  constructor(filters: readonly Filter[], head: RequestHead, origin: Origin, client: string) {
    this.filters = filters;
    this.head = head;
    this.origin = origin;
    this.client = client;
  }

  /** Asks the filters in turn; what it is refused with, or null. */
  ask(journal: Journal): Refusal | null {
    for (; this.passed < this.filters.length; this.passed++) {
      const refusal = asked(this.filters[this.passed]!, this, journal);
      if (refusal !== null) return refusal;
    }
    return null;
  }

  get bearer(): string | null {
    return this.identity === null ? null : this.identity.name;
  }
  over(): void {
    for (let i = 0; i < this.passed; i++) this.filters[i]!.ended?.(this);
  }
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
