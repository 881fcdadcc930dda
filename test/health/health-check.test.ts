/** When a check asks and what it makes of answers: hours of it, on a clock that moves when told to. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { HealthCheck } from '../../src/health/health-check.ts';
import { answer, statement } from '../../src/health/probe.ts';
import type { Answer, Probe } from '../../src/health/probe.ts';
import type { HealthSpec } from '../../src/snapshot.ts';
import { Random } from '../support/random.ts';
import { Clock, HOUR, spec } from './asking.ts';

const YES = answer(true, 'yes');
const NO = answer(false, 'no');

/** A probe whose answers the test gives, when it wants to. */
class Script implements Probe {
  readonly askedAt: number[] = [];
  readonly reports: ((answer: Answer) => void)[] = [];
  drops = 0;
  /** Answers each question at once. */
  instant: ((question: number) => Answer) | null = null;
  private readonly clock: Clock;

  constructor(clock: Clock) {
    this.clock = clock;
  }
  ask(report: (answer: Answer) => void): void {
    this.askedAt.push(this.clock.time);
    this.reports.push(report);
    if (this.instant !== null) report(this.instant(this.askedAt.length - 1));
  }
  drop(): void {
    this.drops++;
  }
}

function stage(overrides: Partial<HealthSpec> = {}, random: () => number = () => 0) {
  const clock = new Clock();
  const probe = new Script(clock);
  const changes: string[] = [];
  const check = new HealthCheck(
    probe,
    spec(overrides),
    (healthy, reason) => changes.push(`${healthy ? 'up' : 'down'} at ${clock.time}: ${reason}`),
    { schedule: clock.schedule, random },
  );
  return { clock, probe, changes, check };
}

test('the first question is asked at once, the next one an interval after each answer', () => {
  const { clock, probe, check } = stage();
  check.start();
  assert.deepEqual(probe.askedAt, [0]);
  clock.pass(300);
  probe.reports[0]!(YES);
  clock.pass(4999);
  assert.deepEqual(probe.askedAt, [0]);
  clock.pass(1);
  assert.deepEqual(probe.askedAt, [0, 5300]);
});

test('a day of answers that stay the same is no change, and counted', () => {
  const { clock, probe, check, changes } = stage();
  probe.instant = () => YES;
  check.start();
  clock.pass(24 * HOUR);
  assert.equal(check.probes, (24 * HOUR) / 5000 + 1);
  assert.equal(check.failures, 0);
  assert.deepEqual(changes, []);
});

test('each change is told once, with what was said last', () => {
  const { clock, probe, check, changes } = stage({ unhealthyThreshold: 3, healthyThreshold: 2 });
  probe.instant = (question) => (question >= 2 && question < 10 ? answer(false, `no ${question}`) : YES);
  check.start();
  clock.pass(HOUR);
  assert.deepEqual(changes, ['down at 20000: no 4', 'up at 55000: yes']);
  assert.equal(check.failures, 8);
  assert.equal(check.state, 'healthy');
});

test('before the first answer an engine is unknown and counts as healthy', () => {
  const { check, probe } = stage();
  check.start();
  assert.deepEqual([check.state, check.healthy], ['unknown', true]);
  probe.reports[0]!(NO);
  assert.deepEqual([check.state, check.healthy], ['unhealthy', false]);
});

test('no answer in time is a failure, and lets go of the connection', () => {
  const { clock, probe, check, changes } = stage();
  check.start();
  const { drops } = probe;
  clock.pass(999);
  assert.equal(check.probes, 0);
  clock.pass(1);
  assert.deepEqual(changes, ['down at 1000: no answer within 1000 ms']);
  assert.equal(probe.drops, drops + 1);
  clock.pass(5000);
  assert.deepEqual(probe.askedAt, [0, 6000]);
});

test('an answer that comes too late counts for nothing, during the next question as before it', () => {
  const { clock, probe, check, changes } = stage();
  check.start();
  clock.pass(1000);
  assert.equal(changes.length, 1);
  probe.reports[0]!(YES);
  clock.pass(5000);
  probe.reports[0]!(YES);
  assert.deepEqual([check.state, check.probes, changes.length], ['unhealthy', 1, 1]);
  probe.reports[1]!(YES);
  assert.deepEqual([check.state, check.probes, changes.length], ['healthy', 2, 2]);
});

test('questions never overlap, however short the interval and long the timeout', () => {
  const { clock, probe, check } = stage({ interval: 10, timeout: 60_000 });
  check.start();
  clock.pass(59_999);
  assert.deepEqual(probe.askedAt, [0]);
  clock.pass(11);
  assert.deepEqual(probe.askedAt, [0, 60_010]);
});

test('jitter only lengthens an interval, up to its share, and spreads evenly', () => {
  const random = new Random(4);
  const { clock, probe, check } = stage({ jitter: 0.2 }, () => random.next());
  probe.instant = () => YES;
  check.start();
  clock.pass(10 * HOUR);
  const gaps = probe.askedAt.slice(1).map((at, i) => at - probe.askedAt[i]!);
  assert.ok(Math.min(...gaps) >= 5000 && Math.min(...gaps) < 5010, `shortest ${Math.min(...gaps)}`);
  assert.ok(Math.max(...gaps) <= 6000 && Math.max(...gaps) > 5990, `longest ${Math.max(...gaps)}`);
  const mean = gaps.reduce((sum, gap) => sum + gap, 0) / gaps.length;
  assert.ok(Math.abs(mean - 5500) < 20, `mean ${mean}`);
});

test('a probe that throws is a failed probe, and asked again', () => {
  const { clock, probe, check, changes } = stage();
  probe.instant = (question) => {
    if (question === 0) throw new Error('cannot');
    return YES;
  };
  check.start();
  clock.pass(5000);
  assert.deepEqual(changes, ['down at 0: cannot', 'up at 5000: yes']);
  assert.deepEqual([check.probes, check.failures], [2, 1]);
});

test('a statement decides at once, whatever the thresholds, and puts the next question off', () => {
  const { clock, probe, check, changes } = stage({ unhealthyThreshold: 3, healthyThreshold: 3 });
  check.start();
  probe.reports[0]!(statement(true, 'serving'));
  clock.pass(3000);
  probe.reports[0]!(statement(false, 'not serving'));
  probe.reports[0]!(statement(true, 'serving'));
  assert.deepEqual(changes, ['down at 3000: not serving', 'up at 3000: serving']);
  clock.pass(4999);
  assert.equal(probe.askedAt.length, 1);
  clock.pass(1);
  assert.equal(probe.askedAt.length, 2);
});

test('what the last question still has to say is not heard once the next is asked', () => {
  const { clock, probe, check, changes } = stage();
  check.start();
  probe.reports[0]!(statement(true, 'serving'));
  clock.pass(5000);
  probe.reports[0]!(statement(false, 'stale'));
  assert.deepEqual(changes, []);
});

test('after a stop nothing is asked, heard or armed; a new start asks at once', () => {
  const { clock, probe, check, changes } = stage();
  check.start();
  check.stop();
  assert.equal(clock.armed, 0);
  probe.reports[0]!(NO);
  clock.pass(HOUR);
  assert.deepEqual([probe.askedAt, changes, check.probes], [[0], [], 0]);
  check.start();
  assert.deepEqual(probe.askedAt, [0, HOUR]);
  probe.reports[1]!(YES);
  check.stop();
  assert.equal(clock.armed, 0);
});

test('who hears of a change may stop the check', () => {
  const clock = new Clock();
  const probe = new Script(clock);
  const check: HealthCheck = new HealthCheck(probe, spec(), () => check.stop(), { schedule: clock.schedule });
  check.start();
  probe.reports[0]!(NO);
  assert.equal(clock.armed, 0);
  clock.pass(HOUR);
  assert.equal(probe.askedAt.length, 1);
});

test('a check that is started twice asks as one', () => {
  const { clock, probe, check } = stage();
  probe.instant = () => YES;
  check.start();
  check.start();
  clock.pass(5000);
  assert.equal(probe.askedAt.length, 3);
  assert.equal(clock.armed, 1);
});
