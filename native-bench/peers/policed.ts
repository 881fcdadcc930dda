import { createHmac, randomBytes } from 'node:crypto';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { frameway, framewayWith } from './frameway.ts';
import type { Peer } from './peer.ts';

const encoded = (part: object) => Buffer.from(JSON.stringify(part)).toString('base64url');

const secret = randomBytes(32);
const year = 365 * 24 * 3600;
const claims = { sub: 'bench', iss: 'https://id.example', exp: Math.floor(Date.now() / 1000) + year };
const signed = `${encoded({ alg: 'HS256', typ: 'JWT' })}.${encoded(claims)}`;

/** What `policed` lets in, signed with a secret that lasts as long as this process. */
export const token = `${signed}.${createHmac('sha256', secret).update(signed).digest('base64url')}`;

/** A token on each call and a rate that no call exceeds, but that each is counted for. */
const asked = { upstream: 'backend', auth: 'callers', limits: { rate: { by: 'identity', rate: '1000000/s' } } };

/** Exact and prefix by turns; no call is for any of them. */
const passedOver = Array.from({ length: 1000 }, (_, i) => {
  const service = `/asr.v1.Recognizer${i}`;
  return { match: { path: i % 2 === 0 ? { exact: `${service}/Stream` } : { prefix: service } }, ...asked };
});

/** frameway with 1,000 routes before the one that matches, a token to verify and a rate to keep. */
export const policed: Peer = framewayWith(frameway.name, ({ folder }) => {
  const file = join(folder, 'token-secret');
  writeFileSync(file, secret);
  return {
    routes: [...passedOver, { match: { path: { prefix: '/' } }, ...asked }],
    auth: { callers: { jwt: { secret_file: file, issuer: claims.iss } } },
  };
});

/** frameway as in all other rows. */
export const unpoliced: Peer = { ...frameway, name: 'no policies' };
