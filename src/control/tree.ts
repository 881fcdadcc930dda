/**
 * What was configured, before anybody asks what it means: scalars, lists and maps that know where each was written.
 * A YAML file, an environment variable and a command-line flag all become this, so one schema reads them all.
 */
import { Alias, isAlias, isMap, isScalar, isSeq, LineCounter, parseDocument, type Document, type Scalar } from 'yaml';

/** Line and column count from 1; line 0: the origin (a variable, a flag) has no lines and itself names the setting. */
export interface Place {
  readonly origin: string;
  readonly line: number;
  readonly column: number;
}

export interface ScalarNode {
  readonly kind: 'scalar';
  readonly place: Place;
  /** Nothing was written. */
  readonly empty: boolean;
  /** As written, without quotes: what `0x10` means is for a reader to say. */
  readonly text: string;
}
export interface ListNode {
  readonly kind: 'list';
  readonly place: Place;
  readonly items: readonly Node[];
}
export interface MapNode {
  readonly kind: 'map';
  readonly place: Place;
  readonly entries: Map<string, Entry>;
}
export interface Entry {
  readonly key: Place;
  readonly value: Node;
}
export type Node = ScalarNode | ListNode | MapNode;

export interface Mistake {
  readonly place: Place;
  /** Where it applies: `upstreams.asr.endpoints[1]`; empty: the file. */
  readonly path: string;
  readonly message: string;
}

/** `file:line:column: path: message`, or `environment: FRAMEWAY_X: message`, `--from: message`. */
export function renderMistake({ place, path, message }: Mistake): string {
  const { origin, line, column } = place;
  return line === 0 ? `${origin}: ${message}` : `${origin}:${line}:${column}: ${path || 'YAML'}: ${message}`;
}

/** In reading order: the file from top to bottom, then what has no lines. */
export const byPlace = (a: Mistake, b: Mistake): number =>
  (a.place.line || Infinity) - (b.place.line || Infinity) || a.place.column - b.place.column || 0;

export const placeOf = (origin: string): Place => ({ origin, line: 0, column: 0 });

/** A scalar from outside a file. */
export const scalarFrom = (place: Place, text: string): ScalarNode => ({
  kind: 'scalar',
  place,
  empty: text === '',
  text,
});

export const listFrom = (place: Place, items: readonly Node[]): ListNode => ({ kind: 'list', place, items });

export const mapFrom = (place: Place, fields: Readonly<Record<string, Node>>): MapNode => ({
  kind: 'map',
  place,
  entries: new Map(Object.entries(fields).map(([key, value]) => [key, { key: value.place, value }])),
});

/** YAML text -> its tree. Syntax errors are added to `mistakes`; the tree is then undefined, as half a tree misleads. */
export function treeFromYaml(text: string, file: string, mistakes: Mistake[]): Node | undefined {
  const lines = new LineCounter();
  // Duplicate keys are ours to find: we know the path.
  const document = parseDocument(text, { lineCounter: lines, uniqueKeys: false, prettyErrors: false });
  const placeAt = (offset: number): Place => {
    const { line, col } = lines.linePos(offset);
    return { origin: file, line: Math.max(line, 1), column: Math.max(col, 1) };
  };
  const flaws = [...document.errors, ...document.warnings];
  for (const flaw of flaws) {
    const message =
      flaw.code === 'MULTIPLE_DOCS' ? 'a second document begins here (one document a file)' : flaw.message;
    mistakes.push({ place: placeAt(flaw.pos[0]), path: '', message });
  }
  return flaws.length > 0 ? undefined : new YamlReader(document, placeAt, mistakes).convert(document.contents, '', 0);
}

/** What the parser hands out for a value; it does not narrow its own types further. */
type YamlNode = { range?: readonly [number, number, number] | null } | null | undefined;

class YamlReader {
  private readonly document: Document.Parsed;
  private readonly placeAt: (offset: number) => Place;
  private readonly mistakes: Mistake[];
  /** Anchored nodes are converted once, or nested aliases would multiply; null while one is being converted. */
  private readonly anchored = new Map<object, Node | null>();

  constructor(document: Document.Parsed, placeAt: (offset: number) => Place, mistakes: Mistake[]) {
    this.document = document;
    this.placeAt = placeAt;
    this.mistakes = mistakes;
  }

  /** @param offset where the value is or, where it is empty, would be */
  convert(node: YamlNode, path: string, offset: number): Node {
    const at = node?.range?.[0] ?? offset;
    const place = this.placeAt(at);
    if (isAlias(node)) return this.alias(node, path, place);
    const known = node ? this.anchored.get(node) : undefined;
    if (known) return known;
    if (node) this.anchored.set(node, null);
    const made = this.build(node, path, place, at);
    if (node) this.anchored.set(node, made);
    return made;
  }

  private build(node: YamlNode, path: string, place: Place, at: number): Node {
    if (isSeq<YamlNode>(node)) {
      const items = node.items.map((item, i) => this.convert(item, `${path}[${i}]`, at));
      return { kind: 'list', place, items };
    }
    if (isMap<YamlNode, YamlNode>(node)) {
      const map: MapNode = { kind: 'map', place, entries: new Map() };
      const merged: Node[] = [];
      for (const { key, value } of node.items) {
        const name = isScalar(key) && key.value !== null ? key.source : undefined;
        const keyAt = key?.range?.[0] ?? at;
        if (name === undefined) this.wrong(keyAt, path, 'a key must be plain text');
        else if (name === '<<') merged.push(this.convert(value, path, keyAt));
        else this.enter(map, name, keyAt, value, path);
      }
      for (const base of merged) this.merge(map, base, path);
      return map;
    }
    const scalar = node as Scalar | null | undefined;
    const text = typeof scalar?.value === 'string' ? scalar.value : (scalar?.source ?? '');
    return { kind: 'scalar', place, empty: text === '' && typeof scalar?.value !== 'string', text };
  }

  private enter(map: MapNode, name: string, keyAt: number, value: YamlNode, path: string): void {
    const inner = path === '' ? name : `${path}.${name}`;
    const first = map.entries.get(name);
    if (first === undefined) {
      map.entries.set(name, { key: this.placeAt(keyAt), value: this.convert(value, inner, keyAt) });
    } else this.wrong(keyAt, inner, `is written twice (first in line ${first.key.line})`);
  }

  /** `<<`: what the map does not say itself comes from the base, the first of several bases first. */
  private merge(map: MapNode, base: Node, path: string): void {
    if (base.kind === 'list') for (const item of base.items) this.merge(map, item, path);
    else if (base.kind === 'map') {
      for (const [name, entry] of base.entries) if (!map.entries.has(name)) map.entries.set(name, entry);
    } else if (!base.empty) {
      this.mistakes.push({ place: base.place, path, message: '<< takes a map, or a list of maps' });
    }
  }

  private alias(alias: Alias, path: string, place: Place): Node {
    const target = alias.resolve(this.document) as YamlNode;
    const known = target ? this.anchored.get(target) : undefined;
    if (target && known !== null) return this.convert(target, path, 0);
    const why = target ? `*${alias.source} contains itself` : `no anchor &${alias.source} stands before this`;
    this.mistakes.push({ place, path, message: why });
    return scalarFrom(place, '');
  }

  private wrong(offset: number, path: string, message: string): void {
    this.mistakes.push({ place: this.placeAt(offset), path, message });
  }
}
