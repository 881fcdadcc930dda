/** Makes messages of header lists: requests in the server's role, responses in the client's, trailers in both. */
import { countLimit } from '../counters.ts';
import { ErrorCode, Failures } from '../errors.ts';
import { Decoded } from '../hpack/decoder.ts';
import type { Field } from '../hpack/field.ts';
import { hasNoBody } from '../relay/message.ts';
import { Closed } from './closed-streams.ts';
import type { SessionCore } from './core.ts';
import { validTrailers } from './head.ts';
import type { HeaderList } from './header-list.ts';
import { Event } from './stream-state.ts';
import type { Stream } from './stream.ts';

/** Informational responses that one final response may need. */
const MAX_INFORMATIONAL = 32;

export class MessageReceiver {
  private readonly core: SessionCore;

  constructor(core: SessionCore) {
    this.core = core;
  }

  /** HEADERS that open a stream of a client. */
  request(streamId: number, end: boolean, dependency: number, list: HeaderList): void {
    const { core } = this;
    core.lastPeerStream = streamId;
    if (core.leaving === 'yes') {
      this.refuse(streamId);
      return;
    }
    if (core.streams.size >= core.context.limits.maxConcurrentStreams) {
      countLimit(core.context.counters, 'streams');
      this.refuse(streamId);
      if (!core.guard.refusedStream()) core.flood('streams');
      return;
    }
    const stream = core.admit(streamId);
    stream.advance(Event.RECV_HEADERS);
    if (end) stream.advance(Event.RECV_END);
    stream.hasHead = true;
    if (list.decoded === Decoded.TOO_LARGE) {
      countLimit(core.context.counters, 'header_list');
      core.owner.onRefused(stream, list.fields, Failures.headersTooLarge);
      return;
    }
    // "A stream cannot depend on itself" (RFC 7540 section 5.3.1).
    const head = dependency === streamId ? null : list.request(core.context.connectProtocol);
    if (head === null || (end && head.contentLength > 0)) {
      core.streamError(stream, ErrorCode.PROTOCOL_ERROR);
      return;
    }
    stream.bodyLeft = head.contentLength;
    core.owner.onRequest(stream, head, end);
  }

  /** HEADERS on an open stream: a response, an informational one, or trailers. */
  later(stream: Stream, end: boolean, list: HeaderList): void {
    const { core } = this;
    if (!stream.advance(end ? Event.RECV_END : Event.RECV_HEADERS)) {
      core.streamError(stream, ErrorCode.STREAM_CLOSED);
      return;
    }
    if (list.decoded === Decoded.TOO_LARGE) {
      countLimit(core.context.counters, 'header_list');
      core.streamError(stream, ErrorCode.INTERNAL_ERROR, core.server ? undefined : Failures.responseTooLarge);
      return;
    }
    if (stream.hasHead) this.trailers(stream, end, list.fields);
    else this.response(stream, end, list);
    if (!stream.open) core.remove(stream, Closed.ENDED);
  }

  private trailers(stream: Stream, end: boolean, fields: readonly Field[]): void {
    // Trailers end the stream (section 8.1), and the body has to have been as long as declared.
    if (!end || stream.bodyLeft > 0 || !validTrailers(fields)) {
      this.core.streamError(stream, ErrorCode.PROTOCOL_ERROR);
    } else stream.sink?.onTrailers(fields);
  }

  private response(stream: Stream, end: boolean, list: HeaderList): void {
    const head = list.response();
    if (head === null || (head.status < 200 && end)) {
      this.core.streamError(stream, ErrorCode.PROTOCOL_ERROR);
      return;
    }
    if (head.status < 200) {
      // They know no flow control, and a client that does not read would have them pile up here.
      if (++stream.informational > MAX_INFORMATIONAL) this.core.streamError(stream, ErrorCode.ENHANCE_YOUR_CALM);
      else stream.sink?.onInformational(list.fields);
      return;
    }
    stream.hasHead = true;
    stream.bodyLeft = hasNoBody(stream.method, head.status) ? 0 : head.contentLength;
    if (end && stream.bodyLeft > 0) this.core.streamError(stream, ErrorCode.PROTOCOL_ERROR);
    else stream.sink?.onHead(head, end);
  }

  /** "REFUSED_STREAM: the client can treat the stream as though it had never been created" (section 8.7). */
  private refuse(streamId: number): void {
    this.core.writeReset(streamId, ErrorCode.REFUSED_STREAM);
    this.core.closedStreams.add(streamId, Closed.RESET_BY_US);
  }
}
