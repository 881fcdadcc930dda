/**
 * A `proxy_list` of synapsor in our shape: each proxy is a listener and the upstream behind it. There, calls named their
 * proxy in metadata and the port chose nothing; here it does, as the file says.
 */
import { isIPv6 } from 'node:net';
import { collide, parseEndpoint, parseListen, type Address } from './address.ts';
import { DAY } from './bounds.ts';
import type { Cursor } from './cursor.ts';
import type { Draft, Section } from './import-document.ts';
import { booleanOf, fits, ForeignMap, itemsOf, secondsOf, textOf, wordOf } from './import-source.ts';
import { checkName, name as nameReader } from './name.ts';
import { duration } from './readers.ts';
import { upstream } from './upstream-settings.ts';

const KEYS = upstream('.').inside!.fields;
const KEEPALIVE = KEYS['keepalive']!.reader.inside!.fields;

/** Keys whose value is a number of seconds. */
const DURATIONS = [
  ['DIAL_TIMEOUT', 'connect_timeout'],
  ['BACKOFF_MAX_DELAY', 'backoff_max'],
  ['REQUEST_IDLE_TIME', 'idle_timeout'],
  ['REQUEST_MAX_LIFE', 'max_age'],
] as const;
const MODES = { 0: 'strict', 1: 'loose', strict: 'strict', loose: 'loose', strict_mode: 'strict', loose_mode: 'loose' };
const POLICIES = { minConn: 'least_request', randomWeight: 'weighted_random', random: 'random' };
const PORT = ['PROXY_PORT', 'EXPOSE_PROXY_PORT'];
const HOST_FORM = 'a host, like 0.0.0.0';
const ENDPOINTS_FORM = 'at least one host:port#weight';
const MAX_WEIGHT = 99_999;
/** Of a whole exchange. */
const timeout = duration(1, DAY);

interface Proxy {
  readonly name: string;
  readonly address: Address;
  readonly listener: Section;
  readonly upstream: Section;
}

/** @param root the map that `proxy_list` was taken from; @param list its value. Undefined after a mistake was reported. */
export function importSynapsor(list: Cursor, root: ForeignMap): Draft | undefined {
  const setting = root.take('setting');
  const shared = setting && ForeignMap.of(setting);
  const hostAt = shared?.take('LISTEN_PROXY_ADDR') ?? root.take('LISTEN_PROXY_ADDR');
  const host = hostAt ? textOf(hostAt, HOST_FORM) : '';
  const items = proxiesOf(list);
  if (items === undefined) return undefined;
  const proxies: Proxy[] = [];
  for (const { name, at } of items) {
    const map = ForeignMap.of(at);
    const proxy = map && proxyOf(map, name, host ?? '');
    if (!proxy) continue;
    if (proxy.listener.off === undefined) checkAlone(proxy, proxies, map);
    proxies.push(proxy);
  }
  const enabled = proxies.filter(({ listener }) => listener.off === undefined);
  if (proxies.length === items.length && enabled.length === 0) {
    return list.wrong('no proxy is enabled', 'ENABLED: true, POOL_ENABLED: true');
  }
  return {
    head: enabled.length > 1 ? ['The port selects the upstream; the metadata `proxy` is not looked at.'] : [],
    listeners: proxies.map(({ listener }) => listener),
    routes: [],
    upstreams: proxies.map(({ name, upstream }) => [name, upstream]),
    notes: [...root.rest(), ...(shared?.rest() ?? [])],
  };
}

/** A list of proxies that say their names, or a map of names to proxies. */
function proxiesOf(list: Cursor): { readonly name: string | null; readonly at: Cursor }[] | undefined {
  const { node } = list;
  const items =
    node.kind === 'list'
      ? node.items.map((_, i) => ({ name: null, at: list.index(i) }))
      : ForeignMap.of(list)?.values();
  if (items?.length === 0) return list.wrong('the list is empty', 'at least one proxy');
  return items;
}

function proxyOf(map: ForeignMap, key: string | null, host: string): Proxy | undefined {
  const name = nameOf(map, key);
  const address = addressOf(map, host);
  const off = offOf(map, name ?? '');
  const upstream = upstreamOf(map);
  if (name === undefined || address === undefined) return undefined;
  const listener = { name, address: written(address), protocols: ['h2'], upstream: name };
  return {
    name,
    address,
    listener: { fields: listener, notes: [], off },
    upstream: { ...upstream, off },
  };
}

function nameOf(map: ForeignMap, key: string | null): string | undefined {
  const at = key === null ? map.required('a name', 'PROXY_NAME') : map.take('PROXY_NAME');
  if (at !== undefined || key === null) return at && nameReader.read(at);
  const flaw = checkName(key);
  return flaw === null ? key : map.at.wrong(flaw);
}

const written = ({ host, port }: { readonly host: string; readonly port: number | string }): string =>
  `${isIPv6(host) ? `[${host}]` : host}:${port}`;

/** PROXY_PORT is a port; LISTEN_PROXY_ADDR, of the entry or of all, a host, or a host with its port. */
function addressOf(map: ForeignMap, shared: string): Address | undefined {
  const hostAt = map.take('LISTEN_PROXY_ADDR');
  const host = hostAt ? textOf(hostAt, HOST_FORM) : shared;
  if (host === undefined) return undefined;
  const whole = parseListen(host);
  const own = typeof whole === 'string' ? undefined : whole;
  const portAt = own ? map.take(...PORT) : map.required('the port to listen at', ...PORT);
  if (portAt === undefined) return own;
  const port = textOf(portAt, 'a port');
  if (port === undefined) return undefined;
  const address = written({ host: own?.host ?? host.replace(/^\[(.*)\]$/, '$1'), port: port.replace(/^:/, '') });
  const parsed = parseListen(address);
  return typeof parsed === 'string' ? portAt.wrong(`${JSON.stringify(address)} is not an address`, parsed) : parsed;
}

/** Without a pool nothing was connected, and without POOL_ENABLED nothing listened. */
function offOf(map: ForeignMap, name: string): string | undefined {
  const keys = ['ENABLED', 'POOL_ENABLED'].filter((key) => {
    const at = map.take(key);
    return at && booleanOf(at) === false;
  });
  return keys.length === 0 ? undefined : `${name}: ${keys.join(' and ')} ${keys.length > 1 ? 'are' : 'is'} false`;
}

const isZero = (text: string): boolean => Number.parseFloat(text) === 0;

function upstreamOf(map: ForeignMap): Section {
  const fields: Record<string, unknown> = {};
  const notes: string[] = [];
  const seconds = (from: string, to: string, keys = KEYS): string | undefined => {
    const at = map.take(from);
    const text = at && secondsOf(at);
    if (at === undefined || text === undefined) return undefined;
    if (!isZero(text)) return fits(keys[to]!.reader, at, text) ? text : undefined;
    if (to === 'max_age') return 'off';
    notes.push(`${from} 0 has no equal here; the default of ${to} stands`);
    return undefined;
  };
  const set = (key: string, value: unknown) => {
    if (value !== undefined) fields[key] = value;
  };
  set('endpoints', endpointsOf(map, notes));
  const model = map.take('PROXY_MODEL');
  set('balance', model && wordOf(model, POLICIES));
  const mode = map.take('POOL_MODEL');
  set('mode', mode && wordOf(mode, MODES));
  const reusable = map.take('GRPC_REQUEST_REUSABLE');
  if (reusable && booleanOf(reusable) === false) set('exclusive', true);
  set('max_connections', connectionsOf(map, notes));
  for (const [from, to] of DURATIONS) set(to, seconds(from, to));
  const interval = seconds('KEEPALIVE_TIME', 'interval', KEEPALIVE);
  const answer = seconds('KEEPALIVE_TIMEOUT', 'timeout', KEEPALIVE);
  if (interval ?? answer) set('keepalive', { ...(interval && { interval }), ...(answer && { timeout: answer }) });
  notes.push(...timeoutNote(map), ...map.rest());
  return { fields, notes };
}

/** It was read there, and never looked at: whoever streams for longer than that would now be cut off. */
function timeoutNote(map: ForeignMap): string[] {
  const at = map.take('REQUEST_TIMEOUT');
  const text = at && secondsOf(at);
  if (at === undefined || text === undefined || isZero(text) || !fits(timeout, at, text)) return [];
  return [`REQUEST_TIMEOUT ${text} had no effect there; as \`timeout: ${text}\` of a route it would end streams, too`];
}

/** An endpoint that is listed twice had two pools; it gets both their shares. */
function endpointsOf(map: ForeignMap, notes: string[]): string[] | undefined {
  const at = map.required(ENDPOINTS_FORM, 'GRPC_PROXY_ENDPOINTS');
  if (at === undefined) return undefined;
  const weights = new Map<string, { weight: number; times: number }>();
  for (const { text, at: here } of itemsOf(at, ENDPOINTS_FORM) ?? []) {
    const parsed = parseEndpoint(text.replaceAll(/\s/g, ''));
    if (typeof parsed === 'string') {
      here.wrong(`${JSON.stringify(text)} is not an endpoint`, parsed);
      continue;
    }
    const known = weights.get(parsed.address) ?? { weight: 0, times: 0 };
    const weight = Math.min(MAX_WEIGHT, known.weight + parsed.weight);
    weights.set(parsed.address, { weight, times: known.times + 1 });
  }
  for (const [address, { times }] of weights) {
    if (times > 1) notes.push(`${address} was listed ${times} times: its weights are added up`);
  }
  return [...weights].map(([address, { weight }]) => (weight === 1 ? address : `${address}#${weight}`));
}

function connectionsOf(map: ForeignMap, notes: string[]): number | undefined {
  const at = map.take('DEFAULT_GRPC_CONN_NUM');
  const text = at && textOf(at, 'a whole number');
  if (at === undefined || text === undefined || !fits(KEYS['max_connections']!.reader, at, text)) return undefined;
  notes.push(`DEFAULT_GRPC_CONN_NUM ${text} were open from the start; that would be \`min_connections: ${text}\``);
  return Number(text);
}

/** Reports what is taken: a name, or a port. */
function checkAlone({ name, address }: Proxy, others: readonly Proxy[], { at }: ForeignMap): void {
  for (const other of others) {
    if (other.listener.off !== undefined) continue;
    if (other.name === name) at.wrong(`a second proxy is called ${name}`, 'each has its own PROXY_NAME');
    if (collide(other.address, address)) {
      at.wrong(`${written(address)} is already taken by the proxy ${other.name}`, 'each has its own PROXY_PORT');
    }
  }
}
