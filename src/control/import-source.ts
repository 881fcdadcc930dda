/** Reading files of other programs: their keys in any case, their numbers in seconds, and what nobody asked for. */
import type { Cursor } from './cursor.ts';
import { scalarFrom, type Entry } from './tree.ts';
import type { Reader } from './schema.ts';

/** As it may stand in a comment: a key that is quoted in YAML can hold line breaks and worse. */
const shown = (key: string): string => (/^[\w.-]+$/.test(key) ? key : JSON.stringify(key));

/** A map whose keys may be in any case (viper, which both programs read with, does not tell them apart). */
export class ForeignMap {
  readonly at: Cursor;
  private readonly left = new Map<string, { readonly name: string; readonly entry: Entry }>();

  private constructor(at: Cursor, entries: ReadonlyMap<string, Entry>) {
    this.at = at;
    for (const [name, entry] of entries) {
      const first = this.left.get(name.toLowerCase());
      if (first === undefined) this.left.set(name.toLowerCase(), { name, entry });
      else at.wrongKey(name, entry, `is written twice (first in line ${first.entry.key.line})`);
    }
  }

  /** Undefined where there is no map, after the mistake was reported. */
  static of(at: Cursor): ForeignMap | undefined {
    const map = at.map();
    return map && new ForeignMap(at, map.entries);
  }

  /** What stands after a key, by the first of its names that is there; it may be nothing. */
  section(...names: readonly string[]): Cursor | undefined {
    for (const key of names.map((name) => name.toLowerCase())) {
      const found = this.left.get(key);
      if (found !== undefined && this.left.delete(key)) return this.at.key(found.name);
    }
    return undefined;
  }

  /** The value of a key, likewise; nothing is as good as no key. */
  take(...names: readonly string[]): Cursor | undefined {
    const value = this.section(...names);
    return value?.node.kind === 'scalar' && value.node.empty ? undefined : value;
  }

  /** The value of a key that has to be there; undefined after the mistake was reported. `what` it would be. */
  required(what: string, ...names: readonly string[]): Cursor | undefined {
    const value = this.take(...names);
    if (value === undefined) this.at.wrongKey(names[0]!, undefined, `is missing (${what})`);
    return value;
  }

  /** A comment for each key that was not taken. Their values are not repeated: they may be secrets. */
  rest(): string[] {
    return [...this.left.values()].map(
      ({ name, entry }) => `${shown(name)} (line ${entry.key.line}) has no equal here`,
    );
  }

  /** The values of a map whose keys are names. */
  values(): { readonly name: string; readonly at: Cursor }[] {
    return [...this.left.values()].map(({ name }) => ({ name, at: this.at.key(name) }));
  }
}

/** What a scalar says, or undefined after the mistake was reported. */
export function textOf(at: Cursor, right: string): string | undefined {
  return at.node.kind === 'scalar' ? at.node.text.trim() : at.wrong(`${at.quoted()} is not one value`, right);
}

/** YAML 1.1, which both programs read, has more words for these than YAML 1.2. */
export function booleanOf(at: Cursor): boolean | undefined {
  const text = textOf(at, 'true or false')?.toLowerCase();
  if (text === undefined) return undefined;
  if (['true', 'yes', 'on', 'y'].includes(text)) return true;
  if (['false', 'no', 'off', 'n'].includes(text)) return false;
  return at.wrong(`${at.quoted()} is not a boolean`, 'true or false');
}

/** One of the words that `meanings` has, in any case. */
export function wordOf<T>(at: Cursor, meanings: Readonly<Record<string, T>>): T | undefined {
  const known = Object.keys(meanings);
  const text = textOf(at, known.join(', '));
  if (text === undefined) return undefined;
  const word = known.find((each) => each.toLowerCase() === text.toLowerCase());
  return word === undefined
    ? at.wrong(`${at.quoted()} is not known here`, `known: ${known.join(', ')}`)
    : meanings[word];
}

/** Seconds as a duration of ours: `3` -> `3s`. What has a unit keeps it. */
export function secondsOf(at: Cursor): string | undefined {
  const text = textOf(at, 'a number of seconds');
  return text !== undefined && /^\d+(\.\d+)?$/.test(text) ? `${text}s` : text;
}

/** Whether the reader of the key that it becomes takes `text`; if not, the mistake is told where the source says it. */
export const fits = (reader: Reader<unknown>, at: Cursor, text: string): boolean =>
  reader.read(at.as(scalarFrom(at.place, text))) !== undefined;

/** The items of a list, or of a scalar with commas; undefined after the mistake was reported. */
export function itemsOf(at: Cursor, right: string): { readonly text: string; readonly at: Cursor }[] | undefined {
  const { node } = at;
  const items =
    node.kind === 'list'
      ? node.items.map((_, i) => ({ text: textOf(at.index(i), right), at: at.index(i) }))
      : textOf(at, right)
          ?.split(',')
          .map((text) => ({ text: text.trim(), at }));
  // A comma at the end begins nothing.
  const said = items?.flatMap(({ text, at: here }) => (text ? [{ text, at: here }] : []));
  if (said?.length === 0) return at.wrong('the list is empty', right);
  return said;
}
