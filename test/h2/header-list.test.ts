import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { HeaderBlocks } from '../../src/h2/header-list.ts';
import type { HeaderList } from '../../src/h2/header-list.ts';
import { Decoded, Decoder } from '../../src/hpack/decoder.ts';
import { Encoder } from '../../src/hpack/encoder.ts';
import { decode, encode, LIMITS, pair, received, WIDE } from '../hpack/codec.ts';
import { headerList } from '../hpack/header-lists.ts';
import { Random } from '../support/random.ts';
import { indexed, literal, remembered } from '../support/header-block.ts';

/** Reads the block amid octets that are none of its business. */
function read(blocks: HeaderBlocks, block: Buffer): HeaderList {
  const before = Buffer.alloc(7, 0xff);
  return blocks.read(Buffer.concat([before, block, before]), before.length, before.length + block.length);
}
/** One whose first blocks, of which nothing is kept, have been. */
function blocksOf(decoder: Decoder): HeaderBlocks {
  const blocks = new HeaderBlocks(decoder);
  for (let n = 0; n < 4; n++) read(blocks, Buffer.from([0x83]));
  return blocks;
}
/** `:method GET`, `:scheme http`, `:path /`. */
const GET = Buffer.from([0x82, 0x86, 0x84]);

describe('a header block that comes again', () => {
  test('is the same list from the third time on, and so is the head of a response', () => {
    const blocks = blocksOf(new Decoder(LIMITS));
    const block = Buffer.from([0x88]);
    const [first, second, third] = [read(blocks, block), read(blocks, block), read(blocks, block)];
    assert.notEqual(first, second);
    assert.equal(third, second);
    assert.equal(third.response(), second.response());
  });

  test('makes a head of its own for every request', () => {
    const blocks = blocksOf(new Decoder(LIMITS));
    const heads = [1, 2, 3, 4, 5].map(() => read(blocks, GET).request(false)!);
    assert.equal(new Set(heads).size, heads.length);
    heads[2]!.path = '/elsewhere';
    heads[2]!.fields = [];
    assert.deepEqual([heads[4]!.path, heads[4]!.fields.length], ['/', 3]);
    assert.equal(read(blocks, GET).request(false)!.path, '/');
  });

  test('means something else once the table has changed', () => {
    const decoder = new Decoder(LIMITS);
    const blocks = blocksOf(decoder);
    read(blocks, remembered('x-one', '1'));
    const names = (): string[] => read(blocks, indexed(62)).fields.map(({ name }) => name.text);
    assert.deepEqual([names(), names(), names()], [['x-one'], ['x-one'], ['x-one']]);
    read(blocks, remembered('x-two', '2'));
    assert.deepEqual([names(), names(), names()], [['x-two'], ['x-two'], ['x-two']]);
  });

  test('is malformed when the peer owes a smaller table first', () => {
    const decoder = new Decoder(LIMITS);
    const blocks = blocksOf(decoder);
    for (let n = 0; n < 3; n++) assert.equal(read(blocks, GET).decoded, Decoded.OK);
    decoder.setLimit(0);
    assert.equal(read(blocks, GET).decoded, Decoded.MALFORMED);
  });

  test('that was malformed as a request is so every time', () => {
    const blocks = blocksOf(new Decoder(LIMITS));
    for (let n = 0; n < 5; n++) assert.equal(read(blocks, Buffer.from([0x82])).request(false), null);
    for (let n = 0; n < 5; n++) assert.equal(read(blocks, Buffer.from([0x84])).response(), null);
  });

  test('that is too long is refused every time', () => {
    const blocks = new HeaderBlocks(new Decoder({ ...LIMITS, maxHeaderListSize: 100 }));
    for (let n = 0; n < 5; n++) assert.equal(read(blocks, GET).decoded, Decoded.TOO_LARGE);
  });
});

test('a long block that differs in one octet from one that is known is another one, whichever octet it is', () => {
  const token = literal('authorization', `Bearer ${'abcdefghij'.repeat(25)}`);
  const block = Buffer.concat([GET, token]);
  for (let at = block.length - 250; at < block.length; at++) {
    const blocks = blocksOf(new Decoder(LIMITS));
    const [, second, third] = [read(blocks, block), read(blocks, block), read(blocks, block)];
    assert.equal(third, second);
    const changed = Buffer.from(block);
    changed[at] = 0x7a;
    for (let n = 0; n < 3; n++) {
      const { fields } = read(blocks, changed);
      assert.deepEqual(fields.map(pair), decode(new Decoder(LIMITS), changed).pairs, `octet ${at}`);
      assert.deepEqual(read(blocks, block).fields.map(pair), third.fields.map(pair));
    }
  }
});

test('lists read by way of what is known are those that the decoder reads, over 200 connections', () => {
  let shared = 0;
  for (let seed = 1; seed <= 200; seed++) {
    const random = new Random(seed);
    const encoder = new Encoder();
    const plain = new Decoder(WIDE);
    const blocks = new HeaderBlocks(new Decoder(WIDE));
    const lists = Array.from({ length: 5 }, () => received(headerList(random)).slice(0, 8));
    const seen = new Set<HeaderList>();
    for (let n = 0; n < 100; n++) {
      const block = encode(encoder, random.pick(lists));
      const list = read(blocks, block);
      const { pairs, result } = decode(plain, block);
      assert.deepEqual([list.decoded, list.fields.map(pair)], [result, pairs], `seed ${seed}, block ${n}`);
      if (seen.has(list)) shared++;
      seen.add(list);
    }
  }
  assert.ok(shared > 500, `${shared} lists were shared`);
});
