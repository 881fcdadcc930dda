/** Paths of gin, the router of rpc-pigeon (`/users/:id`, `/files/*name`), in the form of our routes. Pure. */

/** In the form of the key `match.path`: exact, or one of the others. */
export type PathMatch = string | { readonly prefix: string } | { readonly regex: string };

/** In the form of the key `rewrite.regex`. */
export interface Rewrite {
  readonly pattern: string;
  readonly replace: string;
}

/** `:name` is what is left of a segment, `*name` what is left of the path. */
const PARAMETER = /[:*][^/]*/g;

const quoted = (text: string): string =>
  text.replaceAll(/[\\^$.*+?()[\]{}|/-]/g, (c) => (/[/-]/.test(c) ? c : `\\${c}`));

/** The path as a regular expression: what is fixed quoted, and `segment` or `rest` in place of parameters. */
function expression(path: string, segment: string, rest: string): string {
  let text = '^';
  let at = 0;
  for (const { 0: parameter, index } of path.matchAll(PARAMETER)) {
    const isRest = parameter.startsWith('*');
    // The slash before the rest of a path goes with it: /files is a prefix of itself.
    const fixed = path.slice(at, isRest ? index - 1 : index);
    text += quoted(fixed) + (isRest ? rest : segment);
    at = index + parameter.length;
  }
  return `${text}${quoted(path.slice(at))}$`;
}

export function matchOf(path: string): PathMatch {
  const parameters = path.match(PARAMETER) ?? [];
  if (parameters.length === 0) return path;
  if (parameters.length === 1 && parameters[0].startsWith('*')) return { prefix: path.replace(/\/\*.*$/, '') || '/' };
  return { regex: expression(path, '[^/]+', '/.*') };
}

/** What makes `to`, the path of an address, of what `path` matches; null: nothing has to be done. */
export function rewriteOf(
  path: string,
  to: string,
): { readonly rewrite: Rewrite | null; readonly note: string | null } {
  const parameters = path.match(PARAMETER) ?? [];
  if (path === to) return { rewrite: null, note: null };
  const places = new Map(parameters.map((parameter, i) => [parameter, `$${i + 1}`]));
  const isFilled = (to.match(PARAMETER) ?? []).some((parameter) => places.has(parameter));
  const replace = to.replaceAll(/\$|[:*][^/]*/g, (part) => (part === '$' ? '$$' : (places.get(part) ?? part)));
  if (isFilled) return { rewrite: { pattern: expression(path, '([^/]+)', '/?(.*)'), replace }, note: null };
  const lost =
    parameters.length === 0 ? null : `what stands for ${parameters.join(' and ')} is not passed on, as before`;
  return { rewrite: { pattern: '^.*$', replace }, note: lost };
}

/** A segment's rank: fixed, a parameter, the rest of the path. What is fixed at the end makes no difference. */
const ranks = (path: string): string =>
  path
    .split('/')
    .map((segment) => (segment.includes('*') ? '2' : segment.includes(':') ? '1' : '0'))
    .join('')
    .replace(/0+$/, '');

/** For sorting: the path that a request is given to if both match goes first. */
export function precedence(a: string, b: string): number {
  const [x, y] = [ranks(a), ranks(b)];
  return x < y ? -1 : x > y ? 1 : 0;
}
