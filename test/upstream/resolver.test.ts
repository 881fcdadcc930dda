import assert from 'node:assert/strict';
import { test } from 'node:test';
import { parseTarget, Resolver } from '../../src/upstream/resolver.ts';
import { Random } from '../support/random.ts';

const INTERVAL = 30_000;
const turnOver = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

/** A name server that says what it is told to, a clock that moves when it is told to, and what came of it. */
class World {
  answer: readonly string[] | Error = [];
  readonly asked: string[] = [];
  /** Sets of addresses, and of failures the message, in the order in which they were told. */
  readonly told: (readonly string[] | string | null)[] = [];
  readonly waits: number[] = [];
  due: (() => void) | null = null;
  readonly resolver: Resolver;

  constructor(address: string, random: () => number = () => 0.5) {
    const onChange = (addresses: readonly string[]): unknown => this.told.push(addresses);
    const onFailure = (error: Error | null): unknown => this.told.push(error && error.message);
    this.resolver = new Resolver(
      address,
      INTERVAL,
      { onChange, onFailure },
      {
        lookup: async (name) => {
          this.asked.push(name);
          await Promise.resolve();
          if (this.answer instanceof Error) throw this.answer;
          return this.answer;
        },
        schedule: (fire, ms) => {
          assert.equal(this.due, null, 'two attempts are planned at once');
          this.waits.push(ms);
          this.due = fire;
          return { cancel: () => (this.due = null) };
        },
        random,
      },
    );
  }
  async start(answer: readonly string[] | Error): Promise<void> {
    this.answer = answer;
    this.resolver.start();
    await turnOver();
  }
  /** Time comes for the next attempt. */
  async next(answer: readonly string[] | Error): Promise<void> {
    const { due } = this;
    assert.ok(due, 'no attempt is planned');
    this.due = null;
    this.answer = answer;
    due();
    await turnOver();
  }
}

test('an endpoint is an address, a name or a path', () => {
  assert.deepEqual(parseTarget('127.0.0.1:9001'), { kind: 'ip', host: '127.0.0.1', port: 9001 });
  assert.deepEqual(parseTarget('[::1]:9001'), { kind: 'ip', host: '::1', port: 9001 });
  assert.deepEqual(parseTarget('asr.speech.svc:80'), { kind: 'name', host: 'asr.speech.svc', port: 80 });
  assert.deepEqual(parseTarget('localhost:65535'), { kind: 'name', host: 'localhost', port: 65535 });
  assert.deepEqual(parseTarget('unix:/run/a:1.sock'), { kind: 'unix', path: '/run/a:1.sock' });
});

test('an address and a path are themselves, at once and for ever', () => {
  for (const address of ['127.0.0.1:9001', '[::1]:9001', 'unix:/run/asr.sock']) {
    const world = new World(address);
    world.resolver.start();
    assert.deepEqual([world.told, world.asked, world.due], [[[address]], [], null]);
    assert.deepEqual(world.resolver.addresses, [address]);
    world.resolver.stop();
  }
});

test('a name is all its addresses of both families, each with the port', async () => {
  const world = new World('asr:9001');
  await world.start(['10.0.0.2', 'fd00::1', '10.0.0.1']);
  assert.deepEqual(world.asked, ['asr']);
  assert.deepEqual(world.told, [['10.0.0.1:9001', '10.0.0.2:9001', '[fd00::1]:9001']]);
  for (const address of world.resolver.addresses) assert.equal(parseTarget(address).kind, 'ip');
});

test('a name is resolved anew an interval after each answer, and only a changed set is told', async () => {
  const world = new World('asr:1');
  await world.start(['10.0.0.1', '10.0.0.2']);
  await world.next(['10.0.0.2', '10.0.0.1']);
  await world.next(['10.0.0.1', '10.0.0.2', '10.0.0.1']);
  await world.next(['10.0.0.2']);
  await world.next(['10.0.0.2']);
  await world.next(['10.0.0.3', '10.0.0.2']);
  assert.deepEqual(world.told, [['10.0.0.1:1', '10.0.0.2:1'], ['10.0.0.2:1'], ['10.0.0.2:1', '10.0.0.3:1']]);
  assert.deepEqual(world.waits, Array(6).fill(INTERVAL));
});

test('a failure keeps the last good answer, and is told when it begins and when it is over', async () => {
  const world = new World('asr:1');
  await world.start(['10.0.0.1']);
  await world.next(new Error('ENOTFOUND'));
  assert.deepEqual([world.resolver.addresses, world.resolver.failure?.message], [['10.0.0.1:1'], 'ENOTFOUND']);
  await world.next(new Error('ETIMEOUT'));
  assert.equal(world.resolver.failure?.message, 'ETIMEOUT');
  await world.next(['10.0.0.1']);
  assert.equal(world.resolver.failure, null);
  await world.next(new Error('ESERVFAIL'));
  await world.next(['10.0.0.2']);
  assert.deepEqual(world.told, [['10.0.0.1:1'], 'ENOTFOUND', null, 'ESERVFAIL', null, ['10.0.0.2:1']]);
});

test('an empty answer is a failure: it takes no engine away', async () => {
  const world = new World('asr:1');
  await world.start(['10.0.0.1']);
  await world.next([]);
  assert.deepEqual(world.told, [['10.0.0.1:1'], 'asr has no address']);
  assert.deepEqual(world.resolver.addresses, ['10.0.0.1:1']);
});

test('a name that cannot be resolved is tried again soon, then less often, never much later than the interval', async () => {
  const world = new World('asr:1');
  await world.start(new Error('EAI_AGAIN'));
  for (let i = 0; i < 9; i++) await world.next(i === 4 ? [] : new Error('EAI_AGAIN'));
  assert.deepEqual(world.waits.map(Math.round), [
    1000,
    1600,
    2560,
    4096,
    6554,
    10_486,
    16_777,
    26_844,
    INTERVAL,
    INTERVAL,
  ]);
  await world.next(['10.0.0.1']);
  await world.next(new Error('EAI_AGAIN'));
  assert.deepEqual(world.waits.slice(-2), [INTERVAL, 1000]);
  assert.deepEqual(world.told, ['EAI_AGAIN', null, ['10.0.0.1:1'], 'EAI_AGAIN']);
});

test('after stop nothing is asked and nothing told, not even an answer that was under way', async () => {
  for (const answer of [['10.0.0.2'], [], new Error('late')]) {
    const world = new World('asr:1');
    await world.start(['10.0.0.1']);
    const { due } = world;
    world.due = null;
    world.answer = answer;
    due!();
    world.resolver.stop();
    await turnOver();
    assert.deepEqual([world.told.length, world.asked.length, world.due], [1, 2, null]);
  }
  const waiting = new World('asr:1');
  await waiting.start(['10.0.0.1']);
  waiting.resolver.stop();
  assert.equal(waiting.due, null, 'the next attempt is still planned');
});

test('whatever a name server says, the addresses are its last good answer', async () => {
  for (let seed = 1; seed <= 20; seed++) {
    const random = new Random(seed);
    const world = new World('asr:1', () => random.next());
    const say = (): string[] | Error => {
      if (random.chance(0.3)) return new Error(`broken ${random.below(3)}`);
      return Array.from({ length: random.below(5) }, () => `10.0.0.${random.below(4)}`);
    };
    let expected: readonly string[] = [];
    let broken = false;
    for (let i = 0; i < 200; i++) {
      const answer = say();
      const before = world.told.length;
      await (i === 0 ? world.start(answer) : world.next(answer));
      const good = !(answer instanceof Error) && answer.length > 0;
      const set: readonly string[] = good ? [...new Set(answer)].sort().map((host) => `${host}:1`) : expected;
      const news: number = Number(broken === good) + Number(set.join() !== expected.join());
      assert.equal(world.told.length - before, news, `seed ${seed}, step ${i}`);
      expected = set;
      broken = !good;
      assert.deepEqual(world.resolver.addresses, expected);
    }
  }
});

test('the hosts file is known: localhost is a loopback address', async (t) => {
  const addresses = await new Promise<readonly string[]>((resolve, reject) => {
    const resolver = new Resolver('localhost:9001', INTERVAL, {
      onChange: resolve,
      onFailure: reject,
    });
    t.after(() => resolver.stop());
    resolver.start();
  });
  assert.ok(addresses.includes('127.0.0.1:9001') || addresses.includes('[::1]:9001'), addresses.join());
});

test('a name that the system cannot resolve fails with the name in its reason', async (t) => {
  // Longer than a label may be: nobody on the network is asked.
  const name = 'x'.repeat(64);
  const error = await new Promise<Error | null>((resolve, reject) => {
    const resolver = new Resolver(`${name}:9001`, INTERVAL, {
      onChange: () => reject(new Error('it was found')),
      onFailure: resolve,
    });
    t.after(() => resolver.stop());
    resolver.start();
  });
  assert.match(error?.message ?? '', new RegExp(name));
});
