import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { Decoder } from '../../src/hpack/decoder.ts';
import { Encoder } from '../../src/hpack/encoder.ts';
import type { Field } from '../../src/hpack/field.ts';
import type { Field as Pair } from '../support/frames.ts';
import { decodeOk, encode, pair, received, WIDE } from './codec.ts';
import { driftingList, headerList } from './header-lists.ts';
import { breaksCompressor, HpackJsDecoder, HpackJsEncoder } from './hpack-js-peer.ts';
import type { Header } from './hpack-js-peer.ts';
import { Random } from '../support/random.ts';
import { ReferenceDecoder, representations } from './reference.ts';

const CONNECTIONS = 30;
const LISTS = 100;

/** Runs `each` with every list of every connection, and the list's place in the message if it fails. */
function overConnections(open: (random: Random) => (list: Pair[]) => void): void {
  for (let seed = 1; seed <= CONNECTIONS; seed++) {
    const random = new Random(seed);
    const each = open(random);
    for (let n = 0; n < LISTS; n++) {
      const list = random.chance(0.5) ? headerList(random) : driftingList(random, n);
      try {
        each(list);
      } catch (cause) {
        throw new Error(`connection ${seed}, list ${n}: ${JSON.stringify(list)}`, { cause });
      }
    }
  }
}

const told = (field: Field): readonly unknown[] => [...pair(field), field.never];

describe('against hpack.js, 3,000 header lists on 30 connections', () => {
  for (const huffman of [true, false]) {
    test(`our decoder reads what hpack.js writes ${huffman ? 'with' : 'without'} Huffman coding`, () => {
      overConnections((random) => {
        const theirs = new HpackJsEncoder();
        const ours = new Decoder(WIDE);
        return (list) => {
          const headers = list
            .filter((field) => !breaksCompressor(field))
            .map(([name, value]): Header => {
              const neverIndex = random.chance(0.1);
              return { name, value, neverIndex, incremental: random.chance(0.8), huffman };
            });
          const { fields } = decodeOk(ours, theirs.encode(headers));
          assert.deepEqual(
            fields.map(told),
            headers.map(({ name, value, neverIndex }) => [name, value, neverIndex]),
          );
        };
      });
    });
  }

  test('hpack.js, the reference and our own decoder read what our encoder writes', () => {
    overConnections(() => {
      const encoder = new Encoder();
      const decoder = new Decoder(WIDE);
      const theirs = new HpackJsDecoder();
      const reference = new ReferenceDecoder();
      return (list) => {
        const block = encode(encoder, received(list));
        assert.deepEqual(
          theirs.decode(block).map(({ name, value }) => [name, value]),
          list,
        );
        assert.deepEqual(
          reference.decode(block)?.map(({ name, value }) => [name, value]),
          list,
        );
        assert.deepEqual(decodeOk(decoder, block).pairs, list);
      };
    });
  });

  test('they still do while the limit of the table wanders', () => {
    overConnections((random) => {
      const encoder = new Encoder();
      const decoder = new Decoder(WIDE);
      const theirs = new HpackJsDecoder();
      return (list) => {
        for (let changes = random.chance(0.2) ? 1 + random.below(3) : 0; changes > 0; changes--) {
          const limit = random.pick([0, 31, 32, 100, 500, 1000, 4095, 4096, 4097, 65_536]);
          encoder.setLimit(limit);
          decoder.setLimit(limit);
        }
        const block = encode(encoder, received(list));
        assert.deepEqual(decodeOk(decoder, block).pairs, list);
        assert.deepEqual(
          theirs.decode(block).map(({ name, value }) => [name, value]),
          list,
        );
      };
    });
  });

  test('a list that goes through the gateway from hpack.js to hpack.js arrives as it left', () => {
    overConnections((random) => {
      const client = new HpackJsEncoder();
      const decoder = new Decoder(WIDE);
      const encoder = new Encoder();
      const engine = new HpackJsDecoder();
      return (list) => {
        const headers = list
          .filter((field) => !breaksCompressor(field))
          .map(([name, value]): Header => ({ name, value, huffman: random.chance(0.5) }));
        const block = encode(encoder, decodeOk(decoder, client.encode(headers)).fields);
        assert.deepEqual(
          engine.decode(block).map(({ name, value }) => [name, value]),
          headers.map(({ name, value }) => [name, value]),
        );
      };
    });
  });

  test('the connections are long enough for evictions, theirs and ours', () => {
    const inserted = (block: Buffer): number =>
      representations(block).filter(({ kind }) => kind === 'incremental').length;
    let [theirs, ours] = [0, 0];
    overConnections(() => {
      const peer = new HpackJsEncoder();
      const encoder = new Encoder();
      return (list) => {
        const headers = list.filter((field) => !breaksCompressor(field)).map(([name, value]) => ({ name, value }));
        theirs += inserted(peer.encode(headers));
        ours += inserted(encode(encoder, received(list)));
      };
    });
    // A table of 4096 octets has room for 128 entries of no octets at all.
    assert.ok(theirs > 3 * 128 * CONNECTIONS, `${theirs} insertions by hpack.js`);
    assert.ok(ours > 128 * CONNECTIONS, `${ours} insertions of our own`);
  });
});
