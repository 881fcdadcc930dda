/**
 * The first request with a key, between its client's half and its exchange: a half to the exchange, a sink to the client's
 * half. It changes nothing; it hashes the request, keeps the answer, and goes on without the client if it has to.
 */
import { ErrorCode, Failures } from '../errors.ts';
import type { Failure } from '../errors.ts';
import type { Field } from '../hpack/field.ts';
import { Timer } from '../io/timer-wheel.ts';
import type { TimerWheel } from '../io/timer-wheel.ts';
import type { DuplicatesSpec } from '../policy.ts';
import { NOT_KEPT } from './duplicate-entry.ts';
import type { Entry, RequestDigest } from './duplicate-entry.ts';
import type { Half, HalfSink } from './half.ts';
import { grpcStatusNumber, grpcStatusOf } from './message.ts';
import type { Reached } from './reached.ts';
import { Recording } from './recording.ts';
import type { Answer } from './recording.ts';

/** What the leader tells the table that its entry stands in. */
export interface LeaderHost {
  readonly spec: DuplicatesSpec;
  readonly wheel: TimerWheel;
  /** It is over and may have been executed: whoever comes with the key is told the same, as long as it is kept. */
  keep(entry: Entry, outcome: Answer | Failure): void;
  /** It was certainly not executed: those who wait are told, and the key is free. */
  forget(entry: Entry, outcome: Answer | Failure): void;
}

export class Leader implements Half, HalfSink {
  /** The exchange; null once it wants to hear no more. */
  sink: HalfSink | null = null;
  /** Where the exchange has to take the request. */
  readonly upstream: Reached;
  /** Null: it has gone. */
  private client: Half | null;
  private readonly host: LeaderHost;
  private readonly entry: Entry;
  private readonly digest: RequestDigest;
  private requestEnded = false;
  /** Null: the answer is not shared. */
  private recording: Recording | null;
  private answerEnded = false;
  private succeeded = false;
  private settled = false;
  /** Octets of the answer that the engine has not been credited. */
  private owed = 0;
  /** Ends what nobody waits for any more. */
  private readonly patience = new Timer(() => this.lonely());

  constructor(host: LeaderHost, entry: Entry, upstream: Reached, client: Half, digest: RequestDigest, ended: boolean) {
    this.host = host;
    this.entry = entry;
    this.upstream = upstream;
    this.client = client;
    this.digest = digest;
    this.recording = new Recording(host.spec.maxBytes);
    if (ended) this.endRequest();
  }

  // --- Half: what the exchange sends to the client -----------------------------------------------------------------

  sendHead(fields: readonly Field[], end: boolean, informational = false, reason = ''): void {
    this.client?.sendHead(fields, end, informational, reason);
    if (informational) return;
    const status = Number(fields[0]!.value);
    this.succeeded = status >= 200 && status < 300 && grpcStatusNumber(grpcStatusOf(fields)) <= 0;
    if (this.recording?.head(fields, reason, end) === false) this.unshare();
    if (end) this.endAnswer();
  }
  sendData(buffer: Buffer, from: number, to: number, end: boolean): number {
    let done = to - from;
    if (this.client !== null) {
      this.owed += to - from;
      done = this.client.sendData(buffer, from, to, end);
      this.owed -= done;
    }
    if (this.recording?.data(buffer, from, to) === false) this.unshare();
    if (end) this.endAnswer();
    return done;
  }
  sendTrailers(fields: readonly Field[]): void {
    this.client?.sendTrailers(fields);
    if (grpcStatusNumber(grpcStatusOf(fields)) > 0) this.succeeded = false;
    if (this.recording?.trailers(fields) === false) this.unshare();
    this.endAnswer();
  }
  credit(bytes: number): void {
    this.client?.credit(bytes);
  }
  get flushed(): boolean {
    return this.client?.flushed ?? true;
  }
  accepts(fields: readonly Field[]): boolean {
    return this.client?.accepts(fields) ?? true;
  }
  charge(): void {
    this.client?.charge();
  }
  reset(code: number): void {
    this.sink = null;
    this.client?.reset(code);
    this.settle();
  }
  stop(): void {
    this.sink = null;
    this.client?.stop();
    this.settle();
  }

  // --- HalfSink: what comes from the client ------------------------------------------------------------------------

  onInformational(): void {
    // Clients send none.
  }
  onHead(): void {
    // The exchange was made with it.
  }
  onData(buffer: Buffer, from: number, to: number, end: boolean): void {
    if (!this.settled) {
      this.digest.update(buffer, from, to);
      if (this.digest.length > this.host.spec.maxBytes) this.unshare();
      if (end) this.endRequest();
    }
    this.sink?.onData(buffer, from, to, end);
    if (end && this.answerEnded) this.settle();
  }
  onTrailers(fields: readonly Field[]): void {
    if (!this.settled) this.endRequest();
    this.sink?.onTrailers(fields);
    if (this.answerEnded) this.settle();
  }
  onSent(bytes: number): void {
    this.owed -= bytes;
    this.sink?.onSent(bytes);
  }
  onAborted(failure: Failure): void {
    this.sink?.onAborted(failure);
  }

  /** The client has gone: a request that is complete goes on without it, for others who ask for the same now or later. */
  onFailed(failure: Failure, code: number): void {
    this.client = null;
    const { sink, owed } = this;
    if (sink !== null && this.requestEnded && this.recording !== null && !this.settled) {
      this.host.wheel.arm(this.patience, this.host.spec.ttl);
      this.owed = 0;
      if (owed > 0) sink.onSent(owed);
      return;
    }
    this.sink = null;
    sink?.onFailed(failure, code);
    this.settle();
  }

  // -----------------------------------------------------------------------------------------------------------------

  /** The table is given up: nobody will come for the answer. */
  abandon(): void {
    if (this.client === null) this.cancel();
  }

  private endRequest(): void {
    this.requestEnded = true;
    this.entry.complete(this.digest.finish());
  }
  private endAnswer(): void {
    this.answerEnded = true;
    if (this.requestEnded) this.settle();
  }

  /** There is too much of it, or no memory for it: this client alone gets the answer. */
  private unshare(): void {
    if (this.recording === null) return;
    this.recording.drop();
    this.recording = null;
    this.entry.decide(NOT_KEPT);
    // The exchange that is calling can be told only later that its client has gone.
    if (this.client === null) this.host.wheel.arm(this.patience, 0);
  }

  private lonely(): void {
    if (this.recording !== null && this.entry.waiting.size > 0) {
      this.host.wheel.arm(this.patience, this.host.spec.ttl);
    } else this.cancel();
  }
  private cancel(): void {
    const { sink } = this;
    this.sink = null;
    sink?.onFailed(Failures.clientGone, ErrorCode.CANCEL);
    this.settle();
  }

  private settle(): void {
    if (this.settled) return;
    this.settled = true;
    const { host, entry, recording } = this;
    host.wheel.disarm(this.patience);
    this.recording = null;
    const whole = this.requestEnded && this.answerEnded;
    const answer = whole ? (recording?.finish() ?? null) : null;
    if (answer === null) recording?.drop();
    // An engine that has only a part of the request does not execute it, unless it says that this was enough.
    const executed = this.upstream.reached && (this.requestEnded || (this.answerEnded && this.succeeded));
    if (!executed) host.forget(entry, answer ?? Failures.unprocessed);
    else host.keep(entry, answer ?? entry.outcome ?? (this.answerEnded ? NOT_KEPT : Failures.sessionLost));
  }
}
