/** Routes that an earlier one leaves nothing to. Only what is certain is reported; pure but for the reports. */
import type { HeaderSpec, MatchSpec, PathSpec } from '../policy.ts';
import { ROUTE_PROTOCOLS } from '../snapshot.ts';
import type { Cursor } from './cursor.ts';
import { covers } from './host-pattern.ts';

/** `at`: the list. */
export function checkReached(routes: readonly (MatchSpec | undefined)[], at: Cursor): void {
  for (const [i, route] of routes.entries()) {
    const first = routes.slice(0, i).findIndex((earlier) => earlier && route && takesAll(earlier, route));
    if (first >= 0) at.index(i).wrong('is never reached', `${at.path}[${first}] takes all of it`);
  }
}

/** Only what is named passes through unopened. */
const OPENED = ROUTE_PROTOCOLS.filter((protocol) => protocol !== 'tls');
const taken = ({ protocols }: MatchSpec) => (protocols.length === 0 ? OPENED : protocols);

const takesAll = (earlier: MatchSpec, later: MatchSpec): boolean =>
  includes(taken(earlier), taken(later), Object.is) &&
  includes(earlier.listeners, later.listeners, Object.is) &&
  includes(earlier.sni, later.sni, covers) &&
  includes(earlier.hosts, later.hosts, covers) &&
  includes(earlier.methods, later.methods, Object.is) &&
  includes(earlier.clients, later.clients, Object.is) &&
  includes(earlier.certificates, later.certificates, Object.is) &&
  (earlier.path === null || (later.path !== null && takesPath(earlier.path, later.path))) &&
  earlier.headers.every((wide) => later.headers.some((narrow) => takesHeader(wide, narrow)));

/** An empty list is all there is. */
const includes = <T>(wide: readonly T[], narrow: readonly T[], takes: (one: T, other: T) => boolean): boolean =>
  wide.length === 0 || (narrow.length > 0 && narrow.every((item) => wide.some((other) => takes(other, item))));

function takesPath(wide: PathSpec, narrow: PathSpec): boolean {
  if (wide.kind === narrow.kind && wide.value === narrow.value) return true;
  if (wide.kind === 'regex') return narrow.kind === 'exact' && new RegExp(wide.value).test(narrow.value);
  if (wide.kind === 'exact' || narrow.kind === 'regex') return false;
  return (
    `${narrow.value}/`.startsWith(wide.value.endsWith('/') ? wide.value : `${wide.value}/`) &&
    narrow.value.length >= wide.value.length
  );
}

/** Whatever fulfils `narrow` fulfils `wide`. */
function takesHeader(wide: HeaderSpec, narrow: HeaderSpec): boolean {
  if (wide.name !== narrow.name) return false;
  if (wide.kind === narrow.kind && wide.value === narrow.value) return true;
  switch (wide.kind) {
    case 'present':
      return narrow.kind !== 'absent';
    case 'prefix':
      return (narrow.kind === 'exact' || narrow.kind === 'prefix') && narrow.value.startsWith(wide.value);
    case 'regex':
      return narrow.kind === 'exact' && new RegExp(wide.value).test(narrow.value);
    default:
      return false;
  }
}
