/**
 * HPACK encoder (RFC 7541) for one direction of one session that strangers may share: what is secret is never indexed,
 * and what differs from call to call is kept out of the table. Strings are written as they are, not Huffman-coded:
 * a repeated one is an index anyway, and coding the rest costs more than the octets it saves.
 */
import { copyOctets, copyOf } from '../octets.ts';
import { DEFAULT_TABLE_SIZE, DynamicTable } from './dynamic-table.ts';
import { Indexing, STATIC_LENGTH } from './field.ts';
import type { Field } from './field.ts';
import { writeInteger } from './integer.ts';
import { KeptBlocks } from './kept-blocks.ts';

/** Buckets of the search over the table; each entry chains to an older one of the same bucket. */
const BUCKETS = 64;
/** Fields seen once and not yet inserted, by hash: a value that never comes again never takes a place. */
const SEEN = 64;
/** Places where a hash may stand: with one, two fields that clash would drive each other out at every call. */
const WAYS = 4;
/** Which of them a newcomer takes has no order, or a cycle of five would do the same. */
const SHUFFLE = 0x915f77f5;

/** The longest block that is kept. */
const LONGEST_KEPT = 512;

export class Encoder {
  private readonly table = new DynamicTable(DEFAULT_TABLE_SIZE);
  /** Newest entry number of each bucket and the next older of each entry; made with the first insertion. */
  private heads: number[] | null = null;
  private older: number[] | null = null;
  private seen: number[] | null = null;
  private shuffled = 0;
  private readonly kept = new KeptBlocks(LONGEST_KEPT);
  /** The block that is being encoded would be the same if it were encoded again. */
  private steady = true;
  /** Size updates owed to the peer's decoder: the smallest since the last block, then the one in force. */
  private smallest = -1;

  /** The peer's SETTINGS_HEADER_TABLE_SIZE. We use no more than the default of what it offers. */
  setLimit(bytes: number): void {
    const size = Math.min(bytes, DEFAULT_TABLE_SIZE);
    if (size === this.table.maxSize && this.smallest < 0) return;
    this.smallest = this.smallest < 0 ? size : Math.min(this.smallest, size);
    this.table.resize(size);
  }

  /** No block of these fields is longer than this. */
  static worstCase(fields: readonly Field[]): number {
    let size = 16;
    for (let i = 0; i < fields.length; i++) size += fields[i]!.size;
    return size;
  }

  /** The block of these fields if it is known, so that it need not be encoded again; else null. */
  known(fields: readonly Field[]): Uint8Array | null {
    return this.smallest < 0 ? this.kept.known(fields, this.table.version) : null;
  }

  /** Writes a header block at `to[at]`, where `worstCase(fields)` octets are free; returns the position after it. */
  encode(fields: readonly Field[], to: Buffer, at: number): number {
    const start = at;
    this.steady = this.smallest < 0;
    if (this.smallest >= 0) {
      if (this.smallest < this.table.maxSize) at = writeInteger(to, at, 0x20, 5, this.smallest);
      at = writeInteger(to, at, 0x20, 5, this.table.maxSize);
      this.smallest = -1;
    }
    for (let i = 0; i < fields.length; i++) {
      const field = fields[i]!;
      if (field.staticIndex !== 0) to[at++] = 0x80 | field.staticIndex;
      else at = this.field(field, to, at);
    }
    if (this.steady) this.kept.wrote(fields, this.table.version, to, start, at);
    return at;
  }

  private field(field: Field, to: Buffer, at: number): number {
    const indexing = field.indexing;
    if (indexing !== Indexing.ALLOWED) return unindexed(field, to, at);
    const number = this.find(field);
    if (number > 0) return writeInteger(to, at, 0x80, 7, STATIC_LENGTH + 1 + this.table.inserted - number);
    this.steady = false;
    if (!this.worthAPlace(field)) return literal(field, to, at, 0x00, 4);
    this.insert(field);
    return literal(field, to, at, 0x40, 6);
  }

  /** The number of the table's entry equal to this field, 0 if there is none. */
  private find(field: Field): number {
    if (this.heads === null) return 0;
    const { table, older } = this;
    const oldest = table.inserted - table.length;
    let number = this.heads[field.hash & (BUCKETS - 1)]!;
    // A chain runs from new to old, so the first evicted entry ends it.
    while (number > oldest) {
      if (table.at(table.inserted - number).equals(field)) return number;
      number = older![number & (older!.length - 1)]!;
    }
    return 0;
  }

  /** Whether this field came before, or may be taken to come again. */
  private worthAPlace(field: Field): boolean {
    if (field.size > this.table.maxSize >> 1) return false;
    this.seen ??= new Array<number>(SEEN).fill(0);
    const first = (field.hash >>> 6) & (SEEN - WAYS);
    for (let i = first; i < first + WAYS; i++) if (this.seen[i] === field.hash) return true;
    this.shuffled = (Math.imul(this.shuffled, SHUFFLE) + 1) | 0;
    this.seen[first + ((this.shuffled >>> 16) & (WAYS - 1))] = field.hash;
    return false;
  }

  private insert(field: Field): void {
    this.heads ??= new Array<number>(BUCKETS).fill(0);
    this.older ??= new Array<number>(DEFAULT_TABLE_SIZE / 32).fill(0);
    const bucket = field.hash & (BUCKETS - 1);
    this.table.insert(field);
    const number = this.table.inserted;
    this.older[number & (this.older.length - 1)] = this.heads[bucket]!;
    this.heads[bucket] = number;
  }
}

/** A field that may not be in any table. One that comes again is the same object, and brings its octets along. */
function unindexed(field: Field, to: Buffer, at: number): number {
  const { octets } = field;
  if (octets !== null) {
    copyOctets(octets, to, at);
    return at + octets.length;
  }
  const end = literal(field, to, at, field.indexing === Indexing.NEVER ? 0x10 : 0x00, 4);
  if (++field.written > 1) field.octets = copyOf(to, at, end);
  return end;
}

/** A literal representation; the name by its static index where it has one. */
function literal(field: Field, to: Buffer, at: number, first: number, prefixBits: number): number {
  const { name, value } = field;
  if (name.staticIndex !== 0) at = writeInteger(to, at, first, prefixBits, name.staticIndex);
  else {
    to[at++] = first;
    at = string(name.text, to, at);
  }
  return string(value, to, at);
}

/** Under this many octets a loop is faster than the call into the runtime. */
const SHORT = 32;

function string(text: string, to: Buffer, at: number): number {
  const length = text.length;
  at = writeInteger(to, at, 0, 7, length);
  if (length > SHORT) to.latin1Write(text, at, length);
  else for (let i = 0; i < length; i++) to[at + i] = text.charCodeAt(i);
  return at + length;
}
