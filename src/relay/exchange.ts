/**
 * One request and its response as they cross the proxy. The exchange is the sink of the downstream half: it takes the
 * request to an engine, at most twice, and sees to it that the client gets exactly one answer.
 */
import { countFailure, DURATION_BOUNDS, Listener, STATUS_COUNT } from '../counters.ts';
import type { Counters } from '../counters.ts';
import { ErrorCode, Failures } from '../errors.ts';
import type { Failure } from '../errors.ts';
import { makeField, Token } from '../hpack/field.ts';
import type { Field } from '../hpack/field.ts';
import { budget } from '../io/budget.ts';
import { HeldBytes } from '../io/held-bytes.ts';
import { Timer } from '../io/timer-wheel.ts';
import type { TimerWheel } from '../io/timer-wheel.ts';
import { now } from '../io/turn.ts';
import type { Journal } from '../journal.ts';
import { Attempt } from './attempt.ts';
import type { AttemptOwner } from './attempt.ts';
import { speaksOfClient } from './client-address.ts';
import { formatTimeout, MessageCounter, parseTimeout } from './grpc.ts';
import type { Caller, Carrier, CarrierSource, Half, HalfSink } from './half.ts';
import { grpcTrailers, replyLocally } from './local-reply.ts';
import type { RequestHead, ResponseHead } from './message.ts';

/** What all exchanges of a listener share. */
export interface ExchangeContext {
  readonly listener: string;
  readonly upstream: CarrierSource;
  readonly counters: Counters;
  readonly wheel: TimerWheel;
  readonly journal: Journal;
  /** Request bytes kept for a second attempt. */
  readonly replayBuffer: number;
}

/** Time lost here before `grpc-timeout` has to be written anew. */
const TIMEOUT_SLACK = 5;
const MAX_ATTEMPTS = 2;

export class Exchange implements HalfSink, Caller, AttemptOwner {
  readonly head: RequestHead;
  /** Address of the client, for the log. */
  readonly client: string;
  private readonly context: ExchangeContext;
  private readonly down: Half;
  private attempt: Attempt | null = null;
  private attempts = 0;
  /** What carried the last attempt. */
  private carrier: Carrier | null = null;
  private waiting = false;
  private readonly startedAt = now();
  private firstByteAt = 0;

  /** Request bytes that an engine may still have to see: all while none has been found, later for a replay. */
  private kept: HeldBytes | null = null;
  private replayable = true;
  private requestEnded: boolean;
  private requestTrailers: readonly Field[] | null = null;
  /** Request bytes that the client was allowed to send again. */
  private credited = 0;

  private responseBegun = false;
  private responseEnded = false;
  private finished = false;
  private readonly deadline: Timer | null;
  private readonly timeout: number | null;

  private received = 0;
  private sent = 0;
  private readonly receivedMessages: MessageCounter | null;
  private readonly sentMessages: MessageCounter | null;
  private httpStatus = 0;
  private grpcStatus = -1;

  constructor(context: ExchangeContext, down: Half, head: RequestHead, end: boolean, client: string) {
    this.context = context;
    this.down = down;
    this.head = head;
    this.client = client;
    this.requestEnded = end;
    const counted = context.journal.access && head.grpc;
    this.receivedMessages = counted ? new MessageCounter() : null;
    this.sentMessages = counted ? new MessageCounter() : null;
    this.timeout = head.timeout === null ? null : parseTimeout(head.timeout);
    this.deadline = this.timeout === null ? null : new Timer(() => this.fail(Failures.deadline));
    context.counters.add(Listener.EXCHANGES, 1);
    context.counters.add(Listener.EXCHANGES_OPEN, 1);
  }

  /** Sets out for an engine. The downstream half must already know this sink. */
  begin(): void {
    if (this.head.method === 'CONNECT') {
      this.fail(Failures.methodNotAllowed);
      return;
    }
    if (this.deadline !== null && this.timeout !== null) this.context.wheel.arm(this.deadline, this.timeout);
    this.seek();
  }

  /**
   * Answers with a failure, in whatever way the client can still be told; nothing follows. `reset` is the code that an
   * engine reset its stream with: it is passed on as it is once there is a response.
   */
  fail(failure: Failure, reset?: number): void {
    if (this.finished) return;
    const { down, head } = this;
    if (failure === Failures.deadline && this.attempt !== null) down.charge();
    this.abandonAttempt(ErrorCode.CANCEL);
    if (!this.responseBegun) {
      replyLocally(down, failure, head.grpc, head.method);
      this.httpStatus = head.grpc ? 200 : failure.http;
      if (head.grpc) this.grpcStatus = failure.grpc;
      down.stop();
    } else if (this.responseEnded) down.stop();
    else if (reset !== undefined && reset !== ErrorCode.NO_ERROR && reset !== ErrorCode.REFUSED_STREAM) {
      down.reset(reset);
    } else if (head.grpc && reset === undefined) {
      down.sendTrailers(grpcTrailers(failure));
      this.grpcStatus = failure.grpc;
      down.stop();
    } else down.reset(ErrorCode.INTERNAL_ERROR);
    this.finish(this.responseEnded ? null : failure);
  }

  // --- Caller ------------------------------------------------------------------------------------------------------

  onCarrier(carrier: Carrier): void {
    this.waiting = false;
    this.start(carrier);
  }

  onUnavailable(failure: Failure): void {
    this.waiting = false;
    this.fail(failure);
  }

  // --- What comes from the client ----------------------------------------------------------------------------------

  onInformational(): void {
    // Clients send none.
  }
  onHead(): void {
    // The exchange was made with it.
  }
  onAborted(failure: Failure): void {
    this.fail(failure);
  }

  onData(buffer: Buffer, from: number, to: number, end: boolean): void {
    if (end) this.requestEnded = true;
    this.received += to - from;
    this.receivedMessages?.read(buffer, from, to);
    if (this.attempt === null) {
      this.keep(buffer, from, to);
      return;
    }
    if (this.replayable) {
      const fits = (this.kept?.length ?? 0) + to - from <= this.context.replayBuffer;
      if (fits && !budget.tight) this.keep(buffer, from, to);
      else this.forgetRequest();
    }
    this.attempt.sendData(buffer, from, to, end);
    this.finishIfDone();
  }

  onTrailers(fields: readonly Field[]): void {
    this.requestEnded = true;
    // Who the client is stands in the head, and is not for the client to say.
    const trailers = fields.some(speaksOfClient) ? fields.filter((field) => !speaksOfClient(field)) : fields;
    this.requestTrailers = trailers;
    this.attempt?.half.sendTrailers(trailers);
    this.finishIfDone();
  }

  onSent(bytes: number): void {
    this.attempt?.half.credit(bytes);
  }

  /** The client reset its stream, or is gone. */
  onFailed(failure: Failure, code: number): void {
    if (this.finished) return;
    // Only a code that the client chose is the engine's business.
    const chosen = failure === Failures.clientGone && code !== ErrorCode.NO_ERROR;
    this.abandonAttempt(chosen ? code : ErrorCode.CANCEL);
    this.finish(this.responseEnded ? null : failure);
  }

  // --- What comes from the engine, by way of the attempt -----------------------------------------------------------

  /** Of the request, `acknowledged` bytes have left for the engine in this attempt. */
  requestSent(acknowledged: number): void {
    if (acknowledged > this.credited) {
      this.down.credit(acknowledged - this.credited);
      this.credited = acknowledged;
    }
    this.finishIfDone();
  }

  informational(fields: readonly Field[]): void {
    this.down.sendHead(fields, false, true);
  }

  /** The final head commits: from here on there is no second attempt. */
  responseHead(head: ResponseHead, end: boolean): void {
    if (!this.down.accepts(head.fields)) {
      this.fail(Failures.responseTooLarge);
      return;
    }
    this.responseBegun = true;
    this.firstByteAt = now();
    this.httpStatus = head.status;
    this.forgetRequest();
    if (head.grpcStatus !== null) this.grpcStatus = Number(head.grpcStatus);
    this.responseEnded = end;
    this.down.sendHead(head.fields, end);
    this.finishIfDone();
  }

  responseData(buffer: Buffer, from: number, to: number, end: boolean): number {
    this.sent += to - from;
    this.sentMessages?.read(buffer, from, to);
    if (end) this.responseEnded = true;
    const done = this.down.sendData(buffer, from, to, end);
    this.finishIfDone();
    return done;
  }

  responseTrailers(fields: readonly Field[], grpcStatus: string | null): void {
    if (!this.down.accepts(fields)) {
      this.fail(Failures.responseTooLarge);
      return;
    }
    if (grpcStatus !== null) this.grpcStatus = Number(grpcStatus);
    this.responseEnded = true;
    this.down.sendTrailers(fields);
    this.finishIfDone();
  }

  attemptFailed(failure: Failure, reset: number | undefined): void {
    this.attempt = null;
    if (failure === Failures.unwritten) this.attempts--;
    if (this.responseEnded) {
      // After a complete response any RST only ends our sending (RFC 9113 section 8.1).
      this.down.stop();
      this.finish(null);
    } else if (failure.retryable && !this.responseBegun && this.replayable && this.attempts < MAX_ATTEMPTS) {
      this.context.counters.add(Listener.RETRIES, 1);
      this.seek();
    } else this.fail(failure, reset);
  }

  // --- Attempts ----------------------------------------------------------------------------------------------------

  private seek(): void {
    const carrier = this.context.upstream.acquire(this, this.carrier);
    if (carrier !== null) this.start(carrier);
    else if (!this.finished) this.waiting = true;
  }

  private start(carrier: Carrier): void {
    if (!carrier.accepts(this.head.fields)) {
      this.fail(Failures.headersTooLarge);
      return;
    }
    this.attempts++;
    this.correctTimeout();
    const { kept } = this;
    const bodyless = this.requestEnded && this.requestTrailers === null && (kept === null || kept.length === 0);
    const attempt = new Attempt(this);
    this.carrier = carrier;
    this.attempt = attempt;
    attempt.half = carrier.open(this.head, bodyless, attempt);
    if (bodyless) return;
    if (kept !== null && kept.length > 0) {
      let rest = kept.length;
      const endsWithData = this.requestEnded && this.requestTrailers === null;
      kept.forEach((block, from, to) => {
        rest -= to - from;
        attempt.sendData(block, from, to, endsWithData && rest === 0);
      });
      if (kept.length > this.context.replayBuffer) this.forgetRequest();
    }
    if (this.requestTrailers !== null) attempt.half.sendTrailers(this.requestTrailers);
  }

  private abandonAttempt(code: number): void {
    if (this.waiting) this.context.upstream.cancel(this);
    this.waiting = false;
    this.attempt?.half.reset(code);
    this.attempt = null;
  }

  /** The engine is told what is left of the time, if some of it was lost here. */
  private correctTimeout(): void {
    const lost = now() - this.startedAt;
    if (this.timeout === null || lost < TIMEOUT_SLACK) return;
    const left = makeField('grpc-timeout', formatTimeout(this.timeout - lost));
    this.head.fields = this.head.fields.map((field) => (field.name.token === Token.GRPC_TIMEOUT ? left : field));
  }

  private keep(buffer: Buffer, from: number, to: number): void {
    if (from === to) return;
    this.kept ??= new HeldBytes();
    this.kept.append(buffer, from, to);
  }
  private forgetRequest(): void {
    this.replayable = false;
    this.kept?.clear();
    this.kept = null;
  }

  // --- The end -----------------------------------------------------------------------------------------------------

  private finishIfDone(): void {
    if (!this.requestEnded || !this.responseEnded) return;
    // What the engine has no window for yet is still under the deadline, and the engine's slow-read timeout.
    if (this.attempt === null || this.attempt.half.flushed) this.finish(null);
  }

  private finish(failure: Failure | null): void {
    if (this.finished) return;
    this.finished = true;
    this.forgetRequest();
    if (this.deadline !== null) this.context.wheel.disarm(this.deadline);
    const { counters } = this.context;
    counters.add(Listener.EXCHANGES_OPEN, -1);
    counters.add(Listener.RECEIVED, this.received);
    counters.add(Listener.SENT, this.sent);
    counters.addTo(Listener.ENDED, this.grpcStatus < 0 ? STATUS_COUNT : this.grpcStatus, STATUS_COUNT);
    if (failure !== null) countFailure(counters, failure.cause);
    counters.observe(Listener.DURATION, DURATION_BOUNDS, (now() - this.startedAt) / 1000);
    if (this.context.journal.access) this.log(failure);
  }

  private log(failure: Failure | null): void {
    const { head, context } = this;
    context.journal.exchange({
      method: head.method,
      path: head.path,
      authority: head.authority,
      listener: context.listener,
      upstream: context.upstream.name,
      peer: this.client,
      endpoint: this.carrier?.endpoint ?? null,
      grpcStatus: this.grpcStatus < 0 ? null : this.grpcStatus,
      httpStatus: this.httpStatus === 0 ? (failure?.http ?? null) : this.httpStatus,
      duration: now() - this.startedAt,
      firstByte: this.firstByteAt === 0 ? null : this.firstByteAt - this.startedAt,
      receivedBytes: this.received,
      sentBytes: this.sent,
      receivedMessages: this.receivedMessages?.count ?? null,
      sentMessages: this.sentMessages?.count ?? null,
      attempts: this.attempts,
      failure,
    });
  }
}
