import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Endpoint as Count } from '../../src/counters.ts';
import { goawayFrame } from '../support/frames.ts';
import { Random } from '../support/random.ts';
import type { RawSession } from '../support/raw-session.ts';
import { sleep, until } from '../io/wire.ts';
import { answer, bench, eachFrame, engine } from './stage.ts';
import type { Call, Engine } from './stage.ts';

const waiting = (calls: readonly Call[]): number => calls.filter((call) => call.waiting).length;
const requestsOf = ({ frames }: RawSession): number => frames.filter(({ typeName }) => typeName === 'HEADERS').length;
const GOODBYE = goawayFrame(2 ** 31 - 1, 0);

test('max_streams is exact over all sessions of an endpoint', async (t) => {
  const one = await engine(t);
  const { call } = bench(t, [one], { maxStreams: 3, maxStreamsPerConnection: 2 });
  const calls = Array.from({ length: 6 }, call);
  await until(() => one.requests === 3);
  await sleep(20);
  assert.deepEqual([one.requests, one.sessions.length, waiting(calls)], [3, 2, 3]);
  answer(one.sessions[1]!, 1);
  await until(() => one.requests === 4);
  assert.deepEqual([requestsOf(one.sessions[1]!), waiting(calls)], [2, 2]);
});

test('an endpoint has its own max_streams, and the upstream’s where it has none', async (t) => {
  const [own, common] = [await engine(t), await engine(t)];
  const endpoints = [
    { address: own.address, weight: 1, maxStreams: 1 },
    { address: common.address, weight: 1, maxStreams: null },
  ];
  const { call } = bench(t, [], { endpoints, maxStreams: 2 });
  const calls = Array.from({ length: 5 }, call);
  await until(() => own.requests === 1 && common.requests === 2);
  await sleep(20);
  assert.deepEqual([own.requests, common.requests, waiting(calls)], [1, 2, 2]);
});

test('one call more than all endpoints serve waits for whichever is free first', async (t) => {
  for (const first of [0, 1]) {
    const engines = [await engine(t), await engine(t)];
    const { placed, call } = bench(t, engines, { maxStreams: 1 });
    await placed(2);
    await until(() => engines.every(({ requests }) => requests === 1));
    const next = call();
    assert.equal(next.waiting, true);
    answer(engines[first]!.sessions[0]!, 1);
    await next.settled();
    assert.equal(next.endpoint, engines[first]!.address);
  }
});

test('a client that goes away frees its slot at once, and its reset leaves before the next request', async (t) => {
  const one = await engine(t);
  const { placed, call } = bench(t, [one], { maxStreams: 1 });
  const [holder] = (await placed(1)) as [Call];
  await until(() => one.requests === 1);
  const next = call();
  holder.cancel();
  await next.settled();
  await until(() => one.requests === 2);
  const order = one.sessions[0]!.frames.map(({ typeName }) => typeName).filter((name) => /HEADERS|RST/.test(name));
  assert.deepEqual(order, ['HEADERS', 'RST_STREAM', 'HEADERS']);
});

test('streams of a session that is going count as long as they run, and new calls wait for their slots', async (t) => {
  const one = await engine(t);
  const { placed, call } = bench(t, [one], { maxStreams: 2 });
  await placed(2);
  await until(() => one.requests === 2);
  const [old] = one.sessions as [RawSession];
  old.send(GOODBYE);
  await sleep(20);
  const calls = [call(), call()] as [Call, Call];
  await sleep(20);
  assert.deepEqual([waiting(calls), calls[0].failure], [2, null]);
  answer(old, 1);
  await calls[0].settled();
  await until(() => one.requests === 3);
  assert.deepEqual([one.sessions.length, calls[1].waiting], [2, true]);
  answer(old, 3);
  await calls[1].settled();
  assert.equal(calls[1].endpoint, one.address);
});

test('an endpoint whose last session went while it was full is used again afterwards', async (t) => {
  const one = await engine(t);
  const { placed, call } = bench(t, [one], { maxStreams: 1 });
  const [holder] = (await placed(1)) as [Call];
  await until(() => one.requests === 1);
  one.sessions[0]!.send(GOODBYE);
  await sleep(20);
  answer(one.sessions[0]!, 1);
  await holder.answered();
  await one.sessions[0]!.gone();
  const next = call();
  await next.settled();
  assert.equal(next.endpoint, one.address);
});

test('a reset that has to wait holds its slot until it is written, or its session is lost', async (t) => {
  const one = await engine(t);
  const { placed, call, upstream } = bench(t, [one], { maxStreams: 104, maxStreamsPerConnection: 200 });
  const calls = await placed(104);
  await until(() => one.requests === 104);
  for (const each of calls) each.cancel();
  const [{ pool }] = upstream.endpoints as [(typeof upstream.endpoints)[0]];
  assert.ok(pool.active > 0 && pool.active <= 4, `${pool.active} slots are held`);
  one.sessions[0]!.close();
  await until(() => pool.active === 0, 'the slots of a lost session');
  assert.equal(upstream.scopes[1]!.get(Count.STREAMS_OPEN), 0);
  const again = call();
  await again.settled();
  assert.equal(again.endpoint, one.address);
});

/** Counts the streams that are open as the engine sees them; those that its client has left meanwhile are told apart. */
class Meter {
  most = 0;
  served = 0;
  readonly open = new Map<string, { readonly session: RawSession; readonly streamId: number }>();
  private readonly left: ReadonlySet<string>;

  constructor(one: Engine, left: ReadonlySet<string>) {
    this.left = left;
    const begin = one.script;
    one.script = (session) => {
      begin(session);
      eachFrame(session, ({ typeName, streamId, headers }) => {
        if (typeName === 'HEADERS') this.add(headers!.find(([name]) => name === 'x-call')![1], session, streamId);
        if (typeName === 'RST_STREAM') this.drop((at) => at.session === session && at.streamId === streamId);
      });
      void session.closed.then(() => this.drop((at) => at.session === session));
    };
  }
  private add(name: string, session: RawSession, streamId: number): void {
    this.served++;
    this.open.set(name, { session, streamId });
    const staying = [...this.open.keys()].filter((each) => !this.left.has(each));
    this.most = Math.max(this.most, staying.length);
  }
  private drop(which: (at: { session: RawSession; streamId: number }) => boolean): void {
    for (const [name, at] of this.open) if (which(at)) this.open.delete(name);
  }
  answer(random: Random): void {
    if (this.open.size === 0) return;
    const name = random.pick([...this.open.keys()]);
    const { session, streamId } = this.open.get(name)!;
    this.open.delete(name);
    answer(session, streamId);
  }
}

test('no engine ever sees a call too many, whatever clients, engines and sessions do', async (t) => {
  for (let seed = 1; seed <= 6; seed++) {
    const random = new Random(seed);
    const engines = [await engine(t), await engine(t)];
    const left = new Set<string>();
    const meters = engines.map((one) => new Meter(one, left));
    const { callWith, upstream } = bench(t, engines, {
      maxStreams: 5,
      maxStreamsPerConnection: 3,
      acquireTimeout: 5000,
    });
    const calls: { readonly call: Call; readonly name: string }[] = [];
    const over = ({ call }: { call: Call }): boolean => call.failure !== null || call.status > 0;
    for (let step = 0; step < 400; step++) {
      const dice = random.next();
      if (dice < 0.45) {
        const name = `${seed}.${step}`;
        calls.push({ name, call: callWith([['x-call', name]]) });
      } else if (dice < 0.85) random.pick(meters).answer(random);
      else if (dice < 0.95) {
        const open = calls.filter((each) => !over(each) && !left.has(each.name));
        if (open.length > 0) {
          const { name, call } = random.pick(open);
          left.add(name);
          call.cancel();
        }
      } else {
        const { open } = random.pick(engines);
        if (open.length > 0) random.pick(open).send(GOODBYE);
      }
      if (random.chance(0.3)) await sleep(1);
    }
    const rest = (): boolean => calls.every((each) => over(each) || left.has(each.name));
    while (!rest()) {
      for (const meter of meters) meter.answer(random);
      await sleep(1);
    }
    const bound = meters.map(({ most }) => most);
    assert.ok(Math.max(...bound) <= 5, `seed ${seed}: ${bound.join()} calls at once`);
    assert.ok(Math.min(...bound) === 5, `seed ${seed}: the cap was not reached: ${bound.join()}`);
    const failed = calls.filter(({ call }) => call.failure !== null);
    assert.deepEqual(failed.map(({ call }) => call.failure!.cause), [], `seed ${seed}`); // prettier-ignore
    await until(() => upstream.endpoints.every(({ active }) => active === 0), 'all slots to be free');
  }
});
