/** What a caller may do, by its claims. All that a route asks for has to be there. */
import { Failures } from '../errors.ts';
import type { PermissionSpec } from '../policy.ts';
import type { Call, Filter, Refusal } from './filter.ts';
import type { Claims } from './jwt.ts';

const UNAUTHENTICATED: Refusal = { failure: Failures.unauthenticated, retryAfter: 0 };
const FORBIDDEN: Refusal = { failure: Failures.forbidden, retryAfter: 0 };

/** "a JSON string containing a space-separated list of scopes" (RFC 8693 section 4.2); `scp` is what some issuers call it. */
const SPACED = ['scope', 'scp'];

export class Permit implements Filter {
  readonly name = 'permit';
  private readonly permissions: readonly PermissionSpec[];

  constructor(permissions: readonly PermissionSpec[]) {
    this.permissions = permissions;
  }

  check({ identity }: Call): Refusal | null {
    if (identity === null) return UNAUTHENTICATED;
    return this.permissions.every((permission) => grants(identity.claims, permission)) ? null : FORBIDDEN;
  }
}

function grants(claims: Claims, { claim, values }: PermissionSpec): boolean {
  // Never what any object has, like `constructor`.
  const held = Object.hasOwn(claims, claim) ? claims[claim] : undefined;
  if (typeof held === 'string' && SPACED.includes(claim)) return held.split(' ').some((each) => values.includes(each));
  if (Array.isArray(held)) return held.some((each) => equalsOne(each, values));
  return equalsOne(held, values);
}

/** Numbers and booleans by how JSON writes them. */
function equalsOne(held: unknown, values: readonly string[]): boolean {
  const scalar = typeof held === 'string' || typeof held === 'number' || typeof held === 'boolean';
  return scalar && values.includes(String(held));
}
