import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Flag, frame, settingsFrame, Type } from '../support/frames.ts';
import { naiveCalls } from './naive-reader.ts';
import { Random } from '../support/random.ts';
import { Reading } from './reading.ts';

const EDGE_LENGTHS = [0, 1, 3, 4, 5, 6, 7, 8, 9, 12, 255, 256, 257];
const HELLO = settingsFrame();
const STREAMS = [1, 1, 1, 3, 0x7fffffff, 0x80000001];

/** Any frame at all, most often wrong. */
function wild(random: Random): Buffer {
  const length = random.chance(1 / 20) ? random.pick([16_383, 16_384, 16_385]) : random.pick(EDGE_LENGTHS);
  const payload = Buffer.alloc(length, random.below(256));
  payload[0] = random.pick([0, 1, 4, 255, length - 2, length - 1, length]);
  return frame(random.below(12), random.below(256), random.pick([0, ...STREAMS]), payload);
}

/** A frame that is right by itself. */
function tame(random: Random): Buffer[] {
  const streamId = random.pick(STREAMS);
  const text = random.octets(random.below(40));
  const padding = random.below(30);
  const padded = Buffer.concat([Buffer.from([padding]), text, Buffer.alloc(padding)]);
  const prioritised = Buffer.concat([Buffer.from([padding]), random.octets(5), text, Buffer.alloc(padding)]);
  const extra = random.below(256) & ~(Flag.PADDED | Flag.PRIORITY | Flag.END_HEADERS);
  switch (random.below(11)) {
    case 0:
      return [frame(Type.DATA, extra, streamId, text)];
    case 1:
      return [frame(Type.DATA, extra | Flag.PADDED, streamId, padded)];
    case 2:
      return [frame(Type.HEADERS, extra | Flag.END_HEADERS, streamId, text)];
    case 3:
      return [frame(Type.HEADERS, extra | Flag.END_HEADERS | Flag.PADDED | Flag.PRIORITY, streamId, prioritised)];
    case 4: {
      const pieces = Array.from({ length: random.below(9) }, () => frame(Type.CONTINUATION, 0, streamId, text));
      const last = frame(Type.CONTINUATION, Flag.END_HEADERS, streamId, random.octets(random.below(3)));
      return [frame(Type.HEADERS, extra | Flag.PADDED, streamId, padded), ...pieces, last];
    }
    case 5:
      return [frame(Type.PRIORITY, extra, streamId, random.octets(random.pick([4, 5, 5, 5, 6])))];
    case 6:
      return [frame(Type.RST_STREAM, extra, streamId, random.octets(4))];
    case 7:
      return [frame(Type.SETTINGS, extra, 0, random.octets(6 * random.below(4)))];
    case 8:
      return [frame(Type.PING, extra, 0, random.octets(8))];
    case 9:
      return [frame(Type.GOAWAY, extra, 0, random.octets(8 + random.below(9)))];
    default:
      return [frame(Type.WINDOW_UPDATE, extra, random.pick([0, streamId]), random.octets(4))];
  }
}

function assertAgree(octets: Buffer, cuts: readonly number[], why: string): number {
  const reading = new Reading().feed(octets, cuts);
  const calls = naiveCalls(octets);
  assert.deepEqual(reading.calls, calls, why);
  reading.reader.close();
  assert.equal(reading.pool.out.size, 0, why);
  return calls.length;
}

test('every type, flag and edge length alone is read as a naive reader reads it', () => {
  for (let type = 0; type <= 11; type++) {
    // Each flag that some frame defines, with and without the others, and all of the undefined ones.
    for (const flags of [...Array(64).keys(), 0xd2, 0xff].filter((all) => (all & 0x12) === 0 || all > 63)) {
      const padded = (flags & Flag.PADDED) !== 0;
      for (const length of EDGE_LENGTHS) {
        for (const first of padded ? [0, 1, length - 1, length, 255] : [0]) {
          const payload = Buffer.alloc(length, 0xc3);
          payload[0] = first;
          for (const streamId of first === 0 ? [0, 1] : [1]) {
            const why = `type ${type} flags ${flags} length ${length} first ${first} stream ${streamId}`;
            assertAgree(Buffer.concat([HELLO, frame(type, flags, streamId, payload)]), [], why);
          }
        }
      }
    }
  }
});

test('random frames are read as a naive reader reads them, until the first error', () => {
  for (let seed = 0; seed < 2000; seed++) {
    const random = new Random(seed);
    const wilds = Array.from({ length: 1 + random.below(5) }, () => wild(random));
    const octets = Buffer.concat(random.chance(1 / 9) ? wilds : [HELLO, ...wilds]);
    assertAgree(octets, random.cuts(octets.length, random.below(6)), `seed ${seed}`);
  }
});

test('long streams of right frames, with a wrong one now and then, are read as a naive reader reads them', () => {
  let told = 0;
  for (let seed = 0; seed < 600; seed++) {
    const random = new Random(seed);
    const frames = [HELLO];
    for (let n = 0; n < 30; n++) frames.push(...(random.chance(1 / 60) ? [wild(random)] : tame(random)));
    const octets = Buffer.concat(frames);
    // The end may be cut off: a frame that is not whole is not told.
    const length = octets.length - random.below(30);
    told += assertAgree(octets.subarray(0, length), random.cuts(length, random.below(20)), `seed ${seed}`);
  }
  assert.ok(told > 8000, `only ${told} frames were compared`);
});
