/** Servers to try the gateway with, which run inside its process. */
import { DEMO_KINDS, type DemoServerSpec } from '../snapshot.ts';
import { parseListen, type Address } from './address.ts';
import { certificates, checkPair, privateKey } from './pem.ts';
import { mapped, oneOf, orOff, parsed } from './readers.ts';
import { object, type Reader } from './schema.ts';

/** @param folder what relative paths are relative to */
const tls = (folder: string) =>
  object(
    'demo TLS',
    {
      certificate: { reader: certificates(folder), help: 'Certificate, with its chain' },
      key: { reader: privateKey(folder), help: 'Its private key' },
    },
    ({ certificate, key }, at) => {
      if (certificate && key) checkPair(certificate.text, key.text, at);
    },
  );

export interface DemoServerDraft {
  readonly kind: DemoServerSpec['kind'] | undefined;
  readonly address: Address | undefined;
  readonly tls: { readonly certificate: string | undefined; readonly key: string | undefined } | null | undefined;
}

/** @param folder what relative paths are relative to */
export const demoServer = (folder: string): Reader<DemoServerDraft> =>
  mapped(
    object('demo server', {
      kind: { reader: oneOf(DEMO_KINDS), help: 'HTTP/1.1 and WebSocket, or TCP that says a line and then echoes' },
      address: { reader: parsed('address', parseListen), help: 'Where it listens' },
      tls: { reader: orOff(tls(folder)), fallback: 'off', help: 'Speaks TLS, to try what passes through unopened' },
    }),
    (draft) => ({
      ...draft,
      tls: draft.tls && { certificate: draft.tls.certificate?.text, key: draft.tls.key?.text },
    }),
  );
