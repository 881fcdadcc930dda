/** TLS that ends at a listener. */
import type { ServerTlsSpec } from '../snapshot.ts';
import type { Cursor } from './cursor.ts';
import { parseServerName } from './host-pattern.ts';
import { certificates, checkPair, privateKey, type Pem } from './pem.ts';
import { mapped, oneOf, parsed } from './readers.ts';
import { list, object, type Reader } from './schema.ts';

const serverName = mapped(
  parsed('server name', (text) => (text === '*' ? { pattern: text } : parseServerName(text))),
  ({ pattern }) => pattern,
);

export type ServerTlsDraft = {
  readonly [K in keyof ServerTlsSpec]:
    (ServerTlsSpec[K] extends readonly (infer I)[] ? readonly (I | undefined)[] : ServerTlsSpec[K]) | undefined;
};

/** @param folder what relative paths are relative to */
export const serverTls = (folder: string): Reader<ServerTlsDraft> =>
  mapped(
    object(
      'server TLS',
      {
        names: {
          reader: list(serverName, { min: 1, unique: String }),
          fallback: { value: ['*'], shown: "['*']" },
          help: 'Names that clients ask for (SNI): `asr.example`, `*.example` for one label more, `*` for any',
        },
        certificate: { reader: certificates(folder), help: 'Certificate, with its chain' },
        key: { reader: privateKey(folder), help: 'Its private key' },
        client_ca: {
          reader: certificates(folder),
          fallback: { value: null, shown: 'none' },
          help: 'Certificates of the authorities whose clients are trusted',
        },
        client_certificate: {
          reader: oneOf(['off', 'optional', 'required']),
          fallback: { value: null, shown: 'required with client_ca, else off' },
          help: 'Whether clients have to show a certificate',
        },
        min_version: { reader: oneOf(['1.2', '1.3']), fallback: '1.2', help: 'Oldest version of TLS' },
      },
      (draft, at) => {
        const { certificate, key } = draft;
        if (certificate && key) checkPair(certificate.text, key.text, at);
        checkClients(draft, at);
      },
    ),
    ({ names, certificate, key, clientCa, clientCertificate: wanted, minVersion }) => {
      const clientCertificate = wanted ?? (clientCa === null ? 'off' : 'required');
      const ca = clientCertificate === 'off' ? null : clientCa;
      return {
        names,
        certificate: certificate?.text,
        key: key?.text,
        clientCa: ca && ca.text,
        clientCertificate,
        minVersion: minVersion && (`TLSv${minVersion}` as const),
        files: certificate && key && { certificate: certificate.file, key: key.file, clientCa: ca?.file ?? null },
      };
    },
  );

interface Clients {
  readonly clientCa: Pem | null | undefined;
  readonly clientCertificate: ServerTlsSpec['clientCertificate'] | null | undefined;
}

/** Without authorities no certificate could be judged. */
function checkClients({ clientCa, clientCertificate }: Clients, at: Cursor): void {
  if (clientCa !== null || !clientCertificate || clientCertificate === 'off') return;
  at.key('client_certificate').wrong(`${clientCertificate}, but no authority is trusted`, 'client_ca: FILE');
}

/** Reports names that an earlier entry has, too. `at`: the list of entries. */
export function checkServerNames(entries: readonly (ServerTlsDraft | undefined)[], at: Cursor): void {
  const seen = new Map<string, Cursor>();
  for (const [i, entry] of entries.entries()) {
    const names = at.index(i).key('names');
    const own = entry?.names ?? [];
    for (const name of new Set(own)) {
      if (name === undefined) continue;
      // The default is written nowhere.
      const here = names.node.kind === 'list' ? names.index(own.indexOf(name)) : names;
      const first = seen.get(name);
      if (first === undefined) seen.set(name, here);
      else here.wrong(`${name} is listed twice`, `first as ${first.path}`);
    }
  }
}
