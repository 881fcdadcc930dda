/**
 * One request and its response as they cross the proxy. The exchange is the sink of the downstream half: it takes the
 * request to an engine, again to another where that is safe or configured, and sees to it that the client gets exactly
 * one answer.
 */
import { countFailure, DURATION_BOUNDS, Listener, STATUS_COUNT, RETRY_REASONS } from '../counters.ts';
import type { RetryReason } from '../counters.ts';
import { ErrorCode, Failures } from '../errors.ts';
import type { Failure } from '../errors.ts';
import { makeField, Token } from '../hpack/field.ts';
import type { Field } from '../hpack/field.ts';
import { Timer } from '../io/timer-wheel.ts';
import { clock, now } from '../io/turn.ts';
import type { KeySpec } from '../snapshot.ts';
import { Attempt } from './attempt.ts';
import type { AttemptOwner } from './attempt.ts';
import { speaksOfClient } from './client-address.ts';
import type { ExchangeContext, Party } from './exchange-context.ts';
import { formatTimeout, MessageCounter, parseTimeout } from './grpc.ts';
import type { Caller, Carrier, CarrierSource, Half, HalfSink } from './half.ts';
import { IdleWatch } from './idle-watch.ts';
import type { Moving } from './idle-watch.ts';
import { KeptRequest } from './kept-request.ts';
import { grpcTrailers, replyLocally } from './local-reply.ts';
import { grpcStatusNumber } from './message.ts';
import type { RequestHead, ResponseHead } from './message.ts';
import { pushbackOf, withPreviousAttempts } from './retry.ts';
import type { RetryPolicy } from './retry.ts';

/** Time lost here before `grpc-timeout` has to be written anew. */
const TIMEOUT_SLACK = 5;

export class Exchange implements HalfSink, Caller, AttemptOwner, Moving {
  // What DATA needs comes first, that it may lie in few lines of the cache.
  private received = 0;
  private readonly receivedMessages: MessageCounter | null;
  private readonly context: ExchangeContext;
  private readonly request: KeptRequest;
  private attempt: Attempt | null = null;
  movedAt = clock();
  private responseEnded = false;
  private readonly down: Half;
  private sent = 0;
  private readonly sentMessages: MessageCounter | null;

  readonly head: RequestHead;
  /** Address of the client, for the log. */
  readonly client: string;
  place: unknown = null;
  /** Where it goes; null: nowhere, it is answered here. */
  private readonly upstream: CarrierSource | null;
  private attempts = 0;
  /** It has been refused unseen, and gone elsewhere. */
  private moved = false;
  /** Configured retries so far. */
  private retries = 0;
  /** Ends the wait for the head of a response, or that before the next attempt. */
  private timer: Timer | null = null;
  /** What carried the last attempt. */
  private carrier: Carrier | null = null;
  private waiting = false;
  private readonly startedAt = now();
  private firstByteAt = 0;

  private responseBegun = false;
  private finished = false;
  private deadline: Timer | null = null;
  /** By `grpc-timeout`. */
  private readonly timeout: number | null;
  private idle: IdleWatch | null = null;
  private readonly party: Party | null;

  private httpStatus = 0;
  private grpcStatus = -1;

  constructor(
    context: ExchangeContext,
    upstream: CarrierSource | null,
    down: Half,
    head: RequestHead,
    end: boolean,
    client: string,
    party: Party | null = null,
  ) {
    this.context = context;
    this.party = party;
    this.upstream = upstream;
    this.down = down;
    this.head = head;
    this.client = client;
    this.request = new KeptRequest(context.replayBuffer, end);
    const counted = context.journal.access && head.grpc;
    this.receivedMessages = counted || (context.maxMessage > 0 && head.grpc) ? new MessageCounter() : null;
    this.sentMessages = counted ? new MessageCounter() : null;
    this.timeout = head.timeout === null ? null : parseTimeout(head.timeout);
    context.counters.add(Listener.EXCHANGES, 1);
    context.counters.add(Listener.EXCHANGES_OPEN, 1);
  }

  /** Sets out for an engine. The downstream half must already know this sink. */
  begin(): void {
    const { context, head } = this;
    if (context.maxBody > 0 && head.contentLength > context.maxBody) {
      this.fail(Failures.bodyTooLarge);
      return;
    }
    const tunnel = head.method === 'CONNECT';
    const idleTimeout = tunnel ? context.tunnelIdleTimeout : context.idleTimeout;
    if (this.timeout !== null || (context.timeout > 0 && !tunnel)) this.setDeadline();
    if (idleTimeout > 0) {
      const failure = tunnel ? Failures.tunnelIdle : Failures.idle;
      this.idle = new IdleWatch(context.wheel, this, idleTimeout, () => this.fail(failure));
    }
    context.retry?.called(this.startedAt);
    this.seek();
  }

  /**
   * Answers with a failure, in whatever way the client can still be told; nothing follows. `reset` is the code that an
   * engine reset its stream with: it is passed on as it is once there is a response. `retryAfter`: milliseconds, 0 for what is usual.
   */
  fail(failure: Failure, reset?: number, retryAfter = 0): void {
    if (this.finished) return;
    const { down, head } = this;
    if (failure === Failures.deadline && this.attempt !== null) down.charge();
    this.abandonAttempt(ErrorCode.CANCEL, failure);
    if (!this.responseBegun) {
      replyLocally(down, failure, head.grpc, head.method, retryAfter);
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
    } else down.reset(lossCode(head));
    this.finish(this.responseEnded ? null : failure);
  }

  /** Answers in place of an engine; a HEAD is not sent the body. */
  answer(fields: readonly Field[], body: Buffer | null = null): void {
    this.httpStatus = Number(fields[0]!.value);
    this.responseBegun = this.responseEnded = true;
    const bodyless = body === null || this.head.method === 'HEAD';
    this.down.sendHead(this.edited(fields), bodyless);
    if (!bodyless) this.down.sendData(body, 0, body.length, true);
    this.down.stop();
    this.finish(null);
  }

  get hashKey(): KeySpec | null {
    return this.context.hashKey;
  }
  get tenant(): string | null {
    return this.party === null ? null : this.party.tenant;
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
    if (end) this.request.ended = true;
    this.received += to - from;
    this.receivedMessages?.read(buffer, from, to);
    if (!this.fits) {
      this.fail(Failures.bodyTooLarge);
      return;
    }
    this.movedAt = clock();
    if (this.attempt === null) {
      this.request.hold(buffer, from, to);
      return;
    }
    this.request.copy(buffer, from, to);
    this.attempt.sendData(buffer, from, to, end);
    this.finishIfDone();
  }

  onTrailers(fields: readonly Field[]): void {
    this.request.ended = true;
    // Who the client is stands in the head, and is not for the client to say.
    const said = fields.some(speaksOfClient) ? fields.filter((field) => !speaksOfClient(field)) : fields;
    const { reservedTrailers } = this.context;
    const trailers = reservedTrailers === null ? said : reservedTrailers.without(said);
    this.request.trailers = trailers;
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
    this.abandonAttempt(chosen ? code : ErrorCode.CANCEL, failure);
    this.finish(this.responseEnded ? null : failure);
  }

  // --- What comes from the engine, by way of the attempt -----------------------------------------------------------

  /** Of the request, `acknowledged` bytes have left for the engine in this attempt. */
  requestSent(acknowledged: number): void {
    const credit = this.request.sent(acknowledged);
    if (credit > 0) this.down.credit(credit);
    this.finishIfDone();
  }

  /** The attempt is no more. */
  over(): void {
    this.upstream?.released?.(this);
  }

  informational(fields: readonly Field[]): void {
    this.down.sendHead(fields, false, true);
  }

  /** The final head commits, unless it is one to try again after: from here on there is no other attempt. */
  responseHead(head: ResponseHead, end: boolean): void {
    const { retry } = this.context;
    this.disarm();
    if (retry?.coversAnswer(head, end, this.head.grpc)) {
      const reason = head.grpcStatus === null ? 'http_status' : 'grpc_status';
      if (this.retryAfter(retry, pushbackOf(head.fields), reason)) return;
    }
    if (!this.down.accepts(head.fields)) {
      this.fail(Failures.responseTooLarge);
      return;
    }
    this.responseBegun = true;
    this.firstByteAt = now();
    this.httpStatus = head.status;
    this.request.forget();
    this.grpcStatus = grpcStatusNumber(head.grpcStatus);
    this.responseEnded = end;
    this.down.sendHead(this.edited(head.fields), end, false, head.reason);
    this.finishIfDone();
  }

  responseData(buffer: Buffer, from: number, to: number, end: boolean): number {
    this.sent += to - from;
    this.movedAt = clock();
    this.sentMessages?.read(buffer, from, to);
    if (end) this.responseEnded = true;
    const done = this.down.sendData(buffer, from, to, end);
    this.finishIfDone();
    return done;
  }

  responseTrailers(fields: readonly Field[], grpcStatus: number): void {
    if (!this.down.accepts(fields)) {
      this.fail(Failures.responseTooLarge);
      return;
    }
    if (grpcStatus >= 0) this.grpcStatus = grpcStatus;
    this.responseEnded = true;
    this.down.sendTrailers(fields);
    this.finishIfDone();
  }

  attemptFailed(failure: Failure, reset: number | undefined): void {
    const { retry } = this.context;
    this.disarm();
    this.attempt = null;
    if (failure === Failures.unwritten) this.attempts--;
    if (this.responseEnded) {
      // After a complete response any RST only ends our sending (RFC 9113 section 8.1).
      this.down.stop();
      this.finish(null);
    } else if (failure.retryable && this.request.replayable && (failure === Failures.unwritten || !this.moved)) {
      // The engine has certainly not begun it: it moves once, or as often as it takes if nothing of it was written.
      this.moved ||= failure !== Failures.unwritten;
      this.again(failure === Failures.unwritten ? 'unwritten' : 'refused');
    } else {
      const reason = failure === Failures.attemptTimeout ? 'timeout' : 'failure';
      const covered = retry?.coversFailure(failure, this.head.grpc) === true;
      if (!covered || !this.retryAfter(retry, null, reason)) this.fail(failure, reset);
    }
  }

  // --- Attempts ----------------------------------------------------------------------------------------------------

  private seek(): void {
    if (this.upstream === null) {
      this.fail(Failures.noRoute);
      return;
    }
    const carrier = this.upstream.acquire(this, this.carrier);
    if (carrier !== null) this.start(carrier);
    else if (!this.finished) this.waiting = true;
  }

  private start(carrier: Carrier): void {
    const refusal = carrier.refusal(this.head);
    if (refusal !== null) {
      this.over();
      this.fail(refusal);
      return;
    }
    this.attempts++;
    this.correctTimeout();
    const { request, context } = this;
    const attempt = new Attempt(this, carrier);
    this.carrier = carrier;
    this.attempt = attempt;
    attempt.open(this.head, request.bodyless);
    const timeout = context.retry?.perTryTimeout ?? 0;
    if (timeout > 0) this.await(timeout, () => this.expired(attempt));
    if (!request.bodyless) request.sendTo(attempt);
  }

  private abandonAttempt(code: number, failure: Failure | null): void {
    if (this.waiting) this.upstream?.cancel(this);
    this.waiting = false;
    this.disarm();
    this.attempt?.cut(code, failure);
    this.attempt = null;
  }

  /** Gives up the attempt for another one after a while, if it may: whether it does. */
  private retryAfter(retry: RetryPolicy, pushback: number | null, reason: RetryReason): boolean {
    const { head, request, timeout } = this;
    const left = timeout === null ? Infinity : this.startedAt + timeout - now();
    const wait = request.replayable ? retry.wait(this.retries, pushback, left, now()) : null;
    if (wait === null) return false;
    this.abandonAttempt(ErrorCode.CANCEL, null);
    this.retries++;
    if (head.grpc) head.fields = withPreviousAttempts(head.fields, this.retries);
    this.await(wait, () => this.again(reason));
    return true;
  }

  private expired(attempt: Attempt): void {
    attempt.cut(ErrorCode.CANCEL, Failures.attemptTimeout);
    this.attemptFailed(Failures.attemptTimeout, undefined);
  }
  private await(ms: number, then: () => void): void {
    this.timer = new Timer(then);
    this.context.wheel.arm(this.timer, ms);
  }
  private disarm(): void {
    if (this.timer !== null) this.context.wheel.disarm(this.timer);
    this.timer = null;
  }

  private again(reason: RetryReason): void {
    const { counters } = this.context;
    counters.addTo(Listener.RETRIES, RETRY_REASONS.indexOf(reason), RETRY_REASONS.length);
    this.seek();
  }

  /** The engine is told what is left of the time, if some of it was lost here. */
  private correctTimeout(): void {
    const lost = now() - this.startedAt;
    if (this.timeout === null || lost < TIMEOUT_SLACK) return;
    const left = makeField('grpc-timeout', formatTimeout(this.timeout - lost));
    this.head.fields = this.head.fields.map((field) => (field.name.token === Token.GRPC_TIMEOUT ? left : field));
  }

  // --- The end -----------------------------------------------------------------------------------------------------

  private finishIfDone(): void {
    if (!this.responseEnded) return;
    if (!this.request.ended) {
      // It was to be a tunnel, and is an answer: nobody will read what else the client sends.
      if (this.head.method === 'CONNECT' && this.httpStatus >= 300) this.leaveTunnel();
      return;
    }
    // What the engine has no window for yet is still under the deadline, and the engine's slow-read timeout.
    if (this.attempt === null || this.attempt.half.flushed) this.finish(null);
  }

  /** A response's fields as the client gets them. */
  private edited(fields: readonly Field[]): readonly Field[] {
    const { responseEdits } = this.context;
    return responseEdits === null ? fields : responseEdits.apply(fields);
  }

  /** Whether what has come of the request is within its limits. */
  private get fits(): boolean {
    const { maxBody, maxMessage } = this.context;
    if (maxBody > 0 && this.received > maxBody && this.head.method !== 'CONNECT') return false;
    return maxMessage === 0 || this.receivedMessages === null || this.receivedMessages.longest <= maxMessage;
  }

  private setDeadline(): void {
    const { timeout, wheel } = this.context;
    this.deadline = new Timer(() => this.fail(Failures.deadline));
    wheel.arm(this.deadline, Math.min(this.timeout ?? Infinity, timeout || Infinity));
  }

  private leaveTunnel(): void {
    this.abandonAttempt(ErrorCode.CANCEL, null);
    this.down.stop();
    this.finish(null);
  }

  private finish(failure: Failure | null): void {
    if (this.finished) return;
    this.finished = true;
    this.disarm();
    this.idle?.end();
    this.party?.over();
    this.attempt?.end(failure);
    this.attempt = null;
    this.request.forget();
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
      upstream: this.upstream?.name ?? null,
      peer: this.client,
      route: context.route?.name ?? null,
      identity: this.party?.bearer ?? this.head.origin?.tls?.subject ?? null,
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

/** What a stream is reset with whose other side is lost: for tunnels RFC 9113 section 8.5 and RFC 8441 section 5 name the codes. */
const lossCode = ({ method, upgrade }: RequestHead): ErrorCode => {
  if (method !== 'CONNECT') return ErrorCode.INTERNAL_ERROR;
  return upgrade === null ? ErrorCode.CONNECT_ERROR : ErrorCode.CANCEL;
};
