/**
 * Choosing an endpoint. A picker sees candidates as plain figures and keeps no I/O, no timer and no clock of its own; each
 * policy is one file behind this interface.
 */

/** What a picker may know of an endpoint. The endpoint changes these; a picker reads them at every pick. */
export interface Candidate {
  /** `host:port` or `unix:/path`: its name, and its place on a hash ring. */
  readonly address: string;
  /** Its share relative to its neighbours': the configured weight, less what slow start or overload takes. Above 0. */
  readonly weight: number;
  /** Streams that it serves now. */
  readonly active: number;
  /** Milliseconds to the first message of a response, a moving average that jumps up at once; 0 while unknown. */
  readonly latency: number;
  /** In rotation and with room for a call, now. */
  readonly available: boolean;
}

export interface Picker<C extends Candidate> {
  /** These are the candidates from now on; what is known of those that stay is kept. */
  update(candidates: readonly C[]): void;
  /**
   * One that is available and not `avoid`, or null if there is none. `hash` is of the call's key, 32 bits unsigned, for policies that
   * place by it; others ignore it.
   */
  pick(hash: number, avoid: C | null): C | null;
  /** A call at this candidate ended well, or failed through its fault. Policies that learn from it say how. */
  report(candidate: C, ok: boolean): void;
}
