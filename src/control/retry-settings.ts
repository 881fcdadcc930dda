/** Which answers are worth another try. */
import { GRPC_STATUS_NAMES, GrpcStatus } from '../errors.ts';
import { formatDuration } from '../units.ts';
import { HOUR, MANY, notLess } from './bounds.ts';
import { duration, integer, mapped, orOn, orZero, parsed, percentage } from './readers.ts';
import { list, object } from './schema.ts';
import { nearest } from './suggest.ts';

const FAILURES = GRPC_STATUS_NAMES.filter((name) => name !== 'OK');
const STATUS_FORM = `a name like UNAVAILABLE, or 1 to ${FAILURES.length}`;

/** `UNAVAILABLE` or `14` -> 14. OK is no failure. */
export function parseGrpcStatus(text: string): number | string {
  const name = /^\d{1,2}$/.test(text) ? GRPC_STATUS_NAMES[Number(text)] : text;
  if (name !== undefined && FAILURES.includes(name)) return GRPC_STATUS_NAMES.indexOf(name);
  const near = nearest(text, FAILURES);
  return near === undefined ? STATUS_FORM : `did you mean ${near}?`;
}

const grpcStatus = parsed('gRPC status', parseGrpcStatus);
/** A status by its name and its number is one status. */
const distinct = <T>(items: readonly T[]): readonly T[] => [...new Set(items)];

export const retry = orOn(
  object(
    'retry',
    {
      attempts: { reader: integer(2, 10), fallback: '3', help: 'In all, the first one included' },
      grpc_statuses: {
        reader: mapped(list(grpcStatus), distinct),
        fallback: { value: [GrpcStatus.UNAVAILABLE], shown: '[UNAVAILABLE]' },
        help: 'gRPC statuses that are tried again, by name or number',
      },
      http_statuses: {
        reader: mapped(list(integer(400, 599)), distinct),
        fallback: { value: [502, 503], shown: '[502, 503]' },
        help: 'HTTP statuses that are tried again',
      },
      backoff_base: {
        reader: duration(1, HOUR),
        fallback: '25ms',
        help: 'Longest pause before the second attempt; it doubles',
      },
      backoff_max: { reader: duration(1, HOUR), fallback: '250ms', help: 'Longest pause before any attempt' },
      per_try_timeout: {
        reader: orZero(duration(1, HOUR)),
        fallback: 'off',
        help: "For an attempt's response to begin",
      },
      budget: { reader: percentage(), fallback: '20%', help: 'Retries as a share of the calls' },
      min_per_second: { reader: integer(0, MANY), fallback: '3', help: 'Retries a second, whatever the share' },
    },
    (draft, at) => notLess(draft, at, 'backoff_max', 'backoff_base', formatDuration),
  ),
);
