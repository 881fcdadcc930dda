/** Answers that the gateway gives itself, by the failure table: gRPC as Trailers-Only, others as a short JSON body. */
import type { Failure } from '../errors.ts';
import { makeField } from '../hpack/field.ts';
import type { Field } from '../hpack/field.ts';
import { encodeMessage } from './grpc.ts';
import type { Half } from './half.ts';
import { statusField } from './message.ts';

/** When a caller that met a full queue or a limit may try again. */
const RETRY_AFTER_SECONDS = 1;
const MAY_RETRY = new Set(['pool_full', 'rate_limited']);

const GRPC_HEAD = [statusField(200), makeField('content-type', 'application/grpc')];

/** `grpc-status` and `grpc-message` of a failure, as trailers. */
export function grpcTrailers(failure: Failure): Field[] {
  const fields = [
    makeField('grpc-status', String(failure.grpc)),
    makeField('grpc-message', encodeMessage(failure.message)),
  ];
  if (MAY_RETRY.has(failure.cause))
    fields.push(makeField('grpc-retry-pushback-ms', String(RETRY_AFTER_SECONDS * 1000)));
  return fields;
}

/** Sends the whole answer. */
export function replyLocally(half: Half, failure: Failure, grpc: boolean, method: string): void {
  if (grpc) {
    half.sendHead([...GRPC_HEAD, ...grpcTrailers(failure)], true);
    return;
  }
  const body = Buffer.from(`${JSON.stringify({ error: failure.cause, message: failure.message })}\n`);
  const fields = [
    statusField(failure.http),
    makeField('content-type', 'application/json'),
    makeField('content-length', String(body.length)),
  ];
  if (MAY_RETRY.has(failure.cause)) fields.push(makeField('retry-after', String(RETRY_AFTER_SECONDS)));
  half.sendHead(fields, method === 'HEAD');
  if (method !== 'HEAD') half.sendData(body, 0, body.length, true);
}
