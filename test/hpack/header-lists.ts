/** Header lists as one connection might carry them: much repeated, some new every time, some hostile. */
import type { Field as Pair } from '../support/frames.ts';
import type { Random } from '../support/random.ts';

const LOWER = 'abcdefghijklmnopqrstuvwxyz0123456789-';
const PRINTABLE = String.fromCharCode(...Array.from({ length: 94 }, (_, i) => 0x21 + i));
const LATIN1 = String.fromCharCode(...Array.from({ length: 256 }, (_, i) => i));

/** Where length prefixes grow, tables overflow and indexing ends. */
const LENGTHS = [0, 1, 30, 31, 32, 33, 63, 64, 65, 126, 127, 128, 129, 254, 255, 256, 257, 258, 1000, 2016, 4000, 4100];
const OBJECT_WORDS = [
  'constructor',
  '__proto__',
  'hasOwnProperty',
  'toString',
  'valueOf',
  'prototype',
  'isPrototypeOf',
];

const REQUEST: readonly Pair[] = [
  [':method', 'POST'],
  [':scheme', 'http'],
  [':path', '/speech.v1.Recognizer/Stream'],
  [':authority', 'asr.internal:8800'],
  ['te', 'trailers'],
  ['content-type', 'application/grpc'],
  ['user-agent', 'grpc-node-js/1.14.7'],
  ['grpc-accept-encoding', 'identity,deflate,gzip'],
  ['accept-encoding', 'gzip, deflate'],
];
const RESPONSE: readonly Pair[] = [
  [':status', '200'],
  ['content-type', 'application/grpc+proto'],
  ['server', 'frameway'],
  ['grpc-status', '0'],
  ['vary', 'accept-encoding'],
  ['set-cookie', 'session=4f3c2a; Path=/; HttpOnly'],
];
const NAMES = ['x-tenant', 'x-session', 'accept', 'cache-control', 'etag', 'link', ':path', 'cookie', 'authorization'];

type Kind = (random: Random) => Pair[];
const perCall: Kind = (random) => [
  ['grpc-timeout', `${random.below(100_000)}m`],
  ['traceparent', `00-${random.text(32, '0123456789abcdef')}-${random.text(16, '0123456789abcdef')}-01`],
  ['x-request-id', random.text(36, LOWER)],
  ['content-length', String(random.below(1e6))],
];
const crumbs: Kind = (random) =>
  Array.from({ length: 1 + random.below(20) }, (): Pair => ['cookie', `c${random.below(9)}=${random.text(4, LOWER)}`]);
const few: Kind = (random) => [[random.pick(NAMES), `value-${random.below(12)}`]];
const fresh: Kind = (random) => [[random.pick(NAMES), random.text(random.below(40), PRINTABLE)]];
const custom: Kind = (random) => [
  [`x-${random.text(1 + random.below(12), LOWER)}`, random.text(random.below(80), PRINTABLE)],
];
const sized: Kind = (random) => [[random.pick(NAMES), random.text(random.pick(LENGTHS), LOWER)]];
const octets: Kind = (random) => [[random.pick(NAMES), random.text(random.below(60), LATIN1)]];
const empty: Kind = (random) => [[random.pick(NAMES), '']];
const repeated: Kind = (random) => Array.from({ length: 2 + random.below(5) }, (): Pair => ['x-repeated', 'once more']);
const words: Kind = (random) => [
  [random.pick(OBJECT_WORDS), random.pick(OBJECT_WORDS)],
  [random.pick(NAMES), random.pick(OBJECT_WORDS)],
];
const KINDS: readonly Kind[] = [perCall, crumbs, few, few, few, fresh, custom, sized, octets, empty, repeated, words];

export function headerList(random: Random): Pair[] {
  const base = random.chance(0.5) ? REQUEST : RESPONSE;
  const list = base.filter(() => random.chance(0.9));
  for (let kinds = random.below(5); kinds > 0; kinds--) list.push(...random.pick(KINDS)(random));
  return random.chance(0.02) ? [] : list;
}

/** Fields that come a few times and then no more, now and then once again: each takes a place and is evicted. */
export function driftingList(random: Random, n: number): Pair[] {
  return Array.from({ length: 8 }, (): Pair => {
    const back = random.chance(0.1) ? 60 : 10;
    const k = 2 * n + random.below(10) - random.below(back);
    return [`x-${k % 7}`, `${k}-${'v'.repeat((k * k * 31 + 200) % 200)}`];
  });
}
