import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { Decoder } from '../../src/hpack/decoder.ts';
import type { Field as Pair } from '../support/frames.ts';
import { literal, remembered } from '../support/header-block.ts';
import { decodeOk, hex, pair, sizeOf, tableOf, WIDE } from './codec.ts';

interface Example {
  readonly section: string;
  readonly block: string;
  readonly fields: readonly Pair[];
  /** Newest first. */
  readonly table: readonly Pair[];
  readonly size: number;
}

function check(decoder: Decoder, { block, fields, table, size }: Example): void {
  assert.deepEqual(decodeOk(decoder, hex(block)).fields.map(pair), fields);
  assert.deepEqual(tableOf(decoder), table);
  assert.equal(sizeOf(table), size);
}

const CUSTOM: Pair = ['custom-key', 'custom-header'];
const LITERALS: readonly Example[] = [
  {
    section: 'C.2.1 literal with indexing',
    block: '400a 6375 7374 6f6d 2d6b 6579 0d63 7573 746f 6d2d 6865 6164 6572',
    fields: [CUSTOM],
    table: [CUSTOM],
    size: 55,
  },
  {
    section: 'C.2.2 literal without indexing',
    block: '040c 2f73 616d 706c 652f 7061 7468',
    fields: [[':path', '/sample/path']],
    table: [],
    size: 0,
  },
  {
    section: 'C.2.3 literal never indexed',
    block: '1008 7061 7373 776f 7264 0673 6563 7265 74',
    fields: [['password', 'secret']],
    table: [],
    size: 0,
  },
  { section: 'C.2.4 indexed', block: '82', fields: [[':method', 'GET']], table: [], size: 0 },
];

const AUTHORITY: Pair = [':authority', 'www.example.com'];
const NO_CACHE: Pair = ['cache-control', 'no-cache'];
const CUSTOM_VALUE: Pair = ['custom-key', 'custom-value'];
const request = (scheme: string, path: string): Pair[] => [
  [':method', 'GET'],
  [':scheme', scheme],
  [':path', path],
];
const requests = (...blocks: readonly [string, string, string]): Example[] => [
  {
    section: '.1',
    block: blocks[0],
    fields: [...request('http', '/'), AUTHORITY],
    table: [AUTHORITY],
    size: 57,
  },
  {
    section: '.2',
    block: blocks[1],
    fields: [...request('http', '/'), AUTHORITY, NO_CACHE],
    table: [NO_CACHE, AUTHORITY],
    size: 110,
  },
  {
    section: '.3',
    block: blocks[2],
    fields: [...request('https', '/index.html'), AUTHORITY, CUSTOM_VALUE],
    table: [CUSTOM_VALUE, NO_CACHE, AUTHORITY],
    size: 164,
  },
];

const FOUND: Pair = [':status', '302'];
const TEMPORARY: Pair = [':status', '307'];
const PRIVATE: Pair = ['cache-control', 'private'];
const LOCATION: Pair = ['location', 'https://www.example.com'];
const GZIP: Pair = ['content-encoding', 'gzip'];
const COOKIE: Pair = ['set-cookie', 'foo=ASDJKHQKBZXOQWEOPIUAXQWEOIU; max-age=3600; version=1'];
const at = (second: number): Pair => ['date', `Mon, 21 Oct 2013 20:13:${second} GMT`];
const responses = (...blocks: readonly [string, string, string]): Example[] => [
  {
    section: '.1',
    block: blocks[0],
    fields: [FOUND, PRIVATE, at(21), LOCATION],
    table: [LOCATION, at(21), PRIVATE, FOUND],
    size: 222,
  },
  {
    section: '.2 (one entry evicted)',
    block: blocks[1],
    fields: [TEMPORARY, PRIVATE, at(21), LOCATION],
    table: [TEMPORARY, LOCATION, at(21), PRIVATE],
    size: 222,
  },
  {
    section: '.3 (several entries evicted)',
    block: blocks[2],
    fields: [[':status', '200'], PRIVATE, at(22), LOCATION, GZIP, COOKIE],
    table: [COOKIE, GZIP, at(22)],
    size: 215,
  },
];

const C3 = requests(
  '8286 8441 0f77 7777 2e65 7861 6d70 6c65 2e63 6f6d',
  '8286 84be 5808 6e6f 2d63 6163 6865',
  '8287 85bf 400a 6375 7374 6f6d 2d6b 6579 0c63 7573 746f 6d2d 7661 6c75 65',
);
const C4 = requests(
  '8286 8441 8cf1 e3c2 e5f2 3a6b a0ab 90f4 ff',
  '8286 84be 5886 a8eb 1064 9cbf',
  '8287 85bf 4088 25a8 49e9 5ba9 7d7f 8925 a849 e95b b8e8 b4bf',
);
const C5 = responses(
  `4803 3330 3258 0770 7269 7661 7465 611d 4d6f 6e2c 2032 3120 4f63 7420 3230 3133
   2032 303a 3133 3a32 3120 474d 546e 1768 7474 7073 3a2f 2f77 7777 2e65 7861 6d70
   6c65 2e63 6f6d`,
  '4803 3330 37c1 c0bf',
  `88c1 611d 4d6f 6e2c 2032 3120 4f63 7420 3230 3133 2032 303a 3133 3a32 3220 474d
   54c0 5a04 677a 6970 7738 666f 6f3d 4153 444a 4b48 514b 425a 584f 5157 454f 5049
   5541 5851 5745 4f49 553b 206d 6178 2d61 6765 3d33 3630 303b 2076 6572 7369 6f6e
   3d31`,
);
const C6 = responses(
  `4882 6402 5885 aec3 771a 4b61 96d0 7abe 9410 54d4 44a8 2005 9504 0b81 66e0 82a6
   2d1b ff6e 919d 29ad 1718 63c7 8f0b 97c8 e9ae 82ae 43d3`,
  '4883 640e ffc1 c0bf',
  `88c1 6196 d07a be94 1054 d444 a820 0595 040b 8166 e084 a62d 1bff c05a 839b d9ab
   77ad 94e7 821d d7f2 e6c7 b335 dfdf cd5b 3960 d5af 2708 7f36 72c1 ab27 0fb5 291f
   9587 3160 65c0 03ed 4ee5 b106 3d50 07`,
);

describe('RFC 7541 appendix C decodes to the fields and the table it states', () => {
  test('C.1.1: 10 in a five-bit prefix is one octet, a table too small for any entry', () => {
    const decoder = new Decoder(WIDE);
    decodeOk(decoder, Buffer.concat([hex('2a'), remembered('', '')]));
    assert.deepEqual(tableOf(decoder), []);
  });

  test('C.1.2: 1337 in a five-bit prefix is three octets, a table that holds just that much', () => {
    const exactly = new Decoder(WIDE);
    const value = 'v'.repeat(1337 - 33);
    decodeOk(exactly, Buffer.concat([hex('3f9a0a'), remembered('n', value)]));
    assert.deepEqual(tableOf(exactly), [['n', value]]);
    const over = new Decoder(WIDE);
    decodeOk(over, Buffer.concat([hex('3f9a0a'), remembered('n', `${value}v`)]));
    assert.deepEqual(tableOf(over), []);
  });

  test('C.1.3: 42 at an octet border is one octet, the length of a string', () => {
    const value = 'v'.repeat(42);
    const block = literal('n', value);
    assert.equal(block[3], 42);
    assert.deepEqual(decodeOk(new Decoder(WIDE), block).pairs, [['n', value]]);
  });

  for (const example of LITERALS) test(example.section, () => check(new Decoder(WIDE), example));

  test('C.2.3 is remembered as never indexed, C.2.1 and C.2.2 are not', () => {
    const [c21, c22, c23] = LITERALS.map(({ block }) => decodeOk(new Decoder(WIDE), hex(block)).fields[0]!.never);
    assert.deepEqual([c21, c22, c23], [false, false, true]);
  });

  const sequences: readonly (readonly [string, readonly Example[], string])[] = [
    ['C.3 requests without Huffman coding', C3, ''],
    ['C.4 requests with Huffman coding', C4, ''],
    // The examples presume a table of 256, which a connection has to be told.
    ['C.5 responses without Huffman coding', C5, '3fe101'],
    ['C.6 responses with Huffman coding', C6, '3fe101'],
  ];
  for (const [title, examples, update] of sequences) {
    test(`${title}, one connection through all three`, () => {
      const decoder = new Decoder(WIDE);
      if (update !== '') decodeOk(decoder, hex(update));
      for (const example of examples) check(decoder, example);
    });
  }
});
