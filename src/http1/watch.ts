/**
 * The time limits of one HTTP/1.1 connection: how long it may stay in the state that it is in, and how long its peer may take
 * nothing of what is written. One timer; while something goes on it looks once a second, and otherwise sleeps.
 */
import type { Output } from '../io/output.ts';
import { Timer } from '../io/timer-wheel.ts';
import { now } from '../io/turn.ts';
import type { Http1Context } from './context.ts';

const LOOK = 1000;

export interface Watched {
  /** The present state has lasted as long as it may. */
  expired(): void;
  /** The peer takes nothing of the output. */
  stalled(): void;
  /** Something goes on, and is looked at: whether the peer is still there. */
  looked(): void;
}

export class Watch {
  private readonly context: Http1Context;
  private readonly output: Output;
  private readonly host: Watched;
  private readonly timer: Timer;
  private readonly step: number;
  /** By the turn's clock. */
  private deadline = Infinity;
  private nextLook = Infinity;
  private busy = false;
  private over = false;

  constructor(context: Http1Context, output: Output, host: Watched) {
    this.context = context;
    this.output = output;
    this.host = host;
    this.timer = new Timer(() => this.look());
    this.step = Math.min(LOOK, context.limits.writeStallTimeout);
  }

  /** Something goes on, for as long as it takes. */
  work(): void {
    this.busy = true;
    this.deadline = Infinity;
    this.lookIn(this.step);
  }
  /** A state begins that may last `ms`, or for ever. */
  allow(ms: number): void {
    this.busy = false;
    this.deadline = now() + ms;
    this.lookIn(this.pace(ms));
  }
  /** The socket is gone. */
  end(): void {
    this.context.wheel.disarm(this.timer);
    this.over = true;
  }

  private pace(ms: number): number {
    return this.busy || !this.output.empty ? Math.min(ms, this.step) : ms;
  }

  private lookIn(ms: number): void {
    const at = now() + ms;
    if (this.over) return;
    // States change with each request: what looks soon enough is left alone.
    if (at >= this.nextLook) return;
    this.nextLook = at;
    this.context.wheel.arm(this.timer, ms);
  }

  private look(): void {
    const time = now();
    this.nextLook = Infinity;
    const { output, host } = this;
    if (!output.empty && time - output.progressAt >= this.context.limits.writeStallTimeout) host.stalled();
    else if (time >= this.deadline) host.expired();
    else {
      if (this.busy) host.looked();
      this.lookIn(this.pace(this.deadline - time));
    }
  }
}
