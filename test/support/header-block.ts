/** Header blocks by hpack.js, the independent codec, and octet by octet where a block has to be wrong. */
import hpack from 'hpack.js';
import type { Field } from './frames.ts';

export class BlockEncoder {
  private readonly compressor = hpack.compressor.create({ table: { maxSize: 4096 } });

  encode(fields: readonly Field[]): Buffer {
    this.compressor.write(fields.map(([name, value]) => ({ name, value })));
    return this.compressor.read() ?? Buffer.alloc(0);
  }
}

export class BlockDecoder {
  private readonly decompressor = hpack.decompressor.create({ table: { maxSize: 4096 } });

  constructor() {
    this.decompressor.on('error', (error: Error) => {
      throw error;
    });
  }

  decode(block: Buffer): Field[] {
    if (block.length > 0) this.decompressor.write(block);
    this.decompressor.execute();
    const fields: Field[] = [];
    for (let field = this.decompressor.read(); field !== null; field = this.decompressor.read()) {
      fields.push([field.name, field.value]);
    }
    return fields;
  }
}

/** An HPACK integer behind the high bits `pattern` (RFC 7541 section 5.1). */
export function integer(value: number, prefixBits: number, pattern = 0): Buffer {
  const max = 2 ** prefixBits - 1;
  if (value < max) return Buffer.from([pattern | value]);
  const octets = [pattern | max];
  let rest = value - max;
  for (; rest >= 128; rest = Math.floor(rest / 128)) octets.push((rest % 128) + 128);
  return Buffer.from([...octets, rest]);
}

const string = (text: string): Buffer => {
  const bytes = Buffer.from(text, 'latin1');
  return Buffer.concat([integer(bytes.length, 7), bytes]);
};

/** A literal with a literal name, not indexed and not Huffman coded: it says exactly what it is told to say. */
export const literal = (name: string, value: string): Buffer =>
  Buffer.concat([Buffer.from([0x00]), string(name), string(value)]);

/** A block that leaves the dynamic table alone, so it fits at any place of a connection. */
export const literals = (fields: readonly Field[]): Buffer =>
  Buffer.concat(fields.map(([name, value]) => literal(name, value)));

/** The same literal, left in the dynamic table; `indexed(62)` then names it again for one octet. */
export const remembered = (name: string, value: string): Buffer =>
  Buffer.concat([Buffer.from([0x40]), string(name), string(value)]);
export const indexed = (index: number): Buffer => integer(index, 7, 0x80);
export const tableSize = (size: number): Buffer => integer(size, 5, 0x20);
