/** Requests as they came, made into the form that everything crosses the proxy in: that of h2 (RFC 9113 section 8.3). */
import { Failures } from '../errors.ts';
import type { Failure } from '../errors.ts';
import { makeField, sharedField, Token, wellKnown } from '../hpack/field.ts';
import type { Field } from '../hpack/field.ts';
import { isGrpc, RequestHead } from '../relay/message.ts';
import { connectionOptions, endsHere, listed } from './hop-by-hop.ts';
import type { RequestStart } from './parser.ts';
import { parseTarget } from './target.ts';
import { isKey } from './websocket.ts';

const AUTHORITY = wellKnown(':authority');
const PATH = wellKnown(':path');
const UPGRADE = wellKnown('upgrade');
const TE_TRAILERS = makeField('te', 'trailers');
const WEBSOCKET = makeField(':protocol', 'websocket');
const SCHEMES = { http: makeField(':scheme', 'http'), https: makeField(':scheme', 'https') };
const CONNECT = makeField(':method', 'CONNECT');
const METHODS = new Map(
  ['GET', 'HEAD', 'POST', 'PUT', 'DELETE', 'OPTIONS', 'PATCH', 'TRACE'].map((method) => [
    method,
    makeField(':method', method),
  ]),
);

/**
 * The head in the form of h2: pseudo-headers first, without Host and without what concerned the connection, the rest in its
 * order. A WebSocket's handshake becomes an extended CONNECT (RFC 8441) without its key; other upgrades are overlooked.
 */
export function toRequestHead(start: RequestStart, scheme: 'http' | 'https'): RequestHead | Failure {
  const options = connectionOptions(start.fields);
  const websocket = asksForWebSocket(start, options);
  if (websocket && !mayOpen(start)) return Failures.malformedRequest;
  const target = parseTarget(start.method, start.target, scheme, hostOf(start.fields));
  if (!('path' in target)) return target;
  const authority = sharedField(AUTHORITY, target.authority);
  const path = sharedField(PATH, target.path);
  if (authority.defect !== 0) return Failures.malformedRequest;
  const tunnel = start.method === 'CONNECT';
  const method = tunnel || websocket ? CONNECT : (METHODS.get(start.method) ?? makeField(':method', start.method));
  const fields = [method];
  if (!tunnel) fields.push(SCHEMES[scheme]);
  if (target.authority !== '') fields.push(authority);
  else if (websocket) return Failures.malformedRequest;
  if (!tunnel) {
    // `*` and `/...` are all that a path may be.
    if (path.defect !== 0) return Failures.malformedRequest;
    fields.push(path);
  }
  if (websocket) fields.push(WEBSOCKET);
  const rest = passOn(fields, start.fields, options, tunnel || websocket);
  const length = tunnel || websocket ? -1 : start.length;
  const upgrade = websocket ? 'websocket' : null;
  return new RequestHead(fields, method.value, target.path, target.authority, length, rest.grpc, rest.timeout, upgrade);
}

/** Adds to `to` what does not end here. */
function passOn(
  to: Field[],
  fields: readonly Field[],
  options: readonly string[],
  tunnel: boolean,
): { grpc: boolean; timeout: string | null } {
  let grpc = false;
  let timeout: string | null = null;
  let te = false;
  for (let i = 0; i < fields.length; i++) {
    const field = fields[i]!;
    switch (field.name.token) {
      case Token.HOST:
        continue;
      case Token.TE:
        // "TE: trailers" is all that h2 knows of it (RFC 9113 section 8.2.2), so it is said once.
        if (te || !listed(field.value).includes('trailers')) continue;
        te = true;
        to.push(TE_TRAILERS);
        continue;
      case Token.CONTENT_LENGTH:
        if (tunnel) continue;
        break;
      case Token.CONTENT_TYPE:
        grpc = isGrpc(field.value);
        break;
      case Token.GRPC_TIMEOUT:
        timeout = field.value;
        break;
      default:
        if (endsHere(field, options) || (tunnel && field.name.text === 'sec-websocket-key')) continue;
    }
    to.push(field);
  }
  return { grpc, timeout };
}

function hostOf(fields: readonly Field[]): string | null {
  for (const { name, value } of fields) if (name.token === Token.HOST) return value;
  return null;
}

/** RFC 6455 section 4.2.1. */
function asksForWebSocket({ method, minor, fields }: RequestStart, options: readonly string[]): boolean {
  if (method !== 'GET' || minor !== 1 || !options.includes('upgrade')) return false;
  return fields.some(({ name, value }) => name === UPGRADE && listed(value).includes('websocket'));
}

/** One good key, the one version that there is, and no body before the tunnel. */
function mayOpen({ fields, framing, length }: RequestStart): boolean {
  const valuesOf = (text: string): string[] =>
    fields.filter(({ name }) => name.text === text).map(({ value }) => value);
  const keys = valuesOf('sec-websocket-key');
  const versions = valuesOf('sec-websocket-version');
  if (keys.length !== 1 || !isKey(keys[0]!) || versions.length !== 1 || versions[0] !== '13') return false;
  return framing === 'none' || length === 0;
}
