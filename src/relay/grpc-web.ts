/**
 * gRPC-Web (PROTOCOL-WEB of grpc), as far as it is another thing than gRPC: its content types, the head that an engine
 * gets instead, and trailers as the last frame of the body.
 */
import { makeField, Token } from '../hpack/field.ts';
import type { Field } from '../hpack/field.ts';
import { RequestHead } from './message.ts';

/** `text` is base64 of what `binary` is. */
export type GrpcWebForm = 'binary' | 'text';

/** "8th (MSB) bit of the 1st gRPC frame byte. 0: data, 1: trailers". */
export const TRAILERS_FLAG = 0x80;
const PREFIX = 5;

/** Media types are case-insensitive (RFC 9110 section 8.3.1); what follows is a subtype's suffix, a parameter, or a list. */
const TYPE = /application\/grpc-web(-text(?:-base64)?)?(\+[^\s;,]*)?(?=$|[\s;,])/i;

/** How the body of this content type is written; null: it is not gRPC-Web. */
export function grpcWebOf(contentType: string): GrpcWebForm | null {
  const match = TYPE.exec(contentType);
  if (match?.index !== 0) return null;
  return match[1] === undefined ? 'binary' : 'text';
}

/** How a client's call is written, and how it wants the answer. */
export interface GrpcWebCall {
  readonly request: GrpcWebForm;
  readonly response: GrpcWebForm;
  /** `+proto`, `+json` and the like, or ''. */
  readonly codec: string;
}

/**
 * What the head of a gRPC-Web request asks for. "The client library should indicate to the server via the Accept header
 * that the response stream needs to be text encoded"; where that names neither form, the answer is as the request.
 */
export function grpcWebCall(head: RequestHead): GrpcWebCall {
  const type = TYPE.exec(valueOf(head.fields, 'content-type'));
  const accept = TYPE.exec(valueOf(head.fields, 'accept'));
  const request = type?.[1] === undefined ? 'binary' : 'text';
  const response = accept === null ? request : accept[1] === undefined ? 'binary' : 'text';
  return { request, response, codec: type?.[2] ?? '' };
}

/** The value of the first field of this name, '' where there is none: for names that come once a call. */
export function valueOf(fields: readonly Field[], name: string): string {
  for (let i = 0; i < fields.length; i++) if (fields[i]!.name.text === name) return fields[i]!.value;
  return '';
}

/** The content type of the answer, from the engine's. */
export function answerType(call: GrpcWebCall, contentType: string): Field {
  const codec = /^[^+;\s]*(\+[^;\s]*)?/.exec(contentType)?.[1] ?? call.codec;
  return makeField('content-type', `application/grpc-web${call.response === 'text' ? '-text' : ''}${codec}`);
}

/**
 * Of the client's own; and of its body's length, which is no longer that. An engine that took `accept-encoding` at its word
 * would compress what the gateway has still to frame.
 */
const DROPPED = new Set(['content-length', 'accept', 'accept-encoding']);
const TE = makeField('te', 'trailers');
/** Message compression "is not supported" by gRPC-Web, so that an engine must not begin with it. */
const NO_COMPRESSION = makeField('grpc-accept-encoding', 'identity');

/** The gRPC request that a gRPC-Web request stands for. */
export function toGrpc(head: RequestHead): RequestHead {
  const type = makeField('content-type', `application/grpc${grpcWebCall(head).codec}`);
  const fields = head.fields
    .filter(({ name }) => !DROPPED.has(name.text))
    .map((field) => (field.name.token === Token.CONTENT_TYPE ? type : field));
  if (!fields.some(({ name }) => name.token === Token.TE)) fields.push(TE);
  if (!fields.some(({ name }) => name === NO_COMPRESSION.name)) fields.push(NO_COMPRESSION);
  const grpc = new RequestHead(fields, head.method, head.path, head.authority, -1, true, head.timeout, head.upgrade);
  grpc.origin = head.origin;
  return grpc;
}

/**
 * Trailers as a frame: "key-value pairs encoded as an HTTP/1 headers block (without the terminating newline)". Binary ones
 * stay base64 in the text form, too: the protocol would have their octets bare, where CR LF could end a line, and no
 * implementation does that.
 */
export function trailersFrame(fields: readonly Field[]): Buffer {
  let block = '';
  for (const { name, value } of fields) block += `${name.text}: ${value}\r\n`;
  const frame = Buffer.allocUnsafe(PREFIX + block.length);
  frame[0] = TRAILERS_FLAG;
  frame.writeUInt32BE(block.length, 1);
  frame.latin1Write(block, PREFIX, block.length);
  return frame;
}

/** Follows the frames of a body, wherever it is cut. */
export class FrameTracker {
  /** Octets of the prefix read so far, and the length that it gives. */
  private prefix = 0;
  private length = 0;
  /** Octets of the frame that are still to come. */
  private rest = 0;

  /** No frame is incomplete. */
  get between(): boolean {
    return this.prefix === 0 && this.rest === 0;
  }

  /** Reads on; returns the flags of all frames that begin here. */
  read(buffer: Buffer, from: number, to: number): number {
    let flags = 0;
    while (from < to) {
      if (this.rest > 0) {
        const n = Math.min(this.rest, to - from);
        this.rest -= n;
        from += n;
        continue;
      }
      const octet = buffer[from++]!;
      if (this.prefix === 0) flags |= octet;
      else this.length = this.length * 256 + octet;
      if (++this.prefix < PREFIX) continue;
      this.rest = this.length;
      this.prefix = this.length = 0;
    }
    return flags;
  }
}
