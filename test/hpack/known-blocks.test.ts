import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { Decoder } from '../../src/hpack/decoder.ts';
import { Encoder } from '../../src/hpack/encoder.ts';
import { makeField, sharedField, wellKnown } from '../../src/hpack/field.ts';
import type { Field } from '../../src/hpack/field.ts';
import { Random } from '../support/random.ts';
import { decodeOk, encode, pair, received, WIDE } from './codec.ts';
import { headerList } from './header-lists.ts';

const REPEATED: readonly (readonly [string, string])[] = [
  [':status', '200'],
  ['content-type', 'application/grpc'],
  ['server', 'engine'],
];
/** One whose first lists, of which nothing is kept, have been. */
function begun(): Encoder {
  const encoder = new Encoder();
  for (let n = 0; n < 4; n++) encode(encoder, [makeField(':status', '204')]);
  return encoder;
}
/** As a session writes it: the block that is known, else one that is encoded. */
const written = (encoder: Encoder, fields: readonly Field[]): Buffer => {
  const known = encoder.known(fields);
  return known === null ? encode(encoder, fields) : Buffer.from(known);
};

describe('a block that the encoder knows', () => {
  test('is known once a list came twice with all of it in the table, also as another array of the same fields', () => {
    const encoder = begun();
    const fields = received(REPEATED);
    const known = [1, 2, 3, 4, 5].map(() => {
      encode(encoder, fields);
      return encoder.known(fields);
    });
    // Seen, inserted, steady, kept.
    assert.deepEqual(known.slice(0, 3), [null, null, null]);
    assert.deepEqual(known[4], known[3]);
    assert.deepEqual(encoder.known([...fields]), known[3]);
    assert.equal(known[3]!.length, fields.length);
  });

  test('is forgotten when the table changes or an update is owed, and fields that only look the same are not it', () => {
    const encoder = begun();
    const fields = received(REPEATED);
    const learn = (): void => {
      for (let n = 0; n < 5; n++) encode(encoder, fields);
      assert.notEqual(encoder.known(fields), null);
    };
    learn();
    const [secret] = received([['authorization', 'Bearer a']]);
    const [alike] = received([['authorization', 'Bearer a']]);
    for (let n = 0; n < 3; n++) encode(encoder, [...fields, secret!]);
    assert.notEqual(encoder.known([...fields, secret!]), null);
    assert.equal(encoder.known([...fields, alike!]), null);
    for (let n = 0; n < 2; n++) encode(encoder, received([['x-new', 'value']]));
    assert.equal(encoder.known(fields), null);
    learn();
    encoder.setLimit(100);
    assert.equal(encoder.known(fields), null);
  });

  test('is what the peer reads as the same fields, over 200 connections of lists that come again', () => {
    let reused = 0;
    for (let seed = 1; seed <= 200; seed++) {
      const random = new Random(seed);
      const encoder = new Encoder();
      const decoder = new Decoder(WIDE);
      const lists = Array.from({ length: 6 }, () => received(headerList(random)));
      for (let n = 0; n < 100; n++) {
        const list = random.pick(lists);
        if (random.chance(0.02)) encoder.setLimit(random.pick([0, 200, 4096]));
        if (encoder.known(list) !== null) reused++;
        assert.deepEqual(decodeOk(decoder, written(encoder, list)).fields.map(pair), list.map(pair), `seed ${seed}`);
      }
    }
    assert.ok(reused > 500, `${reused} blocks were known`);
  });
});

test('a shared field is the same object while it is remembered', () => {
  const field = sharedField(wellKnown('x-forwarded-for'), '192.0.2.7');
  assert.equal(sharedField(wellKnown('x-forwarded-for'), '192.0.2.7'), field);
  assert.notEqual(sharedField(wellKnown('x-forwarded-for'), '192.0.2.8'), field);
});
