/** `FRAMEWAY_LOG_LEVEL=debug`: variables that stand in for scalars of the sections that are not lists or maps of things with names. */
import type { Row } from './schema.ts';
import { hint } from './suggest.ts';
import { mapFrom, placeOf, scalarFrom, type MapNode, type Mistake, type Node } from './tree.ts';

export type Environment = Readonly<Record<string, string | undefined>>;

const PREFIX = 'FRAMEWAY_';

/**
 * Kubernetes tells every pod about the services around it, and a service called `frameway` would be told as
 * `FRAMEWAY_SERVICE_HOST`, `FRAMEWAY_PORT=tcp://10.0.0.1:80` and so on: those are not for us.
 */
const SERVICE_LINK = /_(SERVICE_HOST|SERVICE_PORT(_\w+)?|PORT_\d+_(TCP|UDP|SCTP)(_(PROTO|PORT|ADDR))?)$/;
const isServiceLink = (name: string, value: string) =>
  SERVICE_LINK.test(name) || (name.endsWith('_PORT') && /^(tcp|udp|sctp):\/\//.test(value));

export const variableFor = (key: string): string => PREFIX + key.replaceAll('.', '_').toUpperCase();

/** The variables that a schema's rows allow: their names and the keys that they stand for. */
export function variables(rows: readonly Row[]): Map<string, string> {
  const scalars = rows.filter(
    ({ key, type }) => !/^(listeners|routes|upstreams|auth|tenants)\b|\[\]/.test(key) && !type.startsWith('list'),
  );
  const sections = new Set(scalars.flatMap(({ key }) => (key.includes('.') ? [key.split('.')[0]!] : [])));
  return new Map(scalars.filter(({ key }) => !sections.has(key)).map(({ key }) => [variableFor(key), key]));
}

/** The tree with the environment's values put over it; unknown variables are mistakes. */
export function overlay(
  root: MapNode,
  environment: Environment,
  known: ReadonlyMap<string, string>,
  mistakes: Mistake[],
): MapNode {
  let tree = root;
  for (const [name, value] of Object.entries(environment)) {
    if (!name.startsWith(PREFIX) || value === undefined || isServiceLink(name, value)) continue;
    const key = known.get(name);
    const place = placeOf(`environment: ${name}`);
    if (key !== undefined) tree = put(tree, key.split('.'), scalarFrom(place, value));
    else mistakes.push({ place, path: name, message: `unknown variable (${hint(name, [...known.keys()])})` });
  }
  return tree;
}

/** A copy of the map with the value at the path; what is no map on the way stays, for the schema to complain about. */
function put(map: MapNode, [key, ...rest]: readonly string[], value: Node): MapNode {
  if (key === undefined) return map;
  const old = map.entries.get(key);
  let inner = value;
  if (rest.length > 0) {
    const below = old?.value ?? mapFrom(map.place, {});
    const asMap = below.kind === 'scalar' && below.empty ? mapFrom(below.place, {}) : below;
    if (asMap.kind !== 'map') return map;
    inner = put(asMap, rest, value);
  }
  return { ...map, entries: new Map(map.entries).set(key, { key: old?.key ?? value.place, value: inner }) };
}
