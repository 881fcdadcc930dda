/** The server's side of gRPC over one HTTP/2 stream: messages in and out, and a status whatever happens. */
import { once } from 'node:events';
import { constants, type IncomingHttpHeaders, type OutgoingHttpHeaders, type ServerHttp2Stream } from 'node:http2';
import { setTimeout } from 'node:timers/promises';
import { GrpcStatus } from '../errors.ts';

/** Answers the request messages of one call with response messages; it fails by throwing a `GrpcError`. */
export type Method = (requests: AsyncIterable<Buffer>) => AsyncGenerator<Buffer>;

export class GrpcError extends Error {
  readonly status: number;
  constructor(status: number, message: string) {
    super(message);
    this.status = status;
  }
}

const PREFIX = 5;
const MAX_MESSAGE = 4 * 1024 * 1024;
const MAX_DELAY_MS = 60_000;

/** Messages out of bytes that are cut anywhere. */
async function* readMessages(input: AsyncIterable<Buffer>): AsyncGenerator<Buffer> {
  let held: Buffer[] = [];
  let length = 0;
  let needed = PREFIX;
  for await (const chunk of input) {
    held.push(chunk);
    length += chunk.length;
    // Joined once a message is whole: joining at every chunk would copy a large message hundreds of times.
    while (length >= needed) {
      const bytes: Buffer = held.length === 1 ? held[0]! : Buffer.concat(held);
      needed = PREFIX + messageLength(bytes);
      held = [bytes];
      if (length < needed) break;
      yield bytes.subarray(PREFIX, needed);
      held = [bytes.subarray(needed)];
      length -= needed;
      needed = PREFIX;
    }
  }
  if (length > 0) throw new GrpcError(GrpcStatus.INTERNAL, 'the request ends within a message');
}

function messageLength(prefix: Buffer): number {
  if (prefix[0] === 1) throw new GrpcError(GrpcStatus.UNIMPLEMENTED, 'compressed messages are not supported');
  if (prefix[0] !== 0) throw new GrpcError(GrpcStatus.INTERNAL, 'malformed message prefix');
  const length = prefix.readUInt32BE(1);
  if (length > MAX_MESSAGE) {
    throw new GrpcError(GrpcStatus.RESOURCE_EXHAUSTED, `message of ${length} bytes, at most ${MAX_MESSAGE} are taken`);
  }
  return length;
}

function frameMessage(message: Buffer): Buffer {
  const prefix = Buffer.alloc(PREFIX);
  prefix.writeUInt32BE(message.length, 1);
  return Buffer.concat([prefix, message]);
}

const statusFields = (status: number, message: string): OutgoingHttpHeaders => ({
  'grpc-status': status,
  ...(message !== '' && { 'grpc-message': message.replace(/[^ -$&-~]/gu, encodeURIComponent) }),
});

/** What the client asked for, to see how a slow or failing engine looks from its side. */
async function obey(headers: IncomingHttpHeaders, signal: AbortSignal): Promise<void> {
  const number = (name: string, max: number): number => {
    const value = Number(headers[name] ?? 0);
    if (Number.isInteger(value) && value >= 0 && value <= max) return value;
    throw new GrpcError(GrpcStatus.INVALID_ARGUMENT, `${name}: a number from 0 to ${max}`);
  };
  const delay = number('x-demo-delay-ms', MAX_DELAY_MS);
  const status = number('x-demo-status', GrpcStatus.UNAUTHENTICATED);
  if (delay > 0) await setTimeout(delay, undefined, { signal });
  if (status !== 0) throw new GrpcError(status, 'asked for by x-demo-status');
}

/** Runs one call to its end. `method` is undefined where the service has none of that name. */
export async function answerCall(
  stream: ServerHttp2Stream,
  headers: IncomingHttpHeaders,
  method: Method | undefined,
  metadata: OutgoingHttpHeaders,
): Promise<void> {
  const gone = new AbortController();
  stream.once('close', () => gone.abort());
  const head = { ':status': 200, 'content-type': 'application/grpc', ...metadata };
  let end = statusFields(GrpcStatus.OK, '');
  try {
    if (!method) throw new GrpcError(GrpcStatus.UNIMPLEMENTED, `unknown method ${headers[':path'] ?? ''}`);
    await obey(headers, gone.signal);
    // Left alone on failure: destroying the stream would take the status with it.
    const requests = readMessages(stream.iterator({ destroyOnReturn: false }) as AsyncIterable<Buffer>);
    for await (const reply of method(requests)) {
      if (!stream.headersSent) openResponse(stream, head, () => end);
      if (!stream.write(frameMessage(reply))) await once(stream, 'drain', { signal: gone.signal });
    }
  } catch (error) {
    if (stream.closed || stream.destroyed) return;
    end =
      error instanceof GrpcError
        ? statusFields(error.status, error.message)
        : statusFields(GrpcStatus.INTERNAL, String(error));
  }
  if (stream.closed || stream.destroyed) return;
  if (stream.headersSent) {
    stream.end();
  } else {
    stream.respond({ ...head, ...end }, { endStream: true });
    dismiss(stream);
  }
}

function openResponse(stream: ServerHttp2Stream, head: OutgoingHttpHeaders, trailers: () => OutgoingHttpHeaders): void {
  stream.respond(head, { waitForTrailers: true });
  stream.once('wantTrailers', () => {
    if (stream.closed || stream.destroyed) return;
    stream.sendTrailers(trailers());
    // Not within this event: a reset here would overtake the trailers and they would never leave.
    setImmediate(dismiss, stream);
  });
}

/** The answer is complete: a client that is still sending is told to stop, the rest of what has come is dropped. */
function dismiss(stream: ServerHttp2Stream): void {
  stream.resume();
  if (!stream.endAfterHeaders && !stream.readableEnded) stream.close(constants.NGHTTP2_NO_ERROR);
}
