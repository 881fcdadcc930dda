/** Callers that share upstreams, and what of them each is sure of. */
import { isIP } from 'node:net';
import type { TenantShareSpec, TenantSpec, TenantsSpec } from '../policy.ts';
import type { EndpointSpec } from '../snapshot.ts';
import { MANY, notLess } from './bounds.ts';
import type { Cursor } from './cursor.ts';
import { headerName } from './header-name.ts';
import { checkName } from './name.ts';
import { integer, oneOf, orZero, text, whole } from './readers.ts';
import { named, object, oneOrMore, type Reader } from './schema.ts';

type Share = Omit<TenantShareSpec, 'upstream'>;
const share = object(
  'share',
  {
    reserved: {
      reader: integer(0, MANY),
      fallback: '0',
      help: 'Streams that are there at once, however busy the others are',
    },
    max: { reader: orZero(integer(1, MANY)), fallback: 'off', help: 'Streams at most' },
  },
  (draft, at) => {
    if (draft.max !== 0) notLess(draft, at, 'max', 'reserved', String);
  },
);

const token = text('token', 'not empty', (written) => (written === '' ? undefined : written));
const tenant: Reader<Omit<TenantSpec, 'name'>> = whole(
  object('tenant', {
    tokens: { reader: oneOrMore(token, () => undefined), help: 'Values of the header that select it' },
    upstreams: {
      reader: named(share, checkName),
      fallback: { value: new Map<string, Share>(), shown: 'none' },
      help: 'What it has of upstreams; of others it shares what is not reserved',
    },
  }),
  ({ tokens, upstreams }) => ({
    tokens,
    shares: [...upstreams].map(([upstream, has]) => ({ upstream, ...has })),
  }),
);

export const tenants: Reader<TenantsSpec> = whole(
  object(
    'tenants',
    {
      header: {
        reader: headerName,
        fallback: 'token',
        help: 'The header, or metadata key, whose value selects the tenant',
      },
      unknown: {
        reader: oneOf(['shared', 'refused']),
        fallback: 'shared',
        help: 'Who selects none shares what is not reserved, or is refused',
      },
      names: { reader: named(tenant, checkName), help: 'The tenants' },
    },
    ({ names }, at) => checkTokens(names ?? new Map(), at.key('names')),
  ),
  ({ names, ...read }) => ({ ...read, tenants: [...names].map(([name, rest]) => ({ name, ...rest })) }),
);

/** A token selects one tenant. It is not quoted: it is what its bearer is known by. */
function checkTokens(all: ReadonlyMap<string, Omit<TenantSpec, 'name'> | undefined>, at: Cursor): void {
  const owners = new Map<string, string>();
  for (const [name, read] of all) {
    const here = at.key(name).key('tokens');
    for (const [i, each] of (read?.tokens ?? []).entries()) {
      const first = owners.get(each);
      if (first === undefined) owners.set(each, name);
      else (here.node.kind === 'list' ? here.index(i) : here).wrong('selects two tenants', `first ${first}`);
    }
  }
}

interface Shared {
  readonly endpoints:
    | readonly (
        Partial<EndpointSpec> | { readonly [K in keyof EndpointSpec]: EndpointSpec[K] | undefined } | undefined
      )[]
    | undefined;
  readonly maxStreams: number | undefined;
}

/** Streams that an upstream certainly has; null: more may come, by names or without a limit. */
function capacityOf({ endpoints, maxStreams }: Shared): number | null {
  let sum = 0;
  for (const endpoint of endpoints ?? [undefined]) {
    const streams = endpoint?.maxStreams ?? maxStreams;
    if (!streams || !endpoint?.address || isNamed(endpoint.address)) return null;
    sum += streams;
  }
  return sum;
}

/** A name may stand for several addresses, each of them an endpoint. */
const isNamed = (address: string): boolean =>
  !address.startsWith('unix:') && isIP(address.replace(/:\d+$/, '').replace(/^\[|\]$/g, '')) === 0;

/** Reports more reserved streams than an upstream has, at the share that is one too many. `at`: the tenants. */
export function checkReserved(spec: TenantsSpec, upstreams: ReadonlyMap<string, Shared | undefined>, at: Cursor): void {
  const sums = new Map<string, number>();
  for (const { name, shares } of spec.tenants) {
    for (const { upstream, reserved } of shares) {
      const found = upstreams.get(upstream);
      const capacity = found ? capacityOf(found) : null;
      const before = sums.get(upstream) ?? 0;
      sums.set(upstream, before + reserved);
      if (capacity === null || before > capacity || before + reserved <= capacity) continue;
      const here = at.key('names').key(name).key('upstreams').key(upstream).key('reserved');
      here.wrong(
        `${before + reserved} streams of ${upstream} would be reserved, which has ${capacity}`,
        `${capacity - before} or less`,
      );
    }
  }
}
