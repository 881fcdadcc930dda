/** What can follow what in a regular expression (Glushkov's construction): whether it can be read without guessing; pure. */
import type { Octets, RegexNode } from './regex-tree.ts';

/** Places that a part of an expression may begin and end with. */
interface Part {
  readonly first: readonly number[];
  readonly last: readonly number[];
  readonly optional: boolean;
}

/** Each octet of an expression is a place of its own. Look-aheads are not gone into. */
export class Places {
  /** Which places may come after each. */
  private readonly next: number[][] = [];
  private readonly octets: Octets[] = [];
  private readonly whole: Part;

  constructor(node: RegexNode) {
    this.whole = this.part(node);
  }

  get optional(): boolean {
    return this.whole.optional;
  }
  /** Whether one octet may be the beginning of two alternatives. */
  get beginsAlike(): boolean {
    return this.sharing(this.whole.first);
  }
  /** Whether, repeated, it could go on in two ways with the same octet. */
  get repeatsAlike(): boolean {
    const { first, last } = this.whole;
    this.connect(last, first);
    return this.next.some((next) => this.sharing(next));
  }

  /** What is connected twice can be reached in two ways, and so shares all of its octets with itself. */
  private connect(from: readonly number[], to: readonly number[]): void {
    for (const place of from) this.next[place]!.push(...to);
  }
  private sharing(places: readonly number[]): boolean {
    let seen = 0n;
    for (const place of places) {
      const octets = this.octets[place]!;
      if ((seen & octets) !== 0n) return true;
      seen |= octets;
    }
    return false;
  }

  private part(node: RegexNode): Part {
    switch (node.kind) {
      case 'octet': {
        this.next.push([]);
        const place = [this.octets.push(node.of) - 1];
        return { first: place, last: place, optional: false };
      }
      case 'group': {
        const parts = node.alternatives.map((sequence) => this.sequence(sequence));
        return {
          first: parts.flatMap(({ first }) => first),
          last: parts.flatMap(({ last }) => last),
          optional: parts.some(({ optional }) => optional),
        };
      }
      case 'repeat': {
        const { first, last, optional } = this.part(node.body);
        // One octet so many times leaves no choice.
        const counted = node.min === node.max && node.body.kind === 'octet';
        if (node.max > 1 && !counted) this.connect(last, first);
        return { first, last, optional: optional || node.min === 0 };
      }
      default:
        return { first: [], last: [], optional: true };
    }
  }
  private sequence(nodes: readonly RegexNode[]): Part {
    let whole: Part = { first: [], last: [], optional: true };
    for (const node of nodes) {
      const { first, last, optional } = this.part(node);
      this.connect(whole.last, first);
      whole = {
        first: whole.optional ? [...whole.first, ...first] : whole.first,
        last: optional ? [...whole.last, ...last] : last,
        optional: whole.optional && optional,
      };
    }
    return whole;
  }
}
