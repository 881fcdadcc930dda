import assert from 'node:assert/strict';
import { test } from 'node:test';
import { DownstreamKeepalive, Keepalive, KeepalivePolicy, Look, Opening } from '../../src/h2/keepalive.ts';
import type { Call, PingEnforcer } from '../support/ping-enforcer.ts';
import { Agenda, GrpcCore, GrpcGo, GrpcJava, Scene } from '../support/ping-enforcer.ts';
import { Random } from '../support/random.ts';

const SECOND = 1000;
const MINUTE = 60_000;
const HOUR = 3_600_000;
/** Some moment in the life of a process. */
const START = 86_400_000;
const SPEC = { interval: 30 * SECOND, timeout: 20 * SECOND };
/** A tick of the timer wheel, and the line. */
const SLACK = 200;

const ledger = (policy = new KeepalivePolicy(SPEC), random = 0): Keepalive =>
  new Keepalive(policy, START, () => random);

/** Silence until the ledger wants its PING, and the ACK a moment later. */
function pingAndAck(keepalive: Keepalive, at: number): void {
  assert.equal(keepalive.check(at, 1), Look.PING);
  keepalive.heard(at + 1);
  assert.equal(keepalive.acked(at + 1), true);
}
/** Milliseconds after `from` at which a look with `streams` open first finds something other than nothing. */
function next(keepalive: Keepalive | DownstreamKeepalive, from: number, streams: number): [ms: number, look: Look] {
  for (let at = from; ; at += Math.max(1, keepalive.nextCheck(at, streams))) {
    const look = keepalive.check(at, streams);
    if (look !== Look.REST && look !== Look.WITHHELD) return [at - from, look];
  }
}

test('a session with streams that is silent for an interval is asked, and closed when it does not answer in time', () => {
  const keepalive = ledger();
  assert.equal(keepalive.nextCheck(START, 1), 30_000);
  assert.equal(keepalive.check(START + 29_999, 1), Look.REST);
  assert.equal(keepalive.check(START + 30_000, 1), Look.PING);
  assert.equal(keepalive.nextCheck(START + 30_000, 1), 20_000);
  assert.equal(keepalive.check(START + 49_999, 1), Look.REST);
  assert.equal(keepalive.check(START + 50_000, 1), Look.DEAD);
});

test('silence is counted from the last byte read, whatever it is', () => {
  const keepalive = ledger();
  keepalive.heard(START + 20_000);
  assert.equal(keepalive.check(START + 30_000, 1), Look.REST);
  assert.equal(keepalive.nextCheck(START + 30_000, 1), 20_000);
  assert.equal(keepalive.check(START + 50_000, 1), Look.PING);
});

test('a session without streams is never asked', () => {
  const keepalive = ledger();
  assert.equal(keepalive.nextCheck(START, 0), Infinity);
  for (let at = START; at < START + 48 * HOUR; at += MINUTE) assert.equal(keepalive.check(at, 0), Look.REST);
});

test('a PING whose streams have ended is still to be answered', () => {
  const keepalive = ledger();
  keepalive.check(START + 30_000, 1);
  assert.equal(keepalive.nextCheck(START + 30_000, 0), 20_000);
  assert.equal(keepalive.check(START + 50_000, 0), Look.DEAD);
});

test('what is read after a PING is life: the verdict waits for a silence of interval and timeout from then', () => {
  const keepalive = ledger();
  keepalive.check(START + 30_000, 1);
  keepalive.heard(START + 49_000);
  assert.deepEqual(next(keepalive, START + 49_000, 1), [50_000, Look.DEAD]);
});

test('a second PING is never sent before the ACK of the first', () => {
  const keepalive = ledger();
  keepalive.check(START + 30_000, 1);
  for (let at = START + 31_000; at < START + HOUR; at += SECOND) {
    keepalive.heard(at);
    keepalive.answered();
    assert.equal(keepalive.check(at, 1), Look.REST);
    assert.equal(keepalive.probe(at, 1), false);
  }
});

test('an ACK that nobody waits for is nobody’s, and makes no PING cost', () => {
  const keepalive = ledger();
  assert.equal(keepalive.acked(START + 1), false);
  assert.equal(keepalive.check(START + 30_000, 1), Look.PING);
  assert.equal(keepalive.acked(START + 30_001), true);
  assert.equal(keepalive.acked(START + 30_002), false);
});

test('a PING is free once HEADERS or DATA were read after the last ACK', () => {
  const keepalive = ledger();
  for (let n = 1; n <= 100; n++) {
    pingAndAck(keepalive, START + n * MINUTE);
    keepalive.heard(START + n * MINUTE + 2);
    keepalive.answered();
  }
});

test('HEADERS or DATA read between a PING and its ACK make the next one not free', () => {
  const keepalive = ledger();
  keepalive.check(START + 30_000, 1);
  keepalive.answered();
  keepalive.heard(START + 30_001);
  keepalive.acked(START + 30_001);
  assert.deepEqual(next(keepalive, START + 30_001, 1), [303_000, Look.PING]);
});

test('a PING that is not free comes 5 minutes after the ACK of the last one, and a hundredth, and up to a tenth at random', () => {
  for (const [random, ms] of [[0, 303_000], [0.5, 316_500], [0.999999, 330_000]] as const) {
    const keepalive = ledger(undefined, random);
    pingAndAck(keepalive, START + 30_000);
    const [after] = next(keepalive, START + 30_001, 1);
    assert.ok(Math.abs(after - ms) <= 1, `${after} ms`);
  }
}); // prettier-ignore

test('a session whose PING is withheld is looked at once an interval, so that an answer frees the next one in time', () => {
  const keepalive = ledger();
  pingAndAck(keepalive, START + 30_000);
  assert.equal(keepalive.nextCheck(START + 61_000, 1), 30_000);
  keepalive.heard(START + 80_000);
  keepalive.answered();
  assert.equal(keepalive.check(START + 91_000, 1), Look.REST);
  assert.equal(keepalive.nextCheck(START + 91_000, 1), 19_000);
  assert.equal(keepalive.check(START + 110_000, 1), Look.PING);
});

test('that a PING is withheld is said once a silence', () => {
  const keepalive = ledger();
  pingAndAck(keepalive, START + 30_000);
  const looks = [60_000, 60_002, 90_000, 200_000].map((ms) => keepalive.check(START + ms, 1));
  assert.deepEqual(looks, [Look.REST, Look.WITHHELD, Look.REST, Look.REST]);
  keepalive.heard(START + 210_000);
  assert.equal(keepalive.check(START + 239_999, 1), Look.REST);
  assert.equal(keepalive.check(START + 240_000, 1), Look.WITHHELD);
});

test('a new stream opens at once on a session that was heard less than 2 minutes ago', () => {
  const keepalive = ledger();
  assert.equal(keepalive.mayOpen(START + 119_999), true);
  assert.equal(keepalive.beforeStream(START + 119_999, 0), Opening.NOW);
});

test('on a session idle for long a new stream waits for the ACK of a PING', () => {
  const keepalive = ledger();
  const at = START + 10 * MINUTE;
  assert.equal(keepalive.mayOpen(at), false);
  assert.equal(keepalive.beforeStream(at, 0), Opening.PING);
  assert.equal(keepalive.beforeStream(at + 1, 0), Opening.WAIT);
  keepalive.heard(at + 5);
  keepalive.acked(at + 5);
  assert.equal(keepalive.beforeStream(at + 5, 0), Opening.NOW);
});

test('a session forgotten on the way is dead a timeout after a stream asked for it', () => {
  const keepalive = ledger();
  const at = START + 10 * MINUTE;
  keepalive.beforeStream(at, 0);
  assert.equal(keepalive.nextCheck(at, 0), 20_000);
  assert.equal(keepalive.check(at + 20_000, 0), Look.DEAD);
});

test('a session that owes an answer takes no new stream, one that was only measured does', () => {
  const asked = ledger();
  asked.check(START + 30_000, 1);
  assert.equal(asked.beforeStream(START + 30_001, 1), Opening.WAIT);
  const measured = ledger();
  assert.equal(measured.probe(START + 5000, 1), true);
  assert.equal(measured.beforeStream(START + 5001, 1), Opening.NOW);
});

test('one early PING at most is not cleared: the next stream goes elsewhere until an answer was read', () => {
  const keepalive = ledger();
  let at = START;
  const ask = (): Opening => {
    at += 3 * MINUTE;
    const opening = keepalive.beforeStream(at, 0);
    keepalive.heard(at + 1);
    keepalive.acked(at + 1);
    return opening;
  };
  assert.equal(ask(), Opening.PING, 'the first one of a session is free');
  assert.equal(ask(), Opening.PING, 'early');
  at += 3 * MINUTE;
  assert.equal(keepalive.beforeStream(at, 0), Opening.ELSEWHERE);
  keepalive.heard(at);
  keepalive.answered();
  assert.equal(ask(), Opening.PING, 'free, and clears');
  assert.equal(ask(), Opening.PING, 'early again');
  at += 3 * MINUTE;
  assert.equal(keepalive.beforeStream(at, 0), Opening.ELSEWHERE);
  at += 2 * HOUR;
  assert.equal(ask(), Opening.PING, 'after 2 hours it is not early');
  at += 3 * MINUTE;
  assert.equal(keepalive.beforeStream(at, 0), Opening.ELSEWHERE, 'but it cleared nothing');
});

test('a probe is sent only where it is no strike, and never without streams', () => {
  const keepalive = ledger();
  assert.equal(keepalive.probe(START, 0), false);
  assert.equal(keepalive.probe(START, 1), true);
  keepalive.heard(START + 1);
  keepalive.acked(START + 1);
  assert.equal(keepalive.probe(START + 2, 1), false);
  assert.equal(keepalive.probe(START + 303_000, 1), false);
  assert.equal(keepalive.probe(START + 303_001, 1), true);
});

test('an unanswered probe of a session that speaks is no verdict', () => {
  const keepalive = ledger();
  keepalive.probe(START + 1, 1);
  assert.deepEqual(next(keepalive, START + 1, 1), [49_999, Look.DEAD]);
});

test('a process that slept past the verdict reads before it closes, and is spared once only', () => {
  const keepalive = ledger();
  keepalive.check(START + 30_000, 1);
  const woke = START + 10 * MINUTE;
  assert.equal(keepalive.check(woke, 1), Look.REST);
  assert.equal(keepalive.nextCheck(woke, 1), 1000);
  assert.equal(keepalive.check(woke + 1000, 1), Look.DEAD);
  const answered = ledger();
  answered.check(START + 30_000, 1);
  answered.check(woke, 1);
  answered.heard(woke + 1);
  assert.equal(answered.acked(woke + 1), true);
  assert.equal(answered.check(woke + 1000, 1), Look.REST);
  const slow = ledger();
  slow.check(START + 30_000, 1);
  assert.deepEqual([slow.check(woke, 1), slow.check(woke + MINUTE, 1)], [Look.REST, Look.DEAD]);
});

test('too_many_pings doubles the interval and the distance of the endpoint, for all its sessions, up to 2 hours', () => {
  const policy = new KeepalivePolicy(SPEC);
  const [one, two] = [ledger(policy), ledger(policy)];
  for (const each of [one, two]) pingAndAck(each, START + 30_000);
  assert.equal(one.tooManyPings(), true);
  assert.deepEqual([policy.interval, policy.minPingDistance, policy.timeout], [60_000, 600_000, 20_000]);
  assert.deepEqual(next(two, START + 30_001, 1), [606_000, Look.PING]);
  for (let n = 0; n < 100; n++) policy.slowDown();
  assert.deepEqual([policy.interval, policy.minPingDistance], [2 * HOUR, 2 * HOUR]);
});

test('sessions that are sent away for the same distance double it once, and one that never asked does not', () => {
  const policy = new KeepalivePolicy(SPEC);
  const sessions = Array.from({ length: 8 }, () => ledger(policy));
  for (const each of sessions) pingAndAck(each, START + 30_000);
  assert.equal(sessions.filter((each) => each.tooManyPings()).length, 1);
  assert.equal(ledger(policy).tooManyPings(), false);
  assert.equal(policy.interval, 60_000);
});

test('a client is asked after 60 s of silence while it has streams, after 2 h otherwise, and has 20 s to answer', () => {
  for (const [streams, silence] of [[1, MINUTE], [0, 2 * HOUR]] as const) {
    const keepalive = new DownstreamKeepalive(START);
    assert.equal(keepalive.nextCheck(START, streams), silence);
    assert.equal(keepalive.check(START + silence - 1, streams), Look.REST);
    assert.equal(keepalive.check(START + silence, streams), Look.PING);
    assert.equal(keepalive.check(START + silence + 19_999, streams), Look.REST);
    assert.equal(keepalive.check(START + silence + 20_000, streams), Look.DEAD);
  }
}); // prettier-ignore

test('a client that answers is asked again after the next silence, for days, and an answer without words is enough', () => {
  const keepalive = new DownstreamKeepalive(START);
  let at = START;
  for (let n = 0; n < 5000; n++) {
    const [ms, look] = next(keepalive, at, 1);
    assert.deepEqual([ms, look], [MINUTE, Look.PING]);
    at += ms;
    keepalive.heard(at);
    assert.equal(keepalive.acked(at), true);
  }
});

// --- against engines that count -----------------------------------------------------------------------------------------

const ENGINES: readonly (readonly [string, (now: number) => PingEnforcer])[] = [
  ['grpc-go', () => new GrpcGo()],
  ['grpc-go with MinTime 10 s', () => new GrpcGo(10_000)],
  ['C-core', () => new GrpcCore()],
  ['C-core with 10 s', () => new GrpcCore(10_000)],
  ['grpc-java', (now) => new GrpcJava(300_000, now)],
];

function stage(
  random: Random,
  enforcer: PingEnforcer,
  policy = new KeepalivePolicy(SPEC),
  agenda = new Agenda(START),
): Scene {
  const keepalive = new Keepalive(policy, agenda.now, () => random.next());
  return new Scene(agenda, random, keepalive, policy, enforcer);
}

/** What calls do to a session, for `ms` from now on. */
type Traffic = (scene: Scene, random: Random, ms: number) => void;

/** Something again and again, with pauses of up to twice `mean`. */
function often(scene: Scene, random: Random, mean: number, ms: number, act: () => void): void {
  const until = scene.agenda.now + ms;
  const again = (): void => {
    if (scene.agenda.now >= until || scene.over) return;
    act();
    scene.agenda.after(2 * mean * random.next(), again);
  };
  again();
}
const unary =
  (pause: number): Traffic =>
  (scene, random, ms) =>
    often(scene, random, pause, ms, () =>
      scene.open((call) => {
        scene.agenda.after(random.between(160, 600), () => scene.write(call));
        scene.agenda.after(random.between(600, 900), () => scene.write(call, true));
      }),
    );
/** The engine says nothing until the end; `how` it ends. */
const up =
  (how: (scene: Scene, call: Call) => void): Traffic =>
  (scene, _random, ms) =>
    scene.open((call) => scene.agenda.after(ms, () => how(scene, call)));
const down =
  (pause: number): Traffic =>
  (scene, random, ms) =>
    scene.open((call) => {
      scene.agenda.after(160, () => often(scene, random, pause, ms - 1000, () => scene.write(call)));
      scene.agenda.after(ms, () => scene.write(call, true));
    });

const TRAFFIC: readonly (readonly [string, Traffic])[] = [
  ['idle', () => undefined],
  ['unary, chatty', unary(500)],
  ['unary, one in three minutes', unary(180_000)],
  ['streaming up only, answered', up((scene, call) => scene.write(call, true))],
  ['streaming up only, cancelled', up((scene, call) => scene.cancel(call))],
  ['streaming up only, reset', up((scene, call) => scene.reset(call))],
  ['streaming down, lively', down(700)],
  ['streaming down, slow', down(4 * MINUTE)],
  ['up only, with the engine’s window updates', (scene, random, ms) => {
    up((_, call) => scene.write(call, true))(scene, random, ms);
    often(scene, random, 45_000, ms, () => scene.writeOther());
  }],
  ['calls that are cancelled before any answer', (scene, random, ms) =>
    often(scene, random, 100_000, ms, () =>
      scene.open((call) => scene.agenda.after(random.below(90_000), () => scene.cancel(call))))],
  ['callers that are gone before the PING is answered', (scene, random, ms) =>
    often(scene, random, 200_000, ms, () => scene.ask())],
  ['probes as often as it can', (scene, random, ms) => {
    up((_, call) => scene.write(call, true))(scene, random, ms);
    often(scene, random, 2000, ms, () => scene.probe());
  }],
]; // prettier-ignore

for (const [name, traffic] of TRAFFIC) {
  test(`no engine ever says too_many_pings: ${name}, for hours and days`, () => {
    for (const [engine, enforcer] of ENGINES) {
      const random = new Random(7);
      const scene = stage(random, enforcer(START));
      const length = name === 'unary, chatty' || name === 'streaming down, lively' ? HOUR : 72 * HOUR;
      traffic(scene, random, length);
      scene.agenda.run(START + length + HOUR);
      assert.equal(scene.tooManyPings, false, engine);
      assert.equal(scene.diedAt, Infinity, `${engine} was taken for dead`);
      assert.ok(scene.most <= (engine === 'grpc-java' ? 2 : 1), `${engine} counted ${scene.most} strikes`);
      if (name.startsWith('streaming up')) {
        assert.ok(scene.pings >= length / (5.6 * MINUTE), `only ${scene.pings} PINGs`);
        assert.ok(scene.withheld > 0, 'no PING was withheld');
      }
    }
  });
}

test('no engine ever says too_many_pings: any traffic after any other, in thousands of sessions', () => {
  let pings = 0;
  for (let seed = 1; seed <= 2000; seed++) {
    const random = new Random(seed);
    const [engine, enforcer] = random.pick(ENGINES);
    const policy = new KeepalivePolicy({
      interval: random.pick([1000, 10_000, 30_000, 120_000, 400_000]),
      timeout: 20_000,
    });
    const scene = stage(random, enforcer(START), policy);
    for (let phase = random.between(3, 20); phase > 0; phase--) {
      const ms = random.next() ** 3 * 3 * HOUR + 2000;
      const [name, traffic] = random.pick(TRAFFIC);
      const chatty = name === 'unary, chatty' || name === 'streaming down, lively' || name.startsWith('probes');
      traffic(scene, random, chatty ? Math.min(ms, 20_000) : ms);
      scene.agenda.run(scene.agenda.now + ms * random.next() * 1.5);
      if (random.chance(0.1)) for (const call of scene.calls) scene.cancel(call);
    }
    assert.equal(scene.tooManyPings, false, `seed ${seed}, ${engine}`);
    assert.equal(scene.diedAt, Infinity, `seed ${seed}, ${engine}: taken for dead`);
    pings += scene.pings;
  }
  assert.ok(pings > 20_000, `${pings} PINGs`);
});

test('an engine that falls silent is noticed within interval and timeout, or as soon as the ledger allows', () => {
  let free = 0;
  let withheld = 0;
  for (let seed = 1; seed <= 1000; seed++) {
    const random = new Random(seed);
    const scene = stage(random, new GrpcGo());
    random.pick(TRAFFIC.filter(([name]) => name !== 'idle'))[1](scene, random, 20 * MINUTE);
    scene.agenda.run(START + random.between(10, 900) * SECOND);
    // One call that outlasts it all, or a silent session would be left in peace.
    const begun: Call[] = [];
    scene.open((call) => begun.push(call));
    scene.agenda.run(scene.agenda.now + SECOND);
    if (begun.length === 0) continue;
    scene.cutLine();
    const allowedAt = scene.answered ? 0 : scene.ackedAt + 1.1 * 5 * MINUTE;
    const due = Math.max(scene.heardAt + SPEC.interval, allowedAt) + SPEC.timeout;
    scene.agenda.run(START + 2 * HOUR);
    assert.ok(scene.diedAt <= due + SLACK, `seed ${seed}: noticed ${scene.diedAt - due} ms late`);
    assert.ok(scene.diedAt >= scene.heardAt + SPEC.interval + SPEC.timeout, `seed ${seed}: noticed too early`);
    if (scene.answered) free++;
    else withheld++;
  }
  assert.ok(free > 150 && withheld > 150, `${free} cuts with a free PING at hand, ${withheld} without`);
});

test('an engine that was forgotten while idle is noticed a timeout after the next call, which has not begun', () => {
  const random = new Random(1);
  const scene = stage(random, new GrpcGo());
  unary(500)(scene, random, MINUTE);
  scene.agenda.run(START + 2 * MINUTE);
  scene.cutLine();
  scene.agenda.run(START + HOUR);
  scene.open(() => assert.fail('opened on a dead session'));
  scene.agenda.run(START + 2 * HOUR);
  assert.ok(scene.diedAt <= START + HOUR + SPEC.timeout + SLACK, `${scene.diedAt - START - HOUR} ms`);
});

/** One session after another to an endpoint, each streaming up only, until `until`. Returns how often it was sent away. */
function sentAway(policy: KeepalivePolicy, engine: () => PingEnforcer, until: number): number {
  const random = new Random(3);
  const agenda = new Agenda(START);
  let times = 0;
  while (agenda.now < until) {
    const scene = stage(random, engine(), policy, agenda);
    scene.open(() => undefined);
    while (agenda.now < until && !scene.over) agenda.run(agenda.now + SECOND);
    if (!scene.tooManyPings) break;
    times++;
    assert.equal(scene.ledger.tooManyPings(), true);
  }
  return times;
}

test('a distance that is too short is complained of by every engine, and doubling it ends the complaints', () => {
  for (const [minTime, complaints] of [[300_000, 9], [10_000, 4]] as const) {
    for (const Enforcer of [GrpcGo, GrpcCore]) {
      const policy = new KeepalivePolicy({ interval: SECOND, timeout: 20_000 }, SECOND);
      assert.equal(sentAway(policy, () => new Enforcer(minTime), START + 72 * HOUR), complaints);
      assert.deepEqual([policy.interval, policy.minPingDistance], [SECOND * 2 ** complaints, SECOND * 2 ** complaints]);
    }
  }
}); // prettier-ignore

test('an engine that wants more than 5 minutes is left in peace after it has complained', () => {
  const policy = new KeepalivePolicy(SPEC);
  assert.equal(sentAway(policy, () => new GrpcGo(15 * MINUTE), START + 72 * HOUR), 2); // prettier-ignore
});
