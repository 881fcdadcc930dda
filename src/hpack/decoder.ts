/**
 * HPACK decoder (RFC 7541) for one direction of one session. It reads a whole header block where it lies and yields
 * `Field`s; a field that is in a table is the same object every time.
 */
import { DEFAULT_TABLE_SIZE, DynamicTable } from './dynamic-table.ts';
import { fieldFrom, nameFrom, STATIC_LENGTH, STATIC_TABLE } from './field.ts';
import type { Field, Name } from './field.ts';
import { huffmanDecode } from './huffman.ts';
import { MAX_INTEGER_OCTETS } from './integer.ts';

/** The outcome of a block. From `TOO_LARGE` on the fields are not all there, but the table is still in step. */
export const Decoded = { OK: 0, TOO_LARGE: 1, FAR_TOO_LARGE: 2, MALFORMED: 3 } as const;
export type Decoded = (typeof Decoded)[keyof typeof Decoded];

export interface HeaderListLimits {
  /** Bytes as RFC 9113 section 6.5.2 counts them; twice as many are FAR_TOO_LARGE. */
  readonly maxHeaderListSize: number;
  readonly maxHeaderFields: number;
  readonly maxHeaderFieldsHard: number;
}

/** Huffman-coded strings are decoded here; grown when a longer one comes, never beyond a block's worth. */
let scratch = Buffer.allocUnsafeSlow(16 * 1024);

export class Decoder {
  private readonly table = new DynamicTable(DEFAULT_TABLE_SIZE);
  private readonly limits: HeaderListLimits;
  /** What our SETTINGS_HEADER_TABLE_SIZE allows. */
  private allowed = DEFAULT_TABLE_SIZE;
  /** The limit was lowered under the table's size: the next block has to begin with an update (section 4.2). */
  private updateDue = false;
  private buffer: Buffer = scratch;
  private position = 0;
  private end = 0;

  constructor(limits: HeaderListLimits) {
    this.limits = limits;
  }

  /** Our own SETTINGS_HEADER_TABLE_SIZE, once the peer has acknowledged it. */
  setLimit(bytes: number): void {
    this.allowed = bytes;
    this.updateDue = bytes < this.table.maxSize;
    this.table.version++;
  }

  /** While this stays the same, the same octets are the same fields. */
  get version(): number {
    return this.table.version;
  }

  /** Decodes the block `buffer[start, end)` and appends its fields to `fields`. */
  decode(buffer: Buffer, start: number, end: number, fields: Field[]): Decoded {
    this.buffer = buffer;
    this.position = start;
    this.end = end;
    const { maxHeaderListSize, maxHeaderFields, maxHeaderFieldsHard } = this.limits;
    let size = 0;
    let count = 0;
    let begun = false;
    while (this.position < end) {
      const octet = buffer[this.position]!;
      let field: Field | null;
      if (octet >= 0x80) field = this.indexed(octet);
      else if (octet >= 0x40) {
        field = this.literal(6, false);
        if (field !== null) this.table.insert(field);
      } else if (octet >= 0x20) {
        // "This dynamic table size update MUST occur at the beginning of the first header block" (section 4.2)
        if (begun || !this.sizeUpdate()) return Decoded.MALFORMED;
        continue;
      } else field = this.literal(4, octet >= 0x10);
      if (field === null || this.updateDue) return Decoded.MALFORMED;
      begun = true;
      size += field.size;
      count++;
      if (size <= maxHeaderListSize && count <= maxHeaderFields) fields.push(field);
      else if (size > 2 * maxHeaderListSize || count > maxHeaderFieldsHard) return Decoded.FAR_TOO_LARGE;
    }
    return size > maxHeaderListSize || count > maxHeaderFields ? Decoded.TOO_LARGE : Decoded.OK;
  }

  private indexed(octet: number): Field | null {
    let index = octet & 0x7f;
    if (index === 0x7f) index = this.integer(7);
    else this.position++;
    return this.lookup(index);
  }

  private lookup(index: number): Field | null {
    if (index <= STATIC_LENGTH) return index > 0 ? STATIC_TABLE[index]! : null;
    const back = index - STATIC_LENGTH - 1;
    return back < this.table.length ? this.table.at(back) : null;
  }

  private literal(prefixBits: number, never: boolean): Field | null {
    const index = this.integer(prefixBits);
    if (index < 0) return null;
    const name = index === 0 ? this.literalName() : (this.lookup(index)?.name ?? null);
    if (name === null) return null;
    const length = this.string();
    if (length < 0) return null;
    return fieldFrom(name, this.octets, this.offset, this.offset + length, never);
  }

  private literalName(): Name | null {
    const length = this.string();
    if (length < 0) return null;
    return nameFrom(this.octets, this.offset, this.offset + length);
  }

  private sizeUpdate(): boolean {
    const size = this.integer(5);
    if (size < 0 || size > this.allowed) return false;
    this.table.resize(size);
    this.updateDue = false;
    return true;
  }

  /** Reads an integer at the position and moves behind it; -1 if it is cut off or too large. */
  private integer(prefixBits: number): number {
    const buffer = this.buffer;
    const limit = (1 << prefixBits) - 1;
    let value = buffer[this.position++]! & limit;
    if (value < limit) return value;
    for (let shift = 0; shift < 7 * MAX_INTEGER_OCTETS; shift += 7) {
      if (this.position >= this.end) return -1;
      const octet = buffer[this.position++]!;
      value += (octet & 0x7f) * 2 ** shift;
      if (value > 0x7fffffff) return -1;
      if (octet < 0x80) return value;
    }
    return -1;
  }

  // Where `string` left its result: two fields instead of an object a string.
  private octets: Buffer = scratch;
  private offset = 0;

  /** Reads a string literal (section 5.2), leaves its octets at `octets[offset]`; returns its length, -1 if malformed. */
  private string(): number {
    if (this.position >= this.end) return -1;
    const coded = this.buffer[this.position]! >= 0x80;
    const length = this.integer(7);
    const start = this.position;
    if (length < 0 || length > this.end - start) return -1;
    this.position = start + length;
    if (!coded) {
      this.octets = this.buffer;
      this.offset = start;
      return length;
    }
    if (length * 2 > scratch.length) scratch = Buffer.allocUnsafeSlow(length * 2);
    this.octets = scratch;
    this.offset = 0;
    return huffmanDecode(this.buffer, start, start + length, scratch);
  }
}
