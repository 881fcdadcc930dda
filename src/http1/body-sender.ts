/** Writes the body of one message, holds its sender to the length that was declared, and to the pace of the socket. */
import type { Field } from '../hpack/field.ts';
import type { Output } from '../io/output.ts';
import { writeData, writeEnd } from './body-writer.ts';
import type { BodyFraming } from './writer.ts';

const NO_FIELDS: readonly Field[] = [];

export class BodySender {
  framing: BodyFraming = 'none';
  private readonly output: Output;
  /** Octets of the declared length that are still to come, or -1. */
  private left = -1;
  /** Octets written whose sender still waits. */
  private owed = 0;

  constructor(output: Output) {
    this.output = output;
  }

  /** `length` is -1 unless framing is `length`. */
  begin(framing: BodyFraming, length: number): void {
    this.framing = framing;
    this.left = length;
  }
  /** Whether so many octets more, and the end after them, are what was declared. */
  fits(bytes: number, end: boolean): boolean {
    if (this.left < 0) return true;
    return end ? bytes === this.left : bytes <= this.left;
  }

  /** As `Half.sendData`; the range fits. */
  send(buffer: Buffer, from: number, to: number, end: boolean): number {
    // The sender need not know that the method or the status forbids a body.
    if (this.framing === 'none') return to - from;
    if (this.left >= 0) this.left -= to - from;
    writeData(this.output, buffer, from, to, this.framing);
    if (end) this.end(NO_FIELDS);
    if (this.output.flowing) return to - from;
    this.owed += to - from;
    this.output.awaited = true;
    return 0;
  }
  end(trailers: readonly Field[]): void {
    writeEnd(this.output, trailers, this.framing);
  }

  /** The socket took something: so many octets may be sent again. */
  drained(): number {
    if (!this.output.flowing) return 0;
    const { owed } = this;
    this.owed = 0;
    return owed;
  }
}
