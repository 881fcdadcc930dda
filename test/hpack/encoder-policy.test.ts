import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { Decoder } from '../../src/hpack/decoder.ts';
import { Encoder } from '../../src/hpack/encoder.ts';
import { makeField } from '../../src/hpack/field.ts';
import type { Field } from '../../src/hpack/field.ts';
import type { Field as Pair } from '../support/frames.ts';
import { indexed, remembered } from '../support/header-block.ts';
import { decodeOk, encode, received, tableOf, WIDE } from './codec.ts';
import { HpackJsEncoder } from './hpack-js-peer.ts';
import { Random } from '../support/random.ts';
import { representations } from './reference.ts';

const TIMES = 20;
const kinds = (block: Buffer): string[] => representations(block).map(({ kind }) => kind);
const HEX = '0123456789abcdef';

/** A field as we make it ourselves, as a literal brings it, and as it comes out of a client's table. */
function ways([name, value]: Pair): Field[] {
  const decoder = new Decoder(WIDE);
  const [, out] = decodeOk(decoder, Buffer.concat([remembered(name, value), indexed(62)])).fields;
  return [makeField(name, value), ...received([[name, value]]), out!];
}

/** Every way the field can come, again and again on one session: the kinds of representation it was given. */
function kindsOf(field: Pair): string[] {
  const encoder = new Encoder();
  const decoder = new Decoder(WIDE);
  const seen = new Set<string>();
  for (let n = 0; n < TIMES; n++) {
    for (const way of ways(field)) {
      const block = encode(encoder, [way]);
      for (const kind of kinds(block)) seen.add(kind);
      assert.deepEqual(decodeOk(decoder, block).pairs, [field]);
    }
  }
  if (!seen.has('incremental')) assert.deepEqual(tableOf(decoder), []);
  return [...seen];
}

describe('secrets are never indexed', () => {
  for (const name of ['authorization', 'cookie', 'set-cookie', 'proxy-authorization']) {
    test(name, () => {
      assert.deepEqual(kindsOf([name, 'secret']), ['never']);
      assert.deepEqual(kindsOf([name, 's'.repeat(1000)]), ['never']);
    });
  }

  test('what came never indexed leaves so, over any number of hops, even if its like is in the table', () => {
    const header = { name: 'x-api-key', value: 'k-123', neverIndex: true };
    let block = new HpackJsEncoder().encode([header]);
    for (let hop = 0; hop < 3; hop++) {
      const { fields } = decodeOk(new Decoder(WIDE), block);
      const encoder = new Encoder();
      for (let n = 0; n < 3; n++) encode(encoder, received([['x-api-key', 'k-123']]));
      block = encode(encoder, fields);
      assert.deepEqual(kinds(block), ['never']);
    }
  });

  test('what came never indexed does not become an entry, however often it comes', () => {
    const encoder = new Encoder();
    const header = { name: ':path', value: '/secret', neverIndex: true };
    for (let n = 0; n < TIMES; n++) {
      const { fields } = decodeOk(new Decoder(WIDE), new HpackJsEncoder().encode([header]));
      assert.deepEqual(kinds(encode(encoder, fields)), ['never']);
    }
  });

  test('one never-indexed field does not make its like secret for others', () => {
    const { fields } = decodeOk(
      new Decoder(WIDE),
      new HpackJsEncoder().encode([{ name: 'x-tenant', value: 'acme', neverIndex: true }]),
    );
    assert.deepEqual(kinds(encode(new Encoder(), fields)), ['never']);
    assert.deepEqual(kindsOf(['x-tenant', 'acme']).toSorted(), ['incremental', 'indexed', 'plain']);
  });
});

describe('per-call values never enter the table', () => {
  const values: readonly Pair[] = [
    ['grpc-timeout', '5S'],
    ['traceparent', '00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01'],
    ['x-request-id', '6f1c2d3e'],
    ['x-forwarded-for', '203.0.113.7'],
    ['forwarded', 'for=203.0.113.7'],
    ['content-length', '3200'],
    ['date', 'Mon, 21 Oct 2013 20:13:21 GMT'],
    ['x-blob', 'b'.repeat(257)],
    [':path', `/${'p'.repeat(64)}`],
    [':path', '/search?q=1'],
    [':path', '/?'],
  ];
  for (const field of values) {
    test(`${field[0]}: ${field[1].slice(0, 30)}`, () => assert.deepEqual(kindsOf(field), ['plain']));
  }
});

describe('what calls repeat becomes an index', () => {
  const values: readonly Pair[] = [
    ['x-tenant', 'acme'],
    ['content-type', 'application/grpc'],
    ['x-blob', 'b'.repeat(256)],
    [':path', `/${'p'.repeat(63)}`],
    ['x-empty', ''],
    ['constructor', '__proto__'],
  ];
  for (const field of values) {
    test(`${field[0]}: ${field[1].slice(0, 30)}`, () => {
      const encoder = new Encoder();
      const last = Array.from({ length: 5 }, () => kinds(encode(encoder, ways(field))));
      assert.deepEqual(last.at(-1), ['indexed', 'indexed', 'indexed']);
    });
  }

  test('a field of the static table is one octet from the first time', () => {
    const statics: readonly Pair[] = [
      [':method', 'POST'],
      [':status', '200'],
      ['accept-encoding', 'gzip, deflate'],
    ];
    assert.deepEqual(
      [
        ...encode(
          new Encoder(),
          statics.map((field) => makeField(...field)),
        ),
      ],
      [0x83, 0x88, 0x90],
    );
  });

  test('every one of many fields that come together, whatever they are', () => {
    for (let seed = 1; seed <= 200; seed++) {
      const random = new Random(seed);
      const list = Array.from({ length: 16 }, (): Pair => [`x-${random.text(8, HEX)}`, random.text(8, HEX)]);
      const fields = received(list);
      const encoder = new Encoder();
      for (let n = 0; n < 20; n++) encode(encoder, fields);
      assert.deepEqual(new Set(kinds(encode(encoder, fields))), new Set(['indexed']), `seed ${seed}`);
    }
  });

  test('and stays one while another header has 1,000 values that come once', () => {
    const repeated = received([
      ['x-tenant', 'acme'],
      ['user-agent', 'grpc-node-js/1.14.7'],
      [':path', '/speech.v1.Recognizer/Stream'],
    ]);
    const random = new Random(1000);
    const encoder = new Encoder();
    const decoder = new Decoder(WIDE);
    for (let n = 0; n < 1000; n++) {
      const unique: Pair = ['x-session', `${n}-${random.text(20, HEX)}`];
      const block = encode(encoder, [...repeated, ...received([unique])]);
      assert.deepEqual(decodeOk(decoder, block).pairs.at(-1), unique);
      if (n >= 2) assert.deepEqual(kinds(block), ['indexed', 'indexed', 'indexed', 'plain'], `after ${n} values`);
    }
    assert.equal(tableOf(decoder).length, repeated.length);
  });
});
