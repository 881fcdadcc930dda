/** One call of grpc.health.v1 on a stream: what the engine says, and how the call ends. */
import { constants } from 'node:http2';
import type { ClientHttp2Stream, IncomingHttpHeaders } from 'node:http2';
import { GRPC_STATUS_NAMES } from '../errors.ts';
import { ResponseReader } from './health-message.ts';
import { lossOf } from './probe-session.ts';

/** Of what an engine has to say about its failure. */
const MAX_MESSAGE = 200;

export interface CallEnd {
  /** ServingStatus of the last message, null if there was none. */
  readonly serving: number | null;
  /** Null if the call did not get so far. */
  readonly grpcStatus: number | null;
  /** The status and its message, or why there is none. */
  readonly reason: string;
  /** The engine has said something. */
  readonly answered: boolean;
}

export const callHeaders = (method: 'Check' | 'Watch') => ({
  ':method': 'POST',
  ':path': `/grpc.health.v1.Health/${method}`,
  'content-type': 'application/grpc',
  te: 'trailers',
  'user-agent': 'frameway',
});

/** Sends the request. `onStatus` hears each ServingStatus as it comes; `onEnd` is called once, whatever happens. */
export function startCall(
  stream: ClientHttp2Stream,
  request: Buffer,
  onStatus: (serving: number) => void,
  onEnd: (end: CallEnd) => void,
): void {
  const reader = new ResponseReader();
  let serving: number | null = null;
  let httpStatus = 0;
  let trailers: IncomingHttpHeaders = {};
  let error: Error | null = null;

  stream.on('response', (head) => {
    httpStatus = head[':status'] ?? 0;
    // Without messages the status comes with the head.
    trailers = head;
  });
  stream.on('trailers', (fields: IncomingHttpHeaders) => (trailers = fields));
  stream.on('data', (chunk: Buffer) => {
    try {
      for (const status of reader.read(chunk)) onStatus((serving = status));
    } catch (malformed) {
      stream.destroy(malformed as Error);
    }
  });
  stream.on('error', (reason: Error) => (error = reason));
  stream.on('close', () => {
    const status = error === null ? statusOf(trailers) : null;
    let reason = status?.reason ?? lossOf(error);
    if (status === null && httpStatus !== 0 && httpStatus !== 200) reason = `HTTP ${httpStatus}`;
    else if (status === null && error === null && stream.rstCode === constants.NGHTTP2_NO_ERROR)
      reason = 'no grpc-status';
    onEnd({ serving, grpcStatus: status?.code ?? null, reason, answered: httpStatus !== 0 });
  });
  stream.end(request);
}

function statusOf(trailers: IncomingHttpHeaders): { code: number; reason: string } | null {
  const field = trailers['grpc-status'];
  if (field === undefined) return null;
  const code = Number(field);
  const name = GRPC_STATUS_NAMES[code] ?? `grpc-status ${String(field).slice(0, MAX_MESSAGE)}`;
  const message = decodeMessage(String(trailers['grpc-message'] ?? '')).slice(0, MAX_MESSAGE);
  return { code, reason: message === '' ? name : `${name}: ${message}` };
}

/** `grpc-message` is percent-encoded; one that is not as it should be is shown as it is. */
function decodeMessage(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}
