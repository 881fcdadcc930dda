/** What an engine sends: the responses to what it was asked, or a tunnel's bytes, and nothing else. */
import { Failures } from '../errors.ts';
import type { Failure } from '../errors.ts';
import type { Field } from '../hpack/field.ts';
import type { ResponseHead } from '../relay/message.ts';
import type { Limits } from '../snapshot.ts';
import type { ClientHalf } from './client-half.ts';
import { Parser } from './parser.ts';
import type { MessageHandler, ResponseStart } from './parser.ts';
import { toResponseHead } from './response.ts';

export interface ResponseHost {
  /** There will be no other response after this one. */
  retire(): void;
  onMalformed(message: string): void;
  /** The exchange that is open cannot go on. */
  lose(failure: Failure): void;
}

export class ResponseFeed implements MessageHandler {
  /** The request whose exchange is open. */
  half: ClientHalf | null = null;
  /** Something is being read right now. */
  reading = false;
  private readonly host: ResponseHost;
  private readonly parser: Parser;
  /** The response that came last, and what was made of it. */
  private last: ResponseStart | null = null;
  private head: ResponseHead | null = null;

  constructor(host: ResponseHost, limits: Limits) {
    this.host = host;
    this.parser = new Parser(this, limits, 'response');
  }

  expect(half: ClientHalf): void {
    this.half = half;
    this.parser.expect(half.expected);
  }

  /** Returns whether all of it was asked for. */
  read(buffer: Buffer, from: number, to: number): boolean {
    this.reading = true;
    try {
      return this.take(buffer, from, to) === to;
    } finally {
      this.reading = false;
    }
  }

  /** The engine's FIN: a tunnel's end, or the end of a body that has no other. */
  end(): void {
    if (this.half?.incoming === 'tunnel') this.half.takeFin();
    else if (this.half?.incoming === 'body') this.parser.end();
  }

  /** What comes from now on is thrown away. */
  close(): void {
    this.parser.stop();
  }

  private take(buffer: Buffer, from: number, to: number): number {
    let at = from;
    while (at < to) {
      const { half } = this;
      if (half === null || half.incoming === 'done') break;
      half.heard = true;
      if (half.incoming === 'tunnel') {
        half.take(buffer, at, to);
        return to;
      }
      at = this.parser.read(buffer, at, to);
    }
    return at;
  }

  // --- MessageHandler ----------------------------------------------------------------------------------------------

  onRequest(): void {
    // Engines send none.
  }

  onResponse(start: ResponseStart): void {
    const { half, host } = this;
    if (start !== this.last) {
      this.last = start;
      this.head = toResponseHead(start);
    }
    const { head } = this;
    const interim = start.status < 200 && start.status !== 101;
    if (head !== null && half !== null) {
      if (!interim && !mayFollow(start)) host.retire();
      if (interim ? half.takeInformational(head) : half.takeHead(start, head)) return;
    }
    host.lose(Failures.badResponse);
  }
  onBody(buffer: Buffer, from: number, to: number): void {
    this.half?.take(buffer, from, to);
  }
  onMessageEnd(trailers: readonly Field[]): void {
    this.half?.takeEnd(trailers);
  }

  onBroken(status: number, message: string): void {
    this.host.onMalformed(message);
    this.host.lose(status === 431 ? Failures.responseTooLarge : Failures.badResponse);
  }
}

/** Whether the connection may carry another response after this one. */
const mayFollow = ({ status, framing, keepAlive }: ResponseStart): boolean =>
  status !== 101 && framing !== 'close' && keepAlive;
