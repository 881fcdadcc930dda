import assert from 'node:assert/strict';
import { test } from 'node:test';
import { ErrorCode, Failures, resetFailure } from '../../src/errors.ts';
import type { Failure } from '../../src/errors.ts';
import type { Field } from '../../src/hpack/field.ts';
import type { Half } from '../../src/relay/half.ts';
import { grpcTrailers, replyLocally } from '../../src/relay/local-reply.ts';

/** The table of the design: "What every failure looks like to the client". */
const TABLE: readonly (readonly [cause: Failure, grpc: number, http: number])[] = [
  [Failures.malformedRequest, 13, 400],
  [Failures.noRoute, 12, 404],
  [Failures.methodNotAllowed, 12, 405],
  [Failures.misdirected, 14, 421],
  [Failures.noEndpoint, 14, 503],
  [Failures.connectRefused, 14, 502],
  [Failures.sessionLost, 14, 503],
  [Failures.unprocessed, 14, 503],
  [Failures.unwritten, 14, 503],
  [Failures.tunnelRefused, 12, 501],
  [Failures.tunnelIdle, 14, 504],
  [Failures.draining, 14, 503],
  [Failures.poolFull, 8, 503],
  [Failures.rateLimited, 8, 429],
  [Failures.deadline, 4, 504],
  [Failures.engineDraining, 14, 503],
  [Failures.attemptTimeout, 4, 504],
  [Failures.connectTimeout, 14, 504],
  [Failures.requestTooSlow, 4, 408],
  [Failures.conflict, 9, 422],
  [Failures.idle, 4, 504],
  [Failures.unauthenticated, 16, 401],
  [Failures.forbidden, 7, 403],
  [Failures.headersTooLarge, 8, 431],
  [Failures.bodyTooLarge, 8, 413],
  [resetFailure(ErrorCode.REFUSED_STREAM), 14, 502],
  [resetFailure(ErrorCode.CANCEL), 1, 502],
  [resetFailure(ErrorCode.ENHANCE_YOUR_CALM), 8, 502],
  [resetFailure(ErrorCode.INADEQUATE_SECURITY), 7, 502],
  [resetFailure(ErrorCode.INTERNAL_ERROR), 13, 502],
  [Failures.badResponse, 13, 502],
  [Failures.responseTooLarge, 13, 502],
  [Failures.bug, 13, 500],
  [Failures.clientGone, 1, 499],
];
const MAY_RETRY: readonly Failure[] = [Failures.poolFull, Failures.rateLimited];

/** A half that writes down what it is told to send. */
class RecordingHalf implements Half {
  readonly flushed = true;
  status = '';
  readonly fields: Record<string, string> = {};
  body = '';
  ended = false;

  sendHead(fields: readonly Field[], end: boolean, informational = false): void {
    assert.ok(!informational && this.status === '');
    assert.equal(fields[0]?.name.text, ':status');
    this.status = fields[0].value;
    for (const { name, value, defect } of fields.slice(1)) {
      assert.ok(!name.pseudo && defect === 0 && !(name.text in this.fields), name.text);
      this.fields[name.text] = value;
    }
    this.ended = end;
  }
  sendData(buffer: Buffer, from: number, to: number, end: boolean): number {
    assert.ok(this.status !== '' && !this.ended);
    this.body += buffer.toString('utf8', from, to);
    this.ended = end;
    return to - from;
  }
  accepts(): boolean {
    return true;
  }
  charge(): void {
    assert.fail('a local reply costs the client nothing');
  }
  sendTrailers(): void {
    assert.fail('a local reply has no trailers of its own');
  }
  credit(): void {
    assert.fail('a local reply reads nothing');
  }
  reset(): void {
    assert.fail('a local reply is an answer');
  }
  stop(): void {
    assert.fail('it is not for the reply to say that nothing follows');
  }
}

function reply(failure: Failure, grpc: boolean, method: string): RecordingHalf {
  const half = new RecordingHalf();
  replyLocally(half, failure, grpc, method);
  assert.ok(half.ended, failure.cause);
  return half;
}

for (const [failure, grpc, http] of TABLE) {
  test(`${failure.cause} (${failure.message}) is ${grpc} to gRPC and ${http} to HTTP`, () => {
    const trailersOnly = reply(failure, true, 'POST');
    assert.equal(trailersOnly.status, '200');
    assert.equal(trailersOnly.fields['content-type'], 'application/grpc');
    assert.equal(trailersOnly.fields['grpc-status'], String(grpc));
    assert.equal(trailersOnly.fields['grpc-message'], failure.message);
    assert.equal(trailersOnly.body, '');

    const answer = reply(failure, false, 'GET');
    assert.equal(answer.status, String(http));
    assert.equal(answer.fields['content-type'], 'application/json');
    assert.equal(answer.fields['content-length'], String(Buffer.byteLength(answer.body)));
    assert.deepEqual(JSON.parse(answer.body), { error: failure.cause, message: failure.message });
    assert.equal(answer.fields['grpc-status'], undefined);
  });
}

test('every failure that the gateway knows is in the table', () => {
  // Slow readers are cut off after the response has begun, so that no status is left to send.
  const shown = new Set([...TABLE.map(([failure]) => failure), Failures.slowRead]);
  for (const failure of Object.values(Failures)) assert.ok(shown.has(failure), failure.cause);
});

test('an unknown reset code, and all but four of the known ones, are INTERNAL', () => {
  const own: number[] = [
    ErrorCode.REFUSED_STREAM,
    ErrorCode.CANCEL,
    ErrorCode.ENHANCE_YOUR_CALM,
    ErrorCode.INADEQUATE_SECURITY,
  ];
  for (const code of [...Object.values(ErrorCode), 0xe, 0xff, 0xffffffff]) {
    if (!own.includes(code)) assert.equal(resetFailure(code).grpc, 13, `${code}`);
  }
});

test('HEAD gets the head that GET would get, and no body', () => {
  for (const [failure] of TABLE) {
    const head = reply(failure, false, 'HEAD');
    const get = reply(failure, false, 'GET');
    assert.deepEqual([head.status, head.fields], [get.status, get.fields]);
    assert.equal(head.body, '');
  }
});

test('a caller that met a limit is told when to come back, and no other', () => {
  for (const [failure] of TABLE) {
    const may = MAY_RETRY.includes(failure);
    const seconds = reply(failure, false, 'GET').fields['retry-after'];
    const pushback = reply(failure, true, 'POST').fields['grpc-retry-pushback-ms'];
    if (may) {
      assert.match(seconds!, /^[1-9][0-9]*$/);
      assert.equal(pushback, `${seconds}000`);
    } else assert.deepEqual([seconds, pushback], [undefined, undefined], failure.cause);
  }
});

test('the same status and message may follow a response that has begun', () => {
  for (const [failure, grpc] of TABLE) {
    const trailers = Object.fromEntries(grpcTrailers(failure).map(({ name, value }) => [name.text, value]));
    assert.equal(trailers['grpc-status'], String(grpc));
    assert.equal(trailers['grpc-message'], failure.message);
    assert.ok(!(':status' in trailers) && !('content-type' in trailers));
  }
});

test('a message that is not plain ASCII cannot break the head', () => {
  const half = reply({ ...Failures.bug, message: 'größer als 100%\r\nx: y' }, true, 'POST');
  assert.equal(half.fields['grpc-message'], 'gr%C3%B6%C3%9Fer als 100%25%0D%0Ax: y');
});
