/** Responses as they came, made into the form of h2. */
import { Token, wellKnown } from '../hpack/field.ts';
import type { Field } from '../hpack/field.ts';
import { grpcStatusOf, ResponseHead, statusField } from '../relay/message.ts';
import { connectionOptions, endsHere, listed } from './hop-by-hop.ts';
import type { ResponseStart } from './parser.ts';

const UPGRADE = wellKnown('upgrade');
const STATUSES = Array.from({ length: 600 }, (_, status) => statusField(status));

/**
 * The head in the form of h2, without what concerned the connection. A 101 that opens a WebSocket is the 200 that does so in
 * h2 (RFC 8441); whether its `Sec-WebSocket-Accept` was right is for whoever knows the key to see before. null is a
 * malformed response.
 */
export function toResponseHead(start: ResponseStart): ResponseHead | null {
  const options = connectionOptions(start.fields);
  const upgraded = start.status === 101;
  if (upgraded && !isUpgrade(start.fields, options)) return null;
  const status = upgraded ? 200 : start.status;
  const fields = [STATUSES[status] ?? statusField(status)];
  let contentLength = -1;
  for (let i = 0; i < start.fields.length; i++) {
    const field = start.fields[i]!;
    const { name } = field;
    if (endsHere(field, options) || name.token === Token.TE) continue;
    if (name.token === Token.CONTENT_LENGTH) {
      if (contentLength >= 0 || field.defect !== 0) return null;
      // "A server MUST NOT send a Content-Length header field in any response with a status code of 1xx (Informational)
      // or 204 (No Content)" (RFC 9110 section 8.6): those who do mean nothing by it.
      if (start.status < 200 || status === 204) continue;
      contentLength = Number(field.value);
    }
    if (!upgraded || name.text !== 'sec-websocket-accept') fields.push(field);
  }
  return new ResponseHead(fields, status, contentLength, grpcStatusOf(fields), upgraded ? '' : start.reason);
}

/** RFC 6455 section 4.1. */
function isUpgrade(fields: readonly Field[], options: readonly string[]): boolean {
  if (!options.includes('upgrade')) return false;
  return fields.some(({ name, value }) => name === UPGRADE && listed(value).includes('websocket'));
}
