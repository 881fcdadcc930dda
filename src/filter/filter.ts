/** A check on the head of a request, before it goes anywhere. Each kind is one file; a route has those that it is configured for, in order. */
import type { Failure } from '../errors.ts';
import type { RequestHead } from '../relay/message.ts';
import type { Origin } from '../relay/origin.ts';

/** Who asks, as far as authentication has found out. */
export interface Identity {
  readonly name: string;
  readonly claims: Readonly<Record<string, unknown>>;
}

export interface Call {
  /** Its fields may be replaced. */
  readonly head: RequestHead;
  readonly origin: Origin;
  /** Address of the client. */
  readonly client: string;
  identity: Identity | null;
  tenant: string | null;
}

export interface Refusal {
  readonly failure: Failure;
  /** Milliseconds after which another try may go well; 0: nothing is said of it. */
  readonly retryAfter: number;
}

export interface Filter {
  readonly name: string;
  /** Null: it may go on; else it is answered with this, and nothing after it is asked. */
  check(call: Call): Refusal | null;
  /** Of a call that this filter let go on: it is over, wherever it ended. */
  ended?(call: Call): void;
}
