/**
 * Another request with the key of a first one. To its exchange this is an upstream with one engine, which reads the request
 * and answers as the first one was answered; so deadlines, clients that go, slow ones and the log need nothing of their own.
 */
import { Failures } from '../errors.ts';
import type { Failure } from '../errors.ts';
import { atEndOfTurn } from '../io/turn.ts';
import type { TurnTask } from '../io/turn.ts';
import { NOT_KEPT, RequestDigest } from './duplicate-entry.ts';
import type { Entry, Waiting } from './duplicate-entry.ts';
import type { Carrier, CarrierSource, Half, HalfSink } from './half.ts';
import type { RequestHead } from './message.ts';
import { Answer } from './recording.ts';

/** Octets that may be on their way to a client, and those that are given it at once. */
const WINDOW = 64 * 1024;
const PIECE = 16 * 1024;

/** What followers of a table share. */
export interface FollowerHost {
  readonly spec: { readonly maxBytes: number };
  /** Requests that wait for the answer of another. */
  waiting: number;
}

/** For the context of a follower's exchange: the answer is final, as it is, and the request goes nowhere else. */
export const FOLLOWER_CONTEXT = { retry: null, responseEdits: null, replayBuffer: 0 } as const;

export class Follower implements CarrierSource, Carrier {
  /** Of the upstream that the first one went to. */
  readonly name: string;
  readonly endpoint = 'duplicate';
  readonly term = 0;
  private readonly host: FollowerHost;
  private readonly entry: Entry;
  private readonly identified: boolean;

  constructor(host: FollowerHost, entry: Entry, name: string, identified: boolean) {
    this.host = host;
    this.entry = entry;
    this.name = name;
    this.identified = identified;
  }

  acquire(): Carrier {
    return this;
  }
  cancel(): void {
    // Nobody waits here: it is the half that does.
  }
  refusal(): Failure | null {
    return null;
  }
  open(head: RequestHead, end: boolean, sink: HalfSink): Half {
    return new CopyHalf(this.host, this.entry, new RequestDigest(head, this.identified), end, sink);
  }
  answered(): void {
    // It says nothing of an engine.
  }
  ended(): void {
    // Nor does this.
  }
}

/** Takes a request, and gives a copy of the answer once it is known that the request is the same. */
class CopyHalf implements Half, Waiting, TurnTask {
  readonly flushed = true;
  private readonly host: FollowerHost;
  private readonly entry: Entry;
  /** Null once it is to hear no more. */
  private sink: HalfSink | null;
  private readonly request: RequestDigest;
  private digest: string | null = null;
  private queued = false;
  private waits = true;
  /** Of the answer, so much has been given; so much more may be. */
  private at = 0;
  private window = WINDOW;
  private giving = false;

  constructor(host: FollowerHost, entry: Entry, request: RequestDigest, ended: boolean, sink: HalfSink) {
    this.host = host;
    this.entry = entry;
    this.sink = sink;
    this.request = request;
    entry.waiting.add(this);
    host.waiting++;
    if (ended) this.digest = request.finish();
    this.wake();
  }

  // --- Half: the request -------------------------------------------------------------------------------------------

  sendHead(): void {
    // It came with `open`.
  }
  sendData(buffer: Buffer, from: number, to: number, end: boolean): number {
    if (this.sink === null || this.digest !== null) return to - from;
    this.request.update(buffer, from, to);
    if (end) this.digest = this.request.finish();
    if (end || this.tooLarge) this.wake();
    return to - from;
  }
  sendTrailers(): void {
    this.digest ??= this.request.finish();
    this.wake();
  }
  credit(bytes: number): void {
    this.window += bytes;
    if (!this.giving) this.wake();
  }
  accepts(): boolean {
    return true;
  }
  charge(): void {
    // There is no engine to spare.
  }
  reset(): void {
    this.leave();
    this.sink = null;
  }
  stop(): void {
    this.reset();
  }

  // --- The answer --------------------------------------------------------------------------------------------------

  wake(): void {
    if (this.queued || this.sink === null) return;
    this.queued = true;
    atEndOfTurn(this);
  }

  endTurn(): void {
    this.queued = false;
    if (this.sink === null) return;
    const { digest, entry } = this;
    const { outcome } = entry;
    if (outcome !== null && !(outcome instanceof Answer)) this.fail(outcome);
    else if (this.tooLarge) this.fail(NOT_KEPT);
    else if (digest !== null && entry.digest !== null) {
      if (digest !== entry.digest) this.fail(Failures.conflict);
      else if (outcome !== null) this.give(outcome, this.sink);
    }
  }

  private get tooLarge(): boolean {
    return this.request.length > this.host.spec.maxBytes;
  }

  private give(answer: Answer, sink: HalfSink): void {
    const { body, trailers, bodyless } = answer;
    this.giving = true;
    if (this.waits) {
      this.leave();
      sink.onHead(answer.head(), bodyless);
      if (!bodyless && body.length === 0 && trailers === null) this.sink?.onData(body, 0, 0, true);
    }
    // Whoever is given a part may have had enough of it.
    while (this.sink !== null && this.at < body.length && this.window > 0) {
      const from = this.at;
      this.at = Math.min(body.length, from + this.window, from + PIECE);
      this.window -= this.at - from;
      this.sink.onData(body, from, this.at, trailers === null && this.at === body.length);
    }
    this.giving = false;
    if (this.at < body.length) return;
    if (trailers !== null) this.sink?.onTrailers(trailers);
    this.sink = null;
  }

  /** No other attempt would go better, and none may follow. */
  private fail(failure: Failure): void {
    const { sink } = this;
    this.reset();
    sink?.onAborted(failure);
  }

  private leave(): void {
    if (!this.waits) return;
    this.waits = false;
    this.entry.waiting.delete(this);
    this.host.waiting--;
  }
}
