import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { Decoded, Decoder } from '../../src/hpack/decoder.ts';
import type { Field as Pair } from '../support/frames.ts';
import { remembered, tableSize } from '../support/header-block.ts';
import { decode, decodeOk, hex, WIDE } from './codec.ts';
import { headerList } from './header-lists.ts';
import { breaksCompressor, HpackJsEncoder } from './hpack-js-peer.ts';
import { Random } from '../support/random.ts';
import { representations } from './reference.ts';

const BLOCKS = 100;
const LONGEST = 600;
const SHARED: readonly Pair[] = [
  ['x-tenant', 'value-1'],
  ['x-session', 'value-2'],
  ['user-agent', 'grpc-node-js/1.14.7'],
];
const PRIMER = Buffer.concat(SHARED.map((field) => remembered(...field)));

/** A good block that uses indices, literals and now and then size updates, and follows `PRIMER`. */
function goodBlock(random: Random): Buffer {
  const huffman = random.chance(0.5);
  const encoder = new HpackJsEncoder();
  encoder.encode(SHARED.map(([name, value]) => ({ name, value })));
  const list = headerList(random).filter((field) => !breaksCompressor(field) && field[1].length < 200);
  const block = encoder.encode(
    [...list, ...SHARED].map(([name, value]) => ({ name, value, huffman, incremental: random.chance(0.5) })),
  );
  // 4096 again, so that no entry goes.
  return random.chance(0.2) ? Buffer.concat([tableSize(4096), tableSize(4096), block]) : block;
}

function primed(): Decoder {
  const decoder = new Decoder(WIDE);
  decodeOk(decoder, PRIMER);
  return decoder;
}

describe('a block that is cut off', () => {
  const random = new Random(7541);
  const blocks = Array.from({ length: BLOCKS }, () => goodBlock(random)).filter(({ length }) => length <= LONGEST);

  test('is malformed, or at a field border a shorter list, whatever lies around it', () => {
    assert.ok(blocks.length > BLOCKS / 2);
    const before = hex('ffff7fbe');
    for (const block of blocks) {
      const whole = decodeOk(primed(), block).pairs;
      const parts = representations(block);
      for (let cut = 0; cut <= block.length; cut++) {
        const border = cut === 0 || parts.some(({ end }) => end === cut);
        const fields = parts.filter(({ kind, end }) => kind !== 'update' && end <= cut).length;
        // What follows is first what would make the block whole, then what would make any number endless.
        for (const after of [block.subarray(cut), Buffer.alloc(16, 0xff), Buffer.alloc(16, 0x82)]) {
          const { result, pairs } = decode(primed(), block.subarray(0, cut), before, after);
          const where = `${block.toString('hex')} cut at ${cut}`;
          assert.equal(result, border ? Decoded.OK : Decoded.MALFORMED, where);
          assert.deepEqual(pairs, whole.slice(0, fields), where);
        }
      }
    }
  });

  test('is malformed inside every kind of integer', () => {
    for (const block of [
      'ff',
      'ff80',
      '7f',
      '3f',
      '3f80',
      '0f',
      '1f',
      '1fff',
      '00',
      '007f',
      '007f80',
      '0001',
      '4001',
    ]) {
      assert.equal(decode(primed(), hex(block), hex('82'), hex('0000000000')).result, Decoded.MALFORMED, block);
    }
  });

  test('is a good block of no fields if nothing of it is left', () => {
    assert.deepEqual(decode(primed(), hex('')), { result: Decoded.OK, fields: [], pairs: [] });
  });
});
