/** Headers in which an engine hears from the gateway alone: a client that could send them could be anybody. */
import type { Field } from '../hpack/field.ts';
import type { AuthSpec } from '../policy.ts';
import type { RequestHead } from '../relay/message.ts';

/** Many servers (CGI, WSGI) read `x_user` and `x-user` as one. */
const canonical = (name: string): string => name.replaceAll('_', '-');

export class ReservedHeaders {
  private readonly names: ReadonlySet<string>;
  /** A bit for each length that one of them has, modulo 32: few fields get further. */
  private readonly lengths: number;
  /** A list that has none of them: calls that say the same share it. */
  private clean: readonly Field[] | null = null;

  /** @param names in lower case */
  constructor(names: readonly string[]) {
    this.names = new Set(names.map(canonical));
    this.lengths = names.reduce((bits, name) => bits | (1 << (name.length & 31)), 0);
  }

  /** Takes them out of what the client sent. The list of fields is replaced where one was among them, never changed. */
  strip(head: RequestHead): void {
    head.fields = this.without(head.fields);
  }

  /** The same list if none of them is in it. */
  without<Fields extends readonly Field[]>(fields: Fields): Fields | Field[] {
    if (fields === this.clean) return fields;
    for (let i = 0; i < fields.length; i++) {
      if (this.has(fields[i]!)) return fields.filter((field) => !this.has(field));
    }
    this.clean = fields;
    return fields;
  }

  private has({ name: { text } }: Field): boolean {
    if (((this.lengths >>> (text.length & 31)) & 1) === 0) return false;
    return this.names.has(text) || (text.includes('_') && this.names.has(canonical(text)));
  }
}

/** What an engine may believe because of this entry. */
export const believedBy = ({ jwt, identityHeader }: AuthSpec): string[] => [
  ...(jwt?.claims.map(({ header }) => header) ?? []),
  ...(identityHeader === null ? [] : [identityHeader]),
];

/** What is none of an engine's business: the API key. */
export const secretsOf = ({ apiKeys, apiKeyHeader }: AuthSpec): string[] =>
  apiKeys.length === 0 ? [] : [apiKeyHeader];

export const reservedBy = (auth: AuthSpec): string[] => [...believedBy(auth), ...secretsOf(auth)];

/** Null where there are none. */
export const reservedOf = (names: readonly string[]): ReservedHeaders | null =>
  names.length === 0 ? null : new ReservedHeaders(names);
