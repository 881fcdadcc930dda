/** Tokens, keys and calls for the tests of authentication. */
import { createHash, createHmac, generateKeyPairSync, randomBytes, sign } from 'node:crypto';
import type { KeyObject } from 'node:crypto';
import type { Call, Identity } from '../../src/filter/filter.ts';
import { makeField } from '../../src/hpack/field.ts';
import type { AuthSpec, JwtKeySpec, JwtSpec } from '../../src/policy.ts';
import { RequestHead } from '../../src/relay/message.ts';

type Algorithm = JwtKeySpec['algorithm'];

const pem = (key: KeyObject): string => key.export({ type: 'spki', format: 'pem' }).toString();

export const rsa = generateKeyPairSync('rsa', { modulusLength: 2048 });
export const otherRsa = generateKeyPairSync('rsa', { modulusLength: 2048 });
export const ec = generateKeyPairSync('ec', { namedCurve: 'P-256' });
export const secret = randomBytes(32);
export const rsaPem = pem(rsa.publicKey);
export const otherRsaPem = pem(otherRsa.publicKey);
export const ecPem = pem(ec.publicKey);

export const KEYS: Readonly<Record<Algorithm, JwtKeySpec>> = {
  HS256: { id: null, algorithm: 'HS256', key: secret },
  RS256: { id: null, algorithm: 'RS256', key: rsaPem },
  ES256: { id: null, algorithm: 'ES256', key: ecPem },
};
export const ALGORITHMS = Object.keys(KEYS) as Algorithm[];

/** Seconds since 1970, as in claims, and the same as the wall clock says it. */
export const NOW = 1_800_000_000;
export const NOW_MS = NOW * 1000;

export const jwtSpec = (more: Partial<JwtSpec> = {}): JwtSpec => ({
  keys: Object.values(KEYS),
  issuer: null,
  audiences: [],
  leeway: 30_000,
  header: 'authorization',
  claims: [],
  maxCached: 1000,
  ...more,
});

export const authSpec = (more: Partial<AuthSpec> = {}): AuthSpec => ({
  jwt: jwtSpec(),
  apiKeys: [],
  apiKeyHeader: 'x-api-key',
  identityHeader: null,
  ...more,
});

export const encode = (part: unknown): string =>
  Buffer.from(typeof part === 'string' ? part : JSON.stringify(part)).toString('base64url');

/** Signs what stands before the last dot, with the tests' own keys unless others are given. */
export function signature(
  algorithm: Algorithm,
  input: string,
  key: KeyObject | Buffer | string = algorithm === 'HS256' ? secret : (algorithm === 'ES256' ? ec : rsa).privateKey,
): Buffer {
  if (algorithm === 'HS256') return createHmac('sha256', key).update(input).digest();
  return sign('sha256', Buffer.from(input), { key: key as KeyObject, dsaEncoding: 'ieee-p1363' });
}

export const CLAIMS = { sub: 'alice', exp: NOW + 300 };

/** A token. Strings as `header` or `claims` are taken as they are. */
export function token(
  algorithm: Algorithm,
  claims: unknown = CLAIMS,
  header: unknown = { alg: algorithm, typ: 'JWT' },
  key?: KeyObject | Buffer | string,
): string {
  const input = `${encode(header)}.${encode(claims)}`;
  return `${input}.${signature(algorithm, input, key).toString('base64url')}`;
}

export const sha256 = (key: string): string => createHash('sha256').update(key).digest('hex');

export function callOf(headers: readonly (readonly [string, string])[], identity: Identity | null = null): Call {
  const pseudo = [
    [':method', 'POST'],
    [':scheme', 'http'],
    [':path', '/asr.v1.Recognizer/Recognize'],
    [':authority', 'asr.example'],
  ] as const;
  const fields = [...pseudo, ...headers].map(([name, value]) => makeField(name, value));
  const place = { address: '127.0.0.1', port: 1 };
  return {
    head: new RequestHead(fields, 'POST', '/asr.v1.Recognizer/Recognize', 'asr.example', -1, true, null),
    origin: { protocol: 'h2', listener: 'main', source: place, destination: place, tls: null, serverName: null },
    client: '127.0.0.1',
    identity,
    tenant: null,
  };
}

/** What the engine would get besides the pseudo-headers. */
export const headersOf = ({ head }: Call): [string, string][] =>
  head.fields.filter(({ name }) => !name.pseudo).map(({ name, value }) => [name.text, value]);
