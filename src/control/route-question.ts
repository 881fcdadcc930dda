/** What `frameway check --route` asks: `POST /asr.v1.Recognizer/Stream host=a.example header.x-user=7`. Pure. */
import { isIP } from 'node:net';
import { normalisePath } from '../route/path.ts';
import { ROUTE_PROTOCOLS, type RouteProtocol } from '../snapshot.ts';
import { nameFault } from './header-name.ts';
import { parseHost, parseServerName } from './host-pattern.ts';
import { hint } from './suggest.ts';

/** A request as routes are asked about it: names in lower case, the path normalised. */
export interface RouteQuestion {
  /** Null: the first listener. */
  readonly listener: string | null;
  readonly kind: RouteProtocol;
  readonly serverName: string | null;
  readonly host: string | null;
  readonly path: string;
  readonly method: string;
  readonly headers: readonly (readonly [name: string, value: string])[];
  readonly client: string;
}

const FORM = 'METHOD /path host=a.example header.NAME=value client=192.0.2.7 sni=a.example listener=NAME protocol=grpc';
const KEYS = ['host', 'sni', 'client', 'listener', 'protocol'] as const;
type Key = (typeof KEYS)[number];

/** Of a question that says no protocol. */
const GRPC_METHOD = /^\/[A-Za-z_]\w*(\.[A-Za-z_]\w*)+\/[A-Za-z_]\w*$/;

/** Returns a string that says what is wrong with the line. A value with spaces stands in quotes. */
export function parseQuestion(line: string): RouteQuestion | string {
  const said: Partial<Record<Key, string>> = {};
  const headers: [string, string][] = [];
  const words: string[] = [];
  for (const [word] of line.matchAll(/(?:"[^"]*"|\S)+/g)) {
    const [, key, value = ''] = /^([a-z][^=/]*)=(.*)$/s.exec(word.replaceAll('"', '')) ?? [];
    if (key === undefined) {
      words.push(word);
    } else if (key.startsWith('header.')) {
      const name = key.slice('header.'.length);
      if (nameFault(name) !== null) return `${JSON.stringify(name)} is no name of a header`;
      headers.push([name.toLowerCase(), value]);
    } else {
      const known = KEYS.find((each) => each === key);
      if (known === undefined) return `unknown key ${key} (${hint(key, [...KEYS, 'header.NAME'])})`;
      if (said[known] !== undefined) return `${key} is said twice`;
      said[known] = value;
    }
  }
  return asked(words, said, headers);
}

type Said = Readonly<Partial<Record<Key, string>>>;

function asked(words: readonly string[], said: Said, headers: RouteQuestion['headers']): RouteQuestion | string {
  const { protocol = guess(words, headers), client = '127.0.0.1', listener = null } = said;
  const kind = ROUTE_PROTOCOLS.find((each) => each === protocol);
  if (kind === undefined) return `protocol ${protocol} is not known here (${hint(protocol, ROUTE_PROTOCOLS)})`;
  const opened = kind !== 'tcp' && kind !== 'tls';
  const [method = '', written = '', extra] = words;
  if (extra !== undefined) return `unexpected ${extra} (${FORM})`;
  if (opened && (method === '' || written === '')) return `method or path is missing (${FORM})`;
  const path = normalisePath(written);
  if (path === null) return `${written} is no path that any route is asked for: it is refused with 400`;
  if (isIP(client) === 0) return `client ${client} is no address`;
  const host = said.host === undefined ? null : parseHost(said.host.replace(/(?<=[^:]|\]):\d+$/, ''));
  if (typeof host === 'string') return `host ${said.host!}: ${host}`;
  const serverName = said.sni === undefined ? null : parseServerName(said.sni);
  if (typeof serverName === 'string') return `sni ${said.sni!}: ${serverName}`;
  return {
    listener,
    kind,
    serverName: serverName?.pattern ?? null,
    host: host?.pattern ?? null,
    path,
    method,
    headers,
    client,
  };
}

function guess([method, path = '']: readonly string[], headers: RouteQuestion['headers']): RouteProtocol {
  const [, type] = headers.find(([name]) => name === 'content-type') ?? [];
  if (type !== undefined)
    return /^application\/grpc-web/.test(type) ? 'grpc_web' : /^application\/grpc/.test(type) ? 'grpc' : 'http';
  if (method === undefined) return 'tcp';
  return method === 'POST' && GRPC_METHOD.test(path) ? 'grpc' : 'http';
}
