/** Patterns of host names in routes; pure. */

/** `asr.example`, or `*.example` for one label or more before it; an empty list matches all, even what has no name. */
export class NamePatterns {
  private readonly exact: ReadonlySet<string>;
  /** What follows the star: `.example`. */
  private readonly endings: readonly string[];
  private readonly any: boolean;

  /** In lower case, without the root's dot. */
  constructor(patterns: readonly string[]) {
    this.any = patterns.length === 0;
    this.exact = new Set(patterns.filter((pattern) => !pattern.startsWith('*')));
    this.endings = patterns.filter((pattern) => pattern.startsWith('*.')).map((pattern) => pattern.slice(1));
  }

  /** `name` in lower case, without the root's dot; null where there is none. */
  match(name: string | null): boolean {
    if (this.any) return true;
    if (name === null) return false;
    if (this.exact.has(name)) return true;
    for (const ending of this.endings) if (name.length > ending.length && name.endsWith(ending)) return true;
    return false;
  }
}
