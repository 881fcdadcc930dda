/**
 * Reads HTTP/1.1 messages (RFC 9112), in either role, out of whatever pieces the socket delivers: every way to cut a message
 * gives the same. It is strict: whatever two recipients could read differently is refused. It keeps nothing of a body.
 */
import type { Field } from '../hpack/field.ts';
import { ChunkLines, MAX_CHUNK_LINE } from './chunk-lines.ts';
import { FieldBlock, TOO_LARGE } from './field-block.ts';
import type { FieldLimits } from './field-block.ts';
import { isTunnel, requestBody, responseBody } from './framing.ts';
import type { Framing } from './framing.ts';
import { keepsAlive, trailersOf, withoutFraming } from './hop-by-hop.ts';
import { KnownHead } from './known-head.ts';
import { LineReader } from './line-reader.ts';
import type { MessageHandler, RequestStart, ResponseStart } from './message-handler.ts';
import { Refusal } from './octets.ts';
import { MAX_REQUEST_LINE, parseRequestLine, parseStatusLine } from './start-line.ts';
import type { RequestLine, StatusLine } from './start-line.ts';

export type { Framing } from './framing.ts';
export type { MessageHandler, RequestStart, ResponseStart } from './message-handler.ts';

const State = {
  /** Nothing of the message, or part of its first line. */
  START: 0,
  FIELDS: 1,
  /** Content of a known length. */
  CONTENT: 2,
  CHUNK_SIZE: 3,
  CHUNK_DATA: 4,
  /** The CRLF after a chunk's data. */
  CHUNK_END: 5,
  TRAILERS: 6,
  UNTIL_CLOSE: 7,
  /** Broken or stopped: nothing more is taken. */
  OVER: 8,
} as const;
type State = (typeof State)[keyof typeof State];

const NO_FIELDS: readonly Field[] = [];
const LINE_TOO_LONG = new Refusal(414, 'request line too long');
const CHUNK_LINE_TOO_LONG = new Refusal(400, 'chunk extension too long');
const CHUNK_TOO_LONG = new Refusal(400, 'chunk longer than its size');

/** How the body that a head announces begins; START where there is none. */
function bodyState(framing: Framing, length: number): State {
  switch (framing) {
    case 'chunked':
      return State.CHUNK_SIZE;
    case 'close':
      return State.UNTIL_CLOSE;
    default:
      return length > 0 ? State.CONTENT : State.START;
  }
}

export class Parser {
  private readonly handler: MessageHandler;
  private readonly limits: FieldLimits;
  private readonly role: 'request' | 'response';
  private readonly lines = new LineReader();
  private readonly block: FieldBlock;
  private readonly chunks = new ChunkLines();
  private readonly known = new KnownHead<RequestStart | ResponseStart>();
  private state: State = State.START;
  private ended = false;
  /** Where in what is being read the head begins; -1 if it began before. */
  private headFrom = -1;
  /** The empty line that may precede a request has been there. */
  private blank = false;
  private requestLine: RequestLine | null = null;
  private statusLine: StatusLine | null = null;
  /** Method of the request that the next final response answers. */
  private expected = '';
  /** Octets of the content, or of the chunk, that are still to come. */
  private rest = 0;

  constructor(handler: MessageHandler, limits: FieldLimits, role: 'request' | 'response') {
    this.handler = handler;
    this.limits = limits;
    this.role = role;
    this.block = new FieldBlock(limits);
  }

  /**
   * Of role `response`: the method that the next final response answers, for HEAD and CONNECT change where it ends;
   * `websocket` is an upgrade, whose 101 is a final response.
   */
  expect(method: string): void {
    this.expected = method;
  }

  /** A message has begun and has not ended. */
  get begun(): boolean {
    return this.state === State.START ? this.lines.waiting : this.state !== State.OVER;
  }
  /** A message has begun, and its head is not complete. */
  get headless(): boolean {
    return this.state === State.START ? this.lines.waiting : this.state === State.FIELDS;
  }

  /**
   * Reads to the end of a message and no further: returns the position of the first octet that was not taken. What it
   * needs later of an unfinished line it has copied. Once broken or stopped it takes all and makes nothing of it.
   */
  read(buffer: Buffer, from: number, to: number): number {
    this.ended = false;
    this.headFrom = -1;
    try {
      return this.advance(buffer, from, to);
    } catch (error) {
      if (!(error instanceof Refusal)) throw error;
      this.stop();
      this.handler.onBroken(error.status, error.message);
      return to;
    }
  }

  /** The peer's FIN: false if it cut a message short. A body that only its end delimits ends here. */
  end(): boolean {
    if (this.state !== State.UNTIL_CLOSE) return !this.begun;
    this.finish(NO_FIELDS);
    return true;
  }

  /** Nothing more is taken, nothing more is told. */
  stop(): void {
    this.state = State.OVER;
    this.lines.release();
    this.block.take();
  }

  private advance(buffer: Buffer, from: number, to: number): number {
    let at = from;
    while (at < to && !this.ended) at = this.step(buffer, at, to);
    return at;
  }

  private step(buffer: Buffer, at: number, to: number): number {
    switch (this.state) {
      case State.CONTENT:
      case State.CHUNK_DATA:
        return this.content(buffer, at, to);
      case State.UNTIL_CLOSE:
        this.handler.onBody(buffer, at, to);
        return to;
      case State.OVER:
        return to;
      default: {
        if (this.state === State.START && !this.lines.waiting) {
          const length = this.known.at(buffer, at, to, this.expected);
          if (length > 0) {
            this.begin(this.known.start!);
            return at + length;
          }
          this.headFrom = at;
        }
        const next = this.readLine(buffer, at, to);
        if (next < 0) return to;
        this.line(next);
        return next;
      }
    }
  }

  private content(buffer: Buffer, from: number, to: number): number {
    const upTo = Math.min(to, from + this.rest);
    this.rest -= upTo - from;
    this.handler.onBody(buffer, from, upTo);
    if (this.rest > 0) return upTo;
    // Unless the handler has stopped us.
    if (this.state === State.CONTENT) this.finish(NO_FIELDS);
    else if (this.state === State.CHUNK_DATA) this.state = State.CHUNK_END;
    return upTo;
  }

  private readLine(buffer: Buffer, from: number, to: number): number {
    const { lines } = this;
    switch (this.state) {
      case State.START: {
        const limit = Math.min(MAX_REQUEST_LINE, this.limits.maxHeaderListSize);
        return lines.read(buffer, from, to, limit, this.role === 'request' ? LINE_TOO_LONG : TOO_LARGE);
      }
      case State.CHUNK_SIZE:
        return lines.read(buffer, from, to, MAX_CHUNK_LINE, CHUNK_LINE_TOO_LONG);
      case State.CHUNK_END:
        return lines.read(buffer, from, to, 0, CHUNK_TOO_LONG);
      default:
        return lines.read(buffer, from, to, this.block.room, TOO_LARGE);
    }
  }

  /** A line has been read; `next` is where the next one begins. */
  private line(next: number): void {
    const { octets, start, end } = this.lines;
    switch (this.state) {
      case State.START:
        this.startLine(octets, start, end);
        break;
      case State.CHUNK_SIZE:
        this.rest = this.chunks.read(octets, start, end);
        this.state = this.rest > 0 ? State.CHUNK_DATA : State.TRAILERS;
        if (this.rest === 0) this.block.begin(0);
        break;
      case State.CHUNK_END:
        this.state = State.CHUNK_SIZE;
        break;
      default:
        if (start < end) this.block.add(octets, start, end);
        else if (this.state === State.FIELDS) this.head(octets, next);
        else this.finish(trailersOf(this.block.take()));
    }
  }

  private startLine(octets: Buffer, start: number, end: number): void {
    if (this.role === 'response') this.statusLine = parseStatusLine(octets, start, end);
    else if (start < end) this.requestLine = parseRequestLine(octets, start, end);
    else if (this.blank) throw new Refusal(400, 'empty lines before a request');
    else {
      // "a server that is expecting to receive and parse a request-line SHOULD ignore at least one empty line (CRLF)
      // received prior to the request-line" (section 2.2)
      this.blank = true;
      return;
    }
    this.block.begin(end - start);
    this.state = State.FIELDS;
  }

  private head(octets: Buffer, next: number): void {
    const fields = this.block.take();
    const start =
      this.role === 'request' ? this.request(this.requestLine!, fields) : this.response(this.statusLine!, fields);
    if (this.headFrom >= 0) this.known.read(octets, this.headFrom, next, this.expected, start);
    this.lines.release();
    this.begin(start);
  }

  private request({ method, target, minor }: RequestLine, fields: readonly Field[]): RequestStart {
    const { framing, length } = requestBody(method, minor, fields);
    return { method, target, minor, fields, framing, length, keepAlive: keepsAlive(minor, fields) };
  }

  private response({ status, reason, minor }: StatusLine, all: readonly Field[]): ResponseStart {
    const { framing, length } = responseBody(this.expected, status, minor, all);
    const fields = isTunnel(this.expected, status) ? withoutFraming(all) : all;
    return { status, reason, minor, fields, framing, length, keepAlive: keepsAlive(minor, fields) };
  }

  /** The head is read: the body begins, where there is one. */
  private begin(start: RequestStart | ResponseStart): void {
    this.chunks.begin();
    this.rest = start.length;
    this.state = bodyState(start.framing, start.length);
    let final = true;
    if ('method' in start) this.handler.onRequest(start);
    else {
      final = start.status >= 200 || start.status === 101;
      this.handler.onResponse(start);
    }
    if (final && this.state === State.START) this.finish(NO_FIELDS);
  }

  private finish(trailers: readonly Field[]): void {
    this.state = State.START;
    this.ended = true;
    this.blank = false;
    this.expected = '';
    this.lines.release();
    this.handler.onMessageEnd(trailers);
  }
}
