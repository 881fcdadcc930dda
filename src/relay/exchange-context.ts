/** What an exchange is given: by the configuration, by its listener, and by those who let it pass. */
import type { Counters } from '../counters.ts';
import type { Field } from '../hpack/field.ts';
import type { TimerWheel } from '../io/timer-wheel.ts';
import type { Journal } from '../journal.ts';
import type { KeySpec } from '../snapshot.ts';
import type { RetryPolicy } from './retry.ts';

/** What may be said of exchanges in the configuration. Times are milliseconds, sizes bytes; 0: no limit. */
export interface ExchangePolicy {
  /** Takes out of a request's trailers what is not for clients to say; null: there is nothing like that. */
  readonly reservedTrailers: { without(fields: readonly Field[]): readonly Field[] } | null;
  /** Null: no route claimed it. */
  readonly route: { readonly name: string; readonly index: number } | null;
  /** Places it, in place of the upstream's own key. */
  readonly hashKey: KeySpec | null;
  /** For all of it. */
  readonly timeout: number;
  /** In which nothing moves; of a tunnel, and of any other exchange. */
  readonly tunnelIdleTimeout: number;
  readonly idleTimeout: number;
  /** Of a request's body, and of each gRPC message in it. */
  readonly maxBody: number;
  readonly maxMessage: number;
  /** Makes of a response's fields those that the client gets; null: they are the same. */
  readonly responseEdits: { apply(fields: readonly Field[]): Field[] } | null;
  /** Null: only what an engine has certainly not begun is tried again. */
  readonly retry: RetryPolicy | null;
}

export const NO_POLICY: ExchangePolicy = {
  reservedTrailers: null,
  route: null,
  hashKey: null,
  timeout: 0,
  tunnelIdleTimeout: 0,
  idleTimeout: 0,
  maxBody: 0,
  maxMessage: 0,
  responseEdits: null,
  retry: null,
};

/** Who asks, and who let it pass. */
export interface Party {
  /** Who it has shown to be, for the log. */
  readonly bearer: string | null;
  readonly tenant: string | null;
  /** The exchange is over. */
  over(): void;
}

/** What all exchanges of a route on a listener share. */
export interface ExchangeContext extends ExchangePolicy {
  readonly listener: string;
  readonly counters: Counters;
  readonly wheel: TimerWheel;
  readonly journal: Journal;
  /** Request bytes kept for another attempt. */
  readonly replayBuffer: number;
}
