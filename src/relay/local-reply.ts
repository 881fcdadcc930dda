/** Answers that the gateway gives itself, by the failure table: gRPC as Trailers-Only, others as a short JSON body. */
import type { Failure } from '../errors.ts';
import { makeField } from '../hpack/field.ts';
import type { Field } from '../hpack/field.ts';
import { encodeMessage } from './grpc.ts';
import type { Half } from './half.ts';
import { statusField } from './message.ts';

/** Milliseconds after which a caller that met a full queue or a limit may try again, where nobody knows better. */
const RETRY_AFTER = 1000;
const MAY_RETRY = new Set(['pool_full', 'rate_limited']);

const GRPC_HEAD = [statusField(200), makeField('content-type', 'application/grpc')];

/** RFC 9110 section 11.6.1: a 401 has to say how. */
const CHALLENGE = makeField('www-authenticate', 'Bearer');

/** `grpc-status` and `grpc-message` of a failure, as trailers; `retryAfter` as of `replyLocally`. */
export function grpcTrailers(failure: Failure, retryAfter = 0): Field[] {
  const fields = [
    makeField('grpc-status', String(failure.grpc)),
    makeField('grpc-message', encodeMessage(failure.message)),
  ];
  if (MAY_RETRY.has(failure.cause))
    fields.push(makeField('grpc-retry-pushback-ms', String(Math.ceil(retryAfter || RETRY_AFTER))));
  return fields;
}

/** Sends the whole answer. `retryAfter`: milliseconds after which another try may go well; 0: not known. */
export function replyLocally(half: Half, failure: Failure, grpc: boolean, method: string, retryAfter = 0): void {
  if (grpc) {
    half.sendHead([...GRPC_HEAD, ...grpcTrailers(failure, retryAfter)], true);
    return;
  }
  const body = Buffer.from(`${JSON.stringify({ error: failure.cause, message: failure.message })}\n`);
  const fields = [
    statusField(failure.http),
    makeField('content-type', 'application/json'),
    makeField('content-length', String(body.length)),
  ];
  if (MAY_RETRY.has(failure.cause)) {
    fields.push(makeField('retry-after', String(Math.ceil((retryAfter || RETRY_AFTER) / 1000))));
  }
  if (failure.http === 401) fields.push(CHALLENGE);
  half.sendHead(fields, method === 'HEAD');
  if (method !== 'HEAD') half.sendData(body, 0, body.length, true);
}
