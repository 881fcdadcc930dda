/** The key of a call: what it is placed by where calls of one kind belong to one endpoint. */
import type { Field } from '../hpack/field.ts';
import type { RequestHead } from '../relay/message.ts';
import type { KeySpec } from '../snapshot.ts';

/**
 * The text that `spec` asks for, or null where the call has none: an empty one would bring strangers together. Names of
 * headers are lower case, names of cookies are not folded. Of several values the first counts.
 */
export function callKey(spec: KeySpec, head: RequestHead, client: string): string | null {
  switch (spec.source) {
    case 'header':
      return nonEmpty(headerOf(head.fields, spec.name));
    case 'cookie':
      return nonEmpty(cookieOf(head.fields, spec.name));
    case 'path':
      return nonEmpty(withoutQuery(head.path));
    case 'client':
      return nonEmpty(client);
  }
}

const nonEmpty = (text: string): string | null => (text === '' ? null : text);

function withoutQuery(path: string): string {
  const query = path.indexOf('?');
  return query < 0 ? path : path.slice(0, query);
}

function headerOf(fields: readonly Field[], name: string): string {
  for (const field of fields) if (field.name.text === name) return field.value;
  return '';
}

/** HTTP/2 lets a client split its cookies into any number of fields (RFC 9113 section 8.2.3). */
function cookieOf(fields: readonly Field[], name: string): string {
  for (const field of fields) {
    if (field.name.text !== 'cookie') continue;
    const value = crumbOf(field.value, name);
    if (value !== '') return value;
  }
  return '';
}

/** The value of a cookie in `a=b; c=d` (RFC 6265 section 4.2.1), as it was written, quotes included. */
function crumbOf(cookies: string, name: string): string {
  for (let start = 0; start < cookies.length;) {
    const semicolon = cookies.indexOf(';', start);
    const end = semicolon < 0 ? cookies.length : semicolon;
    const equals = cookies.indexOf('=', start);
    if (equals >= 0 && equals < end && cookies.slice(start, equals).trim() === name) {
      const value = cookies.slice(equals + 1, end).trim();
      if (value !== '') return value;
    }
    start = end + 1;
  }
  return '';
}
