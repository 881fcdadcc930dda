/**
 * Readers: each turns a place in the tree into a value, or reports what is wrong and what would be right. Built from
 * them, the schema of the configuration is data: it reads files, and `reference` lists every key from it.
 */
import { formatDuration, formatSize, parseDuration, parsePercent, parseSize } from '../units.ts';
import type { Cursor } from './cursor.ts';
import { hint } from './suggest.ts';
import { scalarFrom } from './tree.ts';

export interface Reader<T> {
  /** What a reference calls it: `duration`, `list of CIDR`. */
  readonly type: string;
  /** The value; null, a hole, once a mistake has been reported. */
  read(at: Cursor): T | null;
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
  readonly [K in keyof F & string as Camel<K>]: F[K] extends Field<infer T> ? T | null : never;
};
/** A draft without holes: what it is once no mistake was found. */
export type Whole<T> =
  T extends ReadonlyMap<string, infer V>
    ? ReadonlyMap<string, Whole<NonNullable<V>>>
    : T extends readonly (infer I)[]
      ? readonly Whole<NonNullable<I>>[]
      : T extends object
        ? { readonly [K in keyof T]: Whole<Exclude<T[K], null>> }
        : T;
export const camel = (key: string): string => key.replaceAll(/_(.)/g, (_, letter: string) => letter.toUpperCase());

const a = (noun: string) => `${/^[aeiou]/i.test(noun) ? 'an' : 'a'} ${noun}`;

/** A single value, parsed from its text as written. `parse` returns undefined for what it does not take. */
function scalar<T>(type: string, right: string, parse: (text: string) => T | undefined): Reader<T> {
  return {
    type,
    read(at) {
      const { node } = at;
      const value = node.kind === 'scalar' ? parse(node.text) : undefined;
      return value === undefined ? at.wrong(`${at.quoted()} is not ${a(type)} (${right})`) : value;
    },
  };
}

/** A number of some unit between two bounds, both included. */
function bounded(inner: Reader<number>, min: number, max: number, show: (n: number) => string): Reader<number> {
  return {
    type: inner.type,
    read(at) {
      const value = inner.read(at);
      if (value === null || (value >= min && value <= max)) return value;
      return at.wrong(`${at.quoted()} is too ${value < min ? 'small' : 'large'} (${show(min)} to ${show(max)})`);
    },
  };
}

export const text = (type: string, right: string, parse: (text: string) => string | undefined): Reader<string> =>
  scalar(type, right, parse);

export function integer(min: number, max: number): Reader<number> {
  const whole = (written: string) => (/^-?\d{1,15}$/.test(written) ? Number(written) : undefined);
  return bounded(scalar('whole number', `${min} to ${max}`, whole), min, max, String);
}

export const duration = (min: number, max: number): Reader<number> =>
  bounded(scalar('duration', 'with a unit, like 5s, 250ms or 1m30s', parseDuration), min, max, formatDuration);

export const size = (min: number, max: number): Reader<number> =>
  bounded(scalar('size', 'like 64KiB, 1MiB or a number of bytes', parseSize), min, max, formatSize);

/** A size, or a percentage of `whole`. */
export function share(whole: number, min: number): Reader<number> {
  const parse = (written: string) => {
    const percent = parsePercent(written);
    return percent === undefined ? parseSize(written) : Math.floor((whole * percent) / 100);
  };
  const right = 'like 256MiB, or 25% of the memory limit';
  const show = (n: number) => (n === whole ? '100%' : formatSize(n));
  return bounded(scalar('size or percentage', right, parse), min, whole, show);
}

export const boolean: Reader<boolean> = scalar('boolean', 'true or false', (written) =>
  written === 'true' ? true : written === 'false' ? false : undefined,
);

export const oneOf = <const T extends string>(values: readonly T[]): Reader<T> => ({
  type: values.join(' | '),
  read(at) {
    const written = at.node.kind === 'scalar' ? at.node.text : '';
    const value = values.find((candidate) => candidate === written);
    return value ?? at.wrong(`${at.quoted()} is not known here (${hint(written, values)})`);
  },
});

/** What another parser understands: `parse` returns the value, or a string that says what would be right. */
export const parsed = <T extends object>(type: string, parse: (text: string) => T | string): Reader<T> => ({
  type,
  read(at) {
    const { node } = at;
    const value = parse(node.kind === 'scalar' ? node.text : '');
    return typeof value === 'string' ? at.wrong(`${at.quoted()} is not ${a(type)} (${value})`) : value;
  },
});

export interface ListRules<T> {
  readonly min?: number;
  /** Two items of the same key are a mistake; '' and null are like no other. */
  readonly unique?: (item: T) => string | null;
}

export function list<T>(item: Reader<T>, { min = 0, unique }: ListRules<T> = {}): Reader<readonly (T | null)[]> {
  const read = (at: Cursor): readonly (T | null)[] | null => {
    if (at.node.kind !== 'list') {
      const one = at.node.kind === 'scalar' && !at.node.empty;
      return at.wrong(
        `${at.quoted()} is not a list (${one ? `did you mean [${at.quoted()}]?` : '[a, b], or - a, one a line'})`,
      );
    }
    if (at.node.items.length < min) return at.wrong(`the list is empty (at least one ${item.type})`);
    const seen = new Map<string, number>();
    return at.node.items.map((_, i) => {
      const value = item.read(at.index(i));
      const key = value === null ? null : unique?.(value);
      if (!key) return value;
      const first = seen.get(key);
      if (first === undefined) seen.set(key, i);
      else at.index(i).wrong(`${key} is listed twice (first as ${at.path}[${first}])`);
      return value;
    });
  };
  const inside = item.inside && { path: `[]${item.inside.path}`, fields: item.inside.fields };
  return { type: `list of ${item.type}`, read, ...(inside && { inside }) };
}

/** A map of names to things of one kind. */
export function named<T>(
  item: Reader<T>,
  checkName: (name: string) => string | null,
): Reader<ReadonlyMap<string, T | null>> {
  const read = (at: Cursor): ReadonlyMap<string, T | null> | null => {
    const map = at.map();
    if (map === null) return null;
    if (map.entries.size === 0) return at.wrong(`is empty (at least one name: ${item.type})`);
    const values = new Map<string, T | null>();
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
      return null;
    }
    if (typeof fallback !== 'string') return fallback.value;
    return reader.read(at.child(key, scalarFrom(at.place, fallback)));
  };
  const read = (at: Cursor): Shape<F> | null => {
    const map = at.map();
    if (map === null) return null;
    for (const [key, entry] of map.entries) {
      if (!Object.hasOwn(fields, key)) at.wrongKey(key, entry, `unknown key (${hint(key, known)})`);
    }
    const draft: Record<string, unknown> = {};
    for (const [key, field] of Object.entries(fields)) {
      const entry = map.entries.get(key);
      draft[camel(key)] = entry ? field.reader.read(at.key(key)) : absent(at, key, field);
    }
    const shape = draft as Shape<F>;
    check?.(shape, at);
    return shape;
  };
  return { type, read, inside: { path: '', fields } };
}

/** Either a short form in one scalar, or the map. */
export const orShort = <T>(short: Reader<T>, long: Reader<T>): Reader<T> => ({
  type: short.type,
  read: (at) => (at.node.kind === 'map' ? long : short).read(at),
  ...(long.inside && { inside: long.inside }),
});

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
