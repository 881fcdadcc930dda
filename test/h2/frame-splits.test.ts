import assert from 'node:assert/strict';
import { test } from 'node:test';
import { ErrorCode } from '../../src/errors.ts';
import * as h2 from '../support/frames.ts';
import { naiveCalls } from './naive-reader.ts';
import { Random } from '../support/random.ts';
import { Reading } from './reading.ts';

const { PREFACE, Flag, Type } = h2;
const block = Buffer.from('828684410f7777772e6578616d706c652e636f6d', 'hex');

/** A client's side of a busy connection: every frame, every flag, and lengths from nothing to more than a few reads. */
const FRAMES = [
  h2.settingsFrame([3, 100], [4, 1_048_576], [0xabcd, 1]),
  h2.windowFrame(0, 1_000_000),
  h2.settingsAck(),
  h2.headersFrame(1, block, Flag.END_HEADERS),
  h2.dataFrame(1, ''),
  h2.dataFrame(1, 'x'),
  h2.dataFrame(1, Buffer.alloc(300, 7)),
  h2.frame(Type.DATA, Flag.PADDED, 1, Buffer.concat([Buffer.from([40]), Buffer.from('tail'), Buffer.alloc(40)])),
  h2.frame(0xbe, 0xff, 77, Buffer.alloc(20, 1)),
  h2.pingFrame(),
  h2.headersFrame(3, block.subarray(0, 5), Flag.END_STREAM),
  h2.continuationFrame(3, block.subarray(5, 6), 0),
  h2.continuationFrame(3, block.subarray(6), Flag.END_HEADERS),
  h2.frame(Type.PRIORITY, 0, 3, Buffer.from('0000000110', 'hex')),
  h2.frame(Type.HEADERS, 0x2c, 5, Buffer.concat([Buffer.from('030000000310', 'hex'), block, Buffer.alloc(3)])),
  h2.resetFrame(5, ErrorCode.CANCEL),
  h2.windowFrame(1, 65_535),
  h2.pingFrame('87654321', Flag.ACK),
  h2.dataFrame(1, 'the end', Flag.END_STREAM),
  h2.goawayFrame(0, 0, 'so long'),
];
const conversation = Buffer.concat([PREFACE, ...FRAMES]);
const expected = naiveCalls(Buffer.concat(FRAMES));

function assertSame(octets: Buffer, cuts: readonly number[], calls: typeof expected, why: string): void {
  const reading = new Reading(true).feed(octets, cuts);
  assert.deepEqual(reading.calls, calls, why);
  assert.equal(reading.pool.out.size, 0, `${why}: buffers kept`);
  assert.ok(!reading.reader.waiting, why);
}

test('the conversation is what it is meant to be', () => {
  assert.equal(expected.length, FRAMES.length - 2);
  assertSame(conversation, [], expected, 'unsplit');
});

test('wherever a read ends, the frames are the same', () => {
  for (let cut = 0; cut <= conversation.length; cut++) assertSame(conversation, [cut], expected, `cut at ${cut}`);
});

test('octet by octet the frames are the same', () => {
  assertSame(conversation, [...conversation.keys()], expected, 'octet by octet');
});

test('in any number of pieces the frames are the same', () => {
  for (let seed = 0; seed < 500; seed++) {
    const random = new Random(seed);
    const cuts = random.cuts(conversation.length, 1 + random.below(60));
    assertSame(conversation, cuts, expected, `seed ${seed}`);
  }
});

test('frames of the largest size may come in pieces', () => {
  const large = [h2.dataFrame(1, new Random(1).octets(16_384)), h2.dataFrame(1, new Random(2).octets(16_383), 1)];
  const octets = Buffer.concat([PREFACE, h2.settingsFrame(), ...large, ...large]);
  const calls = naiveCalls(octets.subarray(PREFACE.length));
  assert.equal(calls.length, 5);
  for (let seed = 0; seed < 50; seed++) {
    const random = new Random(seed);
    assertSame(octets, random.cuts(octets.length, random.below(12)), calls, `seed ${seed}`);
  }
  for (const cut of [42 + 16_383, 42 + 16_384, 42 + 16_385]) assertSame(octets, [cut], calls, `${cut}`);
});

test('a preface may come in any two pieces', () => {
  for (let cut = 0; cut <= PREFACE.length; cut++) {
    const reading = new Reading(true).feed(PREFACE.subarray(0, cut));
    assert.equal(reading.reader.waiting, cut < PREFACE.length);
    assert.deepEqual(reading.feed(PREFACE.subarray(cut)).calls, []);
    assert.ok(!reading.reader.waiting);
  }
});

test('one wrong octet in the preface is PROTOCOL_ERROR as soon as it is there', () => {
  for (let at = 0; at < PREFACE.length; at++) {
    for (const change of [0x01, 0x20, 0x80, 0xff]) {
      const wrong = Buffer.from(PREFACE);
      wrong[at]! ^= change;
      const reading = new Reading(true).feed(wrong.subarray(0, at + 1));
      assert.equal(reading.error, ErrorCode.PROTOCOL_ERROR, `octet ${at}`);
      const late = new Reading(true).feed(Buffer.concat([wrong, ...FRAMES]), [at]);
      assert.deepEqual(late.calls, [['error', ErrorCode.PROTOCOL_ERROR]], `octet ${at}`);
    }
  }
});

test('the first frame is SETTINGS and no ACK, from a client as from a server', () => {
  const first = [...Object.values(Type), 0xbe].map((type) =>
    h2.frame(type, 0, type === Type.PING ? 0 : 1, Buffer.alloc(8)),
  );
  for (const octets of [...first.filter((frame) => frame[3] !== Type.SETTINGS), h2.settingsAck()]) {
    assert.equal(new Reading().feed(octets).error, ErrorCode.PROTOCOL_ERROR);
    assert.equal(new Reading(true).feed(Buffer.concat([PREFACE, octets])).error, ErrorCode.PROTOCOL_ERROR);
  }
  assert.deepEqual(new Reading().feed(h2.settingsFrame()).calls, [['settings', false, '']]);
});

test('a client expects no preface', () => {
  assert.deepEqual(new Reading().feed(Buffer.concat(FRAMES)).calls, expected);
});

test('nothing is told to a handler that has died, and no buffer is kept', () => {
  for (let lifetime = 1; lifetime <= expected.length; lifetime++) {
    for (let seed = 0; seed < 20; seed++) {
      const random = new Random(seed);
      const reading = new Reading(true, lifetime).feed(conversation, random.cuts(conversation.length, seed));
      assert.deepEqual(reading.calls, expected.slice(0, lifetime), `lifetime ${lifetime}, seed ${seed}`);
      assert.equal(reading.pool.out.size, 0);
    }
  }
});

test('a reader that is closed in the middle of a frame gives its buffer back', () => {
  for (let end = 0; end < conversation.length; end++) {
    const reading = new Reading(true).feed(conversation.subarray(0, end));
    assert.ok(reading.pool.out.size <= 1);
    reading.reader.close();
    reading.reader.close();
    assert.equal(reading.pool.out.size, 0);
  }
});

test('an error in a frame that came in pieces keeps no buffer', () => {
  const wrong = [
    h2.frame(Type.PING, 0, 0, 'short'),
    h2.frameHeader(20_000, Type.DATA, 0, 1),
    h2.dataFrame(0, 'stream 0'),
  ];
  for (const octets of wrong) {
    for (let cut = 1; cut < octets.length; cut++) {
      const reading = Reading.begun().feed(octets, [cut]);
      assert.notEqual(reading.error, undefined);
      assert.equal(reading.pool.out.size, 0, `cut at ${cut}`);
    }
  }
});

test('a handler that throws keeps no buffer', () => {
  const reading = Reading.begun();
  reading.onPing = () => {
    throw new Error('a bug');
  };
  assert.throws(() => reading.feed(h2.pingFrame(), [5]), /a bug/);
  reading.reader.close();
  assert.equal(reading.pool.out.size, 0);
});

test('frames that come whole need no buffer', () => {
  const reading = new Reading(true).feed(conversation, [PREFACE.length, PREFACE.length + FRAMES[0]!.length]);
  assert.deepEqual(reading.calls, expected);
  assert.equal(reading.pool.taken, 0);
});
