/**
 * Readers: each turns a place in the tree into a value, or reports what is wrong and what would be right. Built from
 * them, the schema of the configuration is data: it reads files, and `reference` lists every key from it. Here are those
 * of lists and maps; `readers.ts` has those of single values.
 */
import type { Cursor } from './cursor.ts';
import { hint } from './suggest.ts';
import { scalarFrom } from './tree.ts';

export interface Reader<T> {
  /** What a reference calls it: `duration`, `list of CIDR`. */
  readonly type: string;
  /** The value; undefined, a hole, once a mistake has been reported. */
  read(at: Cursor): T | undefined;
  /** Below an object, list or map: what it holds, for the reference. */
  readonly inside?: { readonly path: string; readonly fields: Fields };
}

export interface Field<T> {
  readonly reader: Reader<T>;
  /** As one would write it ('': a section of defaults), or a value and how to show it. Without it the key is required. */
  readonly fallback?: string | { readonly value: T; readonly shown: string };
  readonly help: string;
}
// Readers produce what they produce; only `object` looks at it, and infers it.
// eslint-disable-next-line @typescript-eslint/no-explicit-any
export type Fields = Readonly<Record<string, Field<any>>>;

type Camel<S extends string> = S extends `${infer Head}_${infer Tail}` ? `${Head}${Capitalize<Camel<Tail>>}` : S;
/** What `object` reads, as a draft: with a hole wherever a mistake was found. */
export type Shape<F extends Fields> = {
  readonly [K in keyof F & string as Camel<K>]: F[K] extends Field<infer T> ? T | undefined : never;
};
/** A draft without holes: what it is once no mistake was found. */
export type Whole<T> =
  T extends ReadonlyMap<string, infer V>
    ? ReadonlyMap<string, Whole<Exclude<V, undefined>>>
    : T extends Uint8Array
      ? T
      : T extends object
        ? { readonly [K in keyof T]: Whole<Exclude<T[K], undefined>> }
        : T;
export const camel = (key: string): string => key.replaceAll(/_(.)/g, (_, letter: string) => letter.toUpperCase());

export interface ListRules<T> {
  readonly min?: number;
  /** Two items of the same key are a mistake; '' and undefined are like no other. */
  readonly unique?: (item: T) => string | undefined;
}

export function list<T>(item: Reader<T>, { min = 0, unique }: ListRules<T> = {}): Reader<readonly (T | undefined)[]> {
  const read = (at: Cursor): readonly (T | undefined)[] | undefined => {
    if (at.node.kind !== 'list') {
      const one = at.node.kind === 'scalar' && !at.node.empty;
      return at.wrong(
        `${at.quoted()} is not a list`,
        one ? `did you mean [${at.quoted()}]?` : '[a, b], or - a, one a line',
      );
    }
    if (at.node.items.length < min) return at.wrong('the list is empty', `at least one ${item.type}`);
    const seen = new Map<string, number>();
    return at.node.items.map((_, i) => {
      const value = item.read(at.index(i));
      const key = value === undefined ? undefined : unique?.(value);
      if (!key) return value;
      const first = seen.get(key);
      if (first === undefined) seen.set(key, i);
      else at.index(i).wrong(`${key} is listed twice`, `first as ${at.path}[${first}]`);
      return value;
    });
  };
  const inside = item.inside && { path: `[]${item.inside.path}`, fields: item.inside.fields };
  return { type: `list of ${item.type}`, read, ...(inside && { inside }) };
}

/** A list without doubles, or the one item that it would hold. `unique` as of `list`. */
export function oneOrMore<T>(
  item: Reader<T>,
  unique: NonNullable<ListRules<T>['unique']> = String,
): Reader<readonly (T | undefined)[]> {
  const several = list(item, { min: 1, unique });
  const read = (at: Cursor) => {
    if (at.node.kind === 'list') return several.read(at);
    const one = item.read(at);
    return one === undefined ? undefined : [one];
  };
  return { ...item, type: `${item.type}, or a list`, read };
}

/** A map of names to things of one kind. */
export function named<T>(
  item: Reader<T>,
  checkName: (name: string) => string | null,
): Reader<ReadonlyMap<string, T | undefined>> {
  const read = (at: Cursor): ReadonlyMap<string, T | undefined> | undefined => {
    const map = at.map();
    if (map === undefined) return undefined;
    if (map.entries.size === 0) return at.wrong('is empty', `at least one name: ${item.type}`);
    const values = new Map<string, T | undefined>();
    for (const [name, entry] of map.entries) {
      const flaw = checkName(name);
      if (flaw !== null) at.wrongKey(name, entry, flaw);
      values.set(name, item.read(at.key(name)));
    }
    return values;
  };
  const inside = item.inside && { path: `.NAME${item.inside.path}`, fields: item.inside.fields };
  return { type: `map of names to ${item.type}`, read, ...(inside && { inside }) };
}

/** Where a key would be right that was written outside its section. */
function misplaced(key: string, fields: Fields): string | undefined {
  const within = ({ reader: { inside } }: Field<unknown>) => inside?.path === '' && Object.hasOwn(inside.fields, key);
  const sections = Object.entries(fields).filter(([, field]) => within(field));
  return sections.length === 0 ? undefined : `did you mean ${sections.map(([name]) => `${name}.${key}`).join(' or ')}?`;
}

/**
 * A map with known keys; in TypeScript the keys are camelCase. `check` sees the values together, holes and
 * all.
 */
export function object<F extends Fields>(
  type: string,
  fields: F,
  check?: (draft: Shape<F>, at: Cursor) => void,
): Reader<Shape<F>> {
  const known = Object.keys(fields);
  const absent = (at: Cursor, key: string, { fallback, reader, help }: Field<unknown>): unknown => {
    if (fallback === undefined) {
      at.wrongKey(key, undefined, `is missing (${reader.type}: ${help[0]!.toLowerCase()}${help.slice(1)})`);
      return undefined;
    }
    if (typeof fallback !== 'string') return fallback.value;
    return reader.read(at.child(key, scalarFrom(at.place, fallback)));
  };
  const read = (at: Cursor): Shape<F> | undefined => {
    const map = at.map();
    if (map === undefined) return undefined;
    for (const [key, entry] of map.entries) {
      if (!Object.hasOwn(fields, key))
        at.wrongKey(key, entry, `unknown key (${misplaced(key, fields) ?? hint(key, known)})`);
    }
    const draft: Record<string, unknown> = {};
    for (const [key, field] of Object.entries(fields)) {
      const entry = map.entries.get(key);
      draft[camel(key)] = entry ? field.reader.read(at.key(key)) : absent(at, key, field);
    }
    // Put together key by key it would be slow to read, and the data path reads it at every frame: a copy is not.
    const shape = { ...draft } as Shape<F>;
    check?.(shape, at);
    return shape;
  };
  return { type, read, inside: { path: '', fields } };
}

export interface Row {
  readonly key: string;
  readonly type: string;
  readonly fallback: string;
  readonly help: string;
}

/** Every key of a schema, outer before inner: what the reference and the environment's names are made of. */
export function reference(fields: Fields, prefix = ''): Row[] {
  return Object.entries(fields).flatMap(([name, { reader, fallback, help }]) => {
    const key = `${prefix}${name}`;
    const { inside } = reader;
    const shown = fallback === undefined ? 'required' : typeof fallback === 'string' ? fallback : fallback.shown;
    const row: Row = { key, type: reader.type, fallback: shown, help };
    return inside ? [row, ...reference(inside.fields, `${key}${inside.path}.`)] : [row];
  });
}
