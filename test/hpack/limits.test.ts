import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { Decoded, Decoder } from '../../src/hpack/decoder.ts';
import type { Field as Pair } from '../support/frames.ts';
import { indexed, literal, remembered, tableSize } from '../support/header-block.ts';
import { decode, decodeOk, LIMITS, sizeOf, tableOf } from './codec.ts';

const SIZE = 1000;
const small = { maxHeaderListSize: SIZE, maxHeaderFields: 200, maxHeaderFieldsHard: 1000 };
/** A literal that takes `size` octets of a header list. */
const ofSize = (size: number): Buffer => literal('n', 'v'.repeat(size - 33));
const times = (count: number, block: Buffer): Buffer => Buffer.concat(new Array<Buffer>(count).fill(block));

describe('the size of a header list', () => {
  const cases: readonly (readonly [string, readonly number[], Decoded, number])[] = [
    ['up to the limit is accepted', [400, 600], Decoded.OK, 2],
    ['one octet over is too large', [400, 601], Decoded.TOO_LARGE, 1],
    ['twice the limit is too large', [400, 600, 1000], Decoded.TOO_LARGE, 2],
    ['one octet over twice the limit is far too large', [400, 600, 1001], Decoded.FAR_TOO_LARGE, 2],
    ['a single field over the limit is too large', [1500], Decoded.TOO_LARGE, 0],
    ['a single field over twice the limit is far too large', [2001], Decoded.FAR_TOO_LARGE, 0],
    ['a small field behind the limit is not handed over', [999, 500, 33], Decoded.TOO_LARGE, 1],
  ];
  for (const [title, sizes, result, fields] of cases) {
    test(title, () => {
      const decoding = decode(new Decoder(small), Buffer.concat(sizes.map(ofSize)));
      assert.deepEqual([decoding.result, decoding.fields.length], [result, fields]);
    });
  }

  test('counts names and values and 32 octets a field, whatever they took on the wire', () => {
    const decoder = new Decoder(small);
    decodeOk(decoder, remembered('n', 'v'.repeat(67)));
    assert.equal(decode(decoder, times(10, indexed(62))).result, Decoded.OK);
    assert.equal(decode(decoder, times(11, indexed(62))).result, Decoded.TOO_LARGE);
    assert.equal(decode(decoder, times(21, indexed(62))).result, Decoded.FAR_TOO_LARGE);
  });

  test('is counted block by block', () => {
    const decoder = new Decoder(small);
    for (let n = 0; n < 20; n++) decodeOk(decoder, ofSize(SIZE));
  });

  test('when too large leaves the table in step: the next block decodes', () => {
    const decoder = new Decoder(small);
    const early: Pair = ['early', 'e'.repeat(300)];
    const late: Pair = ['late', 'l'];
    const last: Pair = ['last', 'a'];
    const block = Buffer.concat([remembered(...early), ofSize(SIZE), remembered(...late), remembered(...last)]);
    assert.equal(decode(decoder, block).result, Decoded.TOO_LARGE);
    assert.deepEqual(tableOf(decoder), [last, late, early]);
    assert.deepEqual(decodeOk(decoder, Buffer.concat([indexed(63), indexed(64)])).pairs, [late, early]);
  });

  test('that is malformed behind the limit is malformed', () => {
    assert.equal(decode(new Decoder(small), Buffer.concat([ofSize(1500), indexed(62)])).result, Decoded.MALFORMED);
  });

  test('is 64 KiB by default: a bomb of 20 KB is stopped within 128 KiB', () => {
    const decoder = new Decoder(LIMITS);
    const { result, pairs } = decode(
      decoder,
      Buffer.concat([remembered('x', 'b'.repeat(3900)), times(20_000, indexed(62))]),
    );
    assert.equal(result, Decoded.FAR_TOO_LARGE);
    assert.ok(sizeOf(pairs) <= 64 * 1024);
  });
});

describe('the number of fields', () => {
  const cases: readonly (readonly [number, Decoded, number])[] = [
    [199, Decoded.OK, 199],
    [200, Decoded.OK, 200],
    [201, Decoded.TOO_LARGE, 200],
    [1000, Decoded.TOO_LARGE, 200],
    [1001, Decoded.FAR_TOO_LARGE, 200],
    [60_000, Decoded.FAR_TOO_LARGE, 200],
  ];
  for (const [count, result, handed] of cases) {
    test(`${count} gives ${Object.keys(Decoded)[result]!} and ${handed} fields`, () => {
      const decoding = decode(new Decoder(LIMITS), times(count, indexed(2)));
      assert.deepEqual([decoding.result, decoding.fields.length], [result, handed]);
    });
  }

  test('counts every cookie crumb', () => {
    assert.equal(decode(new Decoder(LIMITS), times(201, literal('cookie', ''))).result, Decoded.TOO_LARGE);
  });

  test('does not count size updates', () => {
    const block = Buffer.concat([tableSize(0), tableSize(4096), times(200, indexed(2))]);
    assert.equal(decode(new Decoder(LIMITS), block).result, Decoded.OK);
  });

  test('when too large leaves the table in step: the next block decodes', () => {
    const decoder = new Decoder(LIMITS);
    const block = Buffer.concat([times(500, indexed(2)), remembered('late', 'entry')]);
    assert.equal(decode(decoder, block).result, Decoded.TOO_LARGE);
    assert.deepEqual(decodeOk(decoder, indexed(62)).pairs, [['late', 'entry']]);
  });
});
