/**
 * `frameway import`: files of the programs that came before, in our shape. What has no equal is named in a comment; what
 * cannot be right is a mistake, as in a file of our own.
 */
import { Cursor } from './cursor.ts';
import { readText } from './files.ts';
import { writeDraft, type Draft } from './import-document.ts';
import { importPigeon } from './import-pigeon.ts';
import { ForeignMap } from './import-source.ts';
import { importSynapsor } from './import-synapsor.ts';
import { byPlace, renderMistake, treeFromYaml, type Mistake } from './tree.ts';

/** Either a configuration, in YAML, or mistakes: one line each, in reading order. */
export type Imported =
  | { readonly text: string; readonly mistakes: readonly [] }
  | { readonly text: null; readonly mistakes: readonly string[] };

/** Reads and translates a file. A file that cannot be read is a mistake like any other. */
export function importFile(file: string): Imported {
  const found = readText(file);
  if ('text' in found) return importText(found.text, file);
  return { text: null, mistakes: [`${file}: cannot be read: ${found.reason}`] };
}

/** Translates a synapsor `proxy_list` or a rpc-pigeon `RouteConfig.yaml`. `file` is named in mistakes. */
export function importText(text: string, file: string): Imported {
  const mistakes: Mistake[] = [];
  const root = treeFromYaml(text, file, mistakes);
  const draft = root && translate(new Cursor(root, mistakes));
  if (draft && mistakes.length === 0) return { text: writeDraft(draft), mistakes: [] };
  return { text: null, mistakes: mistakes.sort(byPlace).map(renderMistake) };
}

function translate(at: Cursor): Draft | undefined {
  const root = ForeignMap.of(at);
  const section = root?.section('proxy');
  const proxy = section ? ForeignMap.of(section) : root;
  if (root === undefined || proxy === undefined) return undefined;
  const proxies = proxy.section('proxy_list');
  const routes = root.section('route', 'routes');
  if (proxies && routes) return routes.wrong('a route beside a proxy_list', 'one system a file');
  const [source, draft] = proxies
    ? ['a proxy_list of synapsor', importSynapsor(proxies, proxy)]
    : routes
      ? ['a RouteConfig.yaml of rpc-pigeon', importPigeon(routes, root)]
      : ['', at.wrong<Draft>('neither a proxy_list of synapsor nor a route of rpc-pigeon is here')];
  return (
    draft && {
      ...draft,
      head: [`Imported from ${source}. \`frameway check\` tells whether anything is wrong with it.`, ...draft.head],
      notes: proxy === root ? draft.notes : [...draft.notes, ...root.rest()],
    }
  );
}
