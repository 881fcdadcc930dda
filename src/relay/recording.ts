/** An answer that is kept while it passes, to be given again. */
import { budget } from '../io/budget.ts';
import { HeldBytes } from '../io/held-bytes.ts';
import { Token } from '../hpack/field.ts';
import type { Field } from '../hpack/field.ts';
import { grpcStatusOf, ResponseHead } from './message.ts';

/** A whole answer. From `finish` to `drop` its bytes are on the process's account. */
export class Answer {
  readonly body: Buffer;
  readonly trailers: readonly Field[] | null;
  /** The head is all of it. */
  readonly bodyless: boolean;
  private readonly fields: readonly Field[];
  private readonly reason: string;
  private readonly size: number;

  constructor(
    fields: readonly Field[],
    reason: string,
    body: Buffer,
    trailers: readonly Field[] | null,
    bodyless: boolean,
    size: number,
  ) {
    this.fields = fields;
    this.reason = reason;
    this.body = body;
    this.trailers = trailers;
    this.bodyless = bodyless;
    this.size = size;
    budget.take(size);
  }

  /** A head of its own for each that it is given to: the relay may replace its fields. */
  head(): ResponseHead {
    const fields = [...this.fields];
    const length = fields.find(({ name }) => name.token === Token.CONTENT_LENGTH);
    const status = Number(fields[0]!.value);
    return new ResponseHead(fields, status, Number(length?.value ?? -1), grpcStatusOf(fields), this.reason);
  }
  /** Nobody new is given it. */
  drop(): void {
    budget.give(this.size);
  }
}

export class Recording {
  private readonly maxBytes: number;
  private fields: readonly Field[] = [];
  private reason = '';
  private readonly bytes = new HeldBytes();
  private ending: readonly Field[] | null = null;
  private size = 0;
  private bodyless = false;

  constructor(maxBytes: number) {
    this.maxBytes = maxBytes;
  }

  // --- Each returns whether there was room; if not, there is no answer to be had. ------------------------------------

  head(fields: readonly Field[], reason: string, end: boolean): boolean {
    this.fields = fields;
    this.reason = reason;
    this.bodyless = end;
    return this.fits(sizeOf(fields));
  }
  data(buffer: Buffer, from: number, to: number): boolean {
    if (!this.fits(to - from)) return false;
    if (to > from) this.bytes.append(buffer, from, to);
    return true;
  }
  trailers(fields: readonly Field[]): boolean {
    this.ending = fields;
    return this.fits(sizeOf(fields));
  }

  /** The answer, once it is complete. What was recorded is let go. */
  finish(): Answer {
    const { bytes } = this;
    // As long as it is: it may be kept for long, and blocks are not.
    const body = Buffer.allocUnsafeSlow(bytes.length);
    bytes.shift(body, 0, bytes.length);
    return new Answer(this.fields, this.reason, body, this.ending, this.bodyless, this.size);
  }
  drop(): void {
    this.bytes.clear();
  }

  private fits(bytes: number): boolean {
    this.size += bytes;
    return this.size <= this.maxBytes && !budget.tight;
  }
}

const sizeOf = (fields: readonly Field[]): number => fields.reduce((sum, { size }) => sum + size, 0);
