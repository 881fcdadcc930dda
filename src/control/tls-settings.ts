/** TLS to engines. */
import { isHostName } from './address.ts';
import type { Cursor } from './cursor.ts';
import { certificates, checkPair, privateKey, type Pem } from './pem.ts';
import { boolean, mapped, text } from './readers.ts';
import { object, type Reader } from './schema.ts';

const SERVER_NAME_FORM = 'a host name like asr.internal, not an address';

const textOf = (reader: Reader<Pem>): Reader<string> => mapped(reader, (pem) => pem.text);

/** @param folder what relative paths are relative to */
export const tls = (folder: string) =>
  object(
    'tls',
    {
      ca: {
        reader: textOf(certificates(folder)),
        fallback: { value: null, shown: "Node's own" },
        help: 'Certificates of the authorities that are trusted',
      },
      certificate: {
        reader: textOf(certificates(folder)),
        fallback: { value: null, shown: 'none' },
        help: 'Client certificate, with its chain',
      },
      key: {
        reader: textOf(privateKey(folder)),
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
    checkBoth,
  );

interface Both {
  readonly certificate: string | null | undefined;
  readonly key: string | null | undefined;
}

/** A certificate and its key come together. */
function checkBoth({ certificate, key }: Both, at: Cursor): void {
  if (certificate === null && key !== null) at.key('key').wrong('has no certificate', 'certificate: FILE');
  if (key === null && certificate !== null) at.key('certificate').wrong('has no key', 'key: FILE');
  if (certificate && key) checkPair(certificate, key, at);
}
