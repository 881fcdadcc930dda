/** Asks one endpoint again and again whether it is healthy, and tells when the opinion of it changes. */
import { schedule } from '../schedule.ts';
import type { Cancellable, Schedule } from '../schedule.ts';
import type { HealthSpec, UpstreamTlsSpec } from '../snapshot.ts';
import type { Alpn } from './dial.ts';
import { GrpcProbe } from './grpc-probe.ts';
import { HttpProbe } from './http-probe.ts';
import { Http1Probe } from './http1-probe.ts';
import { answer, failed } from './probe.ts';
import type { Answer, Probe, Target } from './probe.ts';
import { TcpProbe } from './tcp-probe.ts';
import { Thresholds } from './thresholds.ts';

/** The probe that the configuration asks for; `alpn`: what calls offer, and so what the engine speaks. Nothing is opened before it is used. */
export function probeFor(spec: HealthSpec, target: Target, tls: UpstreamTlsSpec | null, alpn: Alpn = 'h2'): Probe {
  switch (spec.kind) {
    case 'grpc':
      return new GrpcProbe(target, tls, spec);
    case 'http':
      return alpn === 'h2' ? new HttpProbe(target, tls, spec.path) : new Http1Probe(target, tls, spec.path);
    case 'tcp':
      return new TcpProbe(target, tls, alpn);
  }
}

export class HealthCheck {
  /** Answers so far, those that did not come in time included; and how many of them were not healthy. */
  probes = 0;
  failures = 0;
  private readonly probe: Probe;
  private readonly spec: HealthSpec;
  private readonly onChange: (healthy: boolean, reason: string) => void;
  private readonly schedule: Schedule;
  private readonly random: () => number;
  private readonly thresholds: Thresholds;
  /** Which question is the one that counts: whoever answers another is too late. */
  private question = 0;
  /** Until the answer to the question, then until the next one. */
  private timer: Cancellable | null = null;

  /** Asks nothing yet. `onChange` is told why: what the engine said last, or why it said nothing. */
  constructor(
    probe: Probe,
    spec: HealthSpec,
    onChange: (healthy: boolean, reason: string) => void,
    clock: { readonly schedule?: Schedule; readonly random?: () => number } = {},
  ) {
    this.probe = probe;
    this.spec = spec;
    this.onChange = onChange;
    this.schedule = clock.schedule ?? schedule;
    this.random = clock.random ?? Math.random;
    this.thresholds = new Thresholds(spec.unhealthyThreshold, spec.healthyThreshold);
  }

  get state(): 'unknown' | 'healthy' | 'unhealthy' {
    return this.thresholds.state;
  }
  /** True while unknown. */
  get healthy(): boolean {
    return this.thresholds.healthy;
  }

  /** Asks at once, and an interval after each answer. */
  start(): void {
    this.stop();
    this.ask();
  }

  /** Closes everything; what was learned stays. */
  stop(): void {
    this.question++;
    this.timer?.cancel();
    this.timer = null;
    this.probe.drop();
  }

  private ask(): void {
    const question = ++this.question;
    const { timeout } = this.spec;
    this.timer = this.schedule(() => this.giveUp(answer(false, `no answer within ${timeout} ms`)), timeout);
    const report = (said: Answer): void => {
      if (question === this.question) this.hear(said);
    };
    try {
      this.probe.ask(report);
    } catch (error) {
      this.giveUp(failed(error));
    }
  }

  /** Whatever the probe may still hear counts no more, and the next question begins with a fresh connection. */
  private giveUp(said: Answer): void {
    this.question++;
    this.probe.drop();
    this.hear(said);
  }

  private hear({ healthy, reason, decisive }: Answer): void {
    this.timer?.cancel();
    const { interval, jitter } = this.spec;
    this.timer = this.schedule(() => this.ask(), interval * (1 + jitter * this.random()));
    this.probes++;
    if (!healthy) this.failures++;
    const changed = decisive ? this.thresholds.settle(healthy) : this.thresholds.count(healthy);
    if (changed) this.onChange(healthy, reason);
  }
}
