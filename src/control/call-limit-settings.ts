/** Who may call, how often, how much: what a route or a listener limits. */
import type { ConcurrencySpec, LimitKeySpec, LimitsSpec, RateLimitSpec } from '../policy.ts';
import { parseKey } from './balance-settings.ts';
import { block } from './block.ts';
import { MANY, MIB } from './bounds.ts';
import type { Cursor } from './cursor.ts';
import { integer, orOnly, orZero, parsed, size, whole } from './readers.ts';
import { list, object, oneOrMore, type Reader } from './schema.ts';

const KEY_FORM = 'all, client, identity or header:NAME';

/** `header:x-session`; gRPC's metadata are headers, and `metadata:x-session` is the same. */
export function parseLimitKey(text: string): LimitKeySpec | string {
  if (text === 'all' || text === 'client' || text === 'identity') return { source: text, name: '' };
  if (!/^(header|metadata)(:|$)/.test(text)) return KEY_FORM;
  const key = parseKey(text);
  return typeof key === 'string' ? key : { source: 'header', name: key.name };
}

const SECONDS: Readonly<Record<string, number>> = { s: 1, m: 60, h: 3600 };

/** `100/s`, `10/m`, `1/h`, or a number: calls a second. */
export function parseRate(text: string): number | string {
  const [, amount, unit = 's'] = /^(\d{1,9}(?:\.\d{1,6})?)(?:\/(s|m|h))?$/.exec(text) ?? [];
  if (amount === undefined) return 'like 100/s, 10/m, 1/h, or a number a second';
  const rate = Number(amount) / SECONDS[unit]!;
  return rate > 0 && rate <= MANY ? rate : `more than 0, and ${MANY}/s at most`;
}

const by = {
  reader: parsed('key', parseLimitKey),
  fallback: 'all',
  help: `What is counted by itself: ${KEY_FORM.replace('header:NAME', '`header:NAME`')}`,
};

const rate: Reader<RateLimitSpec> = whole(
  orOnly(
    object('rate limit', {
      rate: { reader: parsed('rate', parseRate), help: 'Calls: `100/s`, `10/m`, `1/h`' },
      by,
      burst: {
        reader: integer(1, MANY),
        fallback: { value: null, shown: 'the rate a second, rounded up' },
        help: 'Calls at once',
      },
      max_keys: { reader: integer(1, MANY), fallback: '10000', help: 'Keys that are counted; the idlest goes first' },
    }),
    'rate',
  ),
  ({ burst, ...read }) => ({ ...read, burst: burst ?? Math.ceil(read.rate) }),
);

const concurrency: Reader<ConcurrencySpec> = whole(
  orOnly(
    object('concurrency limit', { max: { reader: integer(1, MANY), help: 'Calls that are open at a time' }, by }),
    'max',
  ),
  (read) => read,
);

const apart = () => undefined;
const octets = orZero(size(1, MIB * MIB));

export const callLimits: Reader<LimitsSpec> = whole(
  object('call limits', {
    allow: { reader: list(block), fallback: { value: [], shown: 'all' }, help: 'Clients that may call' },
    deny: { reader: list(block), fallback: { value: [], shown: 'none' }, help: 'Clients that may not' },
    rate: {
      reader: oneOrMore(rate, apart),
      fallback: { value: [], shown: 'none' },
      help: 'How often: a rate, a map, or a list',
    },
    concurrency: {
      reader: oneOrMore(concurrency, apart),
      fallback: { value: [], shown: 'none' },
      help: 'How many at a time: a number, a map, or a list',
    },
    max_body: { reader: octets, fallback: 'off', help: "Of a request's body" },
    max_message: { reader: octets, fallback: 'off', help: 'Of each gRPC message in it' },
  }),
  ({ rate: rates, ...read }) => ({ ...read, rates }),
);

/** Reports what counts by an identity that nobody has asked for. `at`: the limits. `right`: what to do about it. */
export function checkIdentified({ rates, concurrency: open }: LimitsSpec, at: Cursor, right: string): void {
  for (const [key, specs] of [
    ['rate', rates],
    ['concurrency', open],
  ] as const) {
    const here = at.key(key);
    for (const [i, spec] of specs.entries()) {
      const item = here.node.kind === 'list' ? here.index(i) : here;
      if (spec.by.source === 'identity') item.key('by').wrong('nobody is identified here', right);
    }
  }
}
