/** Header fields that a route takes away and puts there; pure. */
import { Defect, fieldFrom, makeField, nameFrom, Token } from '../hpack/field.ts';
import type { Field, Name } from '../hpack/field.ts';
import type { HeaderEditsSpec } from '../policy.ts';

/** They say where a message goes and where it ends, which is the proxy's own affair. */
const PROXYS_OWN: readonly number[] = [Token.HOST, Token.TE, Token.CONTENT_LENGTH];

export class HeaderEdits {
  private readonly gone: ReadonlySet<string>;
  private readonly made: readonly Field[];

  /** Names in lower case. Throws an Error that says what is wrong with the specification. */
  constructor({ remove, set, add }: HeaderEditsSpec) {
    const names = set.map(([name]) => name);
    const twice = names.find((name, index) => names.indexOf(name) < index);
    if (twice !== undefined) throw new Error(`${twice} is set twice: add the second value`);
    for (const name of remove) judgeName(name);
    this.gone = new Set([...remove, ...names]);
    this.made = [...set, ...add].map(([name, value]) => made(name, value));
  }

  /** A new list, pseudo-headers first as before. What is set stands at the end, as what is added does. */
  apply(fields: readonly Field[]): Field[] {
    const edited: Field[] = [];
    for (const field of fields) if (!this.gone.has(field.name.text)) edited.push(field);
    for (const field of this.made) edited.push(field);
    return edited;
  }
}

const NOT_LATIN1 = /[^\0-\xff]/;

function octetsOf(text: string): Buffer {
  if (NOT_LATIN1.test(text)) throw new Error(`${text} has characters beyond latin1`);
  return Buffer.from(text, 'latin1');
}

function judgeName(text: string): Name {
  const octets = octetsOf(text);
  const name = nameFrom(octets, 0, octets.length);
  if (name.pseudo) throw new Error(`${text} is a pseudo-header: paths and hosts are rewritten`);
  if ((name.defect & Defect.NAME) !== 0) throw new Error(`${text} is no name of a header in lower case`);
  if ((name.defect & Defect.CONNECTION) !== 0) throw new Error(`${text} belongs to a connection, not to a message`);
  if (PROXYS_OWN.includes(name.token)) throw new Error(`${text} cannot be edited: the proxy itself writes it`);
  return name;
}

/** The value is not repeated in what is thrown: it may be a secret. */
function made(name: string, value: string): Field {
  if (NOT_LATIN1.test(value)) throw new Error(`the value of ${name} has characters beyond latin1`);
  const octets = octetsOf(value);
  if (fieldFrom(judgeName(name), octets, 0, octets.length, true).defect !== 0)
    throw new Error(`the value of ${name} is none that a field may have`);
  return makeField(name, value);
}
