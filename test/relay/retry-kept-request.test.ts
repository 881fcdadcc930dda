import assert from 'node:assert/strict';
import { test } from 'node:test';
import { budget } from '../../src/io/budget.ts';
import type { Attempt } from '../../src/relay/attempt.ts';
import { KeptRequest } from '../../src/relay/kept-request.ts';

const BYTES = Buffer.from('abcdefghij');

/** What a request gives to an attempt, `.` for its end. */
function sentBy(request: KeptRequest): string {
  let sent = '';
  request.sendTo({
    half: { sendTrailers: () => (sent += ' trailers.') },
    sendData: (buffer: Buffer, from: number, to: number, end: boolean) => {
      sent += buffer.toString('latin1', from, to) + (end ? '.' : '');
    },
  } as unknown as Attempt);
  return sent;
}

test('a request is given whole to each attempt as long as it fits', () => {
  const request = new KeptRequest(10, false);
  request.hold(BYTES, 0, 4);
  assert.equal(sentBy(request), 'abcd');
  request.copy(BYTES, 4, 10);
  assert.equal(sentBy(request), 'abcdefghij');
  request.ended = true;
  assert.equal(sentBy(request), 'abcdefghij.');
  request.trailers = [];
  assert.equal(sentBy(request), 'abcdefghij trailers.');
  request.forget();
  assert.equal(budget.used, 0);
});

test('what goes on to an engine beyond the limit makes that engine the last, and nothing is kept', () => {
  const request = new KeptRequest(10, false);
  request.copy(BYTES, 0, 10);
  assert.equal(request.replayable, true);
  request.copy(BYTES, 0, 1);
  assert.deepEqual([request.replayable, request.length, budget.used], [false, 0, 0]);
});

test('what waits for an engine is kept whatever the limit, and given to that engine alone', () => {
  const request = new KeptRequest(5, false);
  request.hold(BYTES, 0, 10);
  assert.deepEqual([request.replayable, request.length], [true, 10]);
  assert.equal(sentBy(request), 'abcdefghij');
  assert.deepEqual([request.replayable, request.length, budget.used], [false, 0, 0]);
});

test('no copy is kept while too many bytes wait in the process', () => {
  const request = new KeptRequest(10, false);
  const { limit } = budget;
  budget.limit = -1;
  request.copy(BYTES, 0, 1);
  budget.limit = limit;
  assert.equal(request.replayable, false);
});

test('each octet is credited to the client once, whichever attempt sends it first', () => {
  const request = new KeptRequest(100, false);
  assert.deepEqual([3, 5, 5].map((total) => request.sent(total)), [3, 2, 0]); // prettier-ignore
  assert.deepEqual([2, 5, 9].map((total) => request.sent(total)), [0, 0, 4]); // prettier-ignore
});

test('a request is bodyless when nothing can come behind its head', () => {
  assert.equal(new KeptRequest(10, true).bodyless, true);
  assert.equal(new KeptRequest(10, false).bodyless, false);
  const trailers = new KeptRequest(10, true);
  trailers.trailers = [];
  assert.equal(trailers.bodyless, false);
  const body = new KeptRequest(10, true);
  body.hold(BYTES, 0, 1);
  assert.equal(body.bodyless, false);
  body.forget();
});
