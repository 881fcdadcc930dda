import assert from 'node:assert/strict';
import { createRequire } from 'node:module';
import type { Field } from '../../src/hpack/field.ts';
import { built } from '../built.ts';
import { frameway } from '../peers/frameway.ts';

const { Decoded, Decoder } = await built<typeof import('../../src/hpack/decoder.ts')>('hpack/decoder');
const { Encoder } = await built<typeof import('../../src/hpack/encoder.ts')>('hpack/encoder');

interface Header {
  readonly name: string;
  readonly value: string;
  readonly incremental?: boolean;
  readonly huffman?: boolean;
}
interface Compressor {
  write(headers: readonly Header[]): void;
  read(): Buffer | null;
}
interface Decompressor {
  write(block: Buffer): void;
  execute(): void;
  read(): Header | null;
}
const hpackJs = createRequire(import.meta.url)('hpack.js') as {
  compressor: { create(options: object): Compressor };
  decompressor: { create(options: object): Decompressor };
};
const theirTable = { table: { maxSize: 4096 } };
const limits = { maxHeaderListSize: 65_536, maxHeaderFields: 200, maxHeaderFieldsHard: 1000 };

/** Nine headers that a call to a speech engine carries; only the timeout differs from call to call. */
const request = (index: number): Header[] => [
  { name: ':method', value: 'POST' },
  { name: ':scheme', value: 'http' },
  { name: ':path', value: '/speech.Recognizer/Recognize' },
  { name: ':authority', value: 'asr.example:8800' },
  { name: 'content-type', value: 'application/grpc' },
  { name: 'te', value: 'trailers' },
  { name: 'user-agent', value: 'grpc-node-js/1.14.7' },
  { name: 'grpc-accept-encoding', value: 'identity,deflate,gzip' },
  { name: 'grpc-timeout', value: `${29_999 - index}m` },
];

const response = (): Header[] => [
  { name: ':status', value: '200' },
  { name: 'content-type', value: 'application/grpc' },
  { name: 'grpc-encoding', value: 'identity' },
  { name: 'grpc-accept-encoding', value: 'identity,deflate,gzip' },
];

function readBlock(compressor: Compressor): Buffer {
  const parts: Buffer[] = [];
  for (let part = compressor.read(); part !== null; part = compressor.read()) parts.push(part);
  return Buffer.concat(parts);
}

/** Blocks as a client sends them one after another: everything indexed, strings Huffman-coded. */
function blocksOf(headers: (index: number) => Header[]): Buffer[] {
  const compressor = hpackJs.compressor.create(theirTable);
  return Array.from({ length: 200 }, (_, index) => {
    compressor.write(headers(index));
    return readBlock(compressor);
  });
}

/** Decodes and encodes again what passes from one session to another. */
function throughOurs(): (block: Buffer) => readonly Field[] {
  const decoder = new Decoder(limits);
  const encoder = new Encoder();
  const fields: Field[] = [];
  const to = Buffer.allocUnsafeSlow(65_536);
  return (block) => {
    fields.length = 0;
    const outcome = decoder.decode(block, 0, block.length, fields);
    if (outcome !== Decoded.OK) throw new Error(`decoded with outcome ${outcome}`);
    encoder.encode(fields, to, 0);
    return fields;
  };
}

/** The same with hpack.js, spared the Huffman code and, as ours, the indexing of timeouts. */
function throughTheirs(): (block: Buffer) => readonly Header[] {
  const decompressor = hpackJs.decompressor.create(theirTable);
  const compressor = hpackJs.compressor.create(theirTable);
  return (block) => {
    const headers: Header[] = [];
    decompressor.write(block);
    decompressor.execute();
    for (let header = decompressor.read(); header !== null; header = decompressor.read()) {
      const { name, value } = header;
      headers.push({ name, value, incremental: name !== 'grpc-timeout', huffman: false });
    }
    compressor.write(headers);
    readBlock(compressor);
    return headers;
  };
}

function assertAgreement(blocks: readonly Buffer[]): void {
  const [our, their] = [throughOurs(), throughTheirs()];
  for (const block of blocks) {
    assert.deepEqual(
      our(block).map(({ name, value }) => [name.text, value]),
      their(block).map(({ name, value }) => [name, value]),
    );
  }
}

/** Blocks of calls to a speech engine, and what takes them from one session to another: ours and hpack.js. */
export function hpackTasks(kind: 'request' | 'response'): { blocks: number; tasks: Map<string, () => void> } {
  const blocks = blocksOf(kind === 'request' ? request : response);
  assertAgreement(blocks);
  const over = (codec: (block: Buffer) => unknown) => () => blocks.forEach(codec);
  return {
    blocks: blocks.length,
    tasks: new Map([
      [frameway.name, over(throughOurs())],
      ['hpack.js', over(throughTheirs())],
    ]),
  };
}
