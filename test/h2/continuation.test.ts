import assert from 'node:assert/strict';
import { test } from 'node:test';
import { ErrorCode } from '../../src/errors.ts';
import { continuationFrame, Flag, frame, headersFrame, Type } from '../support/frames.ts';
import { Reading } from './reading.ts';

const { END_HEADERS, END_STREAM } = Flag;
const begin = headersFrame(1, Buffer.from('a'), END_STREAM);
const more = (size: number, flags = 0, streamId = 1): Buffer =>
  continuationFrame(streamId, Buffer.alloc(size, 'b'), flags);
const read = (...octets: readonly Buffer[]): Reading => Reading.begun().feed(Buffer.concat(octets));
const errorOf = (...octets: readonly Buffer[]): number | undefined => read(...octets).error;

test('a header block is told once it is whole, with the flags of its HEADERS', () => {
  const reading = read(begin, more(1), more(2));
  assert.deepEqual(reading.calls, []);
  assert.ok(reading.reader.waiting);
  reading.feed(more(1, END_HEADERS));
  assert.deepEqual(reading.calls, [['headers', 1, true, -1, '6162626262']]);
  assert.ok(!reading.reader.waiting);
});

test('flags that CONTINUATION does not define change nothing', () => {
  const all = 0xff & ~END_HEADERS;
  const { calls } = read(headersFrame(1, Buffer.from('a'), 0), more(1, all), more(1, all | END_HEADERS));
  assert.deepEqual(calls, [['headers', 1, false, -1, '616262']]);
});

test('padding and priority of HEADERS are not part of a block that goes on', () => {
  const payload = Buffer.from('02000000051061ffff', 'hex');
  const { calls } = read(frame(Type.HEADERS, Flag.PADDED | Flag.PRIORITY, 1, payload), more(1, END_HEADERS));
  assert.deepEqual(calls, [['headers', 1, false, 5, '6162']]);
});

test('CONTINUATION without a block before it is PROTOCOL_ERROR', () => {
  assert.equal(errorOf(more(1, END_HEADERS)), ErrorCode.PROTOCOL_ERROR);
  assert.equal(errorOf(headersFrame(1, Buffer.from('a'), END_HEADERS), more(1)), ErrorCode.PROTOCOL_ERROR);
  assert.equal(errorOf(begin, more(1, END_HEADERS), more(1, END_HEADERS)), ErrorCode.PROTOCOL_ERROR);
});

test('nothing but its CONTINUATION may follow a block that is not whole, not even an unknown frame', () => {
  for (const type of [...Object.values(Type), 0xa, 0xff]) {
    if (type === Type.CONTINUATION) continue;
    for (const streamId of [0, 1, 3]) {
      const between = frame(type, 0, streamId, Buffer.alloc(8));
      assert.equal(errorOf(begin, between), ErrorCode.PROTOCOL_ERROR, `type ${type} on stream ${streamId}`);
      assert.equal(errorOf(begin, more(1), between), ErrorCode.PROTOCOL_ERROR, `type ${type} on stream ${streamId}`);
    }
  }
});

test('CONTINUATION on another stream is PROTOCOL_ERROR', () => {
  for (const other of [0, 2, 3]) assert.equal(errorOf(begin, more(1, END_HEADERS, other)), ErrorCode.PROTOCOL_ERROR);
});

test('eight CONTINUATION frames are enough for any block, and nine are a flood', () => {
  const eight = Array.from({ length: 7 }, () => more(10));
  assert.equal(read(begin, ...eight, more(10, END_HEADERS)).calls.length, 1);
  assert.equal(errorOf(begin, ...eight, more(10), more(10, END_HEADERS)), ErrorCode.ENHANCE_YOUR_CALM);
});

test('a block may have 64 KiB and not one octet more', () => {
  const full = [headersFrame(1, Buffer.alloc(16_384), 0), more(16_384), more(16_384)];
  assert.equal(read(...full, more(16_384, END_HEADERS)).calls.length, 1);
  assert.equal(errorOf(...full, more(16_384), more(1, END_HEADERS)), ErrorCode.ENHANCE_YOUR_CALM);
  assert.equal(errorOf(...full, more(16_383), more(2)), ErrorCode.ENHANCE_YOUR_CALM);
});

test('one empty CONTINUATION is a clumsy peer, two are a flood', () => {
  assert.equal(read(begin, more(0), more(1), more(1, END_HEADERS)).calls.length, 1);
  assert.equal(read(begin, more(0, END_HEADERS)).calls.length, 1);
  assert.equal(errorOf(begin, more(0), more(0)), ErrorCode.ENHANCE_YOUR_CALM);
  assert.equal(errorOf(begin, more(0), more(1), more(0, END_HEADERS)), ErrorCode.ENHANCE_YOUR_CALM);
});

test('the limits hold for each block anew', () => {
  const block = [begin, more(0), ...Array.from({ length: 6 }, () => more(9000)), more(1, END_HEADERS)];
  assert.equal(read(...block, ...block, ...block).calls.length, 3);
});
