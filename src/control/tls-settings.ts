/** TLS to engines. Its files are read and judged with the configuration, so that what is wrong with them is a mistake in it. */
import { createPrivateKey, X509Certificate } from 'node:crypto';
import { resolve } from 'node:path';
import { createSecureContext } from 'node:tls';
import { isHostName } from './address.ts';
import type { Cursor } from './cursor.ts';
import { readText } from './files.ts';
import { boolean, text } from './readers.ts';
import { object, type Reader } from './schema.ts';

const CERTIFICATE = /-----BEGIN CERTIFICATE-----[^-]*-----END CERTIFICATE-----/g;

type Judge = (pem: string) => { readonly flaw: string; readonly right: string } | undefined;

const ENCRYPTED = /-----BEGIN ENCRYPTED PRIVATE KEY-----|Proc-Type: 4,ENCRYPTED/;

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

/** The name of a file -> its text. Never quotes what is in it. */
const pemFile = (folder: string, judge: Judge): Reader<string> => ({
  type: 'PEM file',
  read(at) {
    if (at.node.kind !== 'scalar' || at.node.text === '') return at.wrong(`${at.quoted()} is not a file`, 'its path');
    const file = resolve(folder, at.node.text);
    const found = readText(file);
    if ('reason' in found) return at.wrong(`${at.quoted()} cannot be read: ${found.reason}`, file);
    const wrong = judge(found.text);
    return wrong ? at.wrong(`${at.quoted()} ${wrong.flaw}`, wrong.right) : found.text;
  },
});

const SERVER_NAME_FORM = 'a host name like asr.internal, not an address';

/** @param folder what relative paths are relative to */
export const tls = (folder: string) =>
  object(
    'tls',
    {
      ca: {
        reader: pemFile(folder, ofCertificates),
        fallback: { value: null, shown: "Node's own" },
        help: 'Certificates of the authorities that are trusted',
      },
      certificate: {
        reader: pemFile(folder, ofCertificates),
        fallback: { value: null, shown: 'none' },
        help: 'Client certificate, with its chain',
      },
      key: {
        reader: pemFile(folder, ofKey),
        fallback: { value: null, shown: 'none' },
        help: 'Private key of the client certificate',
      },
      server_name: {
        reader: text('server name', SERVER_NAME_FORM, (name) => (isHostName(name) ? name : undefined)),
        fallback: { value: '', shown: "the endpoint's host" },
        help: 'SNI, and the name that the certificate has to bear',
      },
      verify: {
        reader: boolean,
        fallback: 'true',
        help: 'Whether an engine has to show a certificate that is trusted',
      },
    },
    checkPair,
  );

interface Pair {
  readonly certificate: string | null | undefined;
  readonly key: string | null | undefined;
}

/** A certificate and its key come together, belong together, and are strong enough for OpenSSL. */
function checkPair({ certificate, key }: Pair, at: Cursor): void {
  if (certificate === null && key !== null) at.key('key').wrong('has no certificate', 'certificate: FILE');
  if (key === null && certificate !== null) at.key('certificate').wrong('has no key', 'key: FILE');
  if (!certificate || !key) return;
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
