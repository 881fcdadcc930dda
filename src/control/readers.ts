/** Readers of single values, each with bounds and the words for what would be right; and what may stand in their place. */
import { formatDuration, formatSize, parseDuration, parsePercent, parseSize } from '../units.ts';
import type { Cursor } from './cursor.ts';
import type { Field, Reader, Whole } from './schema.ts';
import { hint } from './suggest.ts';
import { mapFrom } from './tree.ts';

/** Reads what is written in one word, and writes it the way it reads it. */
export interface ScalarReader<T> extends Reader<T> {
  show(value: T): string;
}

/** A key with the default that `value` is. */
export const field = <T>(reader: ScalarReader<T>, value: T, help: string): Field<T> => ({
  reader,
  fallback: reader.show(value),
  help,
});

const a = (noun: string) => `${/^[aeiou]/i.test(noun) ? 'an' : 'a'} ${noun}`;

/** A single value, parsed from its text as written. `parse` returns undefined for what it does not take. */
function scalar<T>(
  type: string,
  right: string,
  parse: (text: string) => T | undefined,
  show: (value: T) => string,
): ScalarReader<T> {
  const read = (at: Cursor): T | undefined => {
    const value = at.node.kind === 'scalar' ? parse(at.node.text) : undefined;
    return value === undefined ? at.wrong(`${at.quoted()} is not ${a(type)}`, right) : value;
  };
  return { type, read, show };
}

/** A number of some unit between two bounds, both included. */
function bounded(inner: ScalarReader<number>, min: number, max: number): ScalarReader<number> {
  const read = (at: Cursor): number | undefined => {
    const value = inner.read(at);
    if (value === undefined || (value >= min && value <= max)) return value;
    return at.wrong(
      `${at.quoted()} is too ${value < min ? 'small' : 'large'}`,
      `${inner.show(min)} to ${inner.show(max)}`,
    );
  };
  return { ...inner, read };
}

export const text = (type: string, right: string, parse: (text: string) => string | undefined): ScalarReader<string> =>
  scalar(type, right, parse, String);

export function integer(min: number, max: number): ScalarReader<number> {
  const parse = (written: string) => (/^-?\d{1,15}$/.test(written) ? Number(written) : undefined);
  return bounded(scalar('whole number', `${min} to ${max}`, parse, String), min, max);
}

/** `1.25`, or a whole number. */
export function decimal(min: number, max: number): ScalarReader<number> {
  const parse = (written: string) => (/^-?\d{1,9}(\.\d{1,6})?$/.test(written) ? Number(written) : undefined);
  return bounded(scalar('number', `${min} to ${max}`, parse, String), min, max);
}

export const duration = (min: number, max: number): ScalarReader<number> =>
  bounded(scalar('duration', 'with a unit, like 5s, 250ms or 1m30s', parseDuration, formatDuration), min, max);

export const size = (min: number, max: number): ScalarReader<number> =>
  bounded(scalar('size', 'like 64KiB, 1MiB or a number of bytes', parseSize, formatSize), min, max);

/** `50%` -> 0.5; so are the bounds. */
export function percentage(min = 0, max = 1): ScalarReader<number> {
  const parse = (written: string) => {
    const percent = parsePercent(written);
    return percent === undefined ? undefined : percent / 100;
  };
  // 0.07 * 100 is 7.000000000000001.
  const show = (share: number) => `${Number((share * 100).toFixed(6))}%`;
  return bounded(scalar('percentage', 'like 50%', parse, show), min, max);
}

/** A size, or a percentage of `whole`. */
export function sizeOrShare(whole: number, min: number): ScalarReader<number> {
  const parse = (written: string) => {
    const percent = parsePercent(written);
    return percent === undefined ? parseSize(written) : Math.floor((whole * percent) / 100);
  };
  const right = 'like 256MiB, or 25% of the memory limit';
  const show = (n: number) => (n === whole ? '100%' : formatSize(n));
  return bounded(scalar('size or percentage', right, parse, show), min, whole);
}

const parseBoolean = (written: string) => (written === 'true' ? true : written === 'false' ? false : undefined);
export const boolean: ScalarReader<boolean> = scalar('boolean', 'true or false', parseBoolean, String);

/** One of these words; `aliases`: words of other programs, and which of ours they mean. */
export function oneOf<const T extends string>(
  values: readonly T[],
  aliases: Readonly<Record<string, T>> = {},
): ScalarReader<T> {
  const read = (at: Cursor) => {
    const written = at.node.kind === 'scalar' ? at.node.text : '';
    const value = Object.hasOwn(aliases, written) ? aliases[written] : values.find((each) => each === written);
    return value ?? at.wrong(`${at.quoted()} is not known here`, hint(written, values));
  };
  return { type: values.join(' | '), read, show: String };
}

/** What another parser understands: `parse` returns the value, or a string that says what would be right. */
export const parsed = <T extends object | number>(type: string, parse: (text: string) => T | string): Reader<T> => ({
  type,
  read(at) {
    const { node } = at;
    const value = parse(node.kind === 'scalar' ? node.text : '');
    return typeof value === 'string' ? at.wrong(`${at.quoted()} is not ${a(type)}`, value) : value;
  },
});

/** A text that is right as it is. `fault` says what is wrong with one, null: nothing. */
export const judged = (type: string, fault: (text: string) => string | null): ScalarReader<string> => ({
  type,
  show: String,
  read(at) {
    const text = at.node.kind === 'scalar' ? at.node.text : null;
    const wrong = text === null ? 'one value' : fault(text);
    return text === null || wrong !== null ? at.wrong(`${at.quoted()} is not ${a(type)}`, wrong ?? '') : text;
  },
});

/** What a reader returns, in another form; `to` is spared the hole. */
export const mapped = <A, B>(reader: Reader<A>, to: (draft: A) => B): Reader<B> => ({
  ...reader,
  read(at) {
    const draft = reader.read(at);
    return draft === undefined ? undefined : to(draft);
  },
});

/** As `mapped`, where nothing within has a hole: the value is whole, or itself one. */
export const whole = <A, B>(reader: Reader<A>, to: (read: Whole<A>) => B): Reader<B> => ({
  ...reader,
  read(at) {
    const draft = reader.read(at);
    return hasHole(draft) ? undefined : to(draft as Whole<A>);
  },
});

function hasHole(value: unknown): boolean {
  if (value === undefined) return true;
  if (typeof value !== 'object' || value === null || value instanceof Uint8Array) return false;
  return (value instanceof Map ? [...value.values()] : Object.values(value)).some(hasHole);
}

/** The value, or `off`: null. */
export const orOff = <T>(inner: Reader<T>): Reader<T | null> => ({
  ...inner,
  type: `${inner.type} or off`,
  read: (at) => (at.is('off') ? null : inner.read(at.or('off'))),
});

/** A number, or `off`: 0. */
export const orZero = (inner: ScalarReader<number>): ScalarReader<number> => ({
  type: `${inner.type} or off`,
  read: (at) => (at.is('off') ? 0 : inner.read(at.or('off'))),
  show: (value) => (value === 0 ? 'off' : inner.show(value)),
});

/** A map in which everything has its default, or `on` for just that. */
export const orOn = <T>(inner: Reader<T>): Reader<T> => ({
  ...inner,
  type: `${inner.type}, on`,
  read: (at) => inner.read(at.is('on') ? at.as(mapFrom(at.place, {})) : at.or('on')),
});

/** Either a short form in one scalar, or the map. */
export const orShort = <T>(short: Reader<T>, long: Reader<T>): Reader<T> => ({
  ...long,
  type: short.type,
  read: (at) => (at.node.kind === 'map' ? long : short).read(at),
});

/** A map, or the value of its one key that matters most. */
export function orOnly<T>(long: Reader<T>, key: string): Reader<T> {
  const read = (at: Cursor) => {
    // Read for its mistakes alone: here they have the path that was written, and know the alternatives.
    if (long.inside?.fields[key]?.reader.read(at) === undefined) return undefined;
    return long.read(at.as(mapFrom(at.place, { [key]: at.node })));
  };
  return orShort({ type: long.type, read }, long);
}
