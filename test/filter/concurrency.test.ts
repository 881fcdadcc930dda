import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Failures } from '../../src/errors.ts';
import { Concurrency } from '../../src/filter/concurrency.ts';
import type { Call } from '../../src/filter/filter.ts';
import { makeField } from '../../src/hpack/field.ts';
import { Random } from '../support/random.ts';
import { callOf } from './calls.ts';

const byClient = (max: number): Concurrency => new Concurrency({ by: { source: 'client', name: '' }, max });

test('so many calls of a key may be open at once, and another when one has ended', () => {
  const limit = byClient(2);
  const [a, b] = [callOf({ client: 'a' }), callOf({ client: 'a' })];
  assert.deepEqual([limit.check(a), limit.check(b)], [null, null]);
  assert.deepEqual(limit.check(callOf({ client: 'a' })), { failure: Failures.rateLimited, retryAfter: 0 });
  assert.equal(limit.check(callOf({ client: 'b' })), null);
  limit.ended(a);
  assert.equal(limit.check(callOf({ client: 'a' })), null);
});

test('a call is counted out by what it was counted in by', () => {
  const limit = new Concurrency({ by: { source: 'header', name: 'x-tenant' }, max: 1 });
  const call = callOf({ headers: { 'x-tenant': 'blue' } });
  limit.check(call);
  call.head.fields = [makeField('x-tenant', 'green')];
  limit.ended(call);
  assert.equal(limit.size, 0);
});

test('calls without a key are not counted, and none is counted out twice', () => {
  const limit = new Concurrency({ by: { source: 'identity', name: '' }, max: 1 });
  const [none, one, two] = [callOf(), callOf({ identity: 'a' }), callOf({ identity: 'a' })];
  assert.deepEqual([limit.check(none), limit.check(none), limit.check(one)], [null, null, null]);
  limit.ended(none);
  limit.ended(one);
  assert.equal(limit.check(two), null);
  limit.ended(one);
  assert.notEqual(limit.check(one), null);
});

test('whatever begins and ends, no key has more open than it may, and nothing is left at the end', () => {
  const random = new Random(65);
  const MAX = 4;
  const limit = byClient(MAX);
  const open: Call[] = [];
  for (let n = 0; n < 50_000; n++) {
    if (open.length > 0 && random.chance(0.48)) {
      const [call] = open.splice(random.below(open.length), 1);
      limit.ended(call!);
      continue;
    }
    const call = callOf({ client: `client-${random.below(20)}` });
    const same = open.filter(({ client }) => client === call.client).length;
    assert.equal(limit.check(call) === null, same < MAX, `${same} are open`);
    if (same < MAX) open.push(call);
    assert.equal(limit.size, new Set(open.map(({ client }) => client)).size);
  }
  for (const call of open) limit.ended(call);
  assert.equal(limit.size, 0);
});
