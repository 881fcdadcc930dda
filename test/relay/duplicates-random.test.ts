/** Clients that come, send, go, and engines that answer and fail, in any order. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Failures } from '../../src/errors.ts';
import { Random } from '../support/random.ts';
import { settled, Stage } from './duplicating.ts';
import type { Client, Execution } from './duplicating.ts';

const TTL = 1000;
const KEYS = ['a', 'b', 'c', 'd'];

class Caller {
  private readonly client: Client;
  private readonly body: string;
  private rest: string;
  gone = false;

  constructor(client: Client, body: string) {
    this.client = client;
    this.body = this.rest = body;
  }
  private get over(): boolean {
    const { half } = this.client;
    return this.gone || half.stopped || half.resetCode !== null || (half.ended && this.rest === '');
  }
  send(bytes: number): void {
    if (this.over || this.rest === '') return;
    const part = this.rest.slice(0, bytes);
    this.rest = this.rest.slice(bytes);
    this.client.send(part, this.rest === '');
  }
  go(): void {
    if (!this.over) this.client.go();
    this.gone = true;
  }
  /** What it was told was said to its own request; and someone who stays and says all he has to say is told something. */
  check(): void {
    const { status, text, half } = this.client;
    if (status === 200) assert.ok(text.startsWith(`${this.body}!`), `asked ${this.body}, told ${text.slice(0, 9)}`);
    if (!this.gone && this.rest === '') assert.ok(half.ended || half.resetCode !== null, 'it was told nothing');
  }
}

/** What an engine was given, and when it was over. */
interface Given {
  readonly key: string;
  readonly execution: Execution;
  overAt: number | null;
}

class World {
  readonly stage = new Stage({ maxEntries: 50, maxBytes: 3000, ttl: TTL });
  readonly callers: Caller[] = [];
  readonly given: Given[] = [];
  private readonly random: Random;

  constructor(random: Random) {
    this.random = random;
  }

  step(): void {
    const { random, stage } = this;
    const act = random.below(10);
    if (act < 3) this.come(random.pick(KEYS), random.pick(['one', 'two'.repeat(50)]));
    else if (act < 6 && this.callers.length > 0) random.pick(this.callers).send(random.below(200));
    else if (act === 6 && this.callers.length > 0) random.pick(this.callers).go();
    else if (act < 9 && this.open.length > 0) this.engine(random.pick(this.open));
    else stage.pass(random.below(300));
    this.note();
  }

  end(): void {
    for (const { execution } of this.open) execution.fail(Failures.sessionLost);
    this.note();
  }

  private get open(): Given[] {
    return this.given.filter(({ overAt }) => overAt === null);
  }

  private come(key: string, body: string): void {
    const { stage } = this;
    const client = stage.ask({ key, body: null });
    this.callers.push(new Caller(client, body));
    if (stage.executions.length === this.given.length) return;
    for (const earlier of this.given) {
      if (earlier.key !== key || !earlier.execution.ended) continue;
      assert.ok(earlier.overAt !== null, 'the first is still open');
      assert.ok(stage.time >= earlier.overAt + TTL, `executed again after ${stage.time - earlier.overAt} ms`);
    }
    this.given.push({ key, execution: stage.execution, overAt: null });
  }

  private engine(given: Given): void {
    const { random, stage } = this;
    const { execution } = given;
    if (random.chance(0.2)) execution.fail(Failures.sessionLost);
    else if (execution.ended) execution.answer(`${execution.body}!`.repeat(random.chance(0.1) ? 2000 : 1));
    else return;
    given.overAt = stage.time;
  }

  private note(): void {
    for (const given of this.open) if (given.execution.resetCode !== null) given.overAt = this.stage.time;
  }
}

test('no complete request is executed twice while its key is kept, all are answered, and nothing is left', async () => {
  let executions = 0;
  let callers = 0;
  for (let seed = 0; seed < 100; seed++) {
    const random = new Random(seed);
    const world = new World(random);
    for (let n = 0; n < 200; n++) {
      world.step();
      if (random.chance(0.5)) await settled();
    }
    world.end();
    await settled();
    for (const caller of world.callers) caller.check();
    for (const caller of world.callers) caller.go();
    await settled();
    executions += world.given.length;
    callers += world.callers.length;
    world.stage.pass(2 * TTL);
    world.stage.pass(2 * TTL);
    world.stage.assertClean();
  }
  assert.ok(executions * 2 < callers, `${executions} executions for ${callers} callers: too few have shared one`);
});
