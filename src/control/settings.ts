/** Every key of the configuration: its type, its default, its bounds, what it means. */
import { DEFAULT_LIMITS } from '../snapshot.ts';
import { formatSize } from '../units.ts';
import { collide, formatAddress, leadsBack, parseBlock, parseListen } from './address.ts';
import { DAY, HOUR, KIB, MANY, MIB, notLess } from './bounds.ts';
import type { Cursor } from './cursor.ts';
import { boolean, duration, field, integer, oneOf, orOff, parsed, size, sizeOrShare, text } from './readers.ts';
import { retry } from './retry-settings.ts';
import { list, named, object, type Whole } from './schema.ts';
import { hint } from './suggest.ts';
import { upstream } from './upstream-settings.ts';

export const LEVELS = ['trace', 'debug', 'info', 'warn', 'error', 'fatal', 'silent'] as const;

const NAME = /^[A-Za-z0-9_][A-Za-z0-9_.-]{0,62}$/;
const NAME_FORM = 'letters, digits, _ . and -, at most 63';
const name = text('name', NAME_FORM, (written) => (NAME.test(written) ? written : undefined));
const checkName = (written: string) => (NAME.test(written) ? null : `is not a name (${NAME_FORM})`);

const listen = parsed('address', parseListen);
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
  retry: { reader: orOff(retry), fallback: 'off', help: 'Answers that are tried again at another endpoint' },
});

const D = DEFAULT_LIMITS;
const limits = (memory: number) =>
  object(
    'limits',
    {
      max_concurrent_streams: field(
        integer(1, 100_000),
        D.maxConcurrentStreams,
        'Streams a client may have open on one connection',
      ),
      max_refused_streams: field(
        integer(1, MANY),
        D.maxRefusedStreams,
        'Refused streams before the connection is sent away',
      ),
      max_header_list_size: field(
        size(KIB, 16 * MIB),
        D.maxHeaderListSize,
        'Decoded headers; over twice it the connection ends',
      ),
      max_header_fields: field(integer(1, 100_000), D.maxHeaderFields, 'Header fields before the stream is refused'),
      max_header_fields_hard: field(
        integer(1, 100_000),
        D.maxHeaderFieldsHard,
        'Header fields before the connection ends',
      ),
      max_header_block_size: field(
        size(KIB, 16 * MIB),
        D.maxHeaderBlockSize,
        'Encoded headers, with CONTINUATION frames',
      ),
      max_continuation_frames: field(
        integer(1, 10_000),
        D.maxContinuationFrames,
        'CONTINUATION frames of one header block',
      ),
      reset_burst: field(integer(1, MANY), D.resetBurst, 'Streams a client may reset at once'),
      reset_rate: field(integer(1, MANY), D.resetRate, 'Streams a client may reset per second, after the burst'),
      max_queued_answers: field(
        integer(1, MANY),
        D.maxQueuedAnswers,
        'Unsent answers to PING and SETTINGS before reading stops',
      ),
      max_queued_answers_hard: field(
        integer(1, MANY),
        D.maxQueuedAnswersHard,
        'Unsent answers before the connection ends',
      ),
      max_empty_data_frames: field(integer(1, MANY), D.maxEmptyDataFrames, 'Empty DATA frames in a row'),
      max_output: field(size(64 * KIB, 64 * MIB), D.maxOutput, 'Unsent output over which a connection is not read'),
      write_stall_timeout: field(
        duration(100, DAY),
        D.writeStallTimeout,
        'A connection that takes no byte of its output is closed',
      ),
      slow_read_timeout: field(
        duration(100, DAY),
        D.slowReadTimeout,
        'A stream whose waiting bytes do not move is reset',
      ),
      handshake_timeout: field(
        duration(100, HOUR),
        D.handshakeTimeout,
        'For the preface, the SETTINGS ACK, the rest of a header block',
      ),
      idle_timeout: field(duration(100, 7 * DAY), D.idleTimeout, 'A client connection without streams is closed'),
      replay_buffer: field(size(0, 16 * MIB), D.replayBuffer, 'Request bytes kept for a retry, per call'),
      buffer_budget: {
        reader: sizeOrShare(memory, 4 * MIB),
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

/** What the file's values depend on. */
export interface Context {
  /** The process's memory limit, in bytes. */
  readonly memory: number;
  /** What the names of other files are relative to. */
  readonly folder: string;
}

/** The whole file. */
export const settings = ({ memory, folder }: Context) =>
  object(
    'configuration',
    {
      listeners: {
        reader: list(listener, { min: 1, unique: ({ name }) => name }),
        help: 'Addresses that accept clients',
      },
      upstreams: { reader: named(upstream(folder), checkName), help: 'Groups of engines' },
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
        reader: orOff(listen),
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
    { address: admin, at: at.key('admin') },
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
    here.wrong(`there is no upstream ${JSON.stringify(item.upstream)}`, hint(item.upstream, names));
  }
  for (const name of names) {
    for (const [i, item] of (upstreams?.get(name)?.endpoints ?? []).entries()) {
      const own = listeners?.findIndex((l) => l?.address && item?.address && leadsBack(item.address, l.address)) ?? -1;
      const here = at.key('upstreams').key(name).key('endpoints').index(i);
      if (own >= 0) here.wrong(`leads back to listeners[${own}]`, 'the address of an engine');
    }
  }
}
