/** What becomes of a key when its request goes wrong, or is too much. */
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { ErrorCode, Failures } from '../../src/errors.ts';
import { budget } from '../../src/io/budget.ts';
import { GRPC_OK, OK, settled, SPEC, Stage } from './duplicating.ts';

const GRPC = { headers: { 'content-type': 'application/grpc' } };
const over = (stage: Stage): void => {
  stage.pass(SPEC.ttl + 100);
  stage.assertClean();
};

describe('a call that no engine was given', () => {
  test('fails for all who wait alike, and its key is free again', async () => {
    const stage = new Stage();
    stage.full = true;
    const [first, second] = [stage.ask(), stage.ask()];
    await settled();
    for (const caller of stage.callers) caller.onUnavailable(Failures.noEndpoint);
    await settled();
    assert.deepEqual(second.answer, first.answer);
    assert.equal(second.status, 503);
    stage.full = false;
    stage.assertClean();
    assert.equal(stage.ask().kind, 'leader');
    assert.equal(stage.executions.length, 1);
  });

  test('is cancelled where it waits, when its client goes before its end', async () => {
    const stage = new Stage();
    stage.full = true;
    const first = stage.ask({ body: null });
    first.go();
    assert.equal(stage.callers.size, 0);
    await settled();
    stage.assertClean();
  });

  test('goes on waiting when its client goes, and is executed', async () => {
    const stage = new Stage();
    stage.full = true;
    const first = stage.ask();
    first.go();
    const second = stage.ask();
    stage.admit();
    stage.execution.answer('done');
    await settled();
    assert.deepEqual(second.answer, [200, 'done']);
    assert.equal(stage.execution.body, 'body');
  });
});

describe('a call that may have been executed is not executed again', () => {
  for (const status of ['400', '500', '502', '503', '504']) {
    test(`when it was answered ${status}`, async () => {
      const stage = new Stage();
      const clients = [stage.ask(), stage.ask()];
      stage.execution.answer('no', { ':status': status });
      await settled();
      clients.push(stage.ask());
      await settled();
      for (const client of clients) assert.deepEqual(client.answer, [Number(status), 'no']);
      assert.equal(stage.executions.length, 1);
    });
  }
  for (const status of ['1', '4', '14']) {
    test(`when it was answered with gRPC status ${status}`, async () => {
      const stage = new Stage();
      const clients = [stage.ask(GRPC), stage.ask(GRPC)];
      stage.execution.begin({ ...GRPC_OK, 'grpc-status': status }, true);
      await settled();
      clients.push(stage.ask(GRPC));
      await settled();
      for (const client of clients) assert.equal(client.grpcStatus, status);
      assert.equal(stage.executions.length, 1);
    });
  }

  test('when its engine was lost before it answered', async () => {
    const stage = new Stage();
    const clients = [stage.ask(), stage.ask()];
    stage.execution.fail(Failures.sessionLost);
    await settled();
    clients.push(stage.ask());
    await settled();
    for (const client of clients) assert.deepEqual([client.status, client.text], [503, clients[0]!.text]);
    assert.equal(stage.executions.length, 1);
    over(stage);
  });

  test('when its answer broke off: it is UNAVAILABLE for all others', async () => {
    const stage = new Stage();
    const [first, second] = [stage.ask(), stage.ask()];
    stage.execution.begin(OK);
    stage.execution.data('do');
    stage.execution.fail(Failures.resetOther, ErrorCode.INTERNAL_ERROR);
    await settled();
    assert.equal(first.half.resetCode, ErrorCode.INTERNAL_ERROR);
    const third = stage.ask();
    await settled();
    assert.deepEqual([second.status, third.status], [503, 503]);
    assert.equal(stage.ask(GRPC).grpcStatus, '14');
    assert.equal(stage.executions.length, 1);
    over(stage);
  });

  test('when the deadline of the first has passed', async () => {
    const stage = new Stage();
    const deadline = { headers: { ...GRPC.headers, 'grpc-timeout': '1S' } };
    const [first, second] = [stage.ask(deadline), stage.ask(GRPC)];
    stage.pass(1100);
    await settled();
    assert.deepEqual([first.grpcStatus, second.grpcStatus], ['4', '4']);
    assert.equal(stage.execution.resetCode, ErrorCode.CANCEL);
    assert.equal(stage.ask(GRPC).kind, 'follower');
  });
});

test('the deadline of a follower ends its wait alone', async () => {
  const stage = new Stage();
  const first = stage.ask(GRPC);
  const second = stage.ask({ headers: { ...GRPC.headers, 'grpc-timeout': '1S' } });
  stage.pass(1100);
  await settled();
  assert.equal(second.grpcStatus, '4');
  assert.equal(stage.duplicates.waiting, 0);
  stage.execution.begin({ ...GRPC_OK, 'grpc-status': '0' }, true);
  assert.equal(first.grpcStatus, '0');
});

describe('a leader that goes', () => {
  test('leaves a complete request to those who wait, and to those who come', async () => {
    const stage = new Stage();
    const [first, second] = [stage.ask(), stage.ask()];
    stage.execution.begin(OK);
    stage.execution.data('do');
    first.go();
    assert.equal(stage.execution.resetCode, null);
    stage.execution.data('ne', true);
    const third = stage.ask();
    await settled();
    assert.deepEqual(
      [second.answer, third.answer],
      [
        [200, 'done'],
        [200, 'done'],
      ],
    );
    over(stage);
  });

  test('takes a request that is not complete with it: those who wait may try again', async () => {
    const stage = new Stage();
    const [first, second] = [stage.ask({ body: null }), stage.ask()];
    first.send('bo');
    first.go();
    assert.equal(stage.execution.resetCode, ErrorCode.CANCEL);
    await settled();
    assert.equal(second.status, 503);
    stage.assertClean();
    stage.ask();
    assert.equal(stage.executions.length, 2);
  });

  test('is waited for as long as its answer would be kept, and no longer if nobody else wants it', () => {
    const stage = new Stage();
    stage.ask().go();
    stage.pass(SPEC.ttl - 100);
    assert.equal(stage.execution.resetCode, null);
    stage.pass(200);
    assert.equal(stage.execution.resetCode, ErrorCode.CANCEL);
    // It may have been executed.
    const again = stage.ask();
    assert.deepEqual([again.kind, again.status], ['refused', 503]);
    over(stage);
  });

  test('is waited for longer if somebody else wants it', async () => {
    const stage = new Stage();
    stage.ask().go();
    const second = stage.ask();
    await settled();
    stage.pass(SPEC.ttl + 100);
    assert.equal(stage.execution.resetCode, null);
    stage.execution.answer('done');
    await settled();
    assert.deepEqual(second.answer, [200, 'done']);
    over(stage);
  });

  test('is not executed on once its answer is too large to be kept', () => {
    const stage = new Stage({ maxBytes: 1000 });
    stage.ask().go();
    stage.execution.begin(OK);
    stage.execution.data('x'.repeat(2000));
    assert.equal(stage.execution.resetCode, null, 'not while the engine is calling');
    stage.pass(100);
    assert.equal(stage.execution.resetCode, ErrorCode.CANCEL);
    assert.equal(stage.ask().status, 422);
    over(stage);
  });
});

describe('an answer that comes before the end of its request', () => {
  test('frees the key if it refuses', async () => {
    const stage = new Stage();
    const [first, second] = [stage.ask({ body: null }), stage.ask()];
    stage.execution.answer('too large', { ':status': '413' });
    stage.execution.fail(Failures.resetOther, ErrorCode.NO_ERROR);
    await settled();
    assert.deepEqual(first.answer, [413, 'too large']);
    assert.equal(first.half.stopped, true);
    assert.equal(second.status, 503);
    stage.assertClean();
  });

  test('is kept from others if it accepts: nobody can tell whether their request is the same', async () => {
    const stage = new Stage();
    const [first, second] = [stage.ask({ body: null }), stage.ask()];
    stage.execution.answer('done');
    stage.execution.fail(Failures.resetOther, ErrorCode.NO_ERROR);
    await settled();
    assert.deepEqual([first.status, second.status, stage.ask().status], [200, 422, 422]);
    over(stage);
  });

  test('is shared if the request does come to its end', async () => {
    const stage = new Stage();
    const [first, second] = [stage.ask({ body: null }), stage.ask()];
    stage.execution.answer('done');
    await settled();
    assert.equal(second.half.ended, false, 'the requests may differ');
    first.send('body', true);
    await settled();
    assert.deepEqual(second.answer, [200, 'done']);
    over(stage);
  });
});

test('a request that the client breaks is answered, and forgotten', () => {
  const stage = new Stage();
  const first = stage.ask({ body: null });
  first.send('bo');
  first.sink!.onAborted(Failures.malformedRequest);
  assert.equal(first.status, 400);
  stage.assertClean();
});

describe('what is too large', () => {
  test('is answered to the first alone, and its key is refused for a while', async () => {
    const stage = new Stage({ maxBytes: 1000 });
    const [first, second] = [stage.ask(), stage.ask()];
    stage.execution.begin(OK);
    stage.execution.data('x'.repeat(2000));
    await settled();
    assert.equal(second.status, 422, 'at once');
    stage.execution.data('x'.repeat(2000), true);
    assert.equal(first.text.length, 4000);
    stage.pass(SPEC.ttl - 100);
    const third = stage.ask();
    assert.deepEqual([third.kind, third.status], ['refused', 422]);
    assert.match(third.text, /not kept/);
    over(stage);
    assert.equal(stage.ask().kind, 'leader');
  });

  test('head and trailers count', () => {
    const stage = new Stage({ maxBytes: 1000 });
    stage.ask({ key: 'head' });
    stage.execution.begin({ ...OK, 'x-long': 'x'.repeat(1000) }, true);
    stage.ask({ key: 'trailers' });
    stage.execution.begin(OK);
    stage.execution.trailers({ 'x-long': 'x'.repeat(1000) });
    assert.deepEqual([stage.ask({ key: 'head' }).status, stage.ask({ key: 'trailers' }).status], [422, 422]);
    over(stage);
  });

  test('as a request is executed, and not shared', async () => {
    const stage = new Stage({ maxBytes: 1000 });
    const long = 'x'.repeat(2000);
    const [first, second] = [stage.ask({ body: long }), stage.ask({ body: long })];
    stage.execution.answer('done');
    await settled();
    assert.deepEqual(first.answer, [200, 'done']);
    assert.equal(stage.execution.body, long);
    assert.equal(second.status, 422);
    const [small, other] = [stage.ask({ key: 'small' }), stage.ask({ key: 'small', body: null })];
    other.send(long);
    await settled();
    assert.equal(other.status, 422, 'without its end');
    assert.equal(small.half.ended, false);
  });

  test('is all, when the process is short of memory', (t) => {
    const { limit } = budget;
    t.after(() => (budget.limit = limit));
    const stage = new Stage();
    const first = stage.ask();
    budget.limit = budget.used;
    budget.take(1);
    stage.execution.answer('done');
    budget.give(1);
    assert.deepEqual(first.answer, [200, 'done']);
    assert.equal(stage.ask().status, 422);
    over(stage);
  });
});

describe('a table that is full', () => {
  test('forgets the oldest of those that are over', () => {
    const stage = new Stage({ maxEntries: 3 });
    for (const key of ['open', 'a', 'b']) stage.ask({ key });
    stage.executions[2]!.answer('b');
    stage.executions[1]!.answer('a');
    assert.equal(stage.ask({ key: 'new' }).kind, 'leader');
    assert.equal(stage.ask({ key: 'a' }).kind, 'follower');
    assert.equal(stage.ask({ key: 'b' }).kind, 'leader', 'it was over before');
    assert.equal(stage.duplicates.size, 3);
  });

  test('refuses new keys while all are open', () => {
    const stage = new Stage({ maxEntries: 2 });
    stage.ask({ key: 'a' });
    stage.ask({ key: 'b' });
    const refused = stage.ask({ key: 'c' });
    assert.deepEqual([refused.kind, refused.status], ['refused', 503]);
    assert.equal(stage.ask({ key: '' }).kind, 'none');
    stage.executions[0]!.answer('done');
    assert.equal(stage.ask({ key: 'c' }).kind, 'leader');
  });

  test('lets no more requests wait than it has entries', async () => {
    const stage = new Stage({ maxEntries: 2 });
    stage.ask();
    const waiting = [stage.ask(), stage.ask()];
    assert.equal(stage.ask().status, 503);
    waiting[0]!.go();
    assert.equal(stage.ask().kind, 'follower');
    stage.execution.answer('done');
    await settled();
    over(stage);
  });
});

test('a table that is closed keeps nothing, cancels what nobody waits for, and lets the rest end', async () => {
  const stage = new Stage();
  stage.ask({ key: 'over' });
  stage.execution.answer('done');
  stage.ask({ key: 'gone' }).go();
  const gone = stage.execution;
  const [first, second] = [stage.ask({ key: 'open' }), stage.ask({ key: 'open' })];
  const open = stage.execution;
  stage.duplicates.close();
  assert.equal(gone.resetCode, ErrorCode.CANCEL);
  open.answer('done');
  await settled();
  assert.deepEqual(
    [first.answer, second.answer],
    [
      [200, 'done'],
      [200, 'done'],
    ],
  );
  stage.assertClean();
});
