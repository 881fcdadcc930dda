/** Which of several entries a server name falls under; pure. */

/** Entries by name: `asr.example`, `*.example` for exactly one label more, `*` for any. Lower case; where two name the same, the first has it. */
export class ServerNames<T> {
  private readonly exact = new Map<string, T>();
  /** By what follows the star: `.example`. */
  private readonly wild = new Map<string, T>();
  private any: T | null = null;

  add(name: string, entry: T): void {
    if (name === '*') this.any ??= entry;
    else if (name.startsWith('*.')) keepFirst(this.wild, name.slice(1), entry);
    else keepFirst(this.exact, name, entry);
  }

  /** `name` in any case, with or without the root's dot. Exact names come before wildcards, wildcards before `*`; null: there is none. */
  find(name: string): T | null {
    const plain = canonical(name);
    const found = this.exact.get(plain);
    if (found !== undefined) return found;
    const dot = plain.indexOf('.');
    // One label is all that a star stands for, so no name has two wildcards; a label is not empty.
    return (dot > 0 ? this.wild.get(plain.slice(dot)) : undefined) ?? this.any;
  }
}

function keepFirst<T>(map: Map<string, T>, name: string, entry: T): void {
  if (!map.has(name)) map.set(name, entry);
}

/** In lower case, without the root's dot. */
export function canonical(name: string): string {
  return (name.endsWith('.') ? name.slice(0, -1) : name).toLowerCase();
}

/** Whether this is an address, which no SNI can name: RFC 6066 section 3, "Literal IPv4 and IPv6 addresses are not permitted". */
export function isAddress(host: string): boolean {
  return host.includes(':') || /^\d+\.\d+\.\d+\.\d+$/.test(host);
}

const AUTHORITY = /^(?:\[([0-9a-f:.]+)\]|([a-z0-9._-]+))(?::\d*)?$/i;

/**
 * The host of an authority (`:authority`, Host), as written but without port and brackets; null for what is no plain host, such as
 * one with user information or with octets that a reader further on might decode to something else.
 */
export function hostOf(authority: string): string | null {
  const parts = AUTHORITY.exec(authority);
  return parts === null ? null : (parts[1] ?? parts[2] ?? null);
}
