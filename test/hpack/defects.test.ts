import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { Decoder } from '../../src/hpack/decoder.ts';
import { Defect } from '../../src/hpack/field.ts';
import { indexed, literal, remembered } from '../support/header-block.ts';
import { decodeOk, WIDE } from './codec.ts';
import { HpackJsEncoder } from './hpack-js-peer.ts';

/** The defect of a field, the same however it came: as it is, Huffman coded, or out of the table. */
function defectOf(name: string, value: string): number {
  const decoder = new Decoder(WIDE);
  const coded = new HpackJsEncoder().encode([{ name, value, incremental: false }]);
  const blocks = [literal(name, value), coded, remembered(name, value), indexed(62)];
  const defects = new Set(blocks.map((block) => decodeOk(decoder, block).fields[0]!.defect));
  assert.equal(defects.size, 1, `${JSON.stringify([name, value])} is judged in more than one way`);
  return [...defects][0]!;
}

const shown = (text: string): string => JSON.stringify(text);

describe('a field name is unfit', () => {
  const unfit = ['', 'Accept', 'x-Tenant', 'GRPC-TIMEOUT', 'a b', ' a', 'a:', 'a:b', ':unknown', ':Path', ':'];
  const controls = ['a\0', 'a\r', 'a\n', 'a\tb', 'a\x7f', '\xe9t\xe9', '(a)', 'a,b', 'a/b', '"a"', 'a@b', '{a}', 'a=b'];
  for (const name of [...unfit, ...controls]) {
    test(`if it is ${shown(name)}`, () => assert.equal(defectOf(name, 'value') & Defect.NAME, Defect.NAME));
  }

  test('by any octet that is no token in lower case', () => {
    const token = /^[!#$%&'*+\-.^_`|~0-9a-z]$/;
    for (let octet = 0; octet < 256; octet++) {
      const text = String.fromCharCode(octet);
      assert.equal((defectOf(`x${text}x`, 'v') & Defect.NAME) === 0, token.test(text), shown(text));
    }
  });

  test('even if its value is what a known name would have', () => {
    assert.equal(defectOf(':Method', 'GET') & Defect.NAME, Defect.NAME);
  });
});

describe('a field name is fit', () => {
  for (const name of ['x', 'x-tenant', '1', "!#$%&'*+-.^_`|~", 'cookie', 'x'.repeat(300)]) {
    test(`if it is ${shown(name.slice(0, 40))}`, () => assert.equal(defectOf(name, 'value'), 0));
  }
});

describe('a field value is unfit', () => {
  const unfit = [
    '\0',
    '\r',
    '\n',
    'a\0b',
    'a\rb',
    'a\nb',
    'a\r\nx: y',
    'end\n',
    '\nbegin',
    ' a',
    'a ',
    '\ta',
    'a\t',
    ' ',
  ];
  for (const value of unfit) {
    test(`if it is ${shown(value)}`, () => assert.equal(defectOf('x-value', value), Defect.VALUE));
  }

  test('wherever in a long one the octet stands', () => {
    for (const octet of ['\0', '\r', '\n']) {
      for (const at of [0, 1, 31, 32, 63, 64, 127, 298, 299]) {
        const value = `${'v'.repeat(at)}${octet}${'v'.repeat(299 - at)}`;
        assert.equal(defectOf('x-value', value), Defect.VALUE, `${shown(octet)} at ${at}`);
      }
    }
  });

  test('in a secret header too', () => assert.equal(defectOf('authorization', 'Bearer a\r\nb'), Defect.VALUE));
});

describe('a field value is fit', () => {
  for (const value of ['', 'v', 'a b', 'a\tb', 'caf\xe9', '\x80\xff', 'v'.repeat(3000), '__proto__']) {
    test(`if it is ${shown(value.slice(0, 40))}`, () => assert.equal(defectOf('x-value', value), 0));
  }
});
