/**
 * One spelling for each path, so that no other way to write it goes past a route, and so that the engine is asked for what the
 * route was chosen by; pure.
 */

const SLASH = 0x2f;

/** What an octet of a path asks for. */
const PLAIN = 1;
const QUERY = 2;
const ESCAPE = 3;
const DOT = 4;
/** Not in a path, but in the query, where nobody takes it for a slash. */
const BACKSLASH = 5;

/** 0: refused. RFC 3986 has no place for controls, white space, what is not ASCII, and, in a request, a fragment. */
const KIND = new Uint8Array(256);
for (let octet = 0x21; octet < 0x7f; octet++) KIND[octet] = PLAIN;
for (const [octet, kind] of [
  ['#', 0],
  ['?', QUERY],
  ['%', ESCAPE],
  ['.', DOT],
  ['\\', BACKSLASH],
] as const)
  // prettier-ignore
  KIND[octet.charCodeAt(0)] = kind;

/**
 * The path, with its query, as routes are asked for it and as it is forwarded; null: it has to be refused.
 *
 * Dot segments are resolved (RFC 3986 section 5.2.4), also those that are written with `%2e`; escapes of unreserved characters
 * are decoded, the hex of all others is in upper case. Refused are `%2F`, `%5C`, `%00` and backslashes, which one reader takes
 * for a border where another does not, and what is no path at all. Repeated slashes stay: an empty segment is a segment, to RFC
 * 3986 and to engines that sign paths or keep objects under them. The query is left as it is, and so are `*` and '' (CONNECT).
 * A path that needs nothing comes back as the same string.
 */
export function normalisePath(path: string): string | null {
  if (path === '' || path === '*') return path;
  if (path.charCodeAt(0) !== SLASH) return null;
  let escapes = false;
  let dots = false;
  let end = 1;
  scan: for (; end < path.length; end++) {
    const kind = KIND[path.charCodeAt(end)];
    if (kind === PLAIN) continue;
    switch (kind) {
      case DOT:
        if (path.charCodeAt(end - 1) === SLASH) dots = true;
        continue;
      case ESCAPE:
        escapes = true;
        continue;
      case QUERY:
        if (!isQuery(path, end)) return null;
        break scan;
      default:
        return null;
    }
  }
  return escapes || dots ? rewritten(path, end) : path;
}

/** Slow, for the few that ask for it. */
function rewritten(path: string, end: number): string | null {
  const decoded = decodeUnreserved(path.slice(0, end));
  if (decoded === null) return null;
  return (decoded.includes('/.') ? removeDotSegments(decoded) : decoded) + path.slice(end);
}

function isQuery(path: string, from: number): boolean {
  for (let i = from; i < path.length; i++) {
    const kind = KIND[path.charCodeAt(i)];
    if (kind === 0 || kind === undefined) return false;
  }
  return true;
}

const ESCAPED = /^%[0-9A-Fa-f]{2}$/;
const UNRESERVED = /^[A-Za-z0-9._~-]$/;
const REFUSED: readonly string[] = ['%2F', '%5C', '%00'];

/** Null: an escape is malformed, or one of those that are refused. */
function decodeUnreserved(path: string): string | null {
  let text = '';
  let from = 0;
  for (let at = path.indexOf('%'); at >= 0; at = path.indexOf('%', at + 3)) {
    const escape = path.slice(at, at + 3);
    const upper = escape.toUpperCase();
    if (!ESCAPED.test(escape) || REFUSED.includes(upper)) return null;
    const octet = String.fromCharCode(parseInt(escape.slice(1), 16));
    text += path.slice(from, at) + (UNRESERVED.test(octet) ? octet : upper);
    from = at + 3;
  }
  return text + path.slice(from);
}

/** RFC 3986 section 5.2.4: `..` takes the segment before it away, if there is one; a dot segment at the end leaves its slash. */
function removeDotSegments(path: string): string {
  const segments = path.split('/').slice(1);
  const kept: string[] = [];
  segments.forEach((segment, index) => {
    if (segment === '..') kept.pop();
    else if (segment !== '.') return void kept.push(segment);
    if (index === segments.length - 1) kept.push('');
  });
  return `/${kept.join('/')}`;
}
