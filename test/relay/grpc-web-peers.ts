/** Both ends of a gRPC-Web filter, scripted, and the protocol again, written as plainly as it can be. */
import assert from 'node:assert/strict';
import type { Failure } from '../../src/errors.ts';
import { makeField } from '../../src/hpack/field.ts';
import type { Field } from '../../src/hpack/field.ts';
import { GrpcWebHalf } from '../../src/relay/grpc-web-half.ts';
import type { Half, HalfSink } from '../../src/relay/half.ts';
import { RequestHead } from '../../src/relay/message.ts';

const ALPHABET = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/';

export const QUANTUM = /^[A-Za-z0-9+/]{2}(?:[A-Za-z0-9+/]{2}|[A-Za-z0-9+/]=|==)$/;

/** Base64, bit by bit. */
export function toText(octets: Uint8Array): string {
  const bits = [...octets].map((octet) => octet.toString(2).padStart(8, '0')).join('');
  const text = (bits.match(/.{1,6}/g) ?? []).map((six) => ALPHABET[parseInt(six.padEnd(6, '0'), 2)]).join('');
  return text.padEnd(Math.ceil(text.length / 4) * 4, '=');
}
/** The octets of a text whose quanta may each be padded. */
export function fromText(text: string): Buffer {
  assert.equal(text.length % 4, 0, 'whole quanta');
  const octets = (text.match(/.{4}/g) ?? []).flatMap((quantum) => {
    assert.match(quantum, QUANTUM);
    const bits = (quantum.match(/[^=]/g) ?? []).map((c) => ALPHABET.indexOf(c).toString(2).padStart(6, '0')).join('');
    return (bits.match(/.{8}/g) ?? []).map((eight) => parseInt(eight, 2));
  });
  return Buffer.from(octets);
}

export function message(payload: Uint8Array, flags = 0): Buffer {
  const prefix = Buffer.from([flags, 0, 0, 0, 0]);
  prefix.writeUInt32BE(payload.length, 1);
  return Buffer.concat([prefix, payload]);
}

/** What a gRPC-Web client makes of a body. */
export function read(body: Buffer): { messages: Buffer[]; trailers: [string, string][] | null } {
  const messages: Buffer[] = [];
  for (let at = 0; at < body.length;) {
    const end = at + 5 + body.readUInt32BE(at + 1);
    assert.ok(end <= body.length, 'a frame is cut short');
    const payload = body.subarray(at + 5, end);
    if (body[at] === 0x80) {
      assert.equal(end, body.length, 'trailers are the last frame');
      const lines = payload.toString('latin1').split('\r\n');
      assert.equal(lines.pop(), '', 'each line ends with CR LF, and no empty one follows');
      const trailers = lines.map((line): [string, string] => {
        const colon = line.indexOf(': ');
        return [line.slice(0, colon), line.slice(colon + 2)];
      });
      return { messages, trailers };
    }
    messages.push(payload);
    at = end;
  }
  return { messages, trailers: null };
}

export const fieldsOf = (entries: Readonly<Record<string, string>>): Field[] =>
  Object.entries(entries).map(([name, value]) => makeField(name, value));
export const textOf = (fields: readonly Field[]): [string, string][] =>
  fields.map(({ name, value }): [string, string] => [name.text, value]);
export const valuesOf = (fields: readonly Field[]): Record<string, string> => Object.fromEntries(textOf(fields));

export function requestOf(more: Readonly<Record<string, string>>, method = 'POST'): RequestHead {
  const path = '/asr.v1.Recognizer/Recognize';
  const fields = { ':method': method, ':scheme': 'http', ':authority': 'asr.example', ':path': path, ...more };
  return new RequestHead(fieldsOf(fields), method, path, 'asr.example', -1, false, more['grpc-timeout'] ?? null);
}

/** The client's own half. It takes all at once, or waits to be drained. */
export class ClientHalf implements Half {
  readonly heads: { fields: Field[]; end: boolean; informational: boolean; reason: string }[] = [];
  readonly chunks: Buffer[] = [];
  trailers: readonly Field[] | null = null;
  ended = false;
  credited = 0;
  charged = 0;
  resetCode: number | null = null;
  stopped = false;
  flushed = true;
  maxHeaderList = Infinity;
  /** Bytes of each chunk that leave at once. */
  takes = Infinity;
  owed = 0;

  sendHead(fields: readonly Field[], end: boolean, informational = false, reason = ''): void {
    assert.ok(!this.ended, 'a head after the end');
    this.heads.push({ fields: [...fields], end, informational, reason });
    if (!informational) this.ended = end;
  }
  sendData(buffer: Buffer, from: number, to: number, end: boolean): number {
    assert.ok(!this.ended && this.heads.some(({ informational }) => !informational), 'data out of turn');
    this.chunks.push(Buffer.from(buffer.subarray(from, to)));
    this.ended = end;
    const done = Math.min(this.takes, to - from);
    this.owed += to - from - done;
    return done;
  }
  sendTrailers(fields: readonly Field[]): void {
    assert.ok(!this.ended, 'trailers after the end');
    this.trailers = fields;
    this.ended = true;
  }
  credit(bytes: number): void {
    assert.ok(bytes > 0, 'credit for nothing');
    this.credited += bytes;
  }
  accepts(fields: readonly Field[]): boolean {
    return fields.reduce((sum, { size }) => sum + size, 0) <= this.maxHeaderList;
  }
  charge(): void {
    this.charged++;
  }
  reset(code: number): void {
    this.resetCode = code;
  }
  stop(): void {
    this.stopped = true;
  }

  get head(): Record<string, string> {
    return valuesOf(this.heads.find(({ informational }) => !informational)?.fields ?? []);
  }
  get body(): Buffer {
    return Buffer.concat(this.chunks);
  }
}

/** The exchange's side. */
export class ExchangeSink implements HalfSink {
  readonly chunks: Buffer[] = [];
  trailers: readonly Field[] | null = null;
  ended = false;
  sent = 0;
  failed: [Failure, number] | null = null;
  aborted: Failure | null = null;
  /** Called with the size of what came. */
  heard: (bytes: number) => void = () => undefined;

  onInformational(): void {
    assert.fail('clients send none');
  }
  onHead(): void {
    assert.fail('the exchange was made with it');
  }
  onData(buffer: Buffer, from: number, to: number, end: boolean): void {
    assert.ok(!this.ended && this.aborted === null, 'data after the end');
    this.chunks.push(Buffer.from(buffer.subarray(from, to)));
    this.ended = end;
    this.heard(to - from);
  }
  onTrailers(fields: readonly Field[]): void {
    this.trailers = fields;
    this.ended = true;
  }
  onSent(bytes: number): void {
    assert.ok(bytes > 0, 'nothing was sent');
    this.sent += bytes;
  }
  onFailed(failure: Failure, code: number): void {
    this.failed = [failure, code];
  }
  onAborted(failure: Failure): void {
    assert.equal(this.aborted, null, 'aborted twice');
    this.aborted = failure;
  }
  get body(): Buffer {
    return Buffer.concat(this.chunks);
  }
}

export interface Filter {
  readonly client: ClientHalf;
  readonly half: GrpcWebHalf;
  readonly sink: ExchangeSink;
}

/** A filter between the two. */
export function filter(contentType: string, cors: readonly Field[] = [], more: Record<string, string> = {}): Filter {
  const client = new ClientHalf();
  const half = new GrpcWebHalf(client, requestOf({ 'content-type': contentType, ...more }), cors);
  const sink = new ExchangeSink();
  half.sink = sink;
  return { client, half, sink };
}

export const BINARY = 'application/grpc-web+proto';
export const TEXT = 'application/grpc-web-text';
export const GRPC_HEAD = fieldsOf({ ':status': '200', 'content-type': 'application/grpc+proto' });
