import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { OutlierSpec } from '../../src/snapshot.ts';
import { OutlierDetector } from '../../src/upstream/outlier.ts';
import type { OutlierRecord } from '../../src/upstream/outlier.ts';
import { Random } from '../support/random.ts';

const SPEC: OutlierSpec = {
  consecutiveFailures: 5,
  failureShare: 0,
  minimumRequests: 10,
  interval: 10_000,
  baseEjection: 30_000,
  maxEjection: 300_000,
  maxEjected: 0.5,
};
const START = 86_400_000;
const DAY = 86_400_000;

/** Some endpoints `a`, `b`, ... and a clock that moves only when told to. */
class World {
  now = START;
  readonly log: string[] = [];
  readonly detector: OutlierDetector;
  readonly records: OutlierRecord[];

  constructor(endpoints: number, spec: Partial<OutlierSpec> = {}) {
    this.detector = new OutlierDetector(
      { ...SPEC, ...spec },
      {
        onEjected: ({ address }, ban, cause) => this.log.push(`${address} out for ${ban / 1000} s: ${cause}`),
        onReturned: ({ address }) => this.log.push(`${address} in`),
      },
    );
    this.records = Array.from({ length: endpoints }, (_, i) => this.detector.add('abcdefghij'[i]!, this.now));
  }
  get a(): OutlierRecord {
    return this.records[0]!;
  }
  available(record = this.a): boolean {
    return this.detector.available(record, this.now);
  }
  take(record = this.a): number {
    return this.detector.took(record, this.now);
  }
  end(term: number, ok: boolean, record = this.a): void {
    this.detector.ended(record, term, ok, this.now);
  }
  /** A call from beginning to end. */
  call(ok: boolean, record = this.a): void {
    this.end(this.take(record), ok, record);
  }
  calls(results: string, record = this.a): void {
    for (const result of results) this.call(result === '+', record);
  }
  /** Five failures: out of rotation. */
  eject(record = this.a): void {
    this.calls('-----', record);
  }
  /** The ban passes, and its probe ends like this. */
  probe(ok: boolean, record = this.a): void {
    this.now = record.until;
    this.call(ok, record);
  }
}

test('failures in a row eject an endpoint, and a success between them begins the row anew', () => {
  const world = new World(2);
  world.calls('----+----');
  assert.equal(world.available(), true);
  assert.deepEqual(world.log, []);
  world.calls('-');
  assert.equal(world.available(), false);
  assert.deepEqual(world.log, ['a out for 30 s: consecutive']);
});

test('failures in a row count however much time lies between them', () => {
  const world = new World(2);
  for (let n = 0; n < 5; n++) {
    world.now += DAY;
    world.calls('-');
  }
  assert.equal(world.log.length, 1);
});

test('the share of failures ejects only with enough calls in the interval', () => {
  const world = new World(2, { failureShare: 0.4 });
  world.calls('--+--+--+');
  assert.deepEqual(world.log, [], 'six failures of nine calls');
  world.calls('+');
  assert.deepEqual(world.log, ['a out for 30 s: share'], 'six of ten, whoever comes last');
});

test('the share is reached at exactly its figure, not below', () => {
  for (const [failures, ejected] of [[28, 0], [29, 1]] as const) {
    const world = new World(2, { failureShare: 0.29, minimumRequests: 100, consecutiveFailures: 1000 });
    for (let n = 0; n < 100; n++) world.call(n >= failures);
    assert.equal(world.log.length, ejected, `${failures} of 100`);
  }
}); // prettier-ignore

test('calls of an interval that is over are not counted', () => {
  const world = new World(2, { failureShare: 0.5 });
  for (let n = 0; n < 20; n++) {
    world.calls('--+--+--+');
    world.now += SPEC.interval;
  }
  assert.deepEqual(world.log, []);
});

test('a share of 0 is not looked at', () => {
  const world = new World(2);
  for (let n = 0; n < 100; n++) world.calls('----+');
  assert.deepEqual(world.log, []);
});

test('after the ban one call may go there, and no second until it has ended', () => {
  const world = new World(2);
  world.eject();
  world.now += 29_999;
  assert.equal(world.available(), false);
  world.now += 1;
  assert.equal(world.available(), true);
  const term = world.take();
  assert.equal(world.a.state, 'probing');
  assert.equal(world.available(), false);
  world.end(term, true);
  assert.equal(world.a.state, 'in');
  assert.equal(world.available(), true);
  assert.deepEqual(world.log.slice(1), ['a in']);
});

test('a returned endpoint has a clean slate', () => {
  const world = new World(2, { failureShare: 0.5, interval: 600_000 });
  world.eject();
  world.probe(true);
  world.calls('----+----');
  assert.deepEqual(world.log.slice(1), ['a in']);
});

test('a failed probe throws it out again, for longer each time, up to the longest ban', () => {
  const world = new World(2, { maxEjection: 100_000 });
  world.eject();
  for (let n = 0; n < 4; n++) world.probe(false);
  assert.deepEqual(world.log, [
    'a out for 30 s: consecutive',
    'a out for 60 s: probe',
    'a out for 90 s: probe',
    'a out for 100 s: probe',
    'a out for 100 s: probe',
  ]);
});

test('one that fails again as soon as it is back is out for longer', () => {
  const world = new World(2);
  for (let n = 0; n < 3; n++) {
    world.eject();
    world.probe(true);
  }
  const bans = world.log.filter((line) => line.includes('out'));
  assert.deepEqual(
    bans.map((line) => line.slice(0, 12)),
    ['a out for 30', 'a out for 60', 'a out for 90'],
  );
});

test('good time makes good for ejections, one for each shortest ban', () => {
  for (const [good, ban] of [[0, 120], [29_999, 120], [30_000, 90], [60_000, 60], [90_000, 30], [DAY, 30]] as const) {
    const world = new World(2);
    world.eject();
    world.probe(false);
    world.probe(false);
    world.probe(true);
    world.now += good;
    world.eject();
    assert.equal(world.log.at(-1), `a out for ${ban} s: consecutive`, `after ${good} ms`);
  }
}); // prettier-ignore

test('an endpoint that was down for a year is no suspect longer than one whose ban has just become the longest', () => {
  const world = new World(2);
  world.eject();
  for (let n = 0; n < 100_000; n++) world.probe(false);
  world.probe(true);
  world.now += 10 * SPEC.baseEjection;
  world.eject();
  assert.equal(world.log.at(-1), 'a out for 30 s: consecutive');
});

test('a longest ban that is shorter than the shortest is the ban', () => {
  const world = new World(2, { maxEjection: 5000 });
  world.eject();
  world.probe(false);
  assert.deepEqual(world.log, ['a out for 5 s: consecutive', 'a out for 5 s: probe']);
});

test('calls from before an ejection say nothing of the probe, nor of the time after it', () => {
  const world = new World(2);
  const old = Array.from({ length: 20 }, () => world.take());
  world.eject();
  world.end(old.pop()!, true);
  assert.equal(world.a.state, 'out');
  world.now = world.a.until;
  const probe = world.take();
  world.end(old.pop()!, true);
  assert.equal(world.a.state, 'probing', 'a late success is not the probe');
  world.end(old.pop()!, false);
  assert.equal(world.a.state, 'probing', 'nor is a late failure');
  world.end(probe, true);
  for (const term of old) world.end(term, false);
  assert.deepEqual(world.log, ['a out for 30 s: consecutive', 'a in']);
});

test('calls that go to one that is out, for want of better, change nothing', () => {
  const world = new World(2);
  world.eject();
  const out = world.take();
  world.now = world.a.until;
  const probe = world.take();
  const beside = world.take();
  world.end(out, true);
  world.end(beside, true);
  assert.equal(world.a.state, 'probing');
  world.end(out, false);
  world.end(beside, false);
  assert.equal(world.a.state, 'probing');
  world.end(probe, true);
  assert.equal(world.a.state, 'in');
});

test('a probe that never ends gives way to another after as long as the shortest ban', () => {
  const world = new World(2);
  world.eject();
  world.now = world.a.until;
  const lost = world.take();
  world.now += SPEC.baseEjection - 1;
  assert.equal(world.available(), false);
  world.now += 1;
  assert.equal(world.available(), true);
  const second = world.take();
  assert.equal(world.available(), false);
  world.end(lost, false);
  assert.equal(world.a.state, 'probing', 'the first is not asked any more');
  world.end(second, true);
  assert.equal(world.a.state, 'in');
});

test('a probe that ends late is heard as long as there is no other', () => {
  const world = new World(2);
  world.eject();
  world.now = world.a.until;
  const probe = world.take();
  world.now += DAY;
  world.end(probe, true);
  assert.equal(world.a.state, 'in');
});

test('a probe whose client leaves makes room for another at once', () => {
  const world = new World(2);
  world.eject();
  world.now = world.a.until;
  const left = world.take();
  world.detector.abandoned(world.a, left, world.now);
  assert.equal(world.available(), true);
  const probe = world.take();
  world.detector.abandoned(world.a, left, world.now);
  world.end(left, true);
  assert.equal(world.a.state, 'probing', 'one call leaves once');
  world.end(probe, true);
  assert.deepEqual(world.log.slice(1), ['a in']);
});

test('a client that leaves an endpoint in rotation changes nothing', () => {
  const world = new World(2);
  world.calls('----');
  world.detector.abandoned(world.a, world.take(), world.now);
  assert.equal(world.a.state, 'in');
  world.calls('-');
  assert.equal(world.a.state, 'out');
});

test('no more than their share is out at once, but one always may be', () => {
  const most = (endpoints: number, maxEjected: number): number => {
    const world = new World(endpoints, { maxEjected });
    for (const record of world.records) world.eject(record);
    assert.equal(world.detector.ejected, world.log.length);
    return world.log.length;
  };
  assert.equal(most(10, 0.5), 5);
  assert.equal(most(10, 0.3), 3);
  assert.equal(most(10, 0.29), 2);
  assert.equal(most(10, 1), 10);
  assert.equal(most(10, 0), 1);
  assert.equal(most(3, 0.5), 1);
  assert.equal(most(1, 0.1), 1);
});

test('one that could not be ejected is at its next failure, once another is back', () => {
  const world = new World(2);
  const [a, b] = world.records as [OutlierRecord, OutlierRecord];
  world.eject(a);
  world.eject(b);
  world.calls('---', b);
  assert.equal(b.state, 'in');
  world.now = a.until;
  const probe = world.take(a);
  world.calls('-', b);
  assert.equal(b.state, 'in', 'one on probation is not back');
  world.end(probe, true, a);
  world.calls('-', b);
  assert.deepEqual(world.log, ['a out for 30 s: consecutive', 'a in', 'b out for 30 s: consecutive']);
});

test('an endpoint that is no more makes room for the ejection of another, and is not judged any more', () => {
  const world = new World(3);
  const [a, b, c] = world.records as [OutlierRecord, OutlierRecord, OutlierRecord];
  const term = world.take(b);
  world.eject(a);
  world.detector.remove(a);
  world.detector.remove(b);
  assert.equal(world.detector.ejected, 0);
  for (let n = 0; n < 10; n++) world.end(term, false, b);
  world.eject(b);
  assert.equal(world.detector.ejected, 0);
  world.eject(c);
  assert.equal(c.state, 'out');
});

test('whatever happens, the books balance: never too many out, never two probes, bans within bounds', () => {
  for (let seed = 1; seed <= 20; seed++) {
    const random = new Random(seed);
    const maxEjected = random.next();
    const world = new World(10, { maxEjected, failureShare: 0.6 });
    const bad = world.records.map(() => random.next());
    const open: { record: OutlierRecord; term: number; i: number }[] = [];
    for (let step = 0; step < 5000; step++) {
      world.now += random.below(random.chance(0.01) ? 60_000 : 100);
      const i = random.below(10);
      const record = world.records[i]!;
      if (random.chance(0.6) && world.available(record)) {
        open.push({ record, term: world.take(record), i });
        const free = world.available(record);
        assert.equal(free, record.state === 'in', `seed ${seed}, step ${step}: one probe at a time`);
      }
      if (open.length > 0 && random.chance(0.6)) {
        const [call] = open.splice(random.below(open.length), 1);
        if (random.chance(0.1)) world.detector.abandoned(call!.record, call!.term, world.now);
        else world.end(call!.term, !random.chance(bad[call!.i]!), call!.record);
      }
      const out = world.records.filter(({ state }) => state !== 'in');
      assert.equal(world.detector.ejected, out.length, `seed ${seed}, step ${step}`);
      assert.ok(out.length <= Math.max(1, maxEjected * 10), `seed ${seed}, step ${step}: ${out.length} out`);
      for (const { until } of out) assert.ok(until - world.now <= SPEC.maxEjection, `seed ${seed}: out until ${until}`);
    }
    assert.ok(world.log.length > 10, `seed ${seed}: only ${world.log.length} events`);
  }
});
