/** What RFC 9113 section 8 demands of header lists, and the heads made of them. null is a malformed message. */
import { Field, Token, wellKnown } from '../hpack/field.ts';
import { grpcStatusOf, isGrpc, RequestHead, ResponseHead } from '../relay/message.ts';

/** `extended`: the peer may send `:protocol`, since it was told so. */
export function parseRequest(fields: readonly Field[], extended = false): RequestHead | null {
  let method: string | null = null;
  let scheme: string | null = null;
  let authority: string | null = null;
  let path: string | null = null;
  let host: string | null = null;
  let protocol: string | null = null;
  let timeout: string | null = null;
  let contentLength = -1;
  let grpc = false;
  let defect = 0;
  let regular = false;
  for (let i = 0; i < fields.length; i++) {
    const { name, value, defect: own } = fields[i]!;
    defect |= own;
    // "All pseudo-header fields MUST appear in a field block before all regular field lines" (section 8.3)
    if (name.pseudo) {
      if (regular) return null;
    } else regular = true;
    switch (name.token) {
      case Token.METHOD:
        if (method !== null) return null;
        method = value;
        break;
      case Token.SCHEME:
        if (scheme !== null) return null;
        scheme = value;
        break;
      case Token.AUTHORITY:
        if (authority !== null) return null;
        authority = value;
        break;
      case Token.PATH:
        if (path !== null) return null;
        path = value;
        break;
      case Token.HOST:
        if (host !== null) return null;
        host = value;
        break;
      case Token.CONTENT_LENGTH:
        if (contentLength >= 0) return null;
        contentLength = Number(value);
        break;
      case Token.CONTENT_TYPE:
        grpc = isGrpc(value);
        break;
      case Token.GRPC_TIMEOUT:
        timeout = value;
        break;
      case Token.PROTOCOL:
        if (protocol !== null || !extended) return null;
        protocol = value;
        break;
      case Token.STATUS:
        return null;
      default:
    }
  }
  if (defect !== 0 || method === null) return null;
  if (protocol !== null && (method !== 'CONNECT' || authority === null)) return null;
  if (method === 'CONNECT' && protocol === null) {
    // "The ":scheme" and ":path" pseudo-header fields MUST be omitted" (section 8.5)
    if (scheme !== null || path !== null || authority === null) return null;
    return new RequestHead(fields, method, '', authority, contentLength, grpc, timeout);
  }
  if (scheme === null || path === null || path === '') return null;
  if (path === '*' && method !== 'OPTIONS') return null;
  if (host !== null) {
    // An engine must not have to choose between two authorities.
    if (authority !== null && authority.toLowerCase() !== host.toLowerCase()) return null;
    fields = withAuthority(fields, authority === null);
    authority ??= host;
  }
  return new RequestHead(fields, method, path, authority ?? '', contentLength, grpc, timeout, protocol);
}

/** `Host` goes, and becomes `:authority` where there is none (section 8.3.1). */
function withAuthority(fields: readonly Field[], fromHost: boolean): Field[] {
  const rest = fields.filter(({ name }) => name.token !== Token.HOST);
  const host = fields.find(({ name }) => name.token === Token.HOST);
  if (fromHost && host !== undefined) rest.unshift(new Field(wellKnown(':authority'), host.value, host.never));
  return rest;
}

export function parseResponse(fields: readonly Field[]): ResponseHead | null {
  let status = 0;
  let contentLength = -1;
  let defect = 0;
  for (let i = 0; i < fields.length; i++) {
    const { name, value, defect: own } = fields[i]!;
    defect |= own;
    // :status is the one pseudo-header of a response, and so the first field.
    if (name.pseudo !== (i === 0)) return null;
    if (name.token === Token.STATUS) status = Number(value);
    else if (name.token === Token.CONTENT_LENGTH) {
      if (contentLength >= 0) return null;
      contentLength = Number(value);
    }
  }
  // "HTTP/2 does not support the 101 (Switching Protocols) informational status code" (section 8.6)
  if (defect !== 0 || status === 0 || status === 101) return null;
  return new ResponseHead(fields, status, contentLength, grpcStatusOf(fields));
}

/** "Trailers MUST NOT include pseudo-header fields" (section 8.1). */
export function validTrailers(fields: readonly Field[]): boolean {
  for (const { name, defect } of fields) if (name.pseudo || defect !== 0) return false;
  return true;
}
