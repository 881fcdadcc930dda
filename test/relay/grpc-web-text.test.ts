import assert from 'node:assert/strict';
import { test } from 'node:test';
import {
  Base64Decoder,
  DecodedCredit,
  EncodedCredit,
  encodeBase64,
  PIECE,
  TEXT_PIECE,
} from '../../src/relay/base64-stream.ts';
import { Random } from '../support/random.ts';
import { fromText, QUANTUM, toText } from './grpc-web-peers.ts';

/** What the decoder makes of a text cut at these places, null if it refuses it or is left with a rest. */
function decode(text: string, cuts: readonly number[]): Buffer | null {
  const source = Buffer.from(text, 'latin1');
  const target = Buffer.alloc(source.length + 3);
  const decoder = new Base64Decoder();
  const out: Buffer[] = [];
  let from = 0;
  for (const to of [...cuts, source.length]) {
    const length = decoder.decode(source, from, to, target);
    if (length < 0) return null;
    out.push(Buffer.from(target.subarray(0, length)));
    from = to;
  }
  return decoder.pending === 0 ? Buffer.concat(out) : null;
}

/** Quantum by quantum; only what encodes to itself again has no pad bits set. */
function decodePlainly(text: string): Buffer | null {
  const quanta = text.match(/.{4}/g) ?? [];
  const right = quanta.every((quantum) => QUANTUM.test(quantum) && toText(fromText(quantum)) === quantum);
  return right ? fromText(text) : null;
}

test('a text decodes to the same octets at every pair of split points', () => {
  const parts = ['', 'f', 'fo', 'foo', 'foob', '\x00\xff\xfe', '\xfb\xef\xbe\xff'].map((part) =>
    Buffer.from(part, 'latin1'),
  );
  const octets = Buffer.concat(parts);
  const text = parts.map((part) => toText(part)).join('');
  for (let a = 0; a <= text.length; a++) {
    for (let b = a; b <= text.length; b++) assert.deepEqual(decode(text, [a, b]), octets, `${a} ${b}`);
  }
});

test('seeded texts in pieces padded each on its own decode to what was encoded', () => {
  const random = new Random(7);
  for (let round = 0; round < 500; round++) {
    const parts = Array.from({ length: random.below(8) }, () => random.octets(random.below(30)));
    const text = parts.map((part) => toText(part)).join('');
    assert.deepEqual(decode(text, random.cuts(text.length, random.below(9))), Buffer.concat(parts), text);
  }
});

test('what is not base64 is refused, wherever it is cut', () => {
  const bad = [
    '====',
    'Z===',
    '=AAA',
    'Zg=A',
    'Zg==Z',
    'Zh==',
    'Zm9=',
    'Zm8=x===',
    'Zm9-',
    'Zm_v',
    'Zm9v\r\n',
    'Zm 9v',
  ];
  for (const text of [...bad, 'Zm9', 'Z', 'Zg', 'Zg=', '\x80AAA', 'AAA\xff']) {
    for (let cut = 0; cut <= text.length; cut++) assert.equal(decode(`AAAA${text}`, [4 + cut]), null, text);
  }
});

test('seeded octets are accepted exactly where the plain decoder accepts them', () => {
  const random = new Random(11);
  for (let round = 0; round < 3000; round++) {
    const text = random.text(4 * random.between(1, 4), 'Ag9+/=z');
    const plain = decodePlainly(text);
    assert.deepEqual(decode(text, random.cuts(text.length, 3)), plain, text);
  }
});

test('encoding is what base64 is, and a piece fills its text exactly', () => {
  const random = new Random(3);
  const target = Buffer.alloc(TEXT_PIECE);
  for (const length of [0, 1, 2, 3, 4, 5, 100, PIECE - 1, PIECE]) {
    const octets = random.octets(length + 2);
    const text = target.latin1Slice(0, encodeBase64(octets, 1, 1 + length, target));
    assert.equal(text, octets.subarray(1, 1 + length).toString('base64'));
    if (length < 1000) assert.equal(text, toText(octets.subarray(1, 1 + length)));
  }
  assert.equal(encodeBase64(random.octets(PIECE), 0, PIECE, target), TEXT_PIECE);
});

/** A stream of chunks as its octets: for each, how many characters have gone once it has. */
class Chunks {
  octets = 0;
  text = 0;
  /** Characters that stand before the octet, and up to the end of its quantum. */
  readonly before: number[] = [];
  readonly upTo: number[] = [];

  add(octets: number): number {
    for (let n = 0; n < octets; n++) {
      this.before.push(this.text + 4 * Math.floor(n / 3));
      this.upTo.push(this.text + 4 * Math.floor(n / 3) + 4);
    }
    const text = 4 * Math.ceil(octets / 3);
    this.octets += octets;
    this.text += text;
    return text;
  }
}

test('credit for octets never runs ahead of the characters that have left, and is all there at the end', () => {
  const random = new Random(17);
  for (let round = 0; round < 300; round++) {
    const credit = new EncodedCredit();
    const chunks = new Chunks();
    let left = 0;
    let credited = 0;
    const leave = (text: number): void => {
      left += text;
      credited += credit.left(text);
      assert.ok(credited === 0 || chunks.upTo[credited - 1]! <= left, `${credited} octets for ${left} characters`);
    };
    for (let n = random.between(1, 30); n > 0; n--) {
      const octets = random.below(40);
      credit.add(octets, chunks.add(octets));
      if (random.chance(0.6)) leave(random.below(chunks.text - left + 1));
    }
    leave(chunks.text - left);
    assert.equal(credited, chunks.octets);
    assert.equal(credit.left(100), 0, 'what follows the data is nobody’s');
  }
});

test('credit for characters never runs ahead of the octets that are done with, and is all there at the end', () => {
  const random = new Random(19);
  for (let round = 0; round < 300; round++) {
    const credit = new DecodedCredit();
    const chunks = new Chunks();
    let done = 0;
    let credited = 0;
    const finish = (octets: number): void => {
      done += octets;
      credited += credit.left(octets);
      const most = done < chunks.octets ? chunks.before[done]! : chunks.text;
      assert.ok(credited <= most, `${credited} characters for ${done} octets, which took ${most}`);
      assert.equal(credited % 4, 0, 'whole quanta');
    };
    for (let n = random.between(1, 30); n > 0; n--) {
      const octets = random.below(40);
      credit.add(octets, chunks.add(octets));
      if (random.chance(0.6)) finish(random.below(chunks.octets - done + 1));
    }
    finish(chunks.octets - done);
    assert.equal(credited, chunks.text);
  }
});

test('credit keeps pace: no more than the padding is held back', () => {
  const octets = new EncodedCredit();
  octets.add(3000, 4000);
  assert.equal(octets.left(2000), 1500);
  const text = new DecodedCredit();
  text.add(3000, 4000);
  text.add(1, 4);
  assert.equal(text.left(1500), 2000);
  assert.equal(text.left(1501), 2004);
});
