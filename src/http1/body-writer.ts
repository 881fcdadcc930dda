/** Writes bodies: bytes as they are, or in chunks (RFC 9112 section 7.1). */
import type { Field } from '../hpack/field.ts';
import type { Output } from '../io/output.ts';
import { copyRange } from '../octets.ts';
import { forbiddenInTrailers } from './hop-by-hop.ts';
import { put, putField, putLineEnd, sizeOf } from './text.ts';
import type { BodyFraming } from './writer.ts';

/** "ffffffff\r\n", and the CRLF after the data. */
const AROUND_CHUNK = 12;
/** Rather than cut a chunk smaller than this the next slab is begun. */
const LEAST_PIECE = 4 * 1024;

/** Nothing follows a message of framing `none`: then these are not written. */
export function writeData(output: Output, buffer: Buffer, from: number, to: number, framing: BodyFraming): void {
  if (framing === 'none') return;
  const around = framing === 'chunked' ? AROUND_CHUNK : 0;
  // No chunk for no data: it would be the last one.
  for (let at = from; at < to;) {
    output.reserve(around + Math.min(to - at, LEAST_PIECE));
    const upTo = Math.min(to, at + output.buffer.length - output.at - around);
    if (around > 0) output.at = putSize(output.buffer, output.at, upTo - at);
    copyRange(buffer, at, upTo, output.buffer, output.at);
    output.at += upTo - at;
    if (around > 0) output.at = putLineEnd(output.buffer, output.at);
    at = upTo;
  }
}

/** The last chunk, and the trailers that may be sent; other framings end by themselves. */
export function writeEnd(output: Output, trailers: readonly Field[], framing: BodyFraming): void {
  if (framing !== 'chunked') return;
  output.reserve(sizeOf(trailers) + AROUND_CHUNK);
  const to = output.buffer;
  let at = put(to, output.at, '0\r\n');
  for (let i = 0; i < trailers.length; i++) {
    const field = trailers[i]!;
    if (!field.name.pseudo && !forbiddenInTrailers(field)) at = putField(to, at, field);
  }
  output.at = putLineEnd(to, at);
}

const DIGITS = Buffer.from('0123456789abcdef');

function putSize(to: Buffer, at: number, size: number): number {
  let shift = 0;
  while (size >>> shift > 0xf) shift += 4;
  for (; shift >= 0; shift -= 4) to[at++] = DIGITS[(size >>> shift) & 0xf]!;
  return putLineEnd(to, at);
}
