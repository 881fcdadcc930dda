import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { Decoder } from '../../src/hpack/decoder.ts';
import { Encoder } from '../../src/hpack/encoder.ts';
import { makeField } from '../../src/hpack/field.ts';
import type { Field as Pair } from '../support/frames.ts';
import { decodeOk, encode, received, sizeOf, tableOf, WIDE } from './codec.ts';
import { Random } from '../support/random.ts';
import { representations } from './reference.ts';

const METHOD = [makeField(':method', 'GET')];
const updates = (block: Buffer): number[] =>
  representations(block)
    .filter(({ kind }) => kind === 'update')
    .map(({ number }) => number);

/** The size updates at the head of the block after these limits, and of the one after that. */
function announced(...limits: readonly number[]): number[][] {
  const encoder = new Encoder();
  for (const limit of limits) encoder.setLimit(limit);
  return [updates(encode(encoder, METHOD)), updates(encode(encoder, METHOD))];
}

describe('a new limit of the peer', () => {
  const cases: readonly (readonly [string, readonly number[], readonly number[]])[] = [
    ['that lowers the size is announced once', [100], [100]],
    ['of nothing is announced', [0], [0]],
    ['lower and lower is announced as the lowest', [2000, 100], [100]],
    ['lower, then higher, is announced as both', [100, 2000], [100, 2000]],
    ['lower, then back, is announced as both', [0, 4096], [0, 4096]],
    ['up and down and up is announced as the lowest and the last', [2000, 10, 3000, 500], [10, 500]],
    ['that is the default is not announced', [4096], []],
    ['above the default is neither announced nor used', [65_536], []],
    ['above the default, after a lower one, is used up to the default', [1000, 65_536], [1000, 4096]],
    ['of 2^32 - 1 is not used', [2 ** 32 - 1], []],
  ];
  for (const [title, limits, expected] of cases) {
    test(title, () => assert.deepEqual(announced(...limits), [expected, []]));
  }

  test('is announced ahead of an empty list too', () => {
    const encoder = new Encoder();
    encoder.setLimit(64);
    assert.deepEqual(updates(encode(encoder, [])), [64]);
  });

  test('higher than the size in use is announced and used', () => {
    const encoder = new Encoder();
    encoder.setLimit(0);
    encode(encoder, METHOD);
    encoder.setLimit(4096);
    assert.deepEqual(updates(encode(encoder, METHOD)), [4096]);
    const field = received([['x-tenant', 'acme']]);
    for (let n = 0; n < 2; n++) encode(encoder, field);
    assert.deepEqual([...encode(encoder, field)], [0xbe]);
  });

  test('of nothing ends indexing, and entries made before are not used', () => {
    const encoder = new Encoder();
    const field = received([['x-tenant', 'acme']]);
    for (let n = 0; n < 3; n++) encode(encoder, field);
    encoder.setLimit(0);
    encode(encoder, METHOD);
    for (let n = 0; n < 5; n++) {
      assert.deepEqual(
        representations(encode(encoder, field)).map(({ kind }) => kind),
        ['plain'],
      );
    }
  });

  test('that dips and comes back empties the table on both sides', () => {
    const encoder = new Encoder();
    const decoder = new Decoder(WIDE);
    const field = received([['x-tenant', 'acme']]);
    for (let n = 0; n < 3; n++) decodeOk(decoder, encode(encoder, field));
    assert.equal(tableOf(decoder).length, 1);
    encoder.setLimit(0);
    encoder.setLimit(4096);
    assert.deepEqual(decodeOk(decoder, encode(encoder, field)).pairs, [['x-tenant', 'acme']]);
    assert.ok(tableOf(decoder).length <= 1);
  });

  test('above 4096 leaves the table of a decoder that allows more at 4096', () => {
    const encoder = new Encoder();
    const decoder = new Decoder(WIDE);
    encoder.setLimit(65_536);
    decoder.setLimit(65_536);
    for (let n = 0; n < 100; n++) {
      const field: Pair = ['x-tenant', `${n}-${'v'.repeat(150)}`];
      for (let again = 0; again < 3; again++) {
        assert.deepEqual(decodeOk(decoder, encode(encoder, received([field]))).pairs, [field]);
      }
    }
    const size = sizeOf(tableOf(decoder));
    assert.ok(size > 3500 && size <= 4096, `the table holds ${size}`);
  });
});

describe('Encoder.worstCase', () => {
  // `encode` itself asserts the bound and that nothing is written behind it.
  test('bounds every block, at the borders of the length prefixes above all', () => {
    const random = new Random(4096);
    const lengths = [0, 1, 31, 32, 33, 126, 127, 128, 254, 255, 256, 257, 16_509, 16_510, 16_511, 70_000];
    for (let n = 0; n < 2000; n++) {
      const encoder = new Encoder();
      const list = Array.from({ length: random.below(12) }, (): Pair => {
        const long = random.chance(0.1);
        const length = (): number => random.pick(long ? lengths : lengths.slice(0, 12));
        return [random.chance(0.3) ? 'cookie' : 'n'.repeat(length()), 'v'.repeat(length())];
      });
      const fields = received(list);
      for (let block = 0; block < 3; block++) {
        for (let changes = random.below(4); changes > 0; changes--) encoder.setLimit(random.below(8192));
        encode(encoder, fields, random.below(10));
      }
    }
  });

  test('leaves room for the longest size updates before an empty list', () => {
    const encoder = new Encoder();
    encoder.setLimit(4095);
    encoder.setLimit(4096);
    assert.deepEqual(updates(encode(encoder, [])), [4095, 4096]);
  });
});
