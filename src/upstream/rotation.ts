/**
 * Which endpoints calls may go to: active checks and passive ejection take some out, and where too few are left all are
 * picked from, for a guess is better than a certain failure.
 */
import { Endpoint as EndpointCount, Upstream as Count } from '../counters.ts';
import type { Counters } from '../counters.ts';
import type { Endpoint } from './endpoint.ts';
import type { OutlierDetector } from './outlier.ts';

export class Rotation {
  private readonly outliers: OutlierDetector | null;
  private readonly panicThreshold: number;
  private readonly counters: Counters;
  /** Some endpoint is out, or has just changed: until none is out, every pick begins with a look. */
  private troubled = true;
  /** Too few are fit, so that all are picked from. */
  private panic = false;

  /** `panicThreshold`: share of the endpoints that have to be fit; 0 fails calls rather than guess. */
  constructor(outliers: OutlierDetector | null, panicThreshold: number, counters: Counters) {
    this.outliers = outliers;
    this.panicThreshold = panicThreshold;
    this.counters = counters;
  }

  /** An endpoint joined, left, was ejected, or is healthy or not any more. */
  changed(): void {
    this.troubled = true;
  }

  /** Brings `inRotation` of all endpoints up to date. */
  judge(endpoints: readonly Endpoint[], now: number): void {
    if (!this.troubled) return;
    let fit = 0;
    let healthy = 0;
    let serving = 0;
    for (const endpoint of endpoints) {
      if (endpoint.healthy) healthy++;
      if (!endpoint.draining) serving++;
      endpoint.inRotation =
        !endpoint.draining &&
        endpoint.healthy &&
        (endpoint.outlier === null || this.outliers!.available(endpoint.outlier, now));
      endpoint.counters.slots[EndpointCount.IN_ROTATION] = endpoint.inRotation ? 1 : 0;
      if (endpoint.inRotation) fit++;
    }
    const panic = fit < serving && fit < serving * this.panicThreshold;
    if (panic && !this.panic) this.counters.add(Count.PANICS, 1);
    this.panic = panic;
    if (panic) for (const endpoint of endpoints) endpoint.inRotation = !endpoint.draining;
    this.troubled = healthy < endpoints.length || (this.outliers !== null && this.outliers.ejected > 0);
  }
}
