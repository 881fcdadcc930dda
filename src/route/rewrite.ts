/** Which path and host an engine is asked for in place of those that the client wrote; pure. */
import type { RewriteSpec } from '../policy.ts';
import { hasPrefix } from './matcher.ts';
import { normalisePath } from './path.ts';

/** What no path may have, and a replacement would bring into each. */
const NOT_IN_PATHS = /[^!-~]|[#\\]/;

export class Rewrite {
  /** In place of `:authority`; null: as it came. */
  readonly host: string | null;
  private readonly prefix: string;
  private readonly regex: RegExp | null;
  private readonly replacement: string;

  /** Throws an Error that says what is wrong with the specification. */
  constructor({ stripPrefix, regex, host }: RewriteSpec) {
    if (stripPrefix !== null && (stripPrefix.includes('?') || normalisePath(stripPrefix) !== stripPrefix))
      throw new Error(`${stripPrefix} is no normal path`);
    if (regex !== null && NOT_IN_PATHS.test(regex.replace))
      throw new Error(`${regex.replace} has characters that no path may have`);
    this.host = host;
    this.prefix = stripPrefix ?? '';
    this.regex = regex === null ? null : new RegExp(regex.pattern);
    this.replacement = regex?.replace ?? '';
  }

  /**
   * From a normalised path with its query to another; the same string if nothing changes. Null: what comes out is none that
   * `normalisePath` lets through (a match has cut an escape in two), and the request has to be refused as if it had come so.
   */
  path(path: string): string | null {
    if (path.charCodeAt(0) !== SLASH) return path;
    const end = path.indexOf('?');
    const before = end < 0 ? path : path.slice(0, end);
    const stripped = hasPrefix(before, this.prefix) ? before.slice(this.prefix.length) : before;
    const rewritten = this.regex === null ? stripped : rooted(stripped).replace(this.regex, this.replacement);
    if (rewritten === before) return path;
    const normal = normalisePath(rooted(rewritten));
    if (normal === null) return null;
    const query = end < 0 ? '' : path.slice(end);
    // A replacement may make a query of a part of the path: the client's own goes on from there.
    return rooted(normal) + (normal.includes('?') && query !== '' ? `&${query.slice(1)}` : query);
  }
}

const SLASH = 0x2f;

/** With one slash before it: to some readers of `//host/path` a host follows two. */
const rooted = (path: string): string => path.replace(/^\/*/, '/');
