declare module 'hpack.js' {
  import type { Duplex } from 'node:stream';
  interface Header {
    readonly name: string;
    readonly value: string;
    readonly neverIndex?: boolean;
    readonly incremental?: boolean;
    readonly huffman?: boolean;
  }
  interface Options {
    readonly table: { readonly maxSize: number };
  }
  interface Compressor extends Duplex {
    write(headers: readonly Header[]): boolean;
    read(): Buffer | null;
    updateTableSize(size: number): void;
  }
  interface Decompressor extends Duplex {
    write(block: Uint8Array): boolean;
    read(): Header | null;
    execute(done?: (error: Error | null) => void): void;
    updateTableSize(size: number): void;
  }
  const hpack: {
    readonly compressor: { create(options: Options): Compressor };
    readonly decompressor: { create(options: Options): Decompressor };
  };
  export default hpack;
}
