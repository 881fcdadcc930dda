/**
 * Which browsers may call by gRPC-Web, and what they may see (the CORS protocol of the Fetch standard). The gateway answers
 * for its engines, which know nothing of browsers.
 */
import { makeField } from '../hpack/field.ts';
import type { Field } from '../hpack/field.ts';
import type { GrpcWebSpec } from '../snapshot.ts';
import { valueOf } from './grpc-web.ts';
import { statusField } from './message.ts';
import type { RequestHead } from './message.ts';

/** Seconds for which a browser need not ask again. An origin that is no longer allowed learns so from the answer itself. */
const MAX_AGE = 600;

const NO_CONTENT = statusField(204);
const VARY = makeField('vary', 'origin');
const ANY = makeField('access-control-allow-origin', '*');
const CREDENTIALS = makeField('access-control-allow-credentials', 'true');
const METHODS = makeField('access-control-allow-methods', 'POST');
const AGE = makeField('access-control-max-age', String(MAX_AGE));

/** What a client has to read of every answer, and of one that is Trailers-Only has in its head. */
const ALWAYS_EXPOSED = ['grpc-status', 'grpc-message', 'grpc-status-details-bin'];

export class Cors {
  private readonly origins: ReadonlySet<string>;

  constructor(spec: GrpcWebSpec) {
    this.origins = new Set(spec.allowOrigins.map((origin) => origin.toLowerCase()));
  }

  /**
   * The whole answer to a preflight of a gRPC-Web call, a head without a body; null: the request is no such preflight, and
   * goes its way. They are known by `x-grpc-web`, which every client library sends: what other services on the
   * listener let browsers do is theirs to say. An origin that is not allowed gets an answer that allows nothing.
   */
  preflight(head: RequestHead): Field[] | null {
    if (head.method !== 'OPTIONS' || valueOf(head.fields, 'origin') === '') return null;
    const headers = valueOf(head.fields, 'access-control-request-headers');
    const named = headers.split(',').some((name) => name.trim().toLowerCase() === 'x-grpc-web');
    if (!named || valueOf(head.fields, 'access-control-request-method') !== 'POST') return null;
    const allowed = this.allow(head);
    if (allowed.length === 0) return [NO_CONTENT];
    return [NO_CONTENT, ...allowed, METHODS, makeField('access-control-allow-headers', headers), AGE];
  }

  /**
   * What the answer to this request has to say for its browser to let the page see it; nothing where no browser asked, or
   * for an origin that is not allowed. Only an origin that is named may send credentials: `*` knows nobody.
   */
  allow(head: RequestHead): Field[] {
    const origin = valueOf(head.fields, 'origin');
    if (origin === '') return [];
    if (this.origins.has(origin.toLowerCase())) {
      return [makeField('access-control-allow-origin', origin), CREDENTIALS, VARY];
    }
    if (!this.origins.has('*')) return [];
    return this.origins.size === 1 ? [ANY] : [ANY, VARY];
  }
}

/** Lets a page see the fields of a response head; `*` would not do where there are credentials. */
export function exposing(fields: readonly Field[]): Field {
  const names = new Set(ALWAYS_EXPOSED);
  for (const { name } of fields) if (!name.pseudo && !isCors(name.text)) names.add(name.text);
  return makeField('access-control-expose-headers', [...names].join(', '));
}

export const isCors = (name: string): boolean => name.startsWith('access-control-');
