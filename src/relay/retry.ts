/**
 * Which calls are tried again because the listener's configuration says so, when, and how often. What an engine has certainly
 * not begun moves without any of this (`Failure.retryable`).
 */
import { Failures } from '../errors.ts';
import type { Failure } from '../errors.ts';
import { makeField } from '../hpack/field.ts';
import type { Field } from '../hpack/field.ts';
import type { RetrySpec } from '../snapshot.ts';
import { grpcStatusNumber } from './message.ts';
import type { ResponseHead } from './message.ts';
import { RetryBudget } from './retry-budget.ts';

const PUSHBACK = 'grpc-retry-pushback-ms';
const PREVIOUS_ATTEMPTS = 'grpc-previous-rpc-attempts';

/** The rules of one listener; all its exchanges share the budget. */
export class RetryPolicy {
  /** Milliseconds for the head of a response; 0: any. */
  readonly perTryTimeout: number;
  private readonly spec: RetrySpec;
  private readonly random: () => number;
  private readonly budget: RetryBudget;

  constructor(spec: RetrySpec, random: () => number = Math.random) {
    this.spec = spec;
    this.random = random;
    this.perTryTimeout = spec.perTryTimeout;
    this.budget = new RetryBudget(spec.budget, spec.minPerSecond);
  }

  /** A call was begun. */
  called(now: number): void {
    this.budget.called(now);
  }

  /** Whether a head is an answer to try again after: Trailers-Only by its `grpc-status`, what is not gRPC by its status. */
  coversAnswer(head: ResponseHead, end: boolean, grpc: boolean): boolean {
    if (!grpc || head.grpcStatus === null) return this.spec.httpStatuses.includes(head.status);
    return end && this.spec.grpcStatuses.includes(grpcStatusNumber(head.grpcStatus));
  }

  /** The same for an attempt without an answer, by what the client would be told. */
  coversFailure(failure: Failure, grpc: boolean): boolean {
    // The deadline of an attempt alone: whoever sets one wants another attempt, whatever statuses are listed.
    if (failure === Failures.attemptTimeout) return true;
    return grpc ? this.spec.grpcStatuses.includes(failure.grpc) : this.spec.httpStatuses.includes(failure.http);
  }

  /**
   * Milliseconds until the next attempt, after `made` configured ones besides the first; null if there is to be none. `left` is
   * what remains of the call's deadline, `pushback` as of `pushbackOf`. The budget is charged for each that is granted.
   */
  wait(made: number, pushback: number | null, left: number, now: number): number | null {
    const { attempts, backoffBase, backoffMax } = this.spec;
    if (made + 1 >= attempts || (pushback !== null && pushback < 0)) return null;
    const wait = pushback ?? this.random() * Math.min(backoffMax, backoffBase * 2 ** made);
    return wait < left && this.budget.take(now) ? wait : null;
  }
}

/** Milliseconds that the engine asks for, null if it says nothing, -1 if it asks not to be tried: negative, malformed, said twice. */
export function pushbackOf(fields: readonly Field[]): number | null {
  const said = fields.filter(({ name }) => name.text === PUSHBACK);
  if (said.length === 0) return null;
  const { value } = said[0]!;
  return said.length === 1 && /^[0-9]{1,10}$/.test(value) ? Number(value) : -1;
}

/** A request's fields with the number of attempts before this one, in place of what the client says of its own. */
export const withPreviousAttempts = (fields: readonly Field[], count: number): Field[] => [
  ...fields.filter(({ name }) => name.text !== PREVIOUS_ATTEMPTS),
  makeField(PREVIOUS_ATTEMPTS, String(count)),
];
