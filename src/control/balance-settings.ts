/** Which endpoint a call goes to. */
import { BALANCE_POLICIES, DEFAULT_BALANCE, type KeySpec } from '../snapshot.ts';
import { DAY, MANY, SECOND } from './bounds.ts';
import { decimal, duration, field, integer, oneOf, orOnly, orZero, parsed } from './readers.ts';
import { object } from './schema.ts';

const KEY_FORM = 'header:NAME, cookie:NAME, path or client';
/** RFC 9110 section 5.6.2. */
const TOKEN = /^[!#$%&'*+.^_`|~0-9A-Za-z-]{1,256}$/;

/** `header:x-session`; gRPC's metadata are headers, and `metadata:x-session` is the same. */
export function parseKey(text: string): KeySpec | string {
  const [, word, name] = /^([^:]*)(?::(.*))?$/s.exec(text) ?? [];
  const source = word === 'metadata' ? 'header' : word;
  switch (source) {
    case 'path':
    case 'client':
      return name === undefined ? { source, name: '' } : `${source} has no name: just ${source}`;
    case 'header':
    case 'cookie':
      if (!name) return `a ${source} has a name: ${source}:x-session`;
      if (!TOKEN.test(name)) return `${JSON.stringify(name)} is no name of a ${source}`;
      // HTTP/2 has field names in lower case; those of cookies are as they are.
      return { source, name: source === 'header' ? name.toLowerCase() : name };
    default:
      return KEY_FORM;
  }
}

const formatKey = ({ source, name }: KeySpec) => (name === '' ? source : `${source}:${name}`);

/** By what calls are told apart. */
export const key = { ...parsed('key', parseKey), show: formatKey };
/** What the seed systems call them. */
const policy = oneOf(BALANCE_POLICIES, { minConn: 'least_request', randomWeight: 'weighted_random' });

const D = DEFAULT_BALANCE;
/** `balance: random` is enough. */
export const balance = orOnly(
  object('balance', {
    policy: field(
      policy,
      D.policy,
      'How an endpoint is chosen (`minConn`: least_request, `randomWeight`: weighted_random)',
    ),
    key: field(key, D.key, 'consistent_hash: what is hashed, `header:NAME`, `cookie:NAME`, `path` or `client`'),
    virtual_nodes: field(integer(1, 10_000), D.virtualNodes, 'consistent_hash: points of an endpoint on the ring'),
    max_load: field(
      orZero(decimal(1, 1000)),
      D.maxLoad,
      'consistent_hash: most load of an endpoint, relative to the mean',
    ),
    max_fails: field(integer(1, MANY), D.maxFails, 'weighted_round_robin: failures that take an endpoint out'),
    fail_timeout: field(
      duration(100, DAY),
      D.failTimeout,
      'weighted_round_robin: failures within, and out for, so long',
    ),
  }),
  'policy',
);

/** `affinity: header:x-call-id` is enough. */
export const affinity = orOnly(
  object('affinity', {
    key: { reader: key, help: '`header:NAME`, `cookie:NAME`, `path` or `client`: calls with the same go together' },
    ttl: {
      reader: duration(SECOND, 7 * DAY),
      fallback: '10m',
      help: 'How long a key is remembered after its last call',
    },
    max_keys: { reader: integer(1, 10 * MANY), fallback: '100000', help: 'Keys that are remembered' },
  }),
  'key',
);
