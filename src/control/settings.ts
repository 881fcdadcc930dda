/** Every key of the configuration: its type, its default, its bounds, what it means. */
import { DEFAULT_LIMITS, type Limits } from '../snapshot.ts';
import { formatDuration, formatSize } from '../units.ts';
import {
  collide,
  formatAddress,
  leadsBack,
  parseBlock,
  parseEndpoint,
  parseListen,
  parseTarget,
  type Address,
} from './address.ts';
import type { Cursor } from './cursor.ts';
import { hint } from './suggest.ts';
import {
  boolean,
  camel,
  duration,
  integer,
  list,
  named,
  object,
  oneOf,
  orShort,
  parsed,
  share,
  size,
  text,
  type Reader,
  type Whole,
} from './schema.ts';

const KIB = 1024;
const MIB = 1024 * KIB;
const HOUR = 3_600_000;
const DAY = 24 * HOUR;
const MANY = 1_000_000;

export const LEVELS = ['trace', 'debug', 'info', 'warn', 'error', 'fatal', 'silent'] as const;

const NAME = /^[A-Za-z0-9_][A-Za-z0-9_.-]{0,62}$/;
const NAME_FORM = 'letters, digits, _ . and -, at most 63';
const name = text('name', NAME_FORM, (written) => (NAME.test(written) ? written : undefined));
const checkName = (written: string) => (NAME.test(written) ? null : `is not a name (${NAME_FORM})`);

const listen = parsed('address', parseListen);
const listenOrOff = parsed<{ address?: Address }>('address or off', (written) => {
  if (written === 'off') return {};
  const address = parseListen(written);
  return typeof address === 'string' ? `${address}; or off` : { address };
});

const block = text('CIDR block', 'like 10.0.0.0/8, ::1/128 or 192.0.2.7', parseBlock);

const listener = object('listener', {
  address: { reader: listen, help: 'Where to listen: `host:port`, `[::1]:port`, `:port` for all interfaces' },
  name: {
    reader: name,
    fallback: { value: '', shown: 'the address' },
    help: 'Its name in logs and metrics',
  },
  upstream: { reader: name, help: 'The upstream that everything goes to' },
  protocols: {
    reader: list(oneOf(['h2']), { min: 1, unique: String }),
    fallback: { value: ['h2'] as const, shown: '[h2]' },
    help: 'What clients may speak',
  },
  max_connections: { reader: integer(1, MANY), fallback: '10000', help: 'Open connections; more are closed at once' },
  trusted_proxies: {
    reader: list(block),
    fallback: { value: [], shown: 'none' },
    help: 'Peers whose `x-forwarded-for` is believed',
  },
});

const target = parsed('address', parseTarget);
const endpoint = orShort(
  parsed('endpoint', parseEndpoint),
  mapped(
    object('endpoint', {
      address: { reader: target, help: '`host:port` or `unix:/path`' },
      weight: { reader: integer(1, 99_999), fallback: '1', help: 'Share of the calls, relative to its neighbours' },
    }),
    ({ address, weight }) => ({ address: address?.address ?? '', weight: weight ?? 1 }),
  ),
);

const upstream = object('upstream', {
  protocol: { reader: oneOf(['h2']), fallback: 'h2', help: 'What its endpoints speak' },
  endpoints: {
    reader: list(endpoint, { min: 1, unique: ({ address }) => address }),
    help: 'Each `host:port#weight`, `unix:/path#weight` or a map',
  },
  connect_timeout: { reader: duration(1, HOUR), fallback: '5s', help: 'For a connection to stand' },
  backoff_max: { reader: duration(100, HOUR), fallback: '30s', help: 'Longest pause between failing connects' },
  acquire_timeout: { reader: duration(0, HOUR), fallback: '5s', help: 'How long a call waits for a free stream' },
  max_connections: { reader: integer(1, 10_000), fallback: '8', help: 'Sessions to one endpoint' },
  max_streams_per_connection: { reader: integer(1, MANY), fallback: '100', help: 'Calls at a time on one session' },
});

const D = DEFAULT_LIMITS;
const count = (fallback: number, help: string, max = MANY) => ({
  reader: integer(1, max),
  fallback: String(fallback),
  help,
});
const bytes = (fallback: number, min: number, max: number, help: string) => ({
  reader: size(min, max),
  fallback: formatSize(fallback),
  help,
});
const time = (fallback: number, max: number, help: string) => ({
  reader: duration(100, max),
  fallback: formatDuration(fallback),
  help,
});

type LimitsDraft = { readonly [K in keyof Limits]: Limits[K] | null };
const limits = (memory: number): Reader<LimitsDraft> =>
  object(
    'limits',
    {
      max_concurrent_streams: count(
        D.maxConcurrentStreams,
        'Streams a client may have open on one connection',
        100_000,
      ),
      max_refused_streams: count(D.maxRefusedStreams, 'Refused streams before the connection is sent away'),
      max_header_list_size: bytes(
        D.maxHeaderListSize,
        KIB,
        16 * MIB,
        'Decoded headers; over twice it the connection ends',
      ),
      max_header_fields: count(D.maxHeaderFields, 'Header fields before the stream is refused', 100_000),
      max_header_fields_hard: count(D.maxHeaderFieldsHard, 'Header fields before the connection ends', 100_000),
      max_header_block_size: bytes(D.maxHeaderBlockSize, KIB, 16 * MIB, 'Encoded headers, with CONTINUATION frames'),
      max_continuation_frames: count(D.maxContinuationFrames, 'CONTINUATION frames of one header block', 10_000),
      reset_burst: count(D.resetBurst, 'Streams a client may reset at once'),
      reset_rate: count(D.resetRate, 'Streams a client may reset per second, after the burst'),
      max_queued_answers: count(D.maxQueuedAnswers, 'Unsent answers to PING and SETTINGS before reading stops'),
      max_queued_answers_hard: count(D.maxQueuedAnswersHard, 'Unsent answers before the connection ends'),
      max_empty_data_frames: count(D.maxEmptyDataFrames, 'Empty DATA frames in a row'),
      max_output: bytes(D.maxOutput, 64 * KIB, 64 * MIB, 'Unsent output over which a connection is not read'),
      write_stall_timeout: time(D.writeStallTimeout, DAY, 'A connection that takes no byte of its output is closed'),
      slow_read_timeout: time(D.slowReadTimeout, DAY, 'A stream whose waiting bytes do not move is reset'),
      handshake_timeout: time(
        D.handshakeTimeout,
        HOUR,
        'For the preface, the SETTINGS ACK, the rest of a header block',
      ),
      idle_timeout: time(D.idleTimeout, 7 * DAY, 'A client connection without streams is closed'),
      replay_buffer: { ...bytes(D.replayBuffer, 0, 16 * MIB, 'Request bytes kept for a retry, per call') },
      buffer_budget: {
        reader: share(memory, 4 * MIB),
        fallback: '25%',
        help: 'All bytes that wait in the process: a size, or a share of the memory limit',
      },
    },
    (draft, at) => {
      notLess(draft, at, 'max_header_fields_hard', 'max_header_fields', String);
      notLess(draft, at, 'max_queued_answers_hard', 'max_queued_answers', String);
      notLess(draft, at, 'buffer_budget', 'max_output', formatSize);
      notLess(draft, at, 'buffer_budget', 'replay_buffer', formatSize);
    },
  );

/** Reports where `high` is below `low`, at the one that was written. */
function notLess(draft: LimitsDraft, at: Cursor, high: string, low: string, show: (n: number) => string): void {
  const top = draft[camel(high) as keyof Limits];
  const bottom = draft[camel(low) as keyof Limits];
  if (top === null || bottom === null || top >= bottom) return;
  if (at.has(high)) at.key(high).wrong(`${show(top)} is less than ${low} (${show(bottom)} or more)`);
  else at.key(low).wrong(`${show(bottom)} is more than ${high} (${show(top)} or less)`);
}

/** What a reader returns, in another form. */
function mapped<A extends object, B>(reader: Reader<A>, to: (draft: A) => B): Reader<B> {
  return {
    ...reader,
    read(at) {
      const draft = reader.read(at);
      return draft && to(draft);
    },
  };
}

/** The whole file. `memory`: the process's memory limit in bytes. */
export const settings = (memory: number) =>
  object(
    'configuration',
    {
      listeners: {
        reader: list(listener, { min: 1, unique: ({ name }) => name }),
        help: 'Addresses that accept clients',
      },
      upstreams: { reader: named(upstream, checkName), help: 'Groups of engines' },
      limits: { reader: limits(memory), fallback: '', help: 'What a peer may make the gateway hold or do' },
      drain_timeout: { reader: duration(0, DAY), fallback: '30s', help: 'For open calls to end after SIGTERM' },
      log: {
        reader: object('log', {
          level: { reader: oneOf(LEVELS), fallback: 'info', help: 'Least level that is written' },
          access: { reader: boolean, fallback: 'false', help: 'One `info` line for each exchange' },
        }),
        fallback: '',
        help: 'On standard output: JSON, or short lines on a terminal',
      },
      admin: {
        reader: listenOrOff,
        fallback: '127.0.0.1:9901',
        help: 'Serves /healthz, /readyz and /metrics; or `off`',
      },
      demo_engines: {
        reader: list(listen),
        fallback: { value: [], shown: 'none' },
        help: 'Speech engines to play inside the process',
      },
    },
    (draft, at) => {
      checkBound(draft, at);
      checkForwarding(draft, at);
    },
  );

type Draft = NonNullable<ReturnType<ReturnType<typeof settings>['read']>>;
export type Settings = Whole<Draft>;

/** No two of our own sockets may want one address. */
function checkBound({ listeners, admin, demoEngines }: Draft, at: Cursor): void {
  const bound = [
    ...(listeners ?? []).map((item, i) => ({
      address: item?.address,
      at: at.key('listeners').index(i).key('address'),
    })),
    { address: admin?.address, at: at.key('admin') },
    ...(demoEngines ?? []).map((address, i) => ({ address, at: at.key('demo_engines').index(i) })),
  ];
  for (const [i, { address, at: here }] of bound.entries()) {
    const other = address && bound.slice(0, i).find((earlier) => earlier.address && collide(earlier.address, address));
    if (other) here.wrong(`${formatAddress(address)} is already taken by ${other.at.path}`);
  }
}

/** Each listener's upstream exists, and none leads back into the gateway. */
function checkForwarding({ listeners, upstreams }: Draft, at: Cursor): void {
  const names = [...(upstreams?.keys() ?? [])];
  for (const [i, item] of (listeners ?? []).entries()) {
    if (!upstreams || !item?.upstream || upstreams.has(item.upstream)) continue;
    const here = at.key('listeners').index(i).key('upstream');
    here.wrong(`there is no upstream ${JSON.stringify(item.upstream)} (${hint(item.upstream, names)})`);
  }
  for (const name of names) {
    for (const [i, item] of (upstreams?.get(name)?.endpoints ?? []).entries()) {
      const own = listeners?.findIndex((l) => l?.address && item && leadsBack(item.address, l.address)) ?? -1;
      const here = at.key('upstreams').key(name).key('endpoints').index(i);
      if (own >= 0) here.wrong(`leads back to listeners[${own}] (the address of an engine)`);
    }
  }
}
