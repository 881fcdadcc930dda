/** A `RouteConfig.yaml` of rpc-pigeon in our shape: a listener for HTTP/1.1, a route an entry, and an upstream a server. */
import { parseListen, parseTarget } from './address.ts';
import { DAY } from './bounds.ts';
import type { Cursor } from './cursor.ts';
import type { Draft, Section } from './import-document.ts';
import { matchOf, precedence, rewriteOf, type PathMatch } from './import-path.ts';
import { fits, ForeignMap, itemsOf, secondsOf, textOf } from './import-source.ts';
import { duration } from './readers.ts';

const PORT = 9800;
const METHOD = /^[A-Z]{1,32}$/;
const TO_FORM = 'http://host:port/path';
const TO = /^(?:([A-Za-z][A-Za-z0-9+.-]*):\/\/)?(?:([^@/?#]*)@)?([^/?#]+)(\/[^?#]*)?(\?[^#]*)?(?:#.*)?$/;

interface Route {
  readonly path: string;
  readonly match: PathMatch;
  /** Upper case; empty: any. */
  readonly methods: readonly string[];
  readonly target: Target;
  readonly notes: readonly string[];
  readonly at: Cursor;
}

interface Target {
  readonly tls: boolean;
  /** `host:port` */
  readonly address: string;
  /** Null: none was written. */
  readonly path: string | null;
  readonly notes: readonly string[];
}

/** @param root the map that `route` was taken from; @param list its value. Undefined after a mistake was reported. */
export function importPigeon(list: Cursor, root: ForeignMap): Draft | undefined {
  const { address, head } = listenerOf(root);
  const timeout = timeoutOf(root);
  const { node } = list;
  if (node.kind !== 'list') return list.wrong(`${list.quoted()} is not a list`, '- path, method, to: one a route');
  if (node.items.length === 0) return list.wrong('the list is empty', 'at least one route');
  const written = node.items.flatMap((_, i) => routeOf(list.index(i)) ?? []);
  for (const [i, route] of written.entries()) checkReached(route, written.slice(0, i));
  // As its router does: what is fixed goes before what is a parameter, whatever the order in the file.
  const routes = written.toSorted((a, b) => precedence(a.path, b.path));
  const isMoved = routes.some((route, i) => route !== written[i]);
  const names = namesFor(routes.map(({ target }) => target));
  return {
    head: [...head, ...(isMoved ? ['The first route that matches counts: fixed paths stand before parameters.'] : [])],
    listeners: [{ fields: { name: 'http', address, protocols: ['http1'] }, notes: [] }],
    routes: routes.map((route) => sectionOf(route, names.get(serverOf(route.target))!, timeout)),
    upstreams: [...new Map(routes.map(({ target }) => [names.get(serverOf(target))!, upstreamOf(target)]))],
    notes: root.rest(),
  };
}

/** The port stands in another file of that program, unless somebody has put the two together. */
function listenerOf(root: ForeignMap): { readonly address: string; readonly head: readonly string[] } {
  const at = root.take('HTTP_SERVER_PORT');
  if (at === undefined) {
    return {
      address: `:${PORT}`,
      head: [`The port is HTTP_SERVER_PORT of Config.yaml, ${PORT} if it was not changed.`],
    };
  }
  const address = `:${textOf(at, 'a port')?.replace(/^:/, '') ?? ''}`;
  const parsed = parseListen(address);
  if (typeof parsed === 'string') at.wrong(`${at.quoted()} is not a port`, parsed);
  return { address, head: [] };
}

function timeoutOf(root: ForeignMap): string | undefined {
  const at = root.take('HTTP_TIME_DURATION');
  const text = at && secondsOf(at);
  return at && text !== undefined && fits(duration(1, DAY), at, text) ? text : undefined;
}

function routeOf(at: Cursor): Route | undefined {
  const map = ForeignMap.of(at);
  if (map === undefined) return undefined;
  const path = pathOf(map);
  const methods = methodsOf(map);
  const target = targetOf(map);
  if (path === undefined || methods === undefined || target === undefined) return undefined;
  return { path, match: matchOf(path), methods, target, notes: [...target.notes, ...map.rest()], at };
}

/** Its router puts the first slash before what has none. */
function pathOf(map: ForeignMap): string | undefined {
  const at = map.required('like /users', 'path');
  const text = at && textOf(at, 'like /users');
  if (at === undefined || text === undefined) return undefined;
  const path = text.startsWith('/') ? text : `/${text}`;
  if (!/^[!-~]+$/.test(path) || /[?#]/.test(path)) {
    return at.wrong(`${at.quoted()} is not a path`, 'like /users, /users/:id or /files/*name, other characters as %XX');
  }
  if (/\*[^/]*\/|[^/]\*/.test(path)) return at.wrong(`${at.quoted()} is not a path`, '* is all of the last segment');
  return path;
}

/** `get`, a list of them, or any. */
function methodsOf(map: ForeignMap): readonly string[] | undefined {
  const at = map.take('method', 'methods');
  if (at === undefined) return [];
  const items = itemsOf(at, 'get, or a list');
  const methods = items?.map(({ text, at: here }) => {
    const method = text.toUpperCase();
    if (method === '*' || method === 'ANY' || METHOD.test(method)) return method;
    return here.wrong<string>(`${JSON.stringify(text)} is not a method`, 'get, post');
  });
  if (methods === undefined || methods.includes(undefined)) return undefined;
  const all = methods.includes('*') || methods.includes('ANY');
  return all ? [] : [...new Set(methods as string[])];
}

/** Mistakes do not quote the address: a password may stand in it. */
function targetOf(map: ForeignMap): Target | undefined {
  const at = map.required(TO_FORM, 'to');
  const text = at && textOf(at, TO_FORM);
  if (at === undefined || text === undefined) return undefined;
  const [, scheme, userinfo, authority, path, query] = TO.exec(text) ?? [];
  if (authority === undefined || !/^[!-~]*$/.test(text)) return at.wrong('is not an address', TO_FORM);
  const kind = (scheme ?? 'http').toLowerCase();
  if (kind !== 'http' && kind !== 'https') return at.wrong(`${kind} is not known here`, 'http or https');
  const tls = kind === 'https';
  const host = authority.toLowerCase();
  const parsed = parseTarget(/:\d+$/.test(host) ? host : `${host}:${tls ? 443 : 80}`);
  if (typeof parsed === 'string') return at.wrong('is not an address', TO_FORM);
  const notes = [
    ...(userinfo === undefined ? [] : ['the user and password of `to` have no equal here']),
    ...(query === undefined ? [] : ['the query of `to` has no equal here']),
  ];
  return { tls, address: parsed.address, path: path ?? null, notes };
}

/** Reports a route that an earlier one of the same path leaves nothing to. */
function checkReached({ match, methods, at }: Route, earlier: readonly Route[]): void {
  const first = earlier.find(
    (other) =>
      JSON.stringify(other.match) === JSON.stringify(match) &&
      (other.methods.length === 0 || (methods.length > 0 && methods.every((one) => other.methods.includes(one)))),
  );
  if (first) at.wrong('is never reached', `${first.at.path} takes all of it`);
}

function sectionOf({ path, match, methods, target, notes }: Route, upstream: string, timeout?: string): Section {
  const { rewrite, note } = target.path === null ? UNCHANGED : rewriteOf(path, target.path);
  const method = methods.length === 1 ? methods[0] : methods;
  return {
    fields: {
      match: { path: match, ...(methods.length > 0 && { method }) },
      upstream,
      ...(rewrite && { rewrite: { regex: rewrite } }),
      ...(timeout !== undefined && { timeout }),
    },
    notes: [...(match === path ? [] : [`from ${path}`]), ...(note === null ? [] : [note]), ...notes],
  };
}

const UNCHANGED = { rewrite: null, note: '`to` has no path: the path goes on as it came, where it was / before' };

const serverOf = ({ tls, address }: Target): string => `${tls ? 'https' : 'http'}://${address}`;

/** A name for each server, of the letters of its address that a name can have. */
function namesFor(targets: readonly Target[]): ReadonlyMap<string, string> {
  const names = new Map<string, string>();
  const taken = new Set<string>();
  for (const target of targets) {
    if (names.has(serverOf(target))) continue;
    const plain = target.address
      .replaceAll(/[^A-Za-z0-9_.]+/g, '-')
      .slice(-59)
      .replace(/^[-.]+/, '');
    let name = plain;
    for (let n = 2; taken.has(name); n++) name = `${plain}-${n}`;
    taken.add(name);
    names.set(serverOf(target), name);
  }
  return names;
}

const upstreamOf = (target: Target): Section => ({
  fields: { protocol: 'http1', endpoints: [target.address], ...(target.tls && { tls: 'on' }) },
  notes: [],
});
