/**
 * Which routes may claim a request, found by its host and its path, so that few of many have to be asked. An index only narrows
 * down: whoever is found is asked for all of its conditions, so that two texts of one hash cost time, and no wrong answer.
 */
import type { PathSpec } from '../policy.ts';
import type { Asked, Matcher } from './matcher.ts';

export interface Candidate {
  /** Its place in the table: the lowest that matches has the request. */
  readonly index: number;
  readonly matcher: Matcher;
}

const SLASH = 0x2f;
const DOT = 0x2e;

/**
 * FNV-1a, one octet at a time: the hashes of all beginnings of a path come of one pass over it, without a string for each of
 * them. The texts that are kept are the configuration's, so nobody else can make them collide.
 */
const SEED = 0x811c9dc5 | 0;
const step = (hash: number, octet: number): number => Math.imul(hash ^ octet, 0x01000193);

/** By path. */
export class PathCandidates {
  private readonly exact = new Map<number, Candidate[]>();
  private readonly prefixes = new Map<number, Candidate[]>();
  private readonly regexes: RegexGroup[] = [];
  private readonly anywhere: Candidate[] = [];
  /** Of the texts; how far a path has to be read, however long its sender has made it. */
  private longest = 0;

  /** In the order of their places. */
  add(path: PathSpec | null, candidate: Candidate): void {
    if (path === null) this.anywhere.push(candidate);
    else if (path.kind === 'regex') this.addRegex(path.value, candidate);
    else {
      let hash = SEED;
      for (let i = 0; i < path.value.length; i++) hash = step(hash, path.value.charCodeAt(i));
      append(path.kind === 'exact' ? this.exact : this.prefixes, hash, candidate);
      this.longest = Math.max(this.longest, path.value.length);
    }
  }

  /** The lowest place of one that matches and is below `best`, else `best`. `path` is without its query. */
  lowest(asked: Asked, path: string, best: number): number {
    best = lowestOf(this.anywhere, asked, path, best);
    best = this.lowestByText(asked, path, best);
    for (const group of this.regexes) best = group.lowest(asked, path, best);
    return best;
  }

  private addRegex(pattern: string, candidate: Candidate): void {
    let group = this.regexes.at(-1);
    if (group === undefined || group.full) this.regexes.push((group = new RegexGroup()));
    group.add(pattern, candidate);
  }

  private lowestByText(asked: Asked, path: string, best: number): number {
    const end = Math.min(path.length, this.longest);
    let hash = SEED;
    let before = 0;
    for (let i = 0; i < end; i++) {
      const octet = path.charCodeAt(i);
      // On both sides of a slash there is a border: a prefix may be written with its last slash or without.
      if (octet === SLASH || before === SLASH) best = lowestOf(this.prefixes.get(hash), asked, path, best);
      hash = step(hash, octet);
      before = octet;
    }
    best = lowestOf(this.prefixes.get(hash), asked, path, best);
    return end === path.length ? lowestOf(this.exact.get(hash), asked, path, best) : best;
  }
}

/** By host or server name, and then by path. */
export class NameCandidates {
  private readonly exact = new Map<string, PathCandidates>();
  /** By the hash of what follows the star, read backwards. */
  private readonly endings = new Map<number, PathCandidates>();
  private longest = 0;

  /** `pattern` as of `NamePatterns`. */
  add(pattern: string, path: PathSpec | null, candidate: Candidate): void {
    if (!pattern.startsWith('*')) entry(this.exact, pattern).add(path, candidate);
    else if (pattern.startsWith('*.')) {
      let hash = SEED;
      for (let i = pattern.length - 1; i > 0; i--) hash = step(hash, pattern.charCodeAt(i));
      entry(this.endings, hash).add(path, candidate);
      this.longest = Math.max(this.longest, pattern.length - 1);
    }
  }

  lowest(name: string, asked: Asked, path: string, best: number): number {
    const named = this.exact.get(name);
    if (named !== undefined) best = named.lowest(asked, path, best);
    const start = Math.max(1, name.length - this.longest);
    let hash = SEED;
    for (let i = name.length - 1; i >= start; i--) {
      const octet = name.charCodeAt(i);
      hash = step(hash, octet);
      const ending = octet === DOT ? this.endings.get(hash) : undefined;
      if (ending !== undefined) best = ending.lowest(asked, path, best);
    }
    return best;
  }
}

/** Most paths match none of these expressions, which one look at all of them together finds out sooner than one at each. */
class RegexGroup {
  private readonly patterns: string[] = [];
  private readonly candidates: Candidate[] = [];
  /** Any of them; null if they cannot stand in one expression, because two name a group alike. */
  private any: RegExp | null = null;

  get full(): boolean {
    return this.patterns.length === 16;
  }
  add(pattern: string, candidate: Candidate): void {
    this.patterns.push(`(?:${pattern})`);
    this.candidates.push(candidate);
    try {
      this.any = new RegExp(this.patterns.join('|'));
    } catch {
      this.any = null;
    }
  }
  lowest(asked: Asked, path: string, best: number): number {
    if (this.candidates[0]!.index >= best || this.any?.test(path) === false) return best;
    return lowestOf(this.candidates, asked, path, best);
  }
}

function lowestOf(candidates: readonly Candidate[] | undefined, asked: Asked, path: string, best: number): number {
  if (candidates === undefined) return best;
  for (const { index, matcher } of candidates) {
    if (index >= best) return best;
    if (matcher.matches(asked, path)) return index;
  }
  return best;
}

function append(map: Map<number, Candidate[]>, hash: number, candidate: Candidate): void {
  const there = map.get(hash);
  if (there === undefined) map.set(hash, [candidate]);
  else there.push(candidate);
}

function entry<K>(map: Map<K, PathCandidates>, key: K): PathCandidates {
  let there = map.get(key);
  if (there === undefined) map.set(key, (there = new PathCandidates()));
  return there;
}
