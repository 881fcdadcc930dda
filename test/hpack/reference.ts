/** RFC 7541 read word for word and without haste: how a block is represented, and what a decoder has to make of it. */
import huffman from 'hpack.js/lib/hpack/huffman.js';
import staticTable from 'hpack.js/lib/hpack/static-table.js';

export interface Representation {
  readonly kind: 'indexed' | 'incremental' | 'plain' | 'never' | 'update';
  /** The index, that of a literal's name (0 if the name is literal too), or the new table size. */
  readonly number: number;
  readonly name: string;
  readonly value: string;
  /** Position after it. */
  readonly end: number;
}
export interface Entry {
  readonly name: string;
  readonly value: string;
  readonly never: boolean;
}

/** Symbols by code; a one in front keeps its leading zeros. */
const CODES = new Map(huffman.encode.map(([bits, code], symbol) => [2 ** bits + code, symbol]));
const EOS = 256;

class Malformed extends Error {}
const insist = (condition: boolean, message: string): void => {
  if (!condition) throw new Malformed(message);
};

function uncode(octets: Uint8Array): string {
  let text = '';
  let word = 1;
  for (const octet of octets) {
    for (let bit = 7; bit >= 0; bit--) {
      word = word * 2 + ((octet >> bit) & 1);
      const symbol = CODES.get(word);
      if (symbol === undefined) continue;
      insist(symbol !== EOS, 'EOS');
      text += String.fromCharCode(symbol);
      word = 1;
    }
  }
  insist(word < 256 && (word & (word + 1)) === 0, 'padding');
  return text;
}

class Reader {
  at = 0;
  private readonly block: Uint8Array;

  constructor(block: Uint8Array) {
    this.block = block;
  }
  octet(): number {
    insist(this.at < this.block.length, 'cut off');
    return this.block[this.at++]!;
  }
  integer(prefixBits: number): number {
    const limit = 2 ** prefixBits - 1;
    let value = this.octet() & limit;
    if (value < limit) return value;
    for (let octets = 0; ; octets++) {
      insist(octets < 5, 'more than five octets');
      const octet = this.octet();
      value += (octet & 127) * 128 ** octets;
      if (octet < 128) break;
    }
    insist(value < 2 ** 31, 'over 31 bits');
    return value;
  }
  string(): string {
    const coded = (this.block[this.at] ?? 0) >= 128;
    const length = this.integer(7);
    insist(length <= this.block.length - this.at, 'string cut off');
    const octets = this.block.subarray(this.at, (this.at += length));
    return coded ? uncode(octets) : Buffer.from(octets).toString('latin1');
  }
  representation(): Representation {
    const first = this.octet();
    this.at--;
    if (first >= 0x80) return this.numbered('indexed', 7);
    if (first >= 0x40) return this.literal('incremental', 6);
    if (first >= 0x20) return this.numbered('update', 5);
    return this.literal(first >= 0x10 ? 'never' : 'plain', 4);
  }
  private numbered(kind: Representation['kind'], prefixBits: number): Representation {
    return { kind, number: this.integer(prefixBits), name: '', value: '', end: this.at };
  }
  private literal(kind: Representation['kind'], prefixBits: number): Representation {
    const number = this.integer(prefixBits);
    const name = number === 0 ? this.string() : '';
    return { kind, number, name, value: this.string(), end: this.at };
  }
}

/** How a good block is put together. */
export function representations(block: Uint8Array): Representation[] {
  const reader = new Reader(block);
  const all: Representation[] = [];
  while (reader.at < block.length) all.push(reader.representation());
  return all;
}

const size = (entry: Entry): number => entry.name.length + entry.value.length + 32;

export class ReferenceDecoder {
  /** Newest first. */
  private table: Entry[] = [];
  private maxSize = 4096;

  /** The header list, or null if the block is malformed. */
  decode(block: Uint8Array): Entry[] | null {
    const reader = new Reader(block);
    const list: Entry[] = [];
    try {
      while (reader.at < block.length) this.apply(reader.representation(), list);
      return list;
    } catch (error) {
      if (error instanceof Malformed) return null;
      throw error;
    }
  }

  private apply({ kind, number, name, value }: Representation, list: Entry[]): void {
    if (kind === 'update') {
      insist(list.length === 0, 'update within the block');
      insist(number <= 4096, 'update above the limit');
      this.maxSize = number;
      this.evict();
    } else if (kind === 'indexed') list.push(this.at(number));
    else {
      const entry = { name: number === 0 ? name : this.at(number).name, value, never: kind === 'never' };
      list.push(entry);
      if (kind !== 'incremental') return;
      this.table.unshift(entry);
      this.evict();
    }
  }
  private at(index: number): Entry {
    const fixed = staticTable.table[index - 1];
    const entry = fixed === undefined ? this.table[index - 62] : { name: fixed.name, value: fixed.value, never: false };
    if (index === 0 || entry === undefined) throw new Malformed('no such index');
    return entry;
  }
  private evict(): void {
    while (this.table.reduce((sum, entry) => sum + size(entry), 0) > this.maxSize) this.table.pop();
  }
}
