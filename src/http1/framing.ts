/** Where the body of a message ends (RFC 9112 section 6.3). Whatever two recipients could see differently is refused. */
import { Token, wellKnown } from '../hpack/field.ts';
import type { Field } from '../hpack/field.ts';
import { Refusal } from './octets.ts';

/** `close`: the body of a response goes on until its connection ends. */
export type Framing = 'none' | 'length' | 'chunked' | 'close';

export interface Body {
  readonly framing: Framing;
  /** -1 unless framing is `length`. */
  readonly length: number;
}

const TRANSFER_ENCODING = wellKnown('transfer-encoding');

const NONE: Body = { framing: 'none', length: -1 };
const CHUNKED: Body = { framing: 'chunked', length: -1 };
const CLOSE: Body = { framing: 'close', length: -1 };

export function requestBody(method: string, minor: 0 | 1, fields: readonly Field[]): Body {
  let hosts = 0;
  for (const { name } of fields) if (name.token === Token.HOST) hosts++;
  // "A server MUST respond with a 400 (Bad Request) status code to any HTTP/1.1 request message that lacks a Host header
  // field and to any request message that contains more than one Host header field line" (section 3.2)
  if (hosts > 1 || (hosts === 0 && minor === 1)) throw new Refusal(400, 'not exactly one Host');
  const body = declaredBody(minor, fields) ?? NONE;
  // "A CONNECT request message does not have content" (RFC 9110 section 9.3.6): some take the length at its word, some
  // take what follows for the tunnel's.
  if (method === 'CONNECT' && body !== NONE && body.length !== 0) throw new Refusal(400, 'CONNECT with content');
  return body;
}

/** `method`: of the request that is answered; `websocket` for an upgrade. */
export function responseBody(method: string, status: number, minor: 0 | 1, fields: readonly Field[]): Body {
  if (status === 101 && method !== 'websocket') throw new Refusal(400, 'unexpected 101');
  // "A client MUST ignore any Content-Length or Transfer-Encoding header fields received in [a 2xx response to CONNECT]"
  if (isTunnel(method, status)) return NONE;
  const body = declaredBody(minor, fields) ?? CLOSE;
  return status < 200 || status === 204 || status === 304 || method === 'HEAD' ? NONE : body;
}

export const isTunnel = (method: string, status: number): boolean =>
  method === 'CONNECT' && status >= 200 && status < 300;

/** What Content-Length and Transfer-Encoding say; null if there is neither. */
function declaredBody(minor: 0 | 1, fields: readonly Field[]): Body | null {
  let length: string | null = null;
  let coding: string | null = null;
  for (const { name, value } of fields) {
    if (name.token === Token.CONTENT_LENGTH) {
      if (length !== null) throw new Refusal(400, 'more than one Content-Length');
      length = value;
    } else if (name === TRANSFER_ENCODING) {
      if (coding !== null) throw new Refusal(400, 'more than one Transfer-Encoding');
      coding = value;
    }
  }
  if (coding !== null) {
    // "such a message might indicate an attempt to perform request smuggling" (section 6.3)
    if (length !== null) throw new Refusal(400, 'Content-Length and Transfer-Encoding');
    // "a message containing Transfer-Encoding in HTTP/1.0 [...] MUST [be treated] as if the framing is faulty" (6.1)
    if (minor === 0) throw new Refusal(400, 'Transfer-Encoding in HTTP/1.0');
    if (coding.toLowerCase() !== 'chunked') throw new Refusal(501, 'unknown transfer coding');
    return CHUNKED;
  }
  // At most 15 digits: its form was judged with the field.
  return length === null ? null : { framing: 'length', length: Number(length) };
}
