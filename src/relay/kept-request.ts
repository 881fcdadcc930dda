/**
 * The request as far as it has come, for the engine that has still to see it: all of it while no attempt is under way, and
 * later as much as the replay buffer holds, for another one.
 */
import type { Field } from '../hpack/field.ts';
import { budget } from '../io/budget.ts';
import { HeldBytes } from '../io/held-bytes.ts';
import type { Attempt } from './attempt.ts';

export class KeptRequest {
  ended: boolean;
  trailers: readonly Field[] | null = null;
  /** Another engine could still be given the whole request. */
  replayable = true;
  private bytes: HeldBytes | null = null;
  /** Bytes kept at most while an attempt is under way. */
  private readonly limit: number;
  /** Bytes that the client was allowed to send again. */
  private credited = 0;

  constructor(limit: number, ended: boolean) {
    this.limit = limit;
    this.ended = ended;
  }

  get length(): number {
    return this.bytes?.length ?? 0;
  }
  /** Its head is all there is, and ever will be. */
  get bodyless(): boolean {
    return this.ended && this.trailers === null && this.length === 0;
  }

  /** DATA that has to wait for an attempt. The client is given no credit for it, so that its window bounds what waits. */
  hold(buffer: Buffer, from: number, to: number): void {
    if (from === to) return;
    this.bytes ??= new HeldBytes();
    this.bytes.append(buffer, from, to);
  }

  /** DATA that goes to an engine at once: a copy stays as long as there is room, else that engine is the last. */
  copy(buffer: Buffer, from: number, to: number): void {
    if (!this.replayable) return;
    if (this.length + to - from <= this.limit && !budget.tight) this.hold(buffer, from, to);
    else this.forget();
  }

  /** Gives an attempt all that has come; what waited and is too much for a copy is not kept any longer. */
  sendTo(attempt: Attempt): void {
    let rest = this.length;
    const endsWithData = this.ended && this.trailers === null;
    this.bytes?.forEach((block, from, to) => {
      rest -= to - from;
      attempt.sendData(block, from, to, endsWithData && rest === 0);
    });
    if (this.length > this.limit) this.forget();
    if (this.trailers !== null) attempt.half.sendTrailers(this.trailers);
  }

  /** An attempt has sent so many bytes: how many of them the client may send again, each only once. */
  sent(total: number): number {
    const credit = Math.max(0, total - this.credited);
    this.credited += credit;
    return credit;
  }

  /** There will be no other attempt. */
  forget(): void {
    this.replayable = false;
    this.bytes?.clear();
    this.bytes = null;
  }
}
