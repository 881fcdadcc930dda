/** A client whose protocol is known, as its listener sees it. */
import type { Failure } from '../errors.ts';

export interface Served {
  /** Asks it to go: what is open is served. */
  drain(): void;
  /** Ends what is open with the answer that is still possible. */
  abort(failure: Failure): void;
}
