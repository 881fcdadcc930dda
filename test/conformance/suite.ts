/** What every conformance suite gives back; `run.ts` lists them. */
import type { StartProxy } from './proxies.ts';

export interface SuiteResult {
  readonly name: string;
  readonly passed: number;
  readonly failed: number;
  /** Cases that did not run; `notes` says why. */
  readonly skipped: number;
  readonly notes: readonly string[];
}

export type Suite = (startProxy: StartProxy) => Promise<SuiteResult>;

export const skip = (name: string, skipped: number, why: string): SuiteResult => ({
  name,
  passed: 0,
  failed: 0,
  skipped,
  notes: [`skipped: ${why}`],
});
