/** Heads of requests and responses as the relay sees them, whatever protocol they came by. */
import { GrpcStatus } from '../errors.ts';
import { makeField, Token } from '../hpack/field.ts';
import type { Field } from '../hpack/field.ts';
import type { Origin } from './origin.ts';

export class RequestHead {
  /** All fields, pseudo-headers first. The relay may replace the list; others may share it, so it is never changed. */
  fields: readonly Field[];
  readonly method: string;
  /** These two change with `retarget`. */
  path: string;
  authority: string;
  /** Declared length of the body, or -1. */
  readonly contentLength: number;
  readonly grpc: boolean;
  /** Value of `grpc-timeout`, or null. */
  readonly timeout: string | null;
  /** `:protocol` of an extended CONNECT (RFC 8441 section 4): `websocket`, or our own `tcp` for a connection as such. */
  readonly upgrade: string | null;
  /** Set by whoever receives the request. */
  origin: Origin | null = null;

  constructor(
    fields: readonly Field[],
    method: string,
    path: string,
    authority: string,
    contentLength: number,
    grpc: boolean,
    timeout: string | null,
    upgrade: string | null = null,
  ) {
    this.fields = fields;
    this.method = method;
    this.path = path;
    this.authority = authority;
    this.contentLength = contentLength;
    this.grpc = grpc;
    this.timeout = timeout;
    this.upgrade = upgrade;
  }

  /** The head of another request that says the same. */
  again(): RequestHead {
    const { fields, method, path, authority, contentLength, grpc, timeout, upgrade } = this;
    return new RequestHead(fields, method, path, authority, contentLength, grpc, timeout, upgrade);
  }
}

/** Sends a request for another path, or to another authority, than it came for. */
export function retarget(head: RequestHead, path: string, authority: string): void {
  const changed: Field[] = [];
  if (path !== head.path) changed.push(makeField(':path', path));
  if (authority !== head.authority) changed.push(makeField(':authority', authority));
  if (changed.length === 0) return;
  const kept = head.fields.filter((field) => !changed.some(({ name }) => name === field.name));
  // Pseudo-headers come first (RFC 9113 section 8.3).
  head.fields = [...changed, ...kept];
  head.path = path;
  head.authority = authority;
}

/** It may be shared by responses that say the same. */
export class ResponseHead {
  readonly fields: readonly Field[];
  readonly status: number;
  readonly contentLength: number;
  /** The `grpc-status` of a Trailers-Only response, or null. */
  readonly grpcStatus: string | null;
  /** HTTP/1.1's reason phrase, '' where there is none. */
  readonly reason: string;

  constructor(fields: readonly Field[], status: number, contentLength: number, grpcStatus: string | null, reason = '') {
    this.fields = fields;
    this.status = status;
    this.contentLength = contentLength;
    this.grpcStatus = grpcStatus;
    this.reason = reason;
  }
}

/** `application/grpc`, alone or followed by `+` or `;`: so not grpc-web. */
export function isGrpc(contentType: string): boolean {
  if (!contentType.startsWith('application/grpc')) return false;
  const next = contentType.charCodeAt(16);
  return Number.isNaN(next) || next === 0x2b || next === 0x3b;
}

/** The value of `grpc-status` among these fields, or null. */
export function grpcStatusOf(fields: readonly Field[]): string | null {
  for (let i = fields.length - 1; i >= 0; i--) {
    if (fields[i]!.name.token === Token.GRPC_STATUS) return fields[i]!.value;
  }
  return null;
}

/** `grpc-status` as a number: -1 without one, UNKNOWN where it is no number. */
export function grpcStatusNumber(value: string | null): number {
  if (value === null) return -1;
  return /^[0-9]{1,9}$/.test(value) ? Number(value) : GrpcStatus.UNKNOWN;
}

/** A response without a body, or a body that the status forbids: HEAD, 204, 304. */
export const hasNoBody = (method: string, status: number): boolean =>
  method === 'HEAD' || status === 204 || status === 304;

export const statusField = (status: number): Field => makeField(':status', String(status));
