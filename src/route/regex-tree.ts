/** Regular expressions as trees, as far as it takes to judge what they may cost; pure. */

/** What one atom accepts of the octets 0 to 255, a bit each: texts that are matched here are latin1. */
export type Octets = bigint;

export type RegexNode =
  | RepeatNode
  | { readonly kind: 'octet'; readonly of: Octets }
  /** `^`, `$`, and what else consumes nothing. */
  | { readonly kind: 'start' | 'end' | 'assertion' }
  | { readonly kind: 'group' | 'lookahead'; readonly alternatives: readonly (readonly RegexNode[])[] };

export interface RepeatNode {
  readonly kind: 'repeat';
  readonly body: RegexNode;
  readonly min: number;
  readonly max: number;
  /** As it is written. */
  readonly text: string;
}

/** A construct that is refused wherever it stands. */
export class Unfit extends Error {}

const ATOM = /\\(?:c[a-zA-Z]|x[0-9a-fA-F]{2}|u[0-9a-fA-F]{4}|0[0-7]{0,2}|.)|\[(?:\\.|[^\]\\])*\]|./sy;
const QUANTIFIER = /([*+?]|\{(\d+)(,?)(\d*)\})\??/y;
const GROUP = /\((?:\?(?:<([=!])|([=!])|<[^>]*>|[a-z-]*:))?/y;

/** Reads a pattern that the engine has found to be well-formed (without flags); throws `Unfit`. */
export function parseRegex(pattern: string): RegexNode {
  let at = 0;
  const take = (syntax: RegExp): RegExpExecArray | null => {
    syntax.lastIndex = at;
    const found = syntax.exec(pattern);
    if (found !== null) at = syntax.lastIndex;
    return found;
  };

  function alternatives(): RegexNode[][] {
    const all: RegexNode[][] = [[]];
    while (at < pattern.length && pattern[at] !== ')') {
      if (pattern[at] === '|') {
        at++;
        all.push([]);
      } else all.at(-1)!.push(term());
    }
    return all;
  }

  function term(): RegexNode {
    const start = at;
    const body = atom();
    const quantifier = take(QUANTIFIER);
    if (quantifier === null) return body;
    const [, sign, least, comma, most] = quantifier;
    const min = least === undefined ? (sign === '+' ? 1 : 0) : Number(least);
    const max = least === undefined ? (sign === '?' ? 1 : Infinity) : comma === '' ? min : Number(most || Infinity);
    return { kind: 'repeat', body, min, max, text: pattern.slice(start, at) };
  }

  function atom(): RegexNode {
    if (pattern[at] === '(') {
      const [, lookbehind, lookahead] = take(GROUP)!;
      if (lookbehind !== undefined) throw new Unfit('it looks behind');
      const inside = alternatives();
      at++; // the closing parenthesis
      return { kind: lookahead === undefined ? 'group' : 'lookahead', alternatives: inside };
    }
    const text = take(ATOM)![0];
    if (text === '^') return { kind: 'start' };
    if (text === '$') return { kind: 'end' };
    if (text === '\\b' || text === '\\B') return { kind: 'assertion' };
    if (/^\\[1-9k]/.test(text)) throw new Unfit(`${text} refers back to what a group has matched`);
    return { kind: 'octet', of: octetsOf(text) };
  }

  return { kind: 'group', alternatives: alternatives() };
}

/** What a node contains, one level down. */
export function childrenOf(node: RegexNode): readonly RegexNode[] {
  if (node.kind === 'repeat') return [node.body];
  return node.kind === 'group' || node.kind === 'lookahead' ? node.alternatives.flat() : [];
}

/** All that any place in it accepts. */
export const octetsIn = (node: RegexNode): Octets =>
  node.kind === 'octet' ? node.of : childrenOf(node).reduce((all, child) => all | octetsIn(child), 0n);

/** The engine itself says what it takes. */
function octetsOf(atom: string): Octets {
  const accepts = new RegExp(`^(?:${atom})$`);
  let octets = 0n;
  for (let octet = 0; octet < 256; octet++) if (accepts.test(String.fromCharCode(octet))) octets |= 1n << BigInt(octet);
  return octets;
}
