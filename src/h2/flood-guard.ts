/**
 * The accounts that a peer's frames are charged to. Each method returns false when its account is overdrawn; the session
 * then says ENHANCE_YOUR_CALM. What each attack is and what others allow stands in the README's table of limits.
 */
import type { Limits } from '../snapshot.ts';

/** Requests over which the share of resets is looked at. */
const RESET_SAMPLE = 500;
/**
 * DATA below this size is tiny: it costs four, and each octet of any DATA pays one back. So no gRPC message costs. The budget is of
 * 10,000 frames, and a millisecond pays for one.
 */
const TINY = 256;
const TINY_COST = 4;
const TINY_BUDGET = 10_000 * TINY_COST;

export class FloodGuard {
  // What DATA needs comes first, that it may lie in few lines of the cache.
  private emptyData = 0;
  private tinyData = TINY_BUDGET;
  private tinyAt = 0;
  /** Streams opened and DATA frames sent so far: honest control frames are in proportion to them. */
  private dataSent = 0;
  private streams = 0;
  /** ACKs that wait in the output. */
  answers = 0;
  private readonly limits: Limits;
  private windowUpdates = 0;
  private others = 0;
  private resets = 0;
  private resetsAt = 0;
  private resetsInSample = 0;
  private refused = 0;

  constructor(limits: Limits) {
    this.limits = limits;
  }

  opened(): void {
    this.streams++;
    if (this.streams % RESET_SAMPLE === 0) this.resetsInSample = 0;
  }
  sentData(): void {
    this.dataSent++;
  }

  /** A stream was reset by the peer, or by us for what the peer did (CVE-2023-44487, CVE-2025-8671). */
  reset(now: number): boolean {
    this.resetsInSample++;
    return this.cancelled(now) && this.resetsInSample <= RESET_SAMPLE / 2;
  }
  /** A call was cancelled at its engine for the client's own deadline: nobody's fault, but not in any number. */
  cancelled(now: number): boolean {
    this.resets = Math.max(0, this.resets - ((now - this.resetsAt) / 1000) * this.limits.resetRate) + 1;
    this.resetsAt = now;
    return this.resets <= this.limits.resetBurst;
  }
  refusedStream(): boolean {
    return ++this.refused <= this.limits.maxRefusedStreams;
  }
  windowUpdate(): boolean {
    return ++this.windowUpdates <= 5 + 2 * (this.streams + 10 * this.dataSent);
  }
  /** PRIORITY, unknown frames, frames on streams long closed. */
  other(): boolean {
    return ++this.others <= 100 * (1 + this.streams);
  }
  /** An ACK is due: it waits in our output until the peer reads. */
  answer(): boolean {
    return ++this.answers <= this.limits.maxQueuedAnswersHard;
  }

  /** DATA without END_STREAM; `now` in whole milliseconds. */
  data(length: number, now: number): boolean {
    if (length === 0) return ++this.emptyData <= this.limits.maxEmptyDataFrames;
    this.emptyData = 0;
    if (length >= TINY) {
      this.tinyData = Math.min(TINY_BUDGET, this.tinyData + length);
      return true;
    }
    const time = (now - this.tinyAt) * TINY_COST;
    this.tinyAt = now;
    this.tinyData = Math.min(TINY_BUDGET, this.tinyData + time + length) - TINY_COST;
    return this.tinyData > 0;
  }
}
