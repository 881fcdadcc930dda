/** A real `Output` over a socket that takes all that it is given, at once. */
import type { Socket } from 'node:net';
import { Counters, sessionLayout } from '../../src/counters.ts';
import { Output, PROMPT } from '../../src/io/output.ts';

export class Written {
  readonly writableHighWaterMark = PROMPT;
  private readonly pieces: Buffer[] = [];
  readonly output: Output;

  constructor() {
    this.output = new Output(this as unknown as Socket, new Counters(sessionLayout), { drained: () => undefined });
  }
  on(): void {
    // It never has to say that it drained.
  }
  write(piece: Buffer): boolean {
    this.pieces.push(Buffer.from(piece));
    return true;
  }
  /** All that was written, as latin1. */
  get text(): string {
    this.output.endTurn();
    return Buffer.concat(this.pieces).toString('latin1');
  }
}
