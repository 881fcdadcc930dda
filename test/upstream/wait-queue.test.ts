import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Carrier } from '../../src/relay/half.ts';
import { WaitQueue } from '../../src/upstream/wait-queue.ts';
import { Random } from '../support/random.ts';

const START = 86_400_000;
const WAIT = 5000;
const WISH = 1000;

class Caller {
  place: unknown = null;
  readonly name: number;
  constructor(name: number) {
    this.name = name;
  }
}
const callers = (count: number): Caller[] => Array.from({ length: count }, (_, i) => new Caller(i));
type Queue = WaitQueue<Caller, string>;
const queueOf = (waiting: readonly Caller[], max = 1000): Queue => {
  const queue: Queue = new WaitQueue(max);
  for (const caller of waiting) queue.add(caller, START + WAIT);
  return queue;
};
const names = (queue: Queue): number[] => Array.from(queue, ({ caller }) => caller.name);
/** The queue only passes it on. */
const REFUSED = { endpoint: '127.0.0.1:9001' } as Carrier;

test('callers wait in the order in which they came', () => {
  const queue = queueOf(callers(5));
  assert.deepEqual(names(queue), [0, 1, 2, 3, 4]);
  assert.equal(queue.size, 5);
});

test('a caller leaves from anywhere, once, and may come again behind the others', () => {
  const waiting = callers(5);
  const queue = queueOf(waiting);
  for (const at of [2, 0, 4]) assert.equal(queue.remove(waiting[at]!), true);
  assert.deepEqual(names(queue), [1, 3]);
  assert.equal(queue.remove(waiting[2]!), false);
  queue.add(waiting[2]!, START + WAIT);
  assert.deepEqual(names(queue), [1, 3, 2]);
});

test('one that does not wait does not leave', () => {
  assert.equal(queueOf([]).remove(new Caller(0)), false);
});

test('a full queue takes nobody until one has left', () => {
  const waiting = callers(3);
  const queue = queueOf(waiting, 3);
  const late = new Caller(3);
  assert.equal(queue.add(late, START + WAIT), false);
  assert.equal(late.place, null);
  assert.equal(queue.remove(late), false);
  queue.remove(waiting[1]!);
  assert.equal(queue.add(late, START + WAIT), true);
  assert.deepEqual(names(queue), [0, 2, 3]);
});

test('a queue for nobody takes nobody', () => {
  assert.equal(new WaitQueue<Caller, string>(0).add(new Caller(0), START), false);
});

test('those whose time is up are taken out one by one, the first first', () => {
  const queue: Queue = new WaitQueue(10);
  for (const caller of callers(4)) queue.add(caller, START + WAIT + caller.name * 10);
  assert.equal(queue.nextAt, START + WAIT);
  assert.equal(queue.expire(START + WAIT - 1), null);
  assert.equal(queue.expire(START + WAIT + 10)?.name, 0);
  assert.equal(queue.expire(START + WAIT + 10)?.name, 1);
  assert.equal(queue.expire(START + WAIT + 10), null);
  assert.deepEqual(names(queue), [2, 3]);
  assert.equal(queue.nextAt, START + WAIT + 20);
});

test('an empty queue has nothing to do, ever', () => {
  const waiting = callers(2);
  const queue = queueOf(waiting);
  for (const caller of waiting) queue.remove(caller);
  assert.equal(queue.nextAt, Infinity);
  assert.equal(queue.expire(Infinity), null);
  assert.equal(queue.lapse(Infinity), false);
});

test('one that waits less long than those before it expires with them, not before', () => {
  const [patient, hasty] = callers(2) as [Caller, Caller];
  const queue: Queue = new WaitQueue(10);
  queue.add(patient, START + 100);
  queue.add(hasty, START + 50);
  assert.equal(queue.expire(START + 99), null);
  assert.deepEqual([queue.expire(START + 100), queue.expire(START + 100)], [patient, hasty]);
});

test('a caller keeps what it wants and whom it avoids', () => {
  const queue: Queue = new WaitQueue(10);
  queue.add(new Caller(0), START + WAIT, REFUSED, 'e', START + WISH);
  const [waiter] = [...queue];
  assert.deepEqual(
    [waiter?.until, waiter?.avoid, waiter?.wanted, waiter?.wantedUntil],
    [START + WAIT, REFUSED, 'e', START + WISH],
  );
});

test('only those that take any carrier are undemanding', () => {
  const [any, bound, refused, both] = callers(4) as [Caller, Caller, Caller, Caller];
  const queue: Queue = new WaitQueue(10);
  queue.add(bound, START + WAIT, null, 'e', START + WISH);
  queue.add(refused, START + WAIT, REFUSED);
  queue.add(both, START + WAIT, REFUSED, 'e', START + WISH);
  assert.equal(queue.undemanding, 0);
  queue.add(any, START + WAIT);
  assert.equal(queue.undemanding, 1);
  queue.lapse(START + WISH);
  assert.equal(queue.undemanding, 2, 'bound takes any now');
  for (const caller of [any, bound, refused, both]) queue.remove(caller);
  assert.equal(queue.undemanding, 0);
});

test('a wish lapses at its time, and the caller keeps its place', () => {
  const queue: Queue = new WaitQueue(10);
  const [first, second, third] = callers(3) as [Caller, Caller, Caller];
  queue.add(first, START + WAIT, null, 'e', START + WISH);
  queue.add(second, START + WAIT + 10);
  queue.add(third, START + WAIT + 20, null, 'f', START + WISH + 20);
  assert.equal(queue.nextAt, START + WISH);
  assert.equal(queue.lapse(START + WISH - 1), false);
  assert.equal(queue.lapse(START + WISH), true);
  assert.equal(queue.lapse(START + WISH), false);
  assert.deepEqual(
    Array.from(queue, ({ wanted }) => wanted),
    [null, null, 'f'],
  );
  assert.equal(queue.nextAt, START + WISH + 20);
  assert.deepEqual(names(queue), [0, 1, 2]);
});

test('a caller that wants what is gone takes anything from then on', () => {
  const queue: Queue = new WaitQueue(10);
  for (const caller of callers(3)) queue.add(caller, START + WAIT, null, caller.name === 1 ? 'f' : 'e', START + WISH);
  for (const waiter of queue) if (waiter.wanted === 'e') queue.settle(waiter);
  assert.deepEqual(
    Array.from(queue, ({ wanted }) => wanted),
    [null, 'f', null],
  );
  assert.equal(queue.undemanding, 2);
  assert.equal(queue.nextAt, START + WISH);
  for (const waiter of queue) queue.settle(waiter);
  assert.equal(queue.undemanding, 3, 'settled once');
  assert.equal(queue.nextAt, START + WAIT);
});

test('all can be taken out at once, in order', () => {
  const waiting = callers(4);
  const queue = queueOf(waiting);
  assert.deepEqual(queue.drain(), waiting);
  assert.deepEqual([queue.size, queue.undemanding, queue.nextAt], [0, 0, Infinity]);
  for (const caller of waiting) assert.equal(caller.place, null);
});

test('whoever leaves during an iteration is not come to, and the others are', () => {
  for (let acting = 0; acting < 5; acting++) {
    for (let leaving = 0; leaving < 32; leaving++) {
      const waiting = callers(5);
      const queue = queueOf(waiting);
      const seen: number[] = [];
      for (const { caller } of queue) {
        seen.push(caller.name);
        if (caller.name === acting) for (const other of waiting) if (leaving & (1 << other.name)) queue.remove(other);
      }
      const expected = [0, 1, 2, 3, 4].filter((name) => name <= acting || !(leaving & (1 << name)));
      assert.deepEqual(seen, expected, `${acting} removes ${leaving.toString(2)}`);
    }
  }
});

test('whoever comes during an iteration is not among those that it comes to, even one that left and came again', () => {
  const waiting = callers(3);
  const queue = queueOf(waiting);
  let steps = 0;
  for (const { caller } of queue) {
    assert.ok(++steps <= 3, 'it would never end');
    queue.remove(caller);
    queue.add(caller, START + WAIT);
  }
  assert.deepEqual(names(queue), [0, 1, 2]);
});

test('an iteration within an iteration may take out all that the outer one would have come to', () => {
  const waiting = callers(5);
  const queue = queueOf(waiting);
  const seen: number[] = [];
  for (const outer of queue) {
    seen.push(outer.caller.name);
    if (outer.caller.name !== 1) continue;
    for (const { caller } of queue) if (caller.name !== 4) queue.remove(caller);
  }
  assert.deepEqual(seen, [0, 1, 4]);
});

test('an iteration that ends early leaves nothing behind', () => {
  const waiting = callers(5);
  const queue = queueOf(waiting);
  for (const { caller } of queue) if (caller.name === 1) break;
  assert.throws(() => {
    for (const { caller } of queue) if (caller.name === 1) throw new Error('a bug');
  }, /a bug/);
  assert.deepEqual((queue as unknown as { cursors: unknown[] }).cursors, []);
  queue.remove(waiting[2]!);
  assert.deepEqual(names(queue), [0, 1, 3, 4]);
});

test('it does what a plain list would do', () => {
  for (let seed = 1; seed <= 30; seed++) {
    const random = new Random(seed);
    const max = random.between(1, 60);
    const queue: Queue = new WaitQueue(max);
    let model: { caller: Caller; until: number; avoid: Carrier | null; wanted: string | null; wantedUntil: number }[] =
      [];
    const all = callers(80);
    let now = START;
    const leave = (caller: Caller): boolean => {
      const before = model.length;
      model = model.filter((waiter) => waiter.caller !== caller);
      return model.length < before;
    };
    for (let step = 0; step < 3000; step++) {
      const where = `seed ${seed}, step ${step}`;
      now += random.below(100);
      const caller = random.pick(all);
      const action = random.next();
      if (action < 0.5 && caller.place === null) {
        const avoid = random.chance(0.2) ? REFUSED : null;
        const wanted = random.chance(0.3) ? random.pick(['e', 'f']) : null;
        const taken = queue.add(caller, now + WAIT, avoid, wanted, now + WISH);
        assert.equal(taken, model.length < max, where);
        if (taken) model.push({ caller, until: now + WAIT, avoid, wanted, wantedUntil: now + WISH });
      } else if (action < 0.7) assert.equal(queue.remove(caller), leave(caller), where);
      else if (action < 0.85) {
        const lapsed = model.filter(({ wanted, wantedUntil }) => wanted !== null && wantedUntil <= now);
        assert.equal(queue.lapse(now), lapsed.length > 0, where);
        for (const waiter of lapsed) waiter.wanted = null;
      } else if (action < 0.92) {
        const late = model.filter(({ until }) => until <= now).map((waiter) => waiter.caller);
        for (const expected of late) assert.equal(queue.expire(now), expected, where);
        assert.equal(queue.expire(now), null, where);
        model = model.filter(({ until }) => until > now);
      } else {
        // An iteration that serves some, as an upstream does, while others leave.
        const seen: Caller[] = [];
        const expected: Caller[] = [];
        const gone = new Set<Caller>();
        for (const waiter of queue) {
          seen.push(waiter.caller);
          if (random.chance(0.1)) {
            queue.settle(waiter);
            for (const other of model) if (other.caller === waiter.caller) other.wanted = null;
          }
          const other = random.chance(0.5) ? waiter.caller : random.pick(all);
          if (random.chance(0.2) && queue.remove(other)) gone.add(other);
        }
        for (const waiter of model)
          if (!gone.has(waiter.caller) || seen.includes(waiter.caller)) expected.push(waiter.caller);
        assert.deepEqual(seen.map(({ name }) => name), expected.map(({ name }) => name), where); // prettier-ignore
        for (const other of gone) leave(other);
      }
      const nextAt = Math.min(
        ...model.map(({ until }) => until),
        ...model.filter(({ wanted }) => wanted !== null).map(({ wantedUntil }) => wantedUntil),
      );
      assert.equal(queue.nextAt, nextAt, where);
      assert.equal(
        queue.undemanding,
        model.filter(({ avoid, wanted }) => avoid === null && wanted === null).length,
        where,
      );
      assert.deepEqual(
        Array.from(queue, (waiter) => [waiter.caller.name, waiter.until, waiter.wanted, waiter.avoid]),
        model.map((waiter) => [waiter.caller.name, waiter.until, waiter.wanted, waiter.avoid]),
        where,
      );
      assert.equal(queue.size, model.length, where);
    }
  }
});
