/** PEM files. They are read and judged with the configuration, so that what is wrong with them is a mistake in it. */
import { createPrivateKey, X509Certificate } from 'node:crypto';
import { resolve } from 'node:path';
import { createSecureContext } from 'node:tls';
import type { Cursor } from './cursor.ts';
import { readText } from './files.ts';
import type { Reader } from './schema.ts';

export interface Pem {
  /** Absolute path. */
  readonly file: string;
  readonly text: string;
}

const CERTIFICATE = /-----BEGIN CERTIFICATE-----[^-]*-----END CERTIFICATE-----/g;
const ENCRYPTED = /-----BEGIN ENCRYPTED PRIVATE KEY-----|Proc-Type: 4,ENCRYPTED/;

type Judge = (pem: string) => { readonly flaw: string; readonly right: string } | undefined;

/** What `make` returns, or undefined where it throws. */
function attempt<T>(make: () => T): T | undefined {
  try {
    return make();
  } catch {
    return undefined;
  }
}

const ofCertificates: Judge = (pem) => {
  const blocks = pem.match(CERTIFICATE) ?? [];
  if (blocks.length === 0) return { flaw: 'holds no certificate', right: 'PEM, with BEGIN CERTIFICATE' };
  const bad = blocks.findIndex((block) => !attempt(() => new X509Certificate(block)));
  return bad < 0 ? undefined : { flaw: 'holds a broken certificate', right: `number ${bad + 1} in the file` };
};

const ofKey: Judge = (pem) => {
  if (ENCRYPTED.test(pem)) return { flaw: 'holds an encrypted key', right: 'one without a passphrase' };
  return attempt(() => createPrivateKey(pem))
    ? undefined
    : { flaw: 'holds no private key', right: 'PEM, with BEGIN PRIVATE KEY' };
};

/** The name of a file -> what is in it. Never quotes that. */
const pem = (folder: string, judge: Judge): Reader<Pem> => ({
  type: 'PEM file',
  read(at) {
    if (at.node.kind !== 'scalar' || at.node.text === '') return at.wrong(`${at.quoted()} is not a file`, 'its path');
    const file = resolve(folder, at.node.text);
    const found = readText(file);
    if ('reason' in found) return at.wrong(`${at.quoted()} cannot be read: ${found.reason}`, file);
    const wrong = judge(found.text);
    return wrong ? at.wrong(`${at.quoted()} ${wrong.flaw}`, wrong.right) : { file, text: found.text };
  },
});

/** @param folder what relative paths are relative to */
export const certificates = (folder: string): Reader<Pem> => pem(folder, ofCertificates);
/** @param folder what relative paths are relative to */
export const privateKey = (folder: string): Reader<Pem> => pem(folder, ofKey);

/** Reports a certificate and a key, of a map with keys of these names, that do not belong together or are too weak for OpenSSL. */
export function checkPair(certificate: string, key: string, at: Cursor): void {
  // A secure context does not notice a pair of different kinds, RSA and EC.
  if (!new X509Certificate(certificate).checkPrivateKey(createPrivateKey(key))) {
    at.key('key').wrong('is not the key of the certificate', 'they are a pair');
    return;
  }
  try {
    createSecureContext({ cert: certificate, key });
  } catch (error) {
    at.key('certificate').wrong('is not accepted', (error as Error).message);
  }
}
