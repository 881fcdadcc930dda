import assert from 'node:assert/strict';
import { test } from 'node:test';
import { ErrorCode, Failures } from '../../src/errors.ts';
import { makeField } from '../../src/hpack/field.ts';
import { replyLocally } from '../../src/relay/local-reply.ts';
import { Random } from '../support/random.ts';
import {
  BINARY,
  fieldsOf,
  filter,
  fromText,
  GRPC_HEAD,
  message,
  read,
  TEXT,
  textOf,
  toText,
} from './grpc-web-peers.ts';
import type { Filter } from './grpc-web-peers.ts';

const OK = fieldsOf({ 'grpc-status': '0' });
const FORMS = [BINARY, TEXT];

const inForm = (type: string, octets: Uint8Array): Buffer =>
  type === TEXT ? Buffer.from(toText(octets), 'latin1') : Buffer.from(octets);
const fromForm = (type: string, body: Buffer): Buffer =>
  type === TEXT ? fromText(body.latin1Slice(0, body.length)) : body;

/** The client sends this, cut at these places, in a buffer that is another thing afterwards. */
function receive({ half }: Filter, body: Buffer, cuts: readonly number[] = [], end = true): void {
  let from = 0;
  for (const [piece, to] of [...cuts, body.length].entries()) {
    const buffer = Buffer.concat([Buffer.from('???'), body.subarray(from, to)]);
    half.onData(buffer, 3, buffer.length, end && piece === cuts.length);
    buffer.fill(0xee);
    from = to;
  }
}
/** The engine sends this. Returns what it may send again at once. */
function send({ half }: Filter, octets: Buffer, end = false): number {
  const buffer = Buffer.concat([Buffer.from('???'), octets, Buffer.from('!')]);
  const done = half.sendData(buffer, 3, 3 + octets.length, end);
  buffer.fill(0xee);
  return done;
}

for (const type of FORMS) {
  test(`${type}: a unary call is translated both ways`, () => {
    const call = filter(type);
    const request = message(Buffer.from('\x0a\x05hello', 'latin1'));
    receive(call, inForm(type, request));
    assert.deepEqual(call.sink.body, request);
    assert.ok(call.sink.ended, 'the end was passed on');

    const reply = message(Buffer.from('\x0a\x05world', 'latin1'));
    call.half.sendHead(
      [...GRPC_HEAD, makeField('content-length', '12'), makeField('x-engine', 'a')],
      false,
      false,
      'Fine',
    );
    assert.equal(send(call, reply), reply.length);
    call.half.sendTrailers(fieldsOf({ 'grpc-status': '0', 'x-cost-bin': 'AAE=' }));
    assert.deepEqual(textOf(call.client.heads[0]!.fields), [
      [':status', '200'],
      ['content-type', type === TEXT ? `${TEXT}+proto` : BINARY],
      ['x-engine', 'a'],
    ]);
    assert.equal(call.client.heads[0]?.reason, 'Fine');
    assert.ok(call.client.ended, 'the last frame ends the body');
    assert.equal(call.client.trailers, null);
    const { messages, trailers } = read(fromForm(type, call.client.body));
    assert.deepEqual(messages, [Buffer.from('\x0a\x05world', 'latin1')]);
    assert.deepEqual(trailers, [
      ['grpc-status', '0'],
      ['x-cost-bin', 'AAE='],
    ]);
  });

  test(`${type}: each message of a server stream can be read as soon as it was sent`, () => {
    const call = filter(type);
    call.half.sendHead(GRPC_HEAD, false);
    for (let n = 0; n < 12; n++) {
      send(call, message(Buffer.alloc(n, 0x41 + n)));
      const { messages } = read(fromForm(type, call.client.body));
      assert.equal(messages.length, n + 1);
      assert.deepEqual(messages[n], Buffer.alloc(n, 0x41 + n));
    }
    call.half.sendTrailers(OK);
    assert.deepEqual(read(fromForm(type, call.client.body)).trailers, [['grpc-status', '0']]);
  });

  test(`${type}: a request is the same wherever its body is cut`, () => {
    const octets = Buffer.concat([message(Buffer.from('ab')), message(Buffer.alloc(0)), message(Buffer.from('cdefg'))]);
    const body = inForm(type, octets);
    for (let a = 0; a <= body.length; a++) {
      for (let b = a; b <= body.length; b++) {
        const call = filter(type);
        receive(call, body, [a, b]);
        assert.deepEqual(call.sink.body, octets, `${a} ${b}`);
        assert.ok(call.sink.ended && call.sink.aborted === null, `${a} ${b}`);
      }
    }
  });

  test(`${type}: Trailers-Only stays a head without a body`, () => {
    const call = filter(type);
    replyLocally(call.half, Failures.poolFull, true, 'POST');
    const { head, body, ended } = call.client;
    assert.equal(head[':status'], '200');
    assert.equal(head['content-type'], type === TEXT ? TEXT : BINARY);
    assert.equal(head['grpc-status'], '8');
    assert.equal(head['grpc-message'], Failures.poolFull.message);
    assert.equal(head['grpc-retry-pushback-ms'], '1000');
    assert.ok(ended && body.length === 0, 'nothing follows');
  });

  test(`${type}: a request with trailers in its body is malformed`, () => {
    const call = filter(type);
    call.sink.heard = () => call.half.stop();
    receive(call, inForm(type, Buffer.concat([message(Buffer.from('a')), message(Buffer.from('a: b\r\n'), 0x80)])));
    assert.equal(call.sink.aborted, Failures.malformedRequest);
    assert.equal(call.sink.body.length, 0);
  });

  test(`${type}: trailers that would fall into a message are never sent`, () => {
    for (const ended of [true, false]) {
      const call = filter(type);
      receive(call, inForm(type, message(Buffer.from('q'))), [], ended);
      call.half.sendHead(GRPC_HEAD, false);
      const whole = message(Buffer.alloc(100));
      send(call, whole.subarray(0, 40));
      call.half.sendTrailers(fieldsOf({ 'grpc-status': '14' }));
      assert.equal(call.client.resetCode, ErrorCode.INTERNAL_ERROR);
      assert.ok(!call.client.ended, 'the body has no end');
      assert.deepEqual(fromForm(type, call.client.body), whole.subarray(0, 40));
      // An exchange that waits for the rest of the request would wait for ever.
      assert.deepEqual(call.sink.failed, ended ? null : [Failures.badResponse, ErrorCode.INTERNAL_ERROR]);
    }
  });

  test(`${type}: seeded calls of all sizes cross as they are, and credit is exact on both sides`, () => {
    const random = new Random(23);
    for (let round = 0; round < 60; round++) {
      const call = filter(type);
      const { client, half, sink } = call;
      const octets = Buffer.concat(
        Array.from({ length: random.between(1, 4) }, () =>
          message(random.octets(random.below(random.pick([3, 90, 40_000])))),
        ),
      );
      const body = inForm(type, octets);
      // The exchange credits now at once, now later, whatever the pieces were.
      let owed = 0;
      const credit = (bytes: number): void => {
        owed -= bytes;
        half.credit(bytes);
        assert.ok(client.credited <= body.length, 'more credit than was ever received');
      };
      sink.heard = (bytes) => {
        owed += bytes;
        if (random.chance(0.7)) credit(random.below(owed + 1));
      };
      receive(call, body, random.cuts(body.length, random.below(6)));
      assert.deepEqual(sink.body, octets);
      while (owed > 0) credit(random.between(1, owed));
      assert.equal(client.credited, body.length);

      half.sendHead(GRPC_HEAD, false);
      let done = 0;
      let from = 0;
      for (const to of [...random.cuts(octets.length, random.below(6)), octets.length]) {
        client.takes = random.chance(0.5) ? Infinity : random.below(20_000);
        done += send(call, octets.subarray(from, to));
        from = to;
        assert.ok(done + sink.sent <= to, 'more credit than was ever sent');
        if (client.owed > 0 && random.chance(0.5)) {
          const left = random.between(1, client.owed);
          client.owed -= left;
          half.onSent(left);
        }
      }
      client.takes = random.chance(0.5) ? Infinity : 0;
      half.sendTrailers(OK);
      if (client.owed > 0) half.onSent(client.owed);
      assert.equal(done + sink.sent, octets.length);
      const { messages, trailers } = read(fromForm(type, client.body));
      assert.deepEqual(Buffer.concat(messages.map((payload) => message(payload))), octets);
      assert.deepEqual(trailers, [['grpc-status', '0']]);
    }
  });

  test(`${type}: no chunk is larger than the text of a piece where it is encoded, and the last one has the end`, () => {
    const call = filter(type);
    call.half.sendHead(GRPC_HEAD, false);
    const octets = message(new Random(1).octets(100_000));
    assert.equal(send(call, octets, true), octets.length);
    if (type === TEXT) assert.deepEqual([...new Set(call.client.chunks.map(({ length }) => length <= 16_384))], [true]);
    assert.ok(call.client.ended, 'the end was passed on');
    assert.deepEqual(fromForm(type, call.client.body), octets);
    const empty = filter(type);
    empty.half.sendHead(GRPC_HEAD, false);
    assert.equal(send(empty, Buffer.alloc(0), true), 0);
    assert.ok(empty.client.ended && empty.client.body.length === 0, 'an end of its own');
  });

  test(`${type}: large trailers are no header list, and leave whole`, () => {
    const call = filter(type);
    call.client.maxHeaderList = 400;
    assert.ok(call.half.accepts(GRPC_HEAD), 'the head fits');
    assert.ok(!call.half.accepts([...GRPC_HEAD, makeField('x-large', 'x'.repeat(400))]), 'this one does not');
    call.half.sendHead(GRPC_HEAD, false);
    const large = [...OK, makeField('x-large', 'x'.repeat(40_000))];
    assert.ok(call.half.accepts(large), 'the body takes them');
    call.half.sendTrailers(large);
    assert.deepEqual(read(fromForm(type, call.client.body)).trailers, textOf(large));
  });

  test(`${type}: an answer that is not gRPC passes as it is`, () => {
    const call = filter(type);
    call.half.sendHead(fieldsOf({ ':status': '404', 'content-type': 'text/html', 'content-length': '5' }), false);
    assert.equal(send(call, Buffer.from('<p>')), 3);
    assert.equal(send(call, Buffer.from('no')), 2);
    call.half.sendTrailers(fieldsOf({ 'x-checksum': '1' }));
    assert.deepEqual(call.client.head, { ':status': '404', 'content-type': 'text/html', 'content-length': '5' });
    assert.equal(call.client.body.toString(), '<p>no');
    assert.deepEqual(textOf(call.client.trailers ?? []), [['x-checksum', '1']]);
  });

  test(`${type}: an answer that is not gRPC and is cut off by a failure has no clean end`, () => {
    const call = filter(type);
    receive(call, inForm(type, message(Buffer.from('q'))));
    call.half.sendHead(fieldsOf({ ':status': '200', 'content-type': 'text/html' }), false);
    send(call, Buffer.from('<p>'));
    call.half.sendTrailers(fieldsOf({ 'grpc-status': '14' }));
    assert.ok(!call.client.ended, 'no end');
    assert.equal(call.client.resetCode, ErrorCode.INTERNAL_ERROR);
  });
}

test('text that is not base64, or stops inside a quantum, is malformed', () => {
  const good = toText(message(Buffer.from('abcd')));
  for (const bad of [`${good}*AAA`, good.slice(0, -1), `${good}Zg=`, `${good}Z===`, `${good}A`]) {
    for (let cut = 0; cut <= bad.length; cut++) {
      const call = filter(TEXT);
      receive(call, Buffer.from(bad, 'latin1'), [cut]);
      assert.equal(call.sink.aborted, Failures.malformedRequest, `${bad} ${cut}`);
      assert.ok(!call.sink.ended, 'the end was not passed on');
    }
  }
  const call = filter(TEXT);
  receive(call, Buffer.from('AAA'), [], false);
  call.half.onTrailers([]);
  assert.equal(call.sink.aborted, Failures.malformedRequest);
});

test('the trailers of a request are passed on', () => {
  for (const type of FORMS) {
    const call = filter(type);
    receive(call, inForm(type, message(Buffer.from('a'))), [], false);
    call.half.onTrailers(fieldsOf({ 'x-a': 'b' }));
    assert.deepEqual(textOf(call.sink.trailers ?? []), [['x-a', 'b']]);
    assert.ok(call.sink.ended, 'they end it');
  }
});

test('the codec of the answer is the engine’s, else what the client asked with', () => {
  const answer = (asked: string, engine: string): string | undefined => {
    const call = filter(asked);
    call.half.sendHead(fieldsOf({ ':status': '200', 'content-type': engine }), false);
    return call.client.head['content-type'];
  };
  assert.equal(answer('application/grpc-web+json', 'application/grpc+proto'), 'application/grpc-web+proto');
  assert.equal(answer('application/grpc-web+json', 'application/grpc;x=a+b'), 'application/grpc-web+json');
  assert.equal(answer('application/grpc-web-text', 'application/grpc'), 'application/grpc-web-text');
});

test('what browsers may see stands in the head, and an engine’s own word on it does not', () => {
  const cors = fieldsOf({ 'access-control-allow-origin': 'https://app.example', vary: 'origin' });
  const engine = fieldsOf({ 'access-control-allow-origin': '*', 'x-model': 'm1', 'grpc-status': '5' });
  for (const [own, names] of [
    [cors, 'grpc-status, grpc-message, grpc-status-details-bin, content-type, x-model'],
    [[], undefined],
  ] as const) {
    const call = filter(BINARY, own);
    call.half.sendHead([...GRPC_HEAD, ...engine], true);
    assert.equal(call.client.head['access-control-allow-origin'], own[0]?.value);
    assert.equal(call.client.head['access-control-expose-headers'], names);
    assert.equal(call.client.head['x-model'], 'm1');
  }
});

test('an informational head is nobody’s answer', () => {
  const call = filter(TEXT, fieldsOf({ vary: 'origin' }));
  call.half.sendHead(fieldsOf({ ':status': '103', link: '</a>' }), false, true);
  call.half.sendHead(GRPC_HEAD, false);
  assert.deepEqual(textOf(call.client.heads[0]!.fields), [
    [':status', '103'],
    ['link', '</a>'],
  ]);
  assert.ok(call.client.heads[0]?.informational === true, 'it stays one');
  assert.equal(call.client.head['content-type'], 'application/grpc-web-text+proto');
});

test('the end of a call reaches the other side once, and nothing after it', () => {
  const failed = filter(TEXT);
  failed.half.onFailed(Failures.clientGone, ErrorCode.CANCEL);
  assert.deepEqual(failed.sink.failed, [Failures.clientGone, ErrorCode.CANCEL]);
  receive(failed, Buffer.from('AAAA'));
  assert.equal(failed.sink.body.length, 0);

  const aborted = filter(TEXT);
  aborted.half.onAborted(Failures.draining);
  assert.equal(aborted.sink.aborted, Failures.draining);

  for (const way of ['stop', 'reset'] as const) {
    const call = filter(TEXT);
    call.half.charge();
    if (way === 'stop') call.half.stop();
    else call.half.reset(ErrorCode.CANCEL);
    receive(call, Buffer.from('AAAA*'));
    call.half.onSent(4);
    assert.deepEqual([call.sink.body.length, call.sink.aborted, call.sink.sent], [0, null, 0]);
    assert.equal(call.client.charged, 1);
    assert.equal(call.client.stopped, way === 'stop');
    assert.equal(call.client.resetCode, way === 'stop' ? null : ErrorCode.CANCEL);
  }
});

test('what the client’s half holds back is held back', () => {
  const call = filter(BINARY);
  assert.equal(call.half.flushed, true);
  call.client.flushed = false;
  assert.equal(call.half.flushed, false);
});
