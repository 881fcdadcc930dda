/** Drives our decoder and encoder as a session does, and looks at their tables from outside. */
import assert from 'node:assert/strict';
import { Decoded, Decoder } from '../../src/hpack/decoder.ts';
import type { HeaderListLimits } from '../../src/hpack/decoder.ts';
import { Encoder } from '../../src/hpack/encoder.ts';
import type { Field } from '../../src/hpack/field.ts';
import type { Field as Pair } from '../support/frames.ts';
import { indexed, integer, literals } from '../support/header-block.ts';

export const WIDE: HeaderListLimits = { maxHeaderListSize: 2 ** 30, maxHeaderFields: 1e6, maxHeaderFieldsHard: 1e6 };
/** The gateway's defaults. */
export const LIMITS: HeaderListLimits = {
  maxHeaderListSize: 64 * 1024,
  maxHeaderFields: 200,
  maxHeaderFieldsHard: 1000,
};

export const hex = (text: string): Buffer => Buffer.from(text.replaceAll(/\s/g, ''), 'hex');
export const pair = (field: Field): Pair => [field.name.text, field.value];
export const sizeOf = (pairs: readonly Pair[]): number =>
  pairs.reduce((sum, [name, value]) => sum + name.length + value.length + 32, 0);

/** A literal whose strings are given as octets, so that they may be Huffman coded. */
export const codedLiteral = (name: Uint8Array, value: Uint8Array): Buffer =>
  Buffer.concat([Buffer.from([0]), integer(name.length, 7, 0x80), name, integer(value.length, 7, 0x80), value]);

export interface Decoding {
  readonly result: Decoded;
  readonly fields: Field[];
  readonly pairs: Pair[];
}

const ONES = Buffer.alloc(8, 0xff);
/** Decodes the block where sessions have it, amid octets that are none of its business. */
export function decode(
  decoder: Decoder,
  block: Uint8Array,
  before: Uint8Array = ONES,
  after: Uint8Array = ONES,
): Decoding {
  const fields: Field[] = [];
  const end = before.length + block.length;
  const result = decoder.decode(Buffer.concat([before, block, after]), before.length, end, fields);
  return { result, fields, pairs: fields.map(pair) };
}

/** The fields of a block that has to be good. */
export function decodeOk(decoder: Decoder, block: Uint8Array): Decoding {
  const decoding = decode(decoder, block);
  assert.equal(decoding.result, Decoded.OK);
  return decoding;
}

/** The result for a block that comes first on its connection. */
export const verdict = (block: Uint8Array): Decoded => decode(new Decoder(WIDE), block).result;

/** The dynamic table, newest first, as a peer's indices see it. */
export function tableOf(decoder: Decoder): Pair[] {
  const table: Pair[] = [];
  for (let index = 62; ; index++) {
    const { result, pairs } = decode(decoder, indexed(index));
    if (result !== Decoded.OK) return table;
    table.push(pairs[0]!);
  }
}

/** The fields as they are after a peer has sent them. */
export const received = (pairs: readonly Pair[]): Field[] => decodeOk(new Decoder(WIDE), literals(pairs)).fields;

const GUARD = 0xa5;
/** Encodes, and sees to it that nothing is written outside the promised room. */
export function encode(encoder: Encoder, fields: readonly Field[], at = 5): Buffer {
  const worst = Encoder.worstCase(fields);
  const buffer = Buffer.alloc(at + worst + 8, GUARD);
  const end = encoder.encode(fields, buffer, at);
  assert.ok(end >= at && end <= at + worst, `${end - at} octets where at most ${worst} were promised`);
  const outside = Buffer.concat([buffer.subarray(0, at), buffer.subarray(end)]);
  assert.ok(outside.equals(Buffer.alloc(outside.length, GUARD)), 'written outside the block');
  return Buffer.from(buffer.subarray(at, end));
}
