import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { Failures } from '../../src/errors.ts';
import { makeField } from '../../src/hpack/field.ts';
import type { Field } from '../../src/hpack/field.ts';
import { grpcStatusOf, ResponseHead } from '../../src/relay/message.ts';
import { pushbackOf, RetryPolicy, withPreviousAttempts } from '../../src/relay/retry.ts';
import { Random } from '../support/random.ts';
import { RETRY } from './retrying.ts';

const fields = (...pairs: readonly (readonly [string, string])[]): Field[] =>
  pairs.map(([name, value]) => makeField(name, value));
function answer(status: number, ...more: readonly (readonly [string, string])[]): ResponseHead {
  const all = fields([':status', String(status)], ...more);
  return new ResponseHead(all, status, -1, grpcStatusOf(all));
}

describe('an answer is tried again after', () => {
  const policy = new RetryPolicy({ ...RETRY, grpcStatuses: [8, 14], httpStatuses: [502, 503] });
  const unavailable = answer(200, ['grpc-status', '14']);
  test('if it is Trailers-Only with a listed status', () => {
    assert.equal(policy.coversAnswer(unavailable, true, true), true);
    assert.equal(policy.coversAnswer(answer(200, ['grpc-status', '5']), true, true), false);
    assert.equal(policy.coversAnswer(answer(200, ['grpc-status', '']), true, true), false);
    assert.equal(policy.coversAnswer(unavailable, false, true), false);
  });
  test('or not gRPC, with a listed status, whatever was asked', () => {
    assert.equal(policy.coversAnswer(answer(503), false, false), true);
    assert.equal(policy.coversAnswer(answer(503), false, true), true);
    assert.equal(policy.coversAnswer(answer(500), true, false), false);
    assert.equal(policy.coversAnswer(unavailable, true, false), false);
    assert.equal(policy.coversAnswer(answer(503, ['grpc-status', '5']), true, true), false);
  });
  test('and so is a failure that the client would be told of by a listed status', () => {
    assert.equal(policy.coversFailure(Failures.sessionLost, true), true);
    assert.equal(policy.coversFailure(Failures.sessionLost, false), true);
    assert.equal(policy.coversFailure(Failures.resetOther, true), false);
    assert.equal(policy.coversFailure(Failures.resetOther, false), true);
    assert.equal(policy.coversFailure(Failures.connectTimeout, false), false);
  });
  test('and an attempt that took longer than it may, in any case', () => {
    const none = new RetryPolicy({ ...RETRY, grpcStatuses: [], httpStatuses: [] });
    assert.equal(none.coversFailure(Failures.attemptTimeout, true), true);
  });
});

describe('the wait before a retry', () => {
  const spec = { ...RETRY, attempts: 10, backoffBase: 100, backoffMax: 1000, minPerSecond: 1e6 };
  test('is anything up to a bound that doubles from the base to the maximum', () => {
    const random = new Random(4);
    const policy = new RetryPolicy(spec, () => random.next());
    for (const [made, bound] of [100, 200, 400, 800, 1000, 1000].entries()) {
      const waits = Array.from({ length: 500 }, () => policy.wait(made, null, Infinity, 0)!);
      const mean = waits.reduce((sum, wait) => sum + wait, 0) / waits.length;
      assert.ok(Math.max(...waits) < bound, `${Math.max(...waits)} is over ${bound}`);
      assert.ok(Math.abs(mean - bound / 2) < bound / 15, `the mean of up to ${bound} is ${mean}`);
    }
  });
  test('is what the engine asks for, instead', () => {
    const policy = new RetryPolicy(spec, () => 0.5);
    assert.equal(policy.wait(0, 0, Infinity, 0), 0);
    assert.equal(policy.wait(0, 5000, Infinity, 0), 5000);
  });
  test('does not come when the engine asks not to be tried again', () => {
    assert.equal(new RetryPolicy(spec).wait(0, -1, Infinity, 0), null);
  });
  test('does not come after the last attempt', () => {
    const policy = new RetryPolicy({ ...spec, attempts: 3 }, () => 0);
    assert.deepEqual(
      [0, 1, 2].map((made) => policy.wait(made, null, Infinity, 0)),
      [0, 0, null],
    );
    assert.equal(new RetryPolicy({ ...spec, attempts: 1 }).wait(0, null, Infinity, 0), null);
  });
  test('does not come when the deadline would pass meanwhile', () => {
    const policy = new RetryPolicy(spec, () => 0.5);
    assert.equal(policy.wait(0, null, 50, 0), null);
    assert.equal(policy.wait(0, null, 50.1, 0), 50);
  });
  test('does not come when the budget is spent, and nothing else is charged to it', () => {
    const policy = new RetryPolicy({ ...spec, attempts: 2, budget: 0, minPerSecond: 1 }, () => 0.5);
    policy.called(0);
    assert.equal(policy.wait(1, null, Infinity, 0), null);
    assert.equal(policy.wait(0, -1, Infinity, 0), null);
    assert.equal(policy.wait(0, null, 50, 0), null);
    assert.equal(policy.wait(0, null, Infinity, 0), 50);
    assert.equal(policy.wait(0, null, Infinity, 0), null);
  });
});

test('pushback is a number of milliseconds, or else a request not to try again', () => {
  const name = 'grpc-retry-pushback-ms';
  const said = (...values: readonly string[]) => pushbackOf(fields(...values.map((value) => [name, value] as const)));
  assert.equal(said(), null);
  assert.equal(said('0'), 0);
  assert.equal(said('1500'), 1500);
  for (const bad of ['-1', '', 'soon', '1.5', '1e3', ' 5', '99999999999']) assert.equal(said(bad), -1, bad);
  assert.equal(said('5', '5'), -1);
});

test('the number of attempts before replaces what stands there, and all else stays as it is', () => {
  const own = fields(['grpc-previous-rpc-attempts', '7'], ['x-a', '1'], ['grpc-previous-rpc-attempts', '8']);
  const text = withPreviousAttempts(own, 2).map(({ name, value }) => `${name.text}: ${value}`);
  assert.deepEqual(text, ['x-a: 1', 'grpc-previous-rpc-attempts: 2']);
});
