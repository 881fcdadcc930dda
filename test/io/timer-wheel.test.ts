import assert from 'node:assert/strict';
import { test } from 'node:test';
import { startWheel, Timer, TimerWheel } from '../../src/io/timer-wheel.ts';
import { now } from '../../src/io/turn.ts';
import { Random } from '../support/random.ts';
import { sleep } from './wire.ts';

const TICK = 8;
const HOUR = 3_600_000;

/** A clock that moves only when told to, and a loop that calls the wheel only when the wheel asked for it. */
class World {
  time = 12_345.6;
  wakeAt = Infinity;
  wakes = 0;
  readonly bugs: unknown[] = [];
  readonly wheel = new TimerWheel(
    () => this.time,
    (ms) => {
      assert.ok(ms >= 1, `a wake-up in ${ms} ms`);
      this.wakeAt = this.time + ms;
    },
    (error) => this.bugs.push(error),
  );
  /** Lets time pass; each wake-up comes `late()` after it was asked for. */
  run(until: number, late = (): number => 0): void {
    while (this.wakeAt <= until) {
      const at = this.wakeAt + late();
      if (at > until) break;
      this.time = Math.max(this.time, at);
      this.wakeAt = Infinity;
      this.wakes++;
      this.wheel.advance();
    }
    this.time = until;
  }
}

/** Fires a timer armed for `ms` and says how long after that it did. */
function lateness(ms: number): number {
  const world = new World();
  const start = world.time;
  let fired = -1;
  world.wheel.arm(new Timer(() => (fired = world.time - start)), ms); // prettier-ignore
  world.run(start + ms + 100);
  assert.notEqual(fired, -1, `a timer of ${ms} ms never fired`);
  return fired - ms;
}

test('a timer is never early, and at most a tick late', () => {
  for (const ms of [0, 0.5, 1, 7, 8, 9, 100, 8191, 8192, 8193, 60_000, HOUR, 24 * HOUR]) {
    const late = lateness(ms);
    assert.ok(late >= 0, `${ms} ms fired ${-late} ms early`);
    assert.ok(late <= TICK + 1, `${ms} ms fired ${late} ms late`);
  }
});

test('a far timer costs one wake-up a round, not one a tick', () => {
  const world = new World();
  world.wheel.arm(new Timer(() => undefined), HOUR);
  world.run(world.time + HOUR + 100);
  assert.ok(world.wakes <= HOUR / (1024 * TICK) + 2, `${world.wakes} wake-ups`);
});

test('without timers there are no wake-ups', () => {
  const world = new World();
  const timer = new Timer(() => undefined);
  world.wheel.arm(timer, 50);
  world.wheel.disarm(timer);
  world.run(world.time + HOUR);
  assert.ok(world.wakes <= 1);
  assert.equal(world.wakeAt, Infinity);
});

test('a nearer timer brings the wake-up forward', () => {
  const world = new World();
  const fired: string[] = [];
  world.wheel.arm(new Timer(() => fired.push('far')), 1000);
  world.wheel.arm(new Timer(() => fired.push('near')), 20);
  assert.ok(world.wakeAt <= world.time + 20 + TICK + 1);
  world.run(world.time + 2000);
  assert.deepEqual(fired, ['near', 'far']);
});

test('arming again moves a timer either way, and it fires once', () => {
  for (const [first, second] of [[100, 5000], [5000, 100], [50, 50]] as const) {
    const world = new World();
    const start = world.time;
    const fired: number[] = [];
    const timer = new Timer(() => fired.push(world.time - start));
    world.wheel.arm(timer, first);
    world.wheel.arm(timer, second);
    world.run(start + 10_000);
    assert.equal(fired.length, 1);
    assert.ok(fired[0]! >= second && fired[0]! <= second + TICK + 1);
    assert.equal(timer.armed, false);
  }
}); // prettier-ignore

test('a disarmed timer does not fire, and disarming twice does no harm', () => {
  const world = new World();
  const timer = new Timer(() => assert.fail('fired'));
  world.wheel.arm(timer, 30);
  assert.equal(timer.armed, true);
  world.wheel.disarm(timer);
  world.wheel.disarm(timer);
  assert.equal(timer.armed, false);
  world.run(world.time + 1000);
});

test('a callback may disarm its neighbours of the same tick, before and behind it', () => {
  for (let acting = 0; acting < 5; acting++) {
    const world = new World();
    const fired: number[] = [];
    const timers: Timer[] = [0, 1, 2, 3, 4].map((i) => {
      return new Timer(() => {
        fired.push(i);
        if (i === acting) for (const other of timers) world.wheel.disarm(other);
      });
    });
    for (const timer of timers) world.wheel.arm(timer, 40);
    world.run(world.time + 1000);
    assert.deepEqual(
      fired,
      [0, 1, 2, 3, 4].filter((i) => i <= acting),
    );
  }
});

test('a timer may arm itself again when it fires, without delay too', () => {
  for (const ms of [0, 3, 100]) {
    const world = new World();
    const fired: number[] = [];
    const timer: Timer = new Timer(() => {
      fired.push(world.time);
      if (fired.length < 20) world.wheel.arm(timer, ms);
    });
    world.wheel.arm(timer, ms);
    world.run(world.time + 10_000);
    assert.equal(fired.length, 20);
    for (let i = 1; i < fired.length; i++) assert.ok(fired[i]! - fired[i - 1]! >= ms, `early at the ${i}th time`);
  }
});

test('after a long sleep all that is due fires at the first wake-up, and nothing else', () => {
  const world = new World();
  const fired: number[] = [];
  for (let i = 1; i <= 40; i++) world.wheel.arm(new Timer(() => fired.push(i)), i * 5000);
  world.time += 102_000;
  world.wheel.advance();
  assert.deepEqual(
    fired.sort((a, b) => a - b),
    Array.from({ length: 20 }, (_, i) => i + 1),
  );
  world.run(world.time + 200_000);
  assert.equal(fired.length, 40);
});

test('thousands of timers do what a plain list of them would do', () => {
  for (let seed = 1; seed <= 8; seed++) {
    const random = new Random(seed);
    const world = new World();
    const due = new Map<Timer, number>();
    let fired = 0;
    const timers = Array.from({ length: 1000 }, () => {
      const timer: Timer = new Timer(() => {
        const expected = due.get(timer);
        assert.ok(expected !== undefined, 'a timer that was not armed fired');
        assert.ok(world.time >= expected, `fired ${expected - world.time} ms early`);
        due.delete(timer);
        fired++;
        if (random.next() < 0.3) arm(timer);
        if (random.next() < 0.2) disarm(timers[random.between(0, 999)]!);
        if (random.next() < 0.2) arm(timers[random.between(0, 999)]!);
      });
      return timer;
    });
    const arm = (timer: Timer): void => {
      const ms = random.next() < 0.1 ? random.next() * HOUR : random.next() * (random.next() < 0.5 ? 50 : 20_000);
      world.wheel.arm(timer, ms);
      due.set(timer, world.time + ms);
    };
    const disarm = (timer: Timer): void => {
      world.wheel.disarm(timer);
      due.delete(timer);
    };
    const MAX_LATE = 40;
    for (let step = 0; step < 3000; step++) {
      const timer = timers[random.between(0, 999)]!;
      if (random.next() < 0.7) arm(timer);
      else disarm(timer);
      if (random.next() < 0.3) {
        world.run(world.time + random.next() * 300, () => random.next() * MAX_LATE);
        for (const at of due.values()) {
          assert.ok(at + TICK + 1 + MAX_LATE >= world.time, `${world.time - at} ms late (seed ${seed}, step ${step})`);
        }
      }
    }
    world.run(world.time + 2 * HOUR);
    for (const timer of timers) assert.equal(timer.armed, due.has(timer));
    assert.ok(fired > 500);
  }
});

test('callbacks that take their time make nobody early and leave nobody behind', () => {
  const world = new World();
  const random = new Random(3);
  let open = 0;
  for (let i = 0; i < 200; i++) {
    let due = 0;
    const arm = (): void => {
      const ms = random.next() * 400;
      due = world.time + ms;
      open++;
      world.wheel.arm(timer, ms);
    };
    const timer = new Timer(() => {
      assert.ok(world.time >= due, `${due - world.time} ms early`);
      open--;
      world.time += random.next() * 30;
      if (random.next() < 0.6) arm();
    });
    arm();
  }
  world.run(world.time + 60_000);
  assert.equal(open, 0);
});

test('the wheel on the real clock is not early either', async () => {
  const wheel = startWheel(now, assert.ifError);
  const start = performance.now();
  const fired: number[] = [];
  for (const ms of [5, 20, 33]) wheel.arm(new Timer(() => fired.push(performance.now() - start - ms)), ms);
  await sleep(120);
  assert.equal(fired.length, 3);
  for (const late of fired) assert.ok(late >= 0 && late < 60, `${late} ms late`);
});

test('a timer that throws is reported, and its neighbours fire all the same', () => {
  const world = new World();
  const error = new Error('of one owner');
  let fired = 0;
  const timers = [
    new Timer(() => fired++),
    new Timer(() => {
      throw error;
    }),
    new Timer(() => fired++),
  ];
  for (const timer of timers) world.wheel.arm(timer, 100);
  world.run(world.time + 200);
  assert.deepEqual([fired, world.bugs], [2, [error]]);
});
