/** Header fields that a route takes away and puts there. */
import type { HeaderEditsSpec } from '../policy.ts';
import type { Cursor } from './cursor.ts';
import { editFault } from './header-name.ts';
import { mapped, judged, whole } from './readers.ts';
import { list, object, type Reader } from './schema.ts';

type Pairs = HeaderEditsSpec['set'];

const name = mapped(
  judged('header name', (text) => editFault(text.toLowerCase())),
  (text) => text.toLowerCase(),
);

/** Names to values. The values are never quoted: they may be secrets. */
const pairs: Reader<Pairs> = {
  type: 'map of header names to values',
  read(at) {
    const map = at.map();
    if (map === undefined) return undefined;
    const read = [...map.entries].map(([key, { value, key: place }]) => {
      const lower = key.toLowerCase();
      const fault = editFault(lower) ?? (value.kind === 'scalar' ? null : 'takes one value');
      if (fault === null) return pair(lower, at.key(key));
      at.wrongKey(key, { key: place, value }, fault);
      return undefined;
    });
    const seen = new Set<string>();
    for (const each of read) {
      if (each !== undefined && seen.has(each[0])) at.wrong(`${each[0]} is written twice`, 'names have no case');
      if (each !== undefined) seen.add(each[0]);
    }
    return read.includes(undefined) ? undefined : (read as unknown as Pairs);
  },
};

function pair(name: string, at: Cursor): Pairs[number] | undefined {
  const value = at.node.kind === 'scalar' ? at.node.text : '';
  const fault = editFault(name, value);
  return fault === null ? [name, value] : at.wrong(fault);
}

const NONE = { value: [], shown: 'none' } as const;

export const headerEdits: Reader<HeaderEditsSpec> = whole(
  object('header edits', {
    remove: {
      reader: list(name, { unique: String }),
      fallback: NONE,
      help: 'Names of fields that are taken away first',
    },
    set: { reader: pairs, fallback: NONE, help: 'Fields that stand in place of all of their name' },
    add: { reader: pairs, fallback: NONE, help: 'Fields that are added to what is there' },
  }),
  (edits) => edits,
);
