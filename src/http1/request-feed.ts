/**
 * What a client sends, in its order: requests, each made a half, their bodies, a tunnel's bytes. What comes before its time
 * waits in the backlog, so that the socket stays read and a client that goes away is noticed.
 */
import { ErrorCode } from '../errors.ts';
import type { Failure } from '../errors.ts';
import type { Field } from '../hpack/field.ts';
import type { Connection } from '../io/connection.ts';
import type { RequestHead } from '../relay/message.ts';
import type { Limits } from '../snapshot.ts';
import { Backlog } from './backlog.ts';
import { Pause } from './context.ts';
import { Parser } from './parser.ts';
import type { MessageHandler, RequestStart } from './parser.ts';
import { toRequestHead } from './request.ts';
import { refusal, ServerHalf } from './server-half.ts';
import type { ServerHost } from './server-half.ts';

export interface FeedHost extends ServerHost {
  /** Another request may begin. */
  readonly ready: boolean;
  onRequest(half: ServerHalf, head: RequestHead): void;
  onRefused(half: ServerHalf, failure: Failure): void;
  /** The client broke the rules; `status` is what it is told, if it still can be. */
  onMalformed(status: number, message: string): void;
  /** The request cannot be read to its end, and its answer has begun. */
  onLost(failure: Failure): void;
}

export class RequestFeed implements MessageHandler {
  /** The request whose exchange is open. */
  half: ServerHalf | null = null;
  /** The client's FIN has come. */
  ended = false;
  private readonly host: FeedHost;
  private readonly connection: Connection;
  private readonly scheme: 'http' | 'https';
  private readonly limit: number;
  private readonly parser: Parser;
  private readonly backlog = new Backlog();
  private closed = false;
  /** The request that came last, and what is made of it when it comes again. */
  private last: RequestStart | null = null;
  private model: RequestHead | Failure | null = null;

  constructor(host: FeedHost, connection: Connection, limits: Limits, scheme: 'http' | 'https') {
    this.host = host;
    this.connection = connection;
    this.scheme = scheme;
    this.limit = limits.pipelineBuffer;
    this.parser = new Parser(this, limits, 'request');
  }

  /** Bytes wait for the exchange that is open to end, or its tunnel to stand. */
  get waiting(): boolean {
    return this.backlog.length > 0;
  }
  /** The client will send nothing more, and all that it sent has been taken. */
  get exhausted(): boolean {
    return this.ended && !this.waiting;
  }
  /** A request has begun whose head is not complete. */
  get headless(): boolean {
    return this.half === null && this.parser.begun;
  }

  read(buffer: Buffer, start: number, end: number): void {
    const from = this.waiting ? start : this.take(buffer, start, end);
    if (from === end || this.closed) return;
    this.backlog.append(buffer, from, end);
    if (this.backlog.length > this.limit) this.connection.pause(Pause.BACKLOG);
  }

  /** Takes what waits, as far as it may. */
  goOn(): void {
    const { backlog } = this;
    const { buffer, from, to } = backlog;
    const next = this.take(buffer, from, to);
    if (this.closed) return;
    backlog.shift(next - from);
    if (backlog.length * 2 <= this.limit) this.connection.resume(Pause.BACKLOG);
  }

  /** A request that goes no further than here. */
  refuse(failure: Failure, method: string): void {
    this.half = new ServerHalf(this.host, method, null, null);
    this.host.onRefused(this.half, failure);
  }

  /** What comes from now on is thrown away. */
  close(): void {
    this.closed = true;
    this.parser.stop();
    this.backlog.clear();
    this.connection.resume(Pause.BACKLOG);
  }

  /** Returns the position of what is to wait. */
  private take(buffer: Buffer, from: number, to: number): number {
    let at = from;
    while (at < to && !this.closed) {
      const { half } = this;
      if (half?.incoming === 'tunnel') {
        half.take(buffer, at, to);
        return to;
      }
      if (half === null ? !this.host.ready : half.incoming !== 'body') break;
      at = this.parser.read(buffer, at, to);
    }
    return at;
  }

  /** A head of its own for every request. */
  private headOf(start: RequestStart): RequestHead | Failure {
    if (start !== this.last) {
      this.last = start;
      this.model = null;
      return toRequestHead(start, this.scheme);
    }
    this.model ??= toRequestHead(start, this.scheme);
    return 'cause' in this.model ? this.model : this.model.again();
  }

  // --- MessageHandler ----------------------------------------------------------------------------------------------

  onRequest(start: RequestStart): void {
    const head = this.headOf(start);
    if ('cause' in head) {
      this.host.onMalformed(head.http, head.message);
      this.refuse(head, start.method);
      return;
    }
    this.half = new ServerHalf(this.host, start.method, start, head);
    this.host.onRequest(this.half, head);
  }
  onResponse(): void {
    // Clients send none.
  }
  onBody(buffer: Buffer, from: number, to: number): void {
    this.half?.take(buffer, from, to);
  }
  onMessageEnd(trailers: readonly Field[]): void {
    this.half?.takeEnd(trailers);
  }

  onBroken(status: number, message: string): void {
    const { half } = this;
    const failure = refusal(status, message);
    this.host.onMalformed(status, message);
    if (half === null) this.refuse(failure, '');
    else if (half.outgoing === 'head') {
      // The exchange ends without an answer of its own: this is the client's.
      half.refuse();
      half.fail(failure, ErrorCode.PROTOCOL_ERROR);
      this.host.onRefused(half, failure);
    } else this.host.onLost(failure);
  }
}
