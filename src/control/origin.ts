/** Where a browser's page comes from (RFC 6454), as its requests say it. Pure. */

const FORM = 'like https://app.example or http://localhost:3000, or *';
const ORIGIN = /^[a-z][a-z0-9+.-]*:\/\/[^/?#@\\*%\s]+$/i;

/**
 * `scheme://host[:port]` the way browsers write it, in lower case and without the scheme's own port; `*` is any. What it
 * cannot read, it answers with what would be right.
 */
export function parseOrigin(text: string): { readonly origin: string } | string {
  if (text === '*') return { origin: text };
  const [, rest] = /^([^/]+:\/\/[^/]+)\/./.exec(`${text}.`) ?? [];
  if (rest !== undefined && ORIGIN.test(rest)) return `an origin has no path: ${rest}`;
  if (!ORIGIN.test(text) || !URL.canParse(text)) return FORM;
  const { protocol, host } = new URL(text);
  return host === '' ? FORM : { origin: `${protocol}//${host}`.toLowerCase() };
}
