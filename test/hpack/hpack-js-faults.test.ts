/** Why hpack.js is only a peer in tests: each fault still stands in it, and ours does better. */
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { Decoded, Decoder } from '../../src/hpack/decoder.ts';
import { Encoder } from '../../src/hpack/encoder.ts';
import { makeField } from '../../src/hpack/field.ts';
import type { Field as Pair } from '../support/frames.ts';
import { indexed, remembered, tableSize } from '../support/header-block.ts';
import { decode, decodeOk, encode, LIMITS, verdict, WIDE } from './codec.ts';
import { breaksCompressor, HpackJsDecoder, HpackJsEncoder } from './hpack-js-peer.ts';
import { representations } from './reference.ts';

const OBJECT_WORDS = Object.getOwnPropertyNames(Object.prototype);

function crosses(field: Pair): void {
  const block = encode(new Encoder(), [makeField(...field)]);
  assert.deepEqual(decodeOk(new Decoder(WIDE), block).pairs, [field]);
  const [header] = new HpackJsDecoder().decode(block);
  assert.deepEqual([header?.name, header?.value], field);
}

describe('where hpack.js fails, ours does not', () => {
  for (const word of OBJECT_WORDS) {
    test(`it throws on a header named ${word}, or writes what no decoder takes; ours carries it`, () => {
      assert.ok(breaksCompressor([word, 'value']));
      const through = (): unknown =>
        new HpackJsDecoder().decode(new HpackJsEncoder().encode([{ name: word, value: 'value' }]));
      assert.throws(through);
      crosses([word, 'value']);
    });

    test(`it writes "accept: ${word}" so that no decoder takes it; ours carries it`, () => {
      assert.ok(breaksCompressor(['accept', word]));
      const block = new HpackJsEncoder().encode([{ name: 'accept', value: word }]);
      assert.equal(verdict(block), Decoded.MALFORMED);
      assert.throws(() => new HpackJsDecoder().decode(block));
      crosses(['accept', word]);
    });
  }

  test('it says nothing when the peer shrinks the table; ours begins the next block with the new size', () => {
    const theirs = new HpackJsEncoder();
    theirs.updateTableSize(100);
    const silent = theirs.encode([{ name: ':method', value: 'GET' }]);
    assert.deepEqual([...silent], [0x82]);
    const decoder = new Decoder(WIDE);
    decoder.setLimit(100);
    assert.equal(decode(decoder, silent).result, Decoded.MALFORMED);

    const ours = new Encoder();
    ours.setLimit(100);
    const told = encode(ours, [makeField(':method', 'GET')]);
    assert.deepEqual(
      representations(told).map(({ kind, number }) => [kind, number]),
      [
        ['update', 100],
        ['indexed', 2],
      ],
    );
    decodeOk(decoder, told);
  });

  test('it takes a size update in the middle of a block; ours refuses it', () => {
    const block = Buffer.concat([indexed(2), tableSize(0), indexed(2)]);
    assert.equal(new HpackJsDecoder().decode(block).length, 2);
    assert.equal(verdict(block), Decoded.MALFORMED);
  });

  test('it has no limits: 5 KB become 4 MB; ours stops at twice the limit', () => {
    const bomb = Buffer.concat([remembered('x', 'b'.repeat(4000)), Buffer.alloc(999, indexed(62))]);
    const size = new HpackJsDecoder().decode(bomb).reduce((sum, { value }) => sum + value.length, 0);
    assert.equal(size, 4_000_000);
    const { result, fields } = decode(new Decoder(LIMITS), bomb);
    assert.equal(result, Decoded.FAR_TOO_LARGE);
    assert.ok(fields.reduce((sum, field) => sum + field.size, 0) <= LIMITS.maxHeaderListSize);
  });
});
