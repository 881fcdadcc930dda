/** What a carrier hears of the attempts that it carries: when the answer came, and once how it ended. */
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { Counters, listenerLayout } from '../../src/counters.ts';
import { ErrorCode, Failures } from '../../src/errors.ts';
import type { Failure } from '../../src/errors.ts';
import { makeField } from '../../src/hpack/field.ts';
import { TimerWheel } from '../../src/io/timer-wheel.ts';
import { NO_POLICY } from '../../src/relay/exchange-context.ts';
import { Exchange } from '../../src/relay/exchange.ts';
import type { Carrier, Half, HalfSink } from '../../src/relay/half.ts';
import { grpcStatusOf, RequestHead, ResponseHead } from '../../src/relay/message.ts';
import { RetryPolicy } from '../../src/relay/retry.ts';
import { RETRY } from './retrying.ts';

const SOME = Buffer.from('some');
const status = (code: number) => [makeField('grpc-status', String(code))];

/** A half that takes everything and lets it go at once. */
const half = (log: string[]): Half => ({
  sendHead: () => undefined,
  sendData: (_, from, to) => to - from,
  sendTrailers: () => undefined,
  credit: () => undefined,
  flushed: true,
  accepts: () => true,
  charge: () => undefined,
  reset: (code) => void log.push(`reset ${code}`),
  stop: () => undefined,
});

/** An exchange between a client and carriers that the test plays; the wheel's time is the test's. */
class Scene {
  /** What carriers heard, and what their streams were reset with. */
  readonly log: string[] = [];
  private readonly sinks: HalfSink[] = [];
  private time = 0;
  private readonly wheel = new TimerWheel(
    () => this.time,
    () => undefined,
    (error) => assert.fail(error as Error),
  );
  readonly client: Exchange;

  constructor(grpc = true, perTryTimeout = 0, timeout: string | null = null) {
    const head = new RequestHead([], 'POST', '/x', '', -1, grpc, timeout);
    const carrier: Carrier = {
      endpoint: 'engine',
      term: 3,
      refusal: () => null,
      open: (_, __, sink) => {
        this.sinks.push(sink);
        return half(this.log);
      },
      answered: (ms) => void this.log.push(ms >= 0 ? 'answered' : `answered after ${ms} ms`),
      ended: (failure: Failure | null, http, code, term) => {
        assert.equal(term, 3);
        this.log.push(`ended ${failure?.cause ?? 'well'} ${http} ${code}`);
      },
    };
    const context = {
      listener: 'test',
      counters: new Counters(listenerLayout),
      wheel: this.wheel,
      journal: { access: false, exchange: () => undefined, connection: () => undefined },
      ...NO_POLICY,
      replayBuffer: 1000,
      retry: new RetryPolicy({ ...RETRY, attempts: 2, perTryTimeout }, () => 0),
    };
    const upstream = { name: 'test', acquire: () => carrier, cancel: () => undefined };
    this.client = new Exchange(context, upstream, half([]), head, false, '127.0.0.1');
    this.client.begin();
  }

  /** The engine of the latest attempt. */
  get engine(): HalfSink {
    return this.sinks.at(-1)!;
  }
  get attempts(): number {
    return this.sinks.length;
  }
  pass(ms: number): void {
    this.time += ms;
    this.wheel.advance();
  }
  head(code: number, end = false, grpcStatus?: number): void {
    const fields = [makeField(':status', String(code)), ...(grpcStatus === undefined ? [] : status(grpcStatus))];
    this.engine.onHead(new ResponseHead(fields, code, -1, grpcStatusOf(fields)), end);
  }
}

describe('a carrier hears of an answer once', () => {
  test('at the first DATA with octets, not at the head, and of the end when both sides are done', () => {
    const scene = new Scene();
    scene.engine.onInformational([]);
    scene.head(200);
    scene.engine.onData(SOME, 0, 0, false);
    assert.deepEqual(scene.log, []);
    scene.engine.onData(SOME, 0, 4, false);
    scene.engine.onData(SOME, 0, 4, false);
    scene.engine.onTrailers(status(0));
    assert.deepEqual(scene.log, ['answered']);
    scene.client.onData(SOME, 0, 4, true);
    assert.deepEqual(scene.log, ['answered', 'ended well 200 0']);
  });
  test('at a head that ends the response', () => {
    const scene = new Scene();
    scene.client.onData(SOME, 0, 4, true);
    scene.head(200, true, 5);
    assert.deepEqual(scene.log, ['answered', 'ended well 200 5']);
  });
  test('at the end of a response without a body', () => {
    const scene = new Scene();
    scene.client.onTrailers([]);
    scene.head(200);
    scene.engine.onTrailers([]);
    assert.deepEqual(scene.log, ['answered', 'ended well 200 -1']);
  });
});

describe('a carrier hears of the end once', () => {
  test('when the engine resets its stream', () => {
    const scene = new Scene();
    scene.head(200);
    scene.engine.onFailed(Failures.resetOther, ErrorCode.INTERNAL_ERROR);
    scene.client.onFailed(Failures.clientGone, ErrorCode.CANCEL);
    assert.deepEqual(scene.log, ['ended upstream_reset 200 -1']);
  });
  test('when the engine resets its stream after a whole response, which is no failure', () => {
    const scene = new Scene();
    scene.head(200, true, 0);
    scene.engine.onFailed(Failures.resetOther, ErrorCode.NO_ERROR);
    assert.deepEqual(scene.log, ['answered', 'ended well 200 0']);
  });
  test('when the client goes', () => {
    const scene = new Scene();
    scene.client.onFailed(Failures.clientGone, ErrorCode.CANCEL);
    assert.deepEqual(scene.log, ['reset 8', 'ended client_gone 0 -1']);
  });
  test('when the deadline passes', () => {
    const scene = new Scene(true, 0, '100m');
    scene.pass(200);
    assert.deepEqual(scene.log, ['reset 8', 'ended deadline_exceeded 0 -1']);
  });
  test('when the gateway ends the exchange', () => {
    const scene = new Scene();
    scene.head(200);
    scene.client.onAborted(Failures.draining);
    assert.deepEqual(scene.log, ['reset 8', 'ended draining 200 -1']);
  });
  test('for each attempt, with what it was refused with', () => {
    const scene = new Scene();
    scene.client.onData(SOME, 0, 4, true);
    scene.head(200, true, 14);
    scene.pass(100);
    assert.equal(scene.attempts, 2);
    scene.head(200, true, 0);
    assert.deepEqual(scene.log, ['reset 8', 'ended well 200 14', 'answered', 'ended well 200 0']);
  });
  test('also of one whose body nobody wants', () => {
    const scene = new Scene(false);
    scene.head(503);
    assert.deepEqual(scene.log, ['reset 8', 'ended well 503 -1']);
  });
  test('also of one that was lost, before another is sought', () => {
    const scene = new Scene();
    scene.engine.onFailed(Failures.resetRefused, ErrorCode.REFUSED_STREAM);
    assert.equal(scene.attempts, 2);
    scene.engine.onFailed(Failures.sessionLost, ErrorCode.CANCEL);
    assert.deepEqual(scene.log, ['ended upstream_reset 0 -1', 'ended session_lost 0 -1']);
    scene.pass(100);
    assert.equal(scene.attempts, 3);
  });
  test('also of one that took too long, and its time does not run on', () => {
    const scene = new Scene(true, 50);
    scene.pass(60);
    assert.deepEqual(scene.log, ['reset 8', 'ended attempt_timeout 0 -1']);
    scene.pass(100);
    scene.head(200);
    scene.pass(100);
    assert.equal(scene.log.length, 2);
  });
});

test('a call that waits to be tried again is not when its client has gone', () => {
  const scene = new Scene();
  scene.head(200, true, 14);
  scene.client.onFailed(Failures.clientGone, ErrorCode.CANCEL);
  scene.pass(1000);
  assert.equal(scene.attempts, 1);
});

test('a status that is no number is UNKNOWN to a carrier', () => {
  const scene = new Scene();
  scene.client.onData(SOME, 0, 4, true);
  scene.head(200);
  scene.engine.onTrailers([makeField('grpc-status', 'fine')]);
  assert.equal(scene.log.at(-1), 'ended well 200 2');
});
