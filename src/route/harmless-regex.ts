/**
 * Which regular expressions may be put before what strangers send: those whose time grows with the length of a text, not with
 * its square or worse. The engine tries one way after another, so there must not be many ways to match one text; pure.
 */
import { Places } from './regex-places.ts';
import { childrenOf, octetsIn, parseRegex, Unfit } from './regex-tree.ts';
import type { Octets, RegexNode, RepeatNode } from './regex-tree.ts';

const MAX_LENGTH = 512;

/** A repetition of up to so many times counts by its ways, one of more as without end. */
const FEW = 16;
const MAX_WAYS = 1000;

/** What paths and values of fields consist of: a tab, and what is no control. */
const TEXT: Octets = ((1n << 256n) - (1n << 32n) - (1n << 127n)) | (1n << 9n);

/** Why a pattern is refused; null: it is harmless, and `new RegExp(pattern)` is what it has to be compiled with. */
export function regexFault(pattern: string): string | null {
  if (pattern.length > MAX_LENGTH) return `it is longer than ${MAX_LENGTH} characters`;
  try {
    new RegExp(pattern);
    const tree = parseRegex(pattern);
    for (const repeat of repeatsIn(tree)) judgeRepeat(repeat);
    new Walk().visit(tree, [{ of: TEXT, ways: Infinity, through: [], text: '' }], true);
    return null;
  } catch (error) {
    if (error instanceof Unfit || error instanceof SyntaxError) return error.message;
    throw error;
  }
}

/** All repetitions of more than once, the outer before the inner ones. */
function repeatsIn(node: RegexNode): RepeatNode[] {
  const inside = childrenOf(node).flatMap(repeatsIn);
  return node.kind === 'repeat' && node.max > 1 ? [node, ...inside] : inside;
}

/** Inside of a repetition the next octet has to say how it goes on: otherwise the ways double with each turn. */
function judgeRepeat({ body, text }: RepeatNode): void {
  const nested = repeatsIn(body).find(({ max }) => max === Infinity);
  if (nested !== undefined) throw new Unfit(`${text} repeats ${nested.text}, which is a repetition itself`);
  const places = new Places(body);
  if (places.optional) throw new Unfit(`${text} repeats what may be empty`);
  if (places.beginsAlike) throw new Unfit(`${text} repeats what can begin alike in two ways`);
  if (places.repeatsAlike) throw new Unfit(`${text} can match the same text in more than one way`);
}

/** A repetition that text to the left of here may have been read by. */
interface Open {
  readonly of: Octets;
  /** In which it may match a text: Infinity stands for its length. */
  readonly ways: number;
  /** What has certainly been read since. */
  readonly through: readonly Octets[];
  /** '' for the search from each place of the text, in a pattern that does not begin with `^`. */
  readonly text: string;
}

/**
 * Reads an expression from left to right. Where two repetitions may take the same text, and something after them may fail, the
 * engine tries each place to divide it at: steps in the square of its length, or, where they are few, so many times more.
 */
class Walk {
  private ways = 1;

  /** `tail`: nothing that comes later can fail. Returns what the node has opened. */
  visit(node: RegexNode, open: readonly Open[], tail: boolean): readonly Open[] {
    switch (node.kind) {
      case 'repeat':
        return this.repeat(node, open, tail);
      case 'lookahead':
        // It is not gone back into once it has matched.
        this.alternatives(node.alternatives, open, false);
        return [];
      case 'group':
        if (!tail && new Places(node).beginsAlike) this.multiply(node.alternatives.length, 'it');
        return this.alternatives(node.alternatives, open, tail);
      default:
        return [];
    }
  }

  private alternatives(all: readonly (readonly RegexNode[])[], open: readonly Open[], tail: boolean): readonly Open[] {
    return all.flatMap((sequence) => this.sequence(sequence, open, tail));
  }

  private sequence(nodes: readonly RegexNode[], open: readonly Open[], tail: boolean): readonly Open[] {
    let opened: readonly Open[] = [];
    nodes.forEach((node, index) => {
      const rest = nodes.slice(index + 1);
      const last = tail && (rest.every(cannotFail) || (takesAll(node) && rest.length === 1 && rest[0]!.kind === 'end'));
      const inside = this.visit(node, [...open, ...opened], last);
      const read = needed(node);
      opened = [...after(opened, read), ...inside];
      open = after(open, read);
      // All that stands before it has matched nothing.
      if (node.kind === 'start') open = opened = [];
    });
    return opened;
  }

  private repeat(node: RepeatNode, open: readonly Open[], tail: boolean): readonly Open[] {
    const { body, min, max, text } = node;
    const counted = min === max && body.kind === 'octet';
    const ways = counted ? 1 : max > FEW ? Infinity : max - min + 1;
    const inside = max === 1 ? this.visit(body, open, tail) : [];
    if (ways === 1) return inside;
    const of = octetsIn(body);
    const rivals = tail ? [] : open.filter((before) => mayShare(before, of));
    for (const rival of rivals) {
      if (ways === Infinity && rival.ways === Infinity) throw new Unfit(squared(rival.text, text));
      if (ways === Infinity) this.multiply(rival.ways, text);
    }
    if (ways !== Infinity && rivals.length > 0) this.multiply(ways, text);
    return [...inside, { of, ways, through: [], text }];
  }

  private multiply(ways: number, text: string): void {
    this.ways *= ways;
    if (this.ways > MAX_WAYS) throw new Unfit(`${text} can match the same text in too many ways`);
  }
}

const squared = (first: string, second: string): string =>
  first === ''
    ? `${second} is tried from each place of a text: let the pattern begin with ^, or ${second} follow what it cannot match`
    : `${first} and ${second} can match the same text`;

/** What both read, again and again, has to lead from the one to the other. */
function mayShare(open: Open, of: Octets): boolean {
  const common = open.of & of;
  return common !== 0n && open.through.every((octets) => (octets & common) !== 0n);
}

const after = (open: readonly Open[], read: readonly Octets[]): readonly Open[] =>
  read.length === 0 ? open : open.map((each) => ({ ...each, through: [...each.through, ...read] }));

/** Sets of octets, of each of which nothing gets past a node without at least one. */
function needed(node: RegexNode): readonly Octets[] {
  if (node.kind === 'octet') return [node.of];
  if (node.kind === 'repeat') return node.min === 0 ? [] : needed(node.body);
  if (node.kind !== 'group') return [];
  if (node.alternatives.length === 1) return node.alternatives[0]!.flatMap(needed);
  return new Places(node).optional ? [] : [octetsIn(node)];
}

function cannotFail(node: RegexNode): boolean {
  if (node.kind === 'repeat') return node.min === 0 || cannotFail(node.body);
  return node.kind === 'group' && node.alternatives.some((sequence) => sequence.every(cannotFail));
}

/** `.*`, which leaves nothing for the end of the text to fail at. */
const takesAll = (node: RegexNode): boolean =>
  node.kind === 'repeat' && node.max === Infinity && node.body.kind === 'octet' && (TEXT & ~node.body.of) === 0n;
