/** How many answers in a row it takes to change an opinion. Pure. */
export class Thresholds {
  private readonly unhealthyThreshold: number;
  private readonly healthyThreshold: number;
  private opinion: 'unknown' | 'healthy' | 'unhealthy' = 'unknown';
  /** Answers in a row that contradict the opinion. */
  private against = 0;

  constructor(unhealthyThreshold: number, healthyThreshold: number) {
    this.unhealthyThreshold = unhealthyThreshold;
    this.healthyThreshold = healthyThreshold;
  }

  /** `unknown` until an answer has settled it. */
  get state(): 'unknown' | 'healthy' | 'unhealthy' {
    return this.opinion;
  }
  /** An engine is not out because it has not been asked: at a start of the gateway all of them would be. */
  get healthy(): boolean {
    return this.opinion !== 'unhealthy';
  }

  /** One more answer. Returns whether `healthy` has changed. */
  count(healthy: boolean): boolean {
    if (healthy === this.healthy) return this.settle(healthy);
    const needed = healthy ? this.healthyThreshold : this.unhealthyThreshold;
    return ++this.against >= needed && this.settle(healthy);
  }

  /** An answer that needs no second. Returns whether `healthy` has changed. */
  settle(healthy: boolean): boolean {
    const changed = healthy !== this.healthy;
    this.opinion = healthy ? 'healthy' : 'unhealthy';
    this.against = 0;
    return changed;
  }
}
