import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { Decoded, Decoder } from '../../src/hpack/decoder.ts';
import { indexed, integer, literal, remembered, tableSize } from '../support/header-block.ts';
import { codedLiteral, decode, decodeOk, hex, tableOf, verdict, WIDE } from './codec.ts';

const name = (result: Decoded): string => Object.keys(Decoded)[result]!;
const judged = (block: Uint8Array): string => name(verdict(block));

describe('an index', () => {
  const cases: readonly (readonly [string, Buffer, string])[] = [
    ['0 is malformed', hex('80'), 'MALFORMED'],
    ['61 is the last of the static table', indexed(61), 'OK'],
    ['62 is malformed while the dynamic table is empty', indexed(62), 'MALFORMED'],
    ['far beyond the table is malformed', indexed(2 ** 31 - 1), 'MALFORMED'],
    ['62 is the field just inserted', Buffer.concat([remembered('a', 'b'), indexed(62)]), 'OK'],
    ['63 is malformed behind one insertion', Buffer.concat([remembered('a', 'b'), indexed(63)]), 'MALFORMED'],
    ['62 of a name is malformed while the table is empty', hex('7e0161'), 'MALFORMED'],
    ['62 of a name is malformed in a literal without indexing', hex('0f2f0161'), 'MALFORMED'],
    ['62 of a name is malformed in a never-indexed literal', hex('1f2f0161'), 'MALFORMED'],
    ['61 of a name is good', hex('7d0161'), 'OK'],
  ];
  for (const [title, block, result] of cases) test(title, () => assert.equal(judged(block), result));

  test('of an evicted entry is malformed', () => {
    const decoder = new Decoder(WIDE);
    decodeOk(decoder, Buffer.concat([tableSize(40), remembered('a', '1'), remembered('b', '2')]));
    assert.deepEqual(decodeOk(decoder, indexed(62)).pairs, [['b', '2']]);
    assert.equal(decode(decoder, indexed(63)).result, Decoded.MALFORMED);
  });

  test('may name the entry that its own insertion evicts', () => {
    const decoder = new Decoder(WIDE);
    decodeOk(decoder, Buffer.concat([tableSize(64), remembered('name', 'old')]));
    assert.deepEqual(decodeOk(decoder, hex('7e03 6e6577')).pairs, [['name', 'new']]);
    assert.deepEqual(tableOf(decoder), [['name', 'new']]);
  });

  test('finds nothing behind an entry larger than the table, which empties it', () => {
    const decoder = new Decoder(WIDE);
    decodeOk(decoder, Buffer.concat([remembered('a', 'b'), remembered('large', 'x'.repeat(4096))]));
    assert.deepEqual(tableOf(decoder), []);
  });
});

describe('an integer', () => {
  test('may be padded to five octets behind its prefix, not to six', () => {
    assert.equal(judged(hex('3f 80808080 00')), 'OK');
    assert.equal(judged(hex('3f 8080808080 00')), 'MALFORMED');
    assert.equal(judged(hex('00 7f 8080808080 00')), 'MALFORMED');
    assert.equal(judged(hex('ff 8080808080 00')), 'MALFORMED');
  });

  test('stays below 2^31', () => {
    const update = (size: number): Decoded => {
      const decoder = new Decoder(WIDE);
      decoder.setLimit(2 ** 40);
      return decode(decoder, integer(size, 5, 0x20)).result;
    };
    assert.equal(update(2 ** 31 - 1), Decoded.OK);
    assert.equal(update(2 ** 31), Decoded.MALFORMED);
    assert.equal(update(2 ** 32), Decoded.MALFORMED);
    assert.equal(update(2 ** 35 - 1), Decoded.MALFORMED);
  });

  test('that wraps to a small one in 32 bits is malformed', () => {
    // 2^32 + 2 as an index: 0x82 would be ":method: GET".
    assert.equal(judged(integer(2 ** 32 + 2, 7, 0x80)), 'MALFORMED');
    assert.equal(judged(Buffer.concat([hex('00'), integer(2 ** 32, 7), hex('00')])), 'MALFORMED');
  });

  test('without end is malformed', () => {
    for (const first of ['ff', '7f', '3f', '1f', '0f', '007f', '00ff']) {
      assert.equal(judged(Buffer.concat([hex(first), Buffer.alloc(1000, 0xff)])), 'MALFORMED');
      assert.equal(judged(Buffer.concat([hex(first), Buffer.alloc(1000, 0x80)])), 'MALFORMED');
    }
  });

  test('that promises a longer string than there is is malformed', () => {
    assert.equal(judged(hex('00 01 61 02 62')), 'MALFORMED');
    assert.equal(judged(hex('00 03 61 00')), 'MALFORMED');
    assert.equal(judged(Buffer.concat([hex('00 01 61'), integer(2 ** 31 - 1, 7)])), 'MALFORMED');
    assert.equal(judged(Buffer.concat([hex('00 01 61'), integer(2 ** 31 - 1, 7, 0x80)])), 'MALFORMED');
  });
});

describe('a size update', () => {
  test('up to our limit is good, above it malformed', () => {
    assert.equal(judged(tableSize(4096)), 'OK');
    assert.equal(judged(tableSize(4097)), 'MALFORMED');
    const decoder = new Decoder(WIDE);
    decoder.setLimit(5000);
    assert.equal(decode(decoder, tableSize(5000)).result, Decoded.OK);
    assert.equal(decode(decoder, tableSize(5001)).result, Decoded.MALFORMED);
  });

  test('may come twice at the beginning of any block, not behind a field', () => {
    const decoder = new Decoder(WIDE);
    decodeOk(decoder, Buffer.concat([tableSize(0), tableSize(4096), indexed(2)]));
    decodeOk(decoder, Buffer.concat([tableSize(100), indexed(2)]));
    assert.equal(decode(decoder, Buffer.concat([indexed(2), tableSize(100)])).result, Decoded.MALFORMED);
    assert.equal(judged(Buffer.concat([literal('a', 'b'), tableSize(100), indexed(2)])), 'MALFORMED');
  });

  test('evicts at once, the oldest first', () => {
    const decoder = new Decoder(WIDE);
    decodeOk(decoder, Buffer.concat([remembered('a', '1'), remembered('b', '2'), remembered('c', '3')]));
    decodeOk(decoder, tableSize(2 * 34));
    assert.deepEqual(tableOf(decoder), [
      ['c', '3'],
      ['b', '2'],
    ]);
    decodeOk(decoder, Buffer.concat([tableSize(0), tableSize(4096)]));
    assert.deepEqual(tableOf(decoder), []);
  });

  test('is missed after our limit went below the size in use', () => {
    const decoder = new Decoder(WIDE);
    decoder.setLimit(100);
    assert.equal(decode(decoder, indexed(2)).result, Decoded.MALFORMED);
  });

  test('that obeys the lowered limit settles it', () => {
    const decoder = new Decoder(WIDE);
    decoder.setLimit(100);
    decodeOk(decoder, Buffer.concat([tableSize(60), indexed(2)]));
    decodeOk(decoder, indexed(2));
  });

  test('above the lowered limit is malformed', () => {
    const decoder = new Decoder(WIDE);
    decoder.setLimit(100);
    assert.equal(decode(decoder, Buffer.concat([tableSize(101), indexed(2)])).result, Decoded.MALFORMED);
  });

  test('is not asked for where the size in use already fits the lowered limit', () => {
    const decoder = new Decoder(WIDE);
    decodeOk(decoder, tableSize(50));
    decoder.setLimit(100);
    decodeOk(decoder, indexed(2));
  });
});

describe('Huffman coding', () => {
  // 'a' is 00011, so its octet ends in three bits of padding.
  const padded = (octets: string): string => judged(codedLiteral(hex('1f'), hex(octets)));

  test('padded with the first bits of EOS is good', () => assert.equal(padded('1f'), 'OK'));

  test('padded with anything else is malformed', () => {
    for (let bits = 0; bits < 7; bits++) assert.equal(padded((0x18 | bits).toString(16)), 'MALFORMED');
  });

  test('padded with eight bits or more is malformed', () => {
    for (const octets of ['1fff', 'ff', '1fffff', 'ffff', 'ffffff']) assert.equal(padded(octets), 'MALFORMED');
  });

  test('with EOS in it is malformed, wherever', () => {
    for (const octets of ['ffffffff', 'fffffffc', '1fffffffff', 'fffffffc1f'])
      assert.equal(padded(octets), 'MALFORMED');
  });

  test('of an empty string is the empty string', () => {
    assert.deepEqual(decodeOk(new Decoder(WIDE), codedLiteral(hex('1f'), hex(''))).pairs, [['a', '']]);
  });

  test('is malformed in a name as in a value', () => {
    assert.equal(judged(codedLiteral(hex('18'), hex('1f'))), 'MALFORMED');
    assert.equal(judged(codedLiteral(hex('ffffffff'), hex('1f'))), 'MALFORMED');
  });
});
