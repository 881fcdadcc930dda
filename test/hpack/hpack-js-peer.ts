/** hpack.js as the other side of a connection, and what must not be asked of it. */
import hpack from 'hpack.js';
import type { Field as Pair } from '../support/frames.ts';
import staticTable from 'hpack.js/lib/hpack/static-table.js';

export interface Header {
  readonly name: string;
  readonly value: string;
  readonly neverIndex?: boolean;
  readonly incremental?: boolean;
  readonly huffman?: boolean;
}

const OPTIONS = { table: { maxSize: 4096 } };
const STATIC_NAMES = new Set(staticTable.table.map(({ name }) => name));

/** Its compressor looks names, and the values of static names, up in plain objects. */
export const breaksCompressor = ([name, value]: Pair): boolean =>
  name in Object.prototype || (STATIC_NAMES.has(name) && value in Object.prototype);

export class HpackJsEncoder {
  private readonly compressor = hpack.compressor.create(OPTIONS);

  encode(headers: readonly Header[]): Buffer {
    this.compressor.write(headers);
    return this.compressor.read() ?? Buffer.alloc(0);
  }
  updateTableSize(size: number): void {
    this.compressor.updateTableSize(size);
  }
}

export class HpackJsDecoder {
  private readonly decompressor = hpack.decompressor.create(OPTIONS);

  constructor() {
    this.decompressor.on('error', (error: Error) => {
      throw error;
    });
  }

  decode(block: Uint8Array): Header[] {
    if (block.length > 0) this.decompressor.write(block);
    this.decompressor.execute();
    const headers: Header[] = [];
    for (let header = this.decompressor.read(); header !== null; header = this.decompressor.read())
      headers.push(header);
    return headers;
  }
}
