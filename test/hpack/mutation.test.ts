import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { Decoded, Decoder } from '../../src/hpack/decoder.ts';
import { decode, LIMITS, pair, sizeOf, tableOf, WIDE } from './codec.ts';
import { headerList } from './header-lists.ts';
import { breaksCompressor, HpackJsEncoder } from './hpack-js-peer.ts';
import { Random } from '../support/random.ts';
import { ReferenceDecoder } from './reference.ts';

const CASES = 20_000;
/** One in so many cases has its table looked at entry by entry. */
const LOOKED_AT = 20;
const RESULTS = new Set<number>(Object.values(Decoded));
const TIGHT = { maxHeaderListSize: 600, maxHeaderFields: 10, maxHeaderFieldsHard: 15 };

/** Good blocks of one connection after another, some Huffman coded. */
function goodBlocks(random: Random): Buffer[] {
  let encoder = new HpackJsEncoder();
  return Array.from({ length: 400 }, (_, n) => {
    if (n % 4 === 0) encoder = new HpackJsEncoder();
    const list = headerList(random).filter((field) => !breaksCompressor(field) && field[1].length < 300);
    return encoder.encode(list.map(([name, value]) => ({ name, value, huffman: n % 8 < 4 })));
  });
}

type Mutation = (block: Buffer, random: Random) => Buffer;
const put = (block: Buffer, at: number, removed: number, added: readonly number[]): Buffer =>
  Buffer.concat([block.subarray(0, at), Buffer.from(added), block.subarray(at + removed)]);
const MUTATIONS: readonly Mutation[] = [
  (block, random) => {
    const at = random.below(block.length);
    return put(block, at, 1, [(block[at] ?? 0) ^ (1 << random.below(8))]);
  },
  (block, random) => put(block, random.below(block.length), 1, [random.below(256)]),
  (block, random) =>
    put(block, random.below(block.length), 1, [random.pick([0, 0x1f, 0x20, 0x3f, 0x7f, 0x80, 0xbe, 0xff])]),
  (block, random) => put(block, random.below(block.length), 0, [random.below(256)]),
  (block, random) => put(block, random.below(block.length), 1 + random.below(4), []),
  (block, random) => Buffer.concat([block.subarray(random.below(block.length)), block]),
];
const noise = (random: Random): Buffer =>
  Buffer.from(Array.from({ length: random.below(60) }, () => random.below(256)));

function mutated(block: Buffer, random: Random): Buffer {
  if (random.chance(0.1)) return noise(random);
  for (let times = 1 + random.below(3); times > 0; times--) block = random.pick(MUTATIONS)(block, random);
  return block;
}

/** `each` is given the blocks of one connection, bent one by one. */
function overCases(each: (blocks: Buffer[], n: number) => void): void {
  const random = new Random(20_000);
  const good = goodBlocks(random);
  for (let n = 0; n < CASES; n++) {
    const first = 4 * random.below(good.length / 4);
    const blocks = good.slice(first, first + 1 + random.below(3));
    const bent = blocks.map((block) => (random.chance(0.6) ? mutated(block, random) : block));
    try {
      each(bent, n);
    } catch (cause) {
      throw new Error(`case ${n}: ${bent.map((block) => block.toString('hex')).join(' ')}`, { cause });
    }
  }
}

describe('20,000 connections of bent blocks', () => {
  test('are decoded or refused just as the reference says', () => {
    const refused = { yes: 0, no: 0 };
    overCases((blocks) => {
      const decoder = new Decoder(WIDE);
      const reference = new ReferenceDecoder();
      for (const block of blocks) {
        const expected = reference.decode(block);
        const { result, fields } = decode(decoder, block);
        refused[expected === null ? 'yes' : 'no']++;
        assert.equal(result, expected === null ? Decoded.MALFORMED : Decoded.OK);
        if (expected === null) return;
        assert.deepEqual(
          fields.map((field) => [...pair(field), field.never]),
          expected.map(({ name, value, never }) => [name, value, never]),
        );
      }
    });
    assert.ok(refused.yes > 5000 && refused.no > 5000, JSON.stringify(refused));
  });

  test('never throw, never pass a limit, never outgrow the table, even if decoding goes on', () => {
    overCases((blocks, n) => {
      const limits = n % 2 === 0 ? TIGHT : LIMITS;
      const decoder = new Decoder(limits);
      for (const block of blocks) {
        const { result, fields, pairs } = decode(decoder, block);
        assert.ok(RESULTS.has(result));
        assert.ok(fields.length <= limits.maxHeaderFields && sizeOf(pairs) <= limits.maxHeaderListSize);
      }
      if (n % LOOKED_AT === 0) assert.ok(sizeOf(tableOf(decoder)) <= 4096);
    });
  });
});
