/** Health checks and probes in tests: a clock that moves when told to, an observer, specs. */
import assert from 'node:assert/strict';
import type { TestContext } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { HealthCheck, probeFor } from '../../src/health/health-check.ts';
import type { Cancellable } from '../../src/schedule.ts';
import type { Answer, Probe, Target } from '../../src/health/probe.ts';
import type { HealthSpec, UpstreamTlsSpec } from '../../src/snapshot.ts';

export const HOUR = 3_600_000;

export const spec = (overrides: Partial<HealthSpec> = {}): HealthSpec => ({
  kind: 'grpc',
  service: '',
  watch: false,
  path: '/healthz',
  interval: 5000,
  timeout: 1000,
  jitter: 0,
  unhealthyThreshold: 1,
  healthyThreshold: 1,
  ...overrides,
});

/** Time that passes only when told to. */
export class Clock {
  time = 0;
  private readonly timers = new Set<{ at: number; fire: () => void }>();

  readonly schedule = (fire: () => void, ms: number): Cancellable => {
    const timer = { at: this.time + ms, fire };
    this.timers.add(timer);
    return { cancel: () => this.timers.delete(timer) };
  };
  get armed(): number {
    return this.timers.size;
  }
  pass(ms: number): void {
    const until = this.time + ms;
    for (;;) {
      const next = [...this.timers].filter(({ at }) => at <= until).sort((a, b) => a.at - b.at)[0];
      if (next === undefined) break;
      this.time = next.at;
      this.timers.delete(next);
      next.fire();
    }
    this.time = until;
  }
}

/** The next answer to a probe that a test asks itself. */
export const ask = (probe: Probe): Promise<Answer> => new Promise((resolve) => probe.ask(resolve));

export function probing(
  t: TestContext,
  target: Target,
  overrides: Partial<HealthSpec> = {},
  tls: UpstreamTlsSpec | null = null,
): Probe {
  const probe = probeFor(spec(overrides), target, tls);
  t.after(() => probe.drop());
  return probe;
}

export interface Observed {
  readonly check: HealthCheck;
  /** Changes, `up: reason` or `down: reason`. */
  readonly changes: string[];
}

/** A check that runs, on the real clock. */
export function checking(t: TestContext, target: Target, overrides: Partial<HealthSpec> = {}): Observed {
  const changes: string[] = [];
  const given = spec({ interval: 20, ...overrides });
  const check = new HealthCheck(probeFor(given, target, null), given, (healthy, reason) => {
    changes.push(`${healthy ? 'up' : 'down'}: ${reason}`);
  });
  t.after(() => check.stop());
  check.start();
  return { check, changes };
}

export async function until(holds: () => boolean, what: string, patience = 5000): Promise<void> {
  const end = performance.now() + patience;
  while (!holds()) {
    assert.ok(performance.now() < end, `not in time: ${what}`);
    await sleep(2);
  }
}
