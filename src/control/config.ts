/** From a file, the environment and the command line to a snapshot, or to the list of all that is wrong with them. */
import { totalmem } from 'node:os';
import { dirname } from 'node:path';
import type { ListenerSpec, Snapshot, UpstreamSpec } from '../snapshot.ts';
import { formatAddress, type Address } from './address.ts';
import { Cursor } from './cursor.ts';
import { overlay, variableFor, variables, type Environment } from './environment.ts';
import { readText } from './files.ts';
import { reference, type Row } from './schema.ts';
import { settings, type Settings } from './settings.ts';
import {
  byPlace,
  listFrom,
  mapFrom,
  placeOf,
  renderMistake,
  scalarFrom,
  treeFromYaml,
  type MapNode,
  type Mistake,
  type Node,
} from './tree.ts';

/** Either a snapshot, or mistakes: one line each, in reading order. */
export type Loaded =
  | { readonly snapshot: Snapshot; readonly mistakes: readonly [] }
  | { readonly snapshot: null; readonly mistakes: readonly string[] };

/** What a configuration depends on besides its text. */
export interface Surroundings {
  readonly environment: Environment;
  /** Bytes: what a share of the memory limit is a share of. */
  readonly memory: number;
}

/** The lesser of the cgroup's limit and the machine's memory, in bytes. */
export function memoryLimit(): number {
  // Without a limit Node gives 0, or a number near 2^64.
  const constrained = process.constrainedMemory();
  return constrained > 0 ? Math.min(constrained, totalmem()) : totalmem();
}

const here = (): Surroundings => ({ environment: process.env, memory: memoryLimit() });

/** Reads and checks a file. A file that cannot be read is a mistake like any other. */
export function loadConfig(file: string, surroundings: Surroundings = here()): Loaded {
  const found = readText(file);
  if ('text' in found) return readConfig(found.text, file, surroundings);
  return { snapshot: null, mistakes: [`${file}: cannot be read: ${found.reason}`] };
}

/** Checks a file's text. `file` is named in mistakes, and the files that the text names are relative to its folder. */
export function readConfig(text: string, file: string, surroundings: Surroundings = here()): Loaded {
  const mistakes: Mistake[] = [];
  const root = treeFromYaml(text, file, mistakes);
  return root ? finish(root, surroundings, dirname(file), mistakes) : failed(mistakes);
}

export interface ProxyOptions {
  readonly logLevel?: string | undefined;
  readonly accessLog?: boolean | undefined;
  readonly admin?: string | undefined;
}

/** `frameway proxy`: one listener at `from`, one upstream with the one endpoint `to`, which speaks as its clients do. Flags go before the environment. */
export function snapshotForProxy(
  from: string,
  to: string,
  options: ProxyOptions = {},
  surroundings: Surroundings = here(),
): Loaded {
  const flags = placeOf('command line');
  const flag = (name: string, value: string | undefined) =>
    value === undefined ? {} : { node: scalarFrom(placeOf(`--${name}`), value) };
  const map = (fields: Readonly<Record<string, { node?: Node }>>): MapNode =>
    mapFrom(flags, Object.fromEntries(Object.entries(fields).flatMap(([k, { node }]) => (node ? [[k, node]] : []))));
  const name = { node: scalarFrom(flags, 'default') };
  const listener = map({ address: flag('from', from), upstream: name });
  const upstream = map({
    protocol: { node: scalarFrom(flags, 'same') },
    endpoints: { node: listFrom(flags, [scalarFrom(placeOf('--to'), to)]) },
  });
  const log = map({
    level: flag('log-level', options.logLevel),
    access: flag('access-log', options.accessLog === undefined ? undefined : String(options.accessLog)),
  });
  const root = map({
    listeners: { node: listFrom(flags, [listener]) },
    upstreams: { node: map({ default: { node: upstream } }) },
    log: { node: log },
    admin: flag('admin', options.admin),
  });
  const environment = {
    ...surroundings.environment,
    ...(options.logLevel !== undefined && { [variableFor('log.level')]: undefined }),
    ...(options.accessLog !== undefined && { [variableFor('log.access')]: undefined }),
    ...(options.admin !== undefined && { [variableFor('admin')]: undefined }),
  };
  return finish(root, { ...surroundings, environment }, '.', []);
}

/** Every key of the file with its type, default and meaning. */
export const configReference = (): Row[] => reference(settings({ memory: memoryLimit(), folder: '.' }).inside!.fields);

function finish(root: Node, { environment, memory }: Surroundings, folder: string, mistakes: Mistake[]): Loaded {
  const schema = settings({ memory, folder });
  const tree = new Cursor(root, mistakes).map();
  if (tree === undefined) return failed(mistakes);
  const known = variables(reference(schema.inside!.fields));
  const draft = schema.read(new Cursor(overlay(tree, environment, known, mistakes), mistakes));
  // Without a mistake there are no holes.
  return mistakes.length > 0 ? failed(mistakes) : { snapshot: toSnapshot(draft as Settings), mistakes: [] };
}

const failed = (mistakes: Mistake[]): Loaded => ({
  snapshot: null,
  mistakes: mistakes.sort(byPlace).map(renderMistake),
});

function toSnapshot({ listeners, routes, upstreams, demoEngines, demoServers, ...rest }: Settings): Snapshot {
  // Demos want a host, and `:9001` means every one.
  const everywhere = ({ host, port }: Address): Address => ({ host: host || '0.0.0.0', port });
  return {
    ...rest,
    listeners: listeners.map(({ address, ...listener }): ListenerSpec => {
      return { ...listener, ...address, name: listener.name || formatAddress(address) };
    }),
    routes: routes.map((route, i) => ({ ...route, name: route.name || `routes[${i}]` })),
    upstreams: new Map([...upstreams].map(([name, upstream]): [string, UpstreamSpec] => [name, { ...upstream, name }])),
    demoEngines: demoEngines.map((address) => formatAddress(everywhere(address))),
    demoServers: demoServers.map(({ address, ...server }) => ({ ...server, ...everywhere(address) })),
  };
}
