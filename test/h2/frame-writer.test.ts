import assert from 'node:assert/strict';
import { test } from 'node:test';
import {
  writeData,
  writeGoaway,
  writeHeaderBlock,
  writePing,
  writeReset,
  writeSettings,
  writeSettingsAck,
  writeWindowUpdate,
} from '../../src/h2/frame-writer.ts';
import type { OctetSink } from '../../src/h2/frame-writer.ts';
import * as h2 from '../support/frames.ts';
import { Random } from '../support/random.ts';
import { Reading } from './reading.ts';

/** Grows only when it is asked to, and only by as much. */
class Sink implements OctetSink {
  buffer = Buffer.alloc(0);
  at = 0;
  reserve(octets: number): void {
    this.buffer = Buffer.concat([this.buffer.subarray(0, this.at), Buffer.alloc(octets, 0xee)]);
  }
  get written(): Buffer {
    assert.ok(this.at <= this.buffer.length, 'written beyond what was reserved');
    return this.buffer.subarray(0, this.at);
  }
}

/** What these calls write, one after another. */
function written(...writes: ((sink: Sink) => void)[]): Buffer {
  const sink = new Sink();
  for (const write of writes) write(sink);
  return sink.written;
}

const IDS = [1, 2, 255, 256, 0x10000, 0x1000001, 0x7fffffff];
const NUMBERS = [0, 1, 255, 256, 65_535, 0x1000000, 0x7fffffff];
const CODES = [...NUMBERS, 0x80000000, 0xffffffff];

test('RST_STREAM, WINDOW_UPDATE and GOAWAY say their numbers', () => {
  for (const id of IDS) {
    for (const code of CODES) {
      assert.deepEqual(
        written((sink) => writeReset(sink, id, code)),
        h2.resetFrame(id, code),
      );
      for (const reason of ['', 'idle', 'x'.repeat(300)]) {
        const octets = written((sink) => writeGoaway(sink, id, code, reason));
        assert.deepEqual(octets, h2.goawayFrame(id, code, reason));
      }
    }
    for (const increment of NUMBERS) {
      for (const on of [0, id]) {
        const octets = written((sink) => writeWindowUpdate(sink, on, increment));
        assert.deepEqual(octets, h2.windowFrame(on, increment));
      }
    }
  }
});

test('PING and its ACK carry the eight octets they were given', () => {
  const payload = Buffer.from('..frameway..');
  assert.deepEqual(
    written((sink) => writePing(sink, false, payload, 2)),
    h2.pingFrame('frameway'),
  );
  assert.deepEqual(
    written((sink) => writePing(sink, true, payload, 2)),
    h2.pingFrame('frameway', h2.Flag.ACK),
  );
});

test('SETTINGS lists its pairs, and its ACK is empty', () => {
  const lists: (readonly [number, number])[][] = [[], [[4, 0x7fffffff]], CODES.map((value, i) => [i * 4000, value])];
  for (const list of lists) {
    assert.deepEqual(
      written((sink) => writeSettings(sink, list)),
      h2.settingsFrame(...list),
    );
  }
  assert.deepEqual(written(writeSettingsAck), h2.settingsAck());
});

test('DATA of any length is copied from where it lies', () => {
  const source = new Random(1).octets(17_000);
  for (const length of [0, 1, 47, 48, 49, 255, 256, 16_383, 16_384]) {
    for (const start of [0, 1, 500]) {
      for (const last of [false, true]) {
        const octets = written((sink) => writeData(sink, 3, source, start, start + length, last));
        assert.deepEqual(octets, h2.dataFrame(3, source.subarray(start, start + length), last ? 1 : 0));
      }
    }
  }
});

test('a header block within a frame is one HEADERS', () => {
  for (const length of [0, 1, 16_383, 16_384]) {
    const block = new Random(length).octets(length + 10);
    for (const last of [false, true]) {
      const flags = h2.Flag.END_HEADERS | (last ? h2.Flag.END_STREAM : 0);
      const octets = written((sink) => writeHeaderBlock(sink, 5, block, length, 16_384, last));
      assert.deepEqual(octets, h2.headersFrame(5, block.subarray(0, length), flags));
    }
  }
});

test('a longer block is HEADERS and CONTINUATION: END_STREAM on the first, END_HEADERS on the last', () => {
  const { END_HEADERS, END_STREAM } = h2.Flag;
  const block = new Random(9).octets(60_000);
  for (const maxFrameSize of [16_384, 16_385, 20_000]) {
    for (const length of [maxFrameSize + 1, 2 * maxFrameSize, 2 * maxFrameSize + 1, 60_000]) {
      for (const last of [false, true]) {
        const octets = written((sink) => writeHeaderBlock(sink, 7, block, length, maxFrameSize, last));
        const frames = new h2.FrameSplitter().push(octets);
        const why = `${length} octets in frames of ${maxFrameSize}`;
        assert.equal(frames.length, Math.ceil(length / maxFrameSize), why);
        frames.forEach((frame, i) => {
          assert.equal(frame.type, i === 0 ? h2.Type.HEADERS : h2.Type.CONTINUATION, why);
          const ends = i === frames.length - 1 ? END_HEADERS : 0;
          assert.equal(frame.flags, ends | (i === 0 && last ? END_STREAM : 0), why);
          assert.equal(frame.streamId, 7, why);
          assert.ok(frame.payload.length <= maxFrameSize && frame.payload.length > 0, why);
        });
        assert.deepEqual(Buffer.concat(frames.map(({ payload }) => payload)), block.subarray(0, length), why);
      }
    }
  }
});

test('what is written is read back by our own reader, frame for frame', () => {
  const block = new Random(3).octets(40_000);
  const octets = written(
    (sink) => writeSettings(sink, [[4, 65_535]]),
    writeSettingsAck,
    (sink) => writeHeaderBlock(sink, 1, block, 40_000, 16_384, false),
    (sink) => writeData(sink, 1, block, 10, 14, true),
    (sink) => writePing(sink, true, block, 0),
    (sink) => writeWindowUpdate(sink, 0, 0x7fffffff),
    (sink) => writeReset(sink, 1, 8),
    (sink) => writeGoaway(sink, 0x7fffffff, 11, 'calm'),
  );
  assert.deepEqual(new Reading().feed(octets).calls, [
    ['settings', false, '00040000ffff'],
    ['settings', true, ''],
    ['headers', 1, false, -1, block.toString('hex')],
    ['data', 1, true, block.toString('hex', 10, 14), 4],
    ['ping', true, block.toString('hex', 0, 8)],
    ['window', 0, 0x7fffffff],
    ['reset', 1, 8],
    ['goaway', 0x7fffffff, 11, Buffer.from('calm').toString('hex')],
  ]);
});
