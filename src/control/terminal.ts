/** One short line per record for people at a terminal. */
import { formatDuration } from '../units.ts';

type Fields = Readonly<Record<string, unknown>>;

// eslint-disable-next-line no-control-regex -- control characters are what it is for
const CONTROL = /[\u0000-\u001f\u007f-\u009f\u2028\u2029]/g;

/** Control characters as `\xNN` or `\uNNNN`, so that what a peer sent can neither break a line nor drive a terminal. */
export function printable(text: string, longest = 512): string {
  const short = text.length > longest ? `${text.slice(0, longest)}...` : text;
  return short.replaceAll(CONTROL, (c) => {
    const hex = c.charCodeAt(0).toString(16);
    return hex.length <= 2 ? `\\x${hex.padStart(2, '0')}` : `\\u${hex}`;
  });
}

const show = (value: unknown): string =>
  typeof value === 'string' ? printable(value) : printable(JSON.stringify(value ?? null));

function exchange(fields: Fields): string {
  const { method, path, grpc_status_name: grpc, http_status: http, duration_ms: duration, cause } = fields;
  const ended = grpc ?? http ?? '-';
  const engine = fields['endpoint'] ?? '-';
  const bytes = `${show(fields['received_bytes'])}B in, ${show(fields['sent_bytes'])}B out`;
  const time =
    typeof duration === 'number' && duration >= 1000 ? formatDuration(Math.round(duration)) : `${show(duration)}ms`;
  const why = cause === undefined ? '' : ` (${show(cause)})`;
  return `${show(method)} ${show(path)} ${show(ended)}${why} ${time} ${show(fields['peer'])} -> ${show(engine)} ${bytes}`;
}

const URGENT = new Set(['warn', 'error', 'fatal']);

/** Fields that each line has, or that its message already tells. */
const TOLD = new Set(['level', 'time', 'msg', 'err']);

function plain(fields: Fields): string {
  const rest = Object.entries(fields).filter(([key]) => !TOLD.has(key));
  const error = fields['err'] as { stack?: string } | undefined;
  const tail = rest.map(([key, value]) => ` ${key}=${show(value)}`).join('');
  // A stack is ours, and only readable with its line breaks.
  return `${show(fields['msg'] ?? '')}${tail}${error?.stack ? `\n${error.stack}` : ''}`;
}

/** A record as pino writes it -> a line with its line break; local time of day. */
export function terminalLine(json: string): string {
  const fields = JSON.parse(json) as Fields;
  const time = new Date(String(fields['time']));
  const clock = [time.getHours(), time.getMinutes(), time.getSeconds()]
    .map((n) => String(n).padStart(2, '0'))
    .join(':');
  const level = String(fields['level']);
  const isExchange = fields['msg'] === 'exchange' && 'duration_ms' in fields;
  return `${clock} ${(URGENT.has(level) ? level.toUpperCase() : level).padEnd(5)} ${isExchange ? exchange(fields) : plain(fields)}\n`;
}
