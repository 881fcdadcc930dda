/**
 * Who calls: by a token, else by an API key; one that is good will do. What the client says under the names in which engines
 * learn of it is removed whatever comes of the check, and so is the API key. `authorization` goes on, for an engine may
 * want to see the token itself.
 */
import { Failures } from '../errors.ts';
import type { Field } from '../hpack/field.ts';
import { wallNow } from '../io/turn.ts';
import type { AuthSpec, JwtSpec } from '../policy.ts';
import { ApiKeys } from './api-key.ts';
import { identityFields } from './claim-headers.ts';
import type { Call, Filter, Identity, Refusal } from './filter.ts';
import { JwtVerifier } from './jwt.ts';
import type { Claims, JwtFlaw } from './jwt.ts';
import { ReservedHeaders, reservedBy } from './reserved-headers.ts';
import { VerifiedTokens } from './verified-tokens.ts';

/** Why a call is refused: for logs, never for whoever sent it. */
export type AuthFlaw = JwtFlaw | 'no_credentials' | 'several_credentials' | 'other_scheme' | 'unknown_api_key';

export interface AuthRefusal extends Refusal {
  readonly reason: AuthFlaw;
}

/** Who has shown to be whom, and what the engine hears of it. */
interface Bearer {
  readonly identity: Identity;
  readonly fields: readonly Field[];
}

/** By a token. */
interface Verified extends Bearer {
  readonly expiresAt: number;
}

/** One entry of `auth`, for all routes that name it. */
export class Authenticator implements Filter {
  readonly name = 'authenticate';
  private readonly wallClock: () => number;
  private checks: Checks;

  /** `wallClock`: ms since 1970. Throws an Error that says which key cannot be used. */
  constructor(spec: AuthSpec, wallClock: () => number = wallNow) {
    this.wallClock = wallClock;
    this.checks = compile(spec);
  }

  /** From now on with these keys, and nothing that was verified with others. Throws as the constructor does: then all is as before. */
  rekey(spec: AuthSpec): void {
    this.checks = compile(spec);
  }

  check(call: Call): AuthRefusal | null {
    const { head } = call;
    const sent = head.fields;
    this.checks.reserved.strip(head);
    call.identity = null;
    const found = bearer(this.checks, sent, this.wallClock());
    if (typeof found === 'string') return { failure: Failures.unauthenticated, retryAfter: 0, reason: found };
    call.identity = found.identity;
    if (found.fields.length > 0) head.fields = [...head.fields, ...found.fields];
    return null;
  }
}

interface Checks {
  readonly reserved: ReservedHeaders;
  readonly tokens: TokenCheck | null;
  readonly apiKeys: ApiKeyCheck | null;
}

const compile = (spec: AuthSpec): Checks => ({
  reserved: new ReservedHeaders(reservedBy(spec)),
  tokens: spec.jwt && new TokenCheck(spec.jwt, spec.identityHeader),
  apiKeys: spec.apiKeys.length > 0 ? new ApiKeyCheck(spec) : null,
});

function bearer({ tokens, apiKeys }: Checks, sent: readonly Field[], now: number): Bearer | AuthFlaw {
  const byToken = tokens?.bearer(sent, now) ?? 'no_credentials';
  if (typeof byToken !== 'string' || byToken === 'several_credentials' || apiKeys === null) return byToken;
  const byKey = apiKeys.bearer(sent);
  // A token that is no good says more than the absence of a key.
  return byKey === 'no_credentials' ? byToken : byKey;
}

class TokenCheck {
  private readonly spec: JwtSpec;
  private readonly identityHeader: string | null;
  private readonly verifier: JwtVerifier;
  private readonly verified: VerifiedTokens<Verified>;
  /** Whom the last list of fields showed to be whom: calls of one connection that say the same share it. */
  private asked: readonly Field[] | null = null;
  private last: Verified | null = null;

  constructor(spec: JwtSpec, identityHeader: string | null) {
    this.spec = spec;
    this.identityHeader = identityHeader;
    this.verifier = new JwtVerifier(spec);
    this.verified = new VerifiedTokens(spec.maxCached);
  }

  bearer(fields: readonly Field[], now: number): Bearer | AuthFlaw {
    if (fields === this.asked && this.last !== null && now < this.last.expiresAt) return this.last;
    const field = only(fields, this.spec.header);
    if (typeof field === 'string') return field;
    const { hash, value } = field;
    const known = this.verified.find(hash, value, now);
    if (known !== undefined) {
      this.asked = fields;
      this.last = known;
      return known;
    }

    const token = credentialIn(field);
    if (token === null) return 'other_scheme';
    const found = this.verifier.verify(token, now);
    if (typeof found === 'string') return found;
    const { name, claims, expiresAt } = found;
    const bearer = { ...bearerOf(name, claims, this.spec, this.identityHeader), expiresAt };
    // Not however else the scheme may be written: one token must not fill the place of many.
    if (value.length === token.length || /^[Bb]earer [^ ]/.test(value)) this.verified.keep(hash, value, bearer);
    return bearer;
  }
}

class ApiKeyCheck {
  private readonly header: string;
  private readonly keys: ApiKeys;
  private readonly bearers: ReadonlyMap<string, Bearer>;

  constructor({ apiKeys, apiKeyHeader, jwt, identityHeader }: AuthSpec) {
    this.header = apiKeyHeader;
    this.keys = new ApiKeys(apiKeys);
    // Its name is its `sub`, so that permissions and headers may ask for that, too.
    const bearer = (name: string) => bearerOf(name, { __proto__: null, sub: name }, jwt, identityHeader);
    this.bearers = new Map(apiKeys.map(({ name }) => [name, bearer(name)]));
  }

  bearer(fields: readonly Field[]): Bearer | AuthFlaw {
    const field = only(fields, this.header);
    if (typeof field === 'string') return field;
    const name = this.keys.bearerOf(credentialIn(field) ?? '');
    return name === null ? 'unknown_api_key' : this.bearers.get(name)!;
  }
}

const bearerOf = (name: string, claims: Claims, jwt: JwtSpec | null, identityHeader: string | null): Bearer => ({
  identity: { name, claims },
  fields: identityFields(name, claims, jwt?.claims ?? [], identityHeader),
});

/** The one field of this name. Of several, engines might believe another one than we do. */
function only(fields: readonly Field[], name: string): Field | 'no_credentials' | 'several_credentials' {
  let found: Field | null = null;
  for (let i = 0; i < fields.length; i++) {
    if (fields[i]!.name.text !== name) continue;
    if (found !== null) return 'several_credentials';
    found = fields[i]!;
  }
  return found ?? 'no_credentials';
}

/** `authorization` names the scheme first (RFC 6750 section 2.1), in any case; other headers hold the credential alone. */
function credentialIn({ name, value }: Field): string | null {
  if (name.text !== 'authorization') return value;
  return /^bearer +([^ ]+)$/i.exec(value)?.[1] ?? null;
}
