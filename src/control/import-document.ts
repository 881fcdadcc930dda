/** Writing a configuration: sections with their comments, as YAML. */
import { Document, YAMLMap, YAMLSeq } from 'yaml';

/** A map of our configuration. */
export interface Section {
  readonly fields: Readonly<Record<string, unknown>>;
  /** Comments that follow its keys. */
  readonly notes: readonly string[];
  /** Why it is commented out as a whole. */
  readonly off?: string | undefined;
}

export interface Draft {
  /** Comments at the head of the file, a line each. */
  readonly head: readonly string[];
  readonly listeners: readonly Section[];
  readonly routes: readonly Section[];
  /** One that is off may have the name of another. */
  readonly upstreams: readonly (readonly [name: string, Section])[];
  /** Comments at the end of the file. */
  readonly notes: readonly string[];
}

const FORMAT = { lineWidth: 0, singleQuote: true, flowCollectionPadding: false } as const;

/** The text of a configuration file. */
export function writeDraft({ head, listeners, routes, upstreams, notes }: Draft): string {
  const document = new Document<YAMLMap, false>(new YAMLMap());
  document.contents.set('listeners', sequence(document, listeners));
  if (routes.length > 0) document.contents.set('routes', sequence(document, routes));
  document.contents.set('upstreams', named(document, upstreams));
  document.commentBefore = comment(head);
  if (notes.length > 0) document.comment = comment(notes);
  return document.toString(FORMAT);
}

function sequence(document: Document<YAMLMap, false>, sections: readonly Section[]): YAMLSeq {
  const list = new YAMLSeq(document.schema);
  for (const section of sections) if (section.off === undefined) list.add(map(document, section));
  const off = sections.flatMap((section) => commentedOut(section, [section.fields]));
  if (off.length > 0) list.comment = comment(off);
  return list;
}

function named(document: Document<YAMLMap, false>, sections: Draft['upstreams']): YAMLMap {
  const maps = new YAMLMap(document.schema);
  for (const [name, section] of sections) if (section.off === undefined) maps.set(name, map(document, section));
  const off = sections.flatMap(([name, section]) => commentedOut(section, { [name]: section.fields }));
  if (off.length > 0) maps.comment = comment(off);
  return maps;
}

function map(document: Document<YAMLMap, false>, { fields, notes }: Section): YAMLMap {
  const node = document.createNode(fields) as unknown as YAMLMap;
  if (notes.length > 0) node.comment = comment(notes);
  return node;
}

/** The lines of a section that is off; none of one that is not. */
function commentedOut({ off, notes }: Section, content: unknown): string[] {
  if (off === undefined) return [];
  return [off, ...new Document(content).toString(FORMAT).trimEnd().split('\n'), ...notes];
}

/** `yaml` puts a # before each line, and nothing after it. */
const comment = (lines: readonly string[]): string => lines.map((line) => ` ${line}`).join('\n');
