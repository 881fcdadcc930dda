import assert from 'node:assert/strict';
import type { Socket } from 'node:net';
import { Duplex } from 'node:stream';
import { test } from 'node:test';
import { setImmediate as turnOver } from 'node:timers/promises';
import { TimerWheel } from '../../src/io/timer-wheel.ts';
import { Arrival } from '../../src/listener/arrival.ts';
import type { Arrived } from '../../src/listener/arrival.ts';

const TIMEOUT = 1000;

/** A connection whose bytes and whose time come when the test says so. */
class Newcomer extends Duplex {
  readonly told: (string | null)[] = [];
  private time = 0;
  private readonly wheel = new TimerWheel(
    () => this.time,
    () => undefined,
    (error) => assert.fail(String(error)),
  );

  constructor(serverFirstDelay = 0) {
    super();
    const options = { header: false, timeout: TIMEOUT, serverFirstDelay, only: null };
    const owner = {
      onArrived: ({ protocol }: Arrived) => this.told.push(protocol),
      onLost: (reason: string | null) => this.told.push(reason),
    };
    new Arrival(this as unknown as Socket, options, this.wheel, owner);
  }
  override _read(): void {
    // The test pushes.
  }
  pass(ms: number): void {
    this.time += ms;
    this.wheel.advance();
  }
}

const TOO_SLOW = 'the first bytes did not tell a protocol in time';

test('who says too little by the deadline is let go, though another byte comes in that very moment', async () => {
  const newcomer = new Newcomer();
  newcomer.push('GE');
  await turnOver();
  newcomer.pass(2 * TIMEOUT);
  newcomer.push('T');
  await turnOver();
  await turnOver();
  assert.deepEqual(newcomer.told, [TOO_SLOW]);
});

test('what came in time and is read only after the deadline, since the process was busy, counts', async () => {
  const newcomer = new Newcomer();
  newcomer.pass(2 * TIMEOUT);
  newcomer.push('GET / HTTP/1.1\r\n\r\n');
  await turnOver();
  await turnOver();
  assert.deepEqual(newcomer.told, ['http1']);
});

test('silence means TCP, but not where the first bytes come in that very moment', async () => {
  const silent = new Newcomer(50);
  silent.pass(100);
  await turnOver();
  assert.deepEqual(silent.told, ['tcp']);

  const begins = new Newcomer(50);
  begins.pass(100);
  begins.push('GE');
  await turnOver();
  begins.push('T / HTTP/1.1\r\n\r\n');
  await turnOver();
  await turnOver();
  assert.deepEqual(begins.told, ['http1']);
});
