/**
 * The filter between a gRPC-Web client and an exchange that knows only gRPC: a half to the exchange, a sink to the client's
 * own half. What it translates is the response's head, its trailers, and base64 both ways.
 */
import { ErrorCode, Failures } from '../errors.ts';
import type { Failure } from '../errors.ts';
import { Token } from '../hpack/field.ts';
import type { Field } from '../hpack/field.ts';
import { Base64Decoder, DecodedCredit, EncodedCredit, encodeBase64, PIECE, TEXT_PIECE } from './base64-stream.ts';
import { exposing, isCors } from './cors.ts';
import { answerType, FrameTracker, grpcWebCall, TRAILERS_FLAG, trailersFrame } from './grpc-web.ts';
import type { GrpcWebCall } from './grpc-web.ts';
import type { Half, HalfSink } from './half.ts';
import { grpcStatusOf, isGrpc } from './message.ts';
import type { RequestHead } from './message.ts';

/** Both are filled anew for each call of a half or a sink, which copies before it returns. */
const encoded = Buffer.allocUnsafeSlow(TEXT_PIECE);
const decoded = Buffer.allocUnsafeSlow(PIECE);

/** The request's side of the text form. */
class TextRequest {
  readonly decoder = new Base64Decoder();
  readonly credit = new DecodedCredit();
}

export class GrpcWebHalf implements Half, HalfSink {
  /** The exchange; null once it wants to hear no more. */
  sink: HalfSink | null = null;
  private readonly client: Half;
  private readonly call: GrpcWebCall;
  private readonly cors: readonly Field[];

  private readonly text: TextRequest | null;
  private readonly requestFrames = new FrameTracker();
  private requestEnded = false;

  private headSent = false;
  /** The response is gRPC's, and so becomes gRPC-Web's: any other answer passes as it is. */
  private framed = false;
  private readonly responseFrames = new FrameTracker();
  /** Of a response that is encoded. */
  private encoding: EncodedCredit | null = null;
  /** Octets of one that is not that their sender has not been credited. */
  private owed = 0;

  /** `head` is the request as the client sent it, `cors` what the head of the response has to say to a browser. */
  constructor(client: Half, head: RequestHead, cors: readonly Field[]) {
    this.client = client;
    this.call = grpcWebCall(head);
    this.cors = cors;
    this.text = this.call.request === 'text' ? new TextRequest() : null;
  }

  // --- Half: what the exchange sends to the client -----------------------------------------------------------------

  sendHead(fields: readonly Field[], end: boolean, informational = false, reason = ''): void {
    if (informational) {
      this.client.sendHead(fields, end, true, reason);
      return;
    }
    this.headSent = true;
    this.framed = isGrpcAnswer(fields);
    if (this.framed && this.call.response === 'text') this.encoding = new EncodedCredit();
    this.client.sendHead(this.translated(fields), end, false, reason);
  }

  sendData(buffer: Buffer, from: number, to: number, end: boolean): number {
    if (this.framed) this.responseFrames.read(buffer, from, to);
    if (this.encoding === null) {
      this.owed += to - from;
      return this.sent(this.client.sendData(buffer, from, to, end));
    }
    let done = 0;
    do {
      const cut = Math.min(to, from + PIECE);
      const length = encodeBase64(buffer, from, cut, encoded);
      this.encoding.add(cut - from, length);
      from = cut;
      done += this.sent(this.client.sendData(encoded, 0, length, end && from === to));
    } while (from < to);
    return done;
  }

  sendTrailers(fields: readonly Field[]): void {
    // Inside a message, trailers would be taken for the rest of it; and where the body is none of gRPC's, a status that comes
    // because an engine was lost would be a clean end.
    if (this.framed ? !this.responseFrames.between : grpcStatusOf(fields) !== null) this.breakOff();
    else if (!this.framed) this.client.sendTrailers(fields);
    else {
      // Credit for them goes to nobody: they are the last to leave, and were never among what is owed.
      const frame = trailersFrame(fields);
      for (let from = 0; from < frame.length; from += PIECE) {
        const to = Math.min(frame.length, from + PIECE);
        const last = to === frame.length;
        if (this.encoding === null) this.client.sendData(frame, from, to, last);
        else this.client.sendData(encoded, 0, encodeBase64(frame, from, to, encoded), last);
      }
    }
  }

  credit(bytes: number): void {
    const credit = this.text === null ? bytes : this.text.credit.left(bytes);
    if (credit > 0) this.client.credit(credit);
  }
  get flushed(): boolean {
    return this.client.flushed;
  }
  accepts(fields: readonly Field[]): boolean {
    if (!this.headSent) return this.client.accepts(this.translated(fields));
    // Trailers that become a part of the body are no header list.
    return this.framed || this.client.accepts(fields);
  }
  charge(): void {
    this.client.charge();
  }
  reset(code: number): void {
    this.sink = null;
    this.client.reset(code);
  }
  stop(): void {
    this.sink = null;
    this.client.stop();
  }

  // --- HalfSink: what comes from the client ------------------------------------------------------------------------

  onInformational(): void {
    // Clients send none.
  }
  onHead(): void {
    // The exchange was made with it.
  }

  onData(buffer: Buffer, from: number, to: number, end: boolean): void {
    if (this.text === null) {
      this.pass(buffer, from, to, end);
      return;
    }
    const { decoder, credit } = this.text;
    do {
      const cut = Math.min(to, from + TEXT_PIECE);
      const before = decoder.pending;
      const length = decoder.decode(buffer, from, cut, decoded);
      const last = end && cut === to;
      if (length < 0 || (last && decoder.pending > 0)) {
        this.refuse();
        return;
      }
      // Before the exchange hears of them: it may credit them at once.
      credit.add(length, before + cut - from - decoder.pending);
      from = cut;
      if (length > 0 || last) this.pass(decoded, 0, length, last);
    } while (from < to);
  }

  onTrailers(fields: readonly Field[]): void {
    this.requestEnded = true;
    if (this.text !== null && this.text.decoder.pending > 0) this.refuse();
    else this.sink?.onTrailers(fields);
  }
  onSent(bytes: number): void {
    const done = this.sent(bytes);
    if (done > 0) this.sink?.onSent(done);
  }
  onFailed(failure: Failure, code: number): void {
    const { sink } = this;
    this.sink = null;
    sink?.onFailed(failure, code);
  }
  onAborted(failure: Failure): void {
    this.sink?.onAborted(failure);
  }

  // -----------------------------------------------------------------------------------------------------------------

  /** "Trailers must be the last message of the response": a request has none. */
  private pass(buffer: Buffer, from: number, to: number, end: boolean): void {
    if (end) this.requestEnded = true;
    const flags = this.requestFrames.read(buffer, from, to);
    if ((flags & TRAILERS_FLAG) !== 0) this.refuse();
    else this.sink?.onData(buffer, from, to, end);
  }

  private refuse(): void {
    const { sink } = this;
    this.sink = null;
    sink?.onAborted(Failures.malformedRequest);
  }

  /** The client gets no end of the response; the exchange, if it still waits for the request's, hears that none will come. */
  private breakOff(): void {
    const { sink } = this;
    this.reset(ErrorCode.INTERNAL_ERROR);
    if (!this.requestEnded) sink?.onFailed(Failures.badResponse, ErrorCode.INTERNAL_ERROR);
  }

  /** Of the response as the client has it, so many bytes have left: returns how many of the exchange's these were. */
  private sent(bytes: number): number {
    if (this.encoding !== null) return this.encoding.left(bytes);
    const done = Math.min(bytes, this.owed);
    this.owed -= done;
    return done;
  }

  private translated(fields: readonly Field[]): Field[] {
    const framed = isGrpcAnswer(fields);
    const head: Field[] = [];
    for (const field of fields) {
      const { token, text } = field.name;
      // An engine's own word would stand beside the gateway's, and browsers refuse two.
      if (isCors(text) || (framed && token === Token.CONTENT_LENGTH)) continue;
      head.push(framed && token === Token.CONTENT_TYPE ? answerType(this.call, field.value) : field);
    }
    if (this.cors.length > 0) head.push(...this.cors, exposing(head));
    return head;
  }
}

const isGrpcAnswer = (fields: readonly Field[]): boolean =>
  fields.some(({ name, value }) => name.token === Token.CONTENT_TYPE && isGrpc(value));
