/**
 * What routes and listeners may ask of a request, and what becomes of it: the immutable view of that part of the configuration.
 * Durations are milliseconds, sizes are bytes, names of header fields and hosts are in lower case.
 */

/** `regex` is one that the configuration has found to be harmless; it has to match anywhere, like any regular expression. */
export interface PathSpec {
  readonly kind: 'exact' | 'prefix' | 'regex';
  /** A prefix ends on a border of segments: `/a/b` is one of `/a/b`, `/a/b/` and `/a/b/c`, not of `/a/bc`. */
  readonly value: string;
}

export interface HeaderSpec {
  readonly name: string;
  readonly kind: 'exact' | 'prefix' | 'regex' | 'present' | 'absent';
  readonly value: string;
}

/** All that is said has to hold; each list names alternatives, but `headers`, which all have to match. Empty ones match all. */
export interface MatchSpec {
  readonly listeners: readonly string[];
  readonly protocols: readonly ('grpc' | 'grpc_web' | 'websocket' | 'http' | 'tcp' | 'tls')[];
  /** `asr.example`, or `*.example` for one label or more before it. */
  readonly sni: readonly string[];
  readonly hosts: readonly string[];
  /** A gRPC service or method is a prefix `/service` or the exact `/service/method`. */
  readonly path: PathSpec | null;
  readonly methods: readonly string[];
  readonly headers: readonly HeaderSpec[];
  /** CIDR blocks. */
  readonly clients: readonly string[];
  /** Of a client certificate that was verified: its subject, or one of the DNS names and URIs in it; `*` for any certificate. */
  readonly certificates: readonly string[];
}

export interface HeaderEditsSpec {
  /** In this order: removed, set (in place of all of that name), added. */
  readonly remove: readonly string[];
  readonly set: readonly (readonly [name: string, value: string])[];
  readonly add: readonly (readonly [name: string, value: string])[];
}

/** Applied in this order; null: as it came. */
export interface RewriteSpec {
  /** Taken off the front of the path; what is left begins with `/`. */
  readonly stripPrefix: string | null;
  /** The first match in the path without its query; `replace` as of String.replace: `$1`. */
  readonly regex: { readonly pattern: string; readonly replace: string } | null;
  readonly host: string | null;
}

export type ActionSpec =
  | { readonly kind: 'upstream'; readonly upstreams: readonly { readonly name: string; readonly weight: number }[] }
  /** The parts that are null stay as they are; the path with its query. */
  | {
      readonly kind: 'redirect';
      readonly status: 301 | 302 | 303 | 307 | 308;
      readonly scheme: 'http' | 'https' | null;
      readonly host: string | null;
      readonly path: string | null;
    }
  | { readonly kind: 'respond'; readonly status: number; readonly body: string; readonly contentType: string };

/** What a limit counts by: everybody together, each client address, or each value of a header or metadata key. */
export interface LimitKeySpec {
  readonly source: 'all' | 'client' | 'header' | 'identity';
  /** Of the header; '' for the others. */
  readonly name: string;
}

/** A token bucket each key: `rate` a second, `burst` at once. */
export interface RateLimitSpec {
  readonly by: LimitKeySpec;
  readonly rate: number;
  readonly burst: number;
  /** Buckets kept; the one that has been full longest goes first. */
  readonly maxKeys: number;
}

export interface ConcurrencySpec {
  readonly by: LimitKeySpec;
  /** Exchanges that are open at once, for each key. */
  readonly max: number;
}

export interface LimitsSpec {
  /** CIDR blocks of clients that may (empty: all), and of those that may not. */
  readonly allow: readonly string[];
  readonly deny: readonly string[];
  readonly rates: readonly RateLimitSpec[];
  readonly concurrency: readonly ConcurrencySpec[];
  /** Of a request's body, and of each gRPC message in it; 0: no limit. */
  readonly maxBody: number;
  readonly maxMessage: number;
}

/** A key that a token may be signed with. PEM for RS256 and ES256, the octets for HS256. */
export interface JwtKeySpec {
  /** `kid`, or null: tried for tokens without one, too. */
  readonly id: string | null;
  readonly algorithm: 'HS256' | 'RS256' | 'ES256';
  readonly key: string | Buffer;
}

export interface JwtSpec {
  readonly keys: readonly JwtKeySpec[];
  /** Null: not looked at. */
  readonly issuer: string | null;
  readonly audiences: readonly string[];
  /** Clocks may differ by so much. */
  readonly leeway: number;
  /** Where the token stands: `authorization: Bearer ...`, or a header that holds nothing else. */
  readonly header: string;
  /** Claims that go to the engine as headers of these names; what the client says under them is removed. */
  readonly claims: readonly { readonly claim: string; readonly header: string }[];
  /** Verified tokens that are remembered until they expire. */
  readonly maxCached: number;
}

export interface ApiKeySpec {
  /** Who bears the key: the identity, in logs and limits. */
  readonly name: string;
  /** SHA-256 of the key, in hex: the configuration holds no keys as such. */
  readonly sha256: string;
}

export interface AuthSpec {
  readonly jwt: JwtSpec | null;
  /** In the header `apiKeyHeader`. */
  readonly apiKeys: readonly ApiKeySpec[];
  readonly apiKeyHeader: string;
  /** The header in which the engine learns the identity; null: it does not. A client's own is removed. */
  readonly identityHeader: string | null;
}

/** All of these claims have to be there: the value equals, or the list (or a space-separated `scope`) has, one of `values`. */
export interface PermissionSpec {
  readonly claim: string;
  readonly values: readonly string[];
}

/** The same request twice is executed once. */
export interface DuplicatesSpec {
  /** The header with the idempotency key; requests without it are not looked at. */
  readonly header: string;
  /** How long a finished answer is replayed. */
  readonly ttl: number;
  readonly maxEntries: number;
  /** Of a request's body, and of an answer, that are kept; what is larger is not shared, and the key is then refused while it lasts. */
  readonly maxBytes: number;
}

/** Streams of one upstream that one tenant may use. */
export interface TenantShareSpec {
  readonly upstream: string;
  /** There at once however busy the others are. */
  readonly reserved: number;
  /** At most so many; 0: no cap. */
  readonly max: number;
}

export interface TenantSpec {
  readonly name: string;
  /** Values of the header that select it. */
  readonly tokens: readonly string[];
  readonly shares: readonly TenantShareSpec[];
}

export interface TenantsSpec {
  readonly header: string;
  readonly tenants: readonly TenantSpec[];
  /** What becomes of a request that selects none: it shares what is not reserved, or is refused with 403. */
  readonly unknown: 'shared' | 'refused';
}

/** What a route does to what it claims. */
export interface PolicySpec {
  readonly rewrite: RewriteSpec;
  readonly requestHeaders: HeaderEditsSpec;
  readonly responseHeaders: HeaderEditsSpec;
  /** For the whole exchange, and in which nothing moves; 0: none. */
  readonly timeout: number;
  readonly idleTimeout: number;
  readonly limits: LimitsSpec;
  /** The name of an entry of `auth`; null: nobody is asked. */
  readonly auth: string | null;
  readonly permissions: readonly PermissionSpec[];
  readonly duplicates: DuplicatesSpec | null;
}
