/** A value in the tree, the way to it, and where to complain about it. */
import { type Entry, type MapNode, type Mistake, type Node, type Place } from './tree.ts';

export class Cursor {
  readonly node: Node;
  readonly path: string;
  private readonly mistakes: Mistake[];
  private readonly alternatives: readonly string[];

  constructor(node: Node, mistakes: Mistake[], path = '', alternatives: readonly string[] = []) {
    this.node = node;
    this.path = path;
    this.mistakes = mistakes;
    this.alternatives = alternatives;
  }

  get place(): Place {
    return this.node.place;
  }

  /** Reports a mistake about this value, and what would be right. Returns the hole that a reader leaves then. */
  // eslint-disable-next-line @typescript-eslint/no-unnecessary-type-parameters -- a hole in place of whatever is read
  wrong<T>(flaw: string, right = ''): T | undefined {
    const also = this.alternatives.map((word) => `or ${word}`).join(' ');
    const all = [right, also].filter((part) => part !== '').join('; ');
    this.report(this.place, this.path, all === '' ? flaw : `${flaw} (${all})`);
    return undefined;
  }

  /** Reports a mistake about one of this map's keys. */
  wrongKey(key: string, entry: Entry | undefined, message: string): void {
    this.report(entry?.key ?? this.place, this.join(key), message);
  }

  index(i: number): Cursor {
    const item = this.node.kind === 'list' ? this.node.items[i] : undefined;
    return new Cursor(item ?? this.node, this.mistakes, `${this.path}[${i}]`);
  }

  /** The value of a key; where the map has no such key, a place to complain about its absence: the map itself. */
  key(key: string): Cursor {
    const value = this.node.kind === 'map' ? this.node.entries.get(key)?.value : undefined;
    return this.child(key, value ?? this.node);
  }

  has(key: string): boolean {
    return this.node.kind === 'map' && this.node.entries.has(key);
  }

  /** The same place in the tree holding `node`: how a default is read. */
  child(key: string, node: Node): Cursor {
    return new Cursor(node, this.mistakes, this.join(key));
  }

  /** The same place read as `node`: what a short form stands for. */
  as(node: Node): Cursor {
    return new Cursor(node, this.mistakes, this.path);
  }

  /** The same value, where this word would have been right, too: mistakes about it then say so. */
  or(word: string): Cursor {
    return new Cursor(this.node, this.mistakes, this.path, [word, ...this.alternatives]);
  }

  /** Whether this word is what is written. */
  is(word: string): boolean {
    return this.node.kind === 'scalar' && this.node.text === word;
  }

  /** The node as a map, or undefined after the mistake was reported. An empty value is an empty map. */
  map(): MapNode | undefined {
    if (this.node.kind === 'map') return this.node;
    if (this.node.kind === 'scalar' && this.node.empty) {
      return { kind: 'map', place: this.place, entries: new Map() };
    }
    return this.wrong(`${this.quoted()} is not a map`, 'key: value, one a line');
  }

  /** What is there, short enough for a message. */
  quoted(): string {
    const { node } = this;
    if (node.kind !== 'scalar') return `a ${node.kind}`;
    if (node.empty) return 'nothing';
    return JSON.stringify(node.text.length > 80 ? `${node.text.slice(0, 80)}...` : node.text);
  }

  private join(key: string): string {
    return this.path === '' ? key : `${this.path}.${key}`;
  }

  private report(place: Place, path: string, message: string): void {
    this.mistakes.push({ place, path, message });
  }
}
