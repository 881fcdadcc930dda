/**
 * Header lists as they came, and what is made of them. A peer that calls the same method again, or answers it in the same way,
 * sends the same octets; while the decoder's table stays as it is they are the same list, which is then neither decoded
 * nor parsed again.
 */
import { Decoded } from '../hpack/decoder.ts';
import type { Decoder } from '../hpack/decoder.ts';
import type { Field } from '../hpack/field.ts';
import { UNKEPT } from '../hpack/kept-blocks.ts';
import { copyOf, sameOctets, sampleHash } from '../octets.ts';
import type { RequestHead, ResponseHead } from '../relay/message.ts';
import { parseRequest, parseResponse } from './head.ts';

/** Messages that repeat one another share it, so it is never changed. */
export class HeaderList {
  readonly fields: readonly Field[];
  readonly decoded: Decoded;
  private requested = 0;
  /** Made when the request is repeated, and given to nobody: the head of one request may change. */
  private model: RequestHead | null = null;
  private answer: ResponseHead | null = null;

  constructor(fields: readonly Field[], decoded: Decoded) {
    this.fields = fields;
    this.decoded = decoded;
  }

  /** The head of a request, a new one each time; null if it is malformed. `extended` as of `parseRequest`. */
  request(extended: boolean): RequestHead | null {
    if (this.requested++ === 0) return parseRequest(this.fields, extended);
    this.model ??= parseRequest(this.fields, extended);
    return this.model === null ? null : this.model.again();
  }

  /** The head of a response; null if it is malformed. */
  response(): ResponseHead | null {
    this.answer ??= parseResponse(this.fields);
    return this.answer;
  }
}

/** The longest block that is worth remembering: one with a token that its client does not index. */
const LONGEST = 1024;
/** How many are remembered; a power of two. */
const PLACES = 8;

interface Known {
  readonly octets: Uint8Array;
  readonly version: number;
  readonly list: HeaderList;
}

/** Reads the header blocks of one direction of one session. */
export class HeaderBlocks {
  private readonly decoder: Decoder;
  /** Hashes of the last blocks, and those that came twice: one that never comes again costs nothing. */
  private seen: number[] | null = null;
  private known: (Known | null)[] | null = null;
  private decoded = 0;

  constructor(decoder: Decoder) {
    this.decoder = decoder;
  }

  read(buffer: Buffer, from: number, to: number): HeaderList {
    const { decoder } = this;
    const hash = to - from > LONGEST ? 0 : sampleHash(buffer, from, to);
    const place = hash & (PLACES - 1);
    const { version } = decoder;
    const known = this.known === null ? null : this.known[place]!;
    if (known !== null && known.version === version && sameOctets(known.octets, buffer, from, to)) return known.list;

    const fields: Field[] = [];
    const list = new HeaderList(fields, decoder.decode(buffer, from, to, fields));
    const good = hash !== 0 && list.decoded === Decoded.OK && decoder.version === version;
    if (good && ++this.decoded > UNKEPT) {
      this.seen ??= new Array<number>(PLACES).fill(0);
      if (this.seen[place] === hash) this.remember(place, { octets: copyOf(buffer, from, to), version, list });
      this.seen[place] = hash;
    }
    return list;
  }

  private remember(place: number, known: Known): void {
    this.known ??= new Array<Known | null>(PLACES).fill(null);
    this.known[place] = known;
  }
}
