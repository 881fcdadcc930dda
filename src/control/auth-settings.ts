/** Who may show in what way who he is. */
import type { ApiKeySpec, AuthSpec, JwtSpec, PermissionSpec } from '../policy.ts';
import { HOUR, MANY } from './bounds.ts';
import type { Cursor } from './cursor.ts';
import { headerName, toldHeader } from './header-name.ts';
import { checkName } from './name.ts';
import { duration, integer, judged, orOff, text, whole } from './readers.ts';
import { named, object, oneOrMore, type Reader } from './schema.ts';
import { keySet, secret } from './token-keys.ts';

const NONE = { value: null, shown: 'none' } as const;
const anyText = judged('text', (written) => (written === '' ? 'not empty' : null));

const checkClaim = (claim: string): string | null => (claim === '' ? 'is no name of a claim' : null);

/** @param folder what the names of files are relative to */
const jwt = (folder: string): Reader<JwtSpec> =>
  whole(
    object(
      'jwt',
      {
        keys_file: {
          reader: keySet(folder),
          fallback: NONE,
          help: 'Keys: a JWK set, or PEM (RSA for RS256, P-256 for ES256)',
        },
        secret_file: { reader: secret(folder), fallback: NONE, help: 'A secret of 32 octets or more, for HS256' },
        issuer: { reader: anyText, fallback: { value: null, shown: 'any' }, help: '`iss` of a token' },
        audience: {
          reader: oneOrMore(anyText),
          fallback: { value: [], shown: 'any' },
          help: '`aud` of a token: one of these',
        },
        leeway: { reader: duration(0, HOUR), fallback: '30s', help: 'By which clocks may differ' },
        header: {
          reader: headerName,
          fallback: 'authorization',
          help: 'Where the token is: after `Bearer` in `authorization`, alone in others',
        },
        claims: {
          reader: named(toldHeader, checkClaim),
          fallback: { value: new Map<string, string>(), shown: 'none' },
          help: "Claims that engines are told, and in which headers; a client's own are removed",
        },
        max_cached: { reader: integer(1, MANY), fallback: '10000', help: 'Verified tokens that are remembered' },
      },
      ({ keysFile, secretFile }, at) => {
        if (keysFile === null && secretFile === null) at.wrong('has no keys', 'keys_file: FILE or secret_file: FILE');
      },
    ),
    ({ keysFile, secretFile, audience, claims, ...read }) => ({
      ...read,
      keys: [...(keysFile ?? []), ...(secretFile ?? [])],
      audiences: audience,
      claims: [...claims].map(([claim, header]) => ({ claim, header })),
    }),
  );

/** Not quoted: somebody may have written the key itself. */
const hash: Reader<string> = {
  type: 'SHA-256 in hex',
  read(at) {
    const written = at.node.kind === 'scalar' ? at.node.text : '';
    return /^[0-9a-fA-F]{64}$/.test(written)
      ? written.toLowerCase()
      : at.wrong('is no SHA-256 in hex', 'printf %s KEY | sha256sum');
  },
};

const byBearer = named(
  oneOrMore(hash, () => undefined),
  checkName,
);
const apiKeys: Reader<readonly ApiKeySpec[]> = whole(
  {
    ...byBearer,
    read(at) {
      const read = byBearer.read(at);
      checkHashes(read ?? new Map(), at);
      return read;
    },
  },
  (read) => [...read].flatMap(([name, hashes]) => hashes.map((sha256) => ({ name, sha256 }))),
);

/** A key says who bears it, so it has one bearer. */
function checkHashes(all: ReadonlyMap<string, readonly (string | undefined)[] | undefined>, at: Cursor): void {
  const bearers = new Map<string, string>();
  for (const [name, hashes] of all) {
    for (const each of hashes ?? []) {
      if (each === undefined) continue;
      const first = bearers.get(each);
      if (first === undefined) bearers.set(each, name);
      else at.key(name).wrong('is written twice', `first as ${first}`);
    }
  }
}

/** @param folder what the names of files are relative to */
export const auth = (folder: string): Reader<AuthSpec> =>
  whole(
    object(
      'authentication',
      {
        jwt: { reader: jwt(folder), fallback: NONE, help: 'By a token' },
        api_keys: {
          reader: apiKeys,
          fallback: { value: [], shown: 'none' },
          help: 'By a key: the bearers, each with the hash of the key (or a list), never the key',
        },
        api_key_header: { reader: headerName, fallback: 'x-api-key', help: 'Where the key is; engines do not see it' },
        identity_header: {
          reader: orOff(toldHeader),
          fallback: 'off',
          help: "Where engines are told who calls: the bearer, or the token's `sub`",
        },
      },
      checkAsked,
    ),
    (read) => read,
  );

interface Asked {
  readonly jwt: JwtSpec | null | undefined;
  readonly apiKeys: readonly ApiKeySpec[] | undefined;
  readonly apiKeyHeader: string | undefined;
  readonly identityHeader: string | null | undefined;
}

/** Somebody can be let in, and no header has two meanings. */
function checkAsked(draft: Asked, at: Cursor): void {
  const { jwt: tokens, apiKeys: keys, apiKeyHeader, identityHeader } = draft;
  if (tokens === null && keys?.length === 0) at.wrong('lets nobody in', 'jwt or api_keys');
  const used = [
    ...(tokens?.claims ?? []).map(({ claim, header }) => ({ header, at: at.key('jwt').key('claims').key(claim) })),
    ...(tokens ? [{ header: tokens.header, at: at.key('jwt').key('header') }] : []),
    ...(keys?.length ? [{ header: apiKeyHeader, at: at.key('api_key_header') }] : []),
    { header: identityHeader, at: at.key('identity_header') },
  ];
  for (const [i, { header, at: here }] of used.entries()) {
    const first = header ? used.slice(0, i).find((other) => other.header === header) : undefined;
    if (first) here.wrong(`${header} has a meaning already`, first.at.path);
  }
}

/** What the claims of a caller have to be. */
export const permissions: Reader<readonly PermissionSpec[]> = whole(
  named(oneOrMore(text('value', 'one value', (written) => written)), checkClaim),
  (read) => [...read].map(([claim, values]) => ({ claim, values })),
);
