/** Drives the parser and remembers what it told. */
import { Parser } from '../../src/http1/parser.ts';
import type { MessageHandler, RequestStart, ResponseStart } from '../../src/http1/parser.ts';
import type { Field } from '../../src/hpack/field.ts';
import { DEFAULT_LIMITS } from '../../src/snapshot.ts';
import type { Limits } from '../../src/snapshot.ts';

export interface Message {
  readonly start: RequestStart | ResponseStart;
  body: string;
  trailers: [string, string][] | null;
}
export const pairs = (fields: readonly Field[]): [string, string][] =>
  fields.map(({ name, value }) => [name.text, value]);

export class Reading implements MessageHandler {
  readonly messages: Message[] = [];
  broken: { status: number; message: string } | null = null;
  ended: boolean | null = null;
  readonly parser: Parser;

  constructor(role: 'request' | 'response' = 'request', limits: Partial<Limits> = {}) {
    this.parser = new Parser(this, { ...DEFAULT_LIMITS, ...limits }, role);
  }
  onRequest(start: RequestStart): void {
    this.messages.push({ start, body: '', trailers: null });
  }
  onResponse(start: ResponseStart): void {
    this.messages.push({ start, body: '', trailers: null });
  }
  onBody(buffer: Buffer, from: number, to: number): void {
    if (to <= from) throw new Error('an empty range');
    this.messages.at(-1)!.body += buffer.toString('latin1', from, to);
  }
  onMessageEnd(trailers: readonly Field[]): void {
    const last = this.messages.at(-1)!;
    if (last.trailers !== null) throw new Error('a message ended twice');
    last.trailers = pairs(trailers);
  }
  onBroken(status: number, message: string): void {
    if (this.broken !== null) throw new Error('broken twice');
    this.broken = { status, message };
  }

  /** Reads text in pieces cut at `cuts`, as a connection would: what was not taken is offered again. */
  feed(text: string, cuts: readonly number[] = []): this {
    let from = 0;
    for (const cut of [...cuts, text.length]) {
      // A read buffer is used again: what the parser needs it has to copy.
      const piece = Buffer.from(`..${text.slice(from, cut)}..`, 'latin1');
      let at = 2;
      while (at < piece.length - 2) {
        const next = this.parser.read(piece, at, piece.length - 2);
        if (next <= at) throw new Error('nothing was taken');
        at = next;
      }
      piece.fill(0x21);
      from = cut;
    }
    return this;
  }
  end(): this {
    this.ended = this.parser.end();
    return this;
  }
  /** All that was told, to be compared. */
  get told(): unknown {
    return {
      messages: this.messages.map(({ start, body, trailers }) => ({
        ...start,
        fields: pairs(start.fields),
        body,
        trailers,
      })),
      broken: this.broken,
      ended: this.ended,
    };
  }
}

export const lines = (...all: string[]): string => all.map((line) => `${line}\r\n`).join('');
/** A request with these lines after its Host. */
export const request = (...all: string[]): string => lines('POST / HTTP/1.1', 'Host: a', ...all, '');
