/** One certificate of a listener, and the policy under which it lets clients in. */
import { constants, createPrivateKey, randomBytes, X509Certificate } from 'node:crypto';
import type { KeyObject } from 'node:crypto';
import type { Server, TlsOptions } from 'node:tls';
import type { ServerTlsSpec } from '../snapshot.ts';

/** PEM texts; `clientCa` is null, or not looked at, where no client certificate is asked for. */
export interface TlsTexts {
  readonly certificate: string;
  readonly key: string;
  readonly clientCa: string | null;
}

/** Makes the `tls.Server`, not listening, that shakes hands for an entry. Throws on what OpenSSL does not take. */
export type MakeServer = (options: TlsOptions, entry: TlsEntry) => Server;

export class TlsEntry {
  readonly spec: ServerTlsSpec;
  /** Each entry has its own, and a new one with new texts: handshakes that are under way end as they began. */
  server!: Server;
  /** Who gets in, as text: clients of one entry may speak to another whose policy is equal. */
  policy!: string;
  private texts!: TlsTexts;
  private readonly makeServer: MakeServer;

  /** Throws, with an error that names the entry, on PEM that cannot be used. */
  constructor(spec: ServerTlsSpec, makeServer: MakeServer) {
    this.spec = spec;
    this.makeServer = makeServer;
    this.use(spec);
  }

  /** Takes new texts; if it throws, nothing has changed. The ones that it has already change nothing, either. */
  reload(texts: TlsTexts): void {
    const { certificate, key, clientCa } = this.texts;
    if (texts.certificate === certificate && texts.key === key && texts.clientCa === clientCa) return;
    this.use(texts);
  }

  private use(texts: TlsTexts): void {
    try {
      const authorities = this.authoritiesOf(texts);
      this.server = this.makeServer(this.optionsOf(texts, authorities), this);
      this.policy = this.policyOf(authorities);
      this.texts = texts;
    } catch (thrown) {
      const { message, reason = message } = thrown as Error & { reason?: string };
      throw new Error(`TLS for ${this.spec.names.join(', ')}: ${reason}`, { cause: thrown });
    }
  }

  private authoritiesOf({ clientCa }: TlsTexts): readonly X509Certificate[] {
    if (this.spec.clientCertificate === 'off') return [];
    // Node would believe the certificates of all public authorities.
    if (clientCa === null) throw new Error('client certificates are asked for, but no authority is trusted');
    return certificatesOf('the client CA', clientCa);
  }

  private optionsOf({ certificate, key }: TlsTexts, authorities: readonly X509Certificate[]): TlsOptions {
    const { clientCertificate, minVersion } = this.spec;
    const [own] = certificatesOf('the certificate', certificate);
    // OpenSSL does not notice a pair of different kinds, RSA and EC.
    if (!own!.checkPrivateKey(keyOf(key))) throw new Error('the key is not that of the certificate');
    const options: TlsOptions = {
      cert: certificate,
      key,
      minVersion,
      // RFC 9113 section 9.2.1: "A deployment of HTTP/2 over TLS 1.2 MUST disable renegotiation."
      secureOptions: constants.SSL_OP_NO_RENEGOTIATION,
      requestCert: clientCertificate !== 'off',
      // Node can only refuse all that it did not verify; a bad one where none is needed is for the terminator to refuse.
      rejectUnauthorized: clientCertificate === 'required',
      // A session is never resumed under another policy than that which let it in (CVE-2025-23419), by two bars: none but this
      // entry, as it is now, can read its tickets, and none else bears its name.
      ticketKeys: randomBytes(48),
      sessionIdContext: randomBytes(16).toString('hex'),
    };
    if (authorities.length > 0) options.ca = authorities.map(String);
    return options;
  }

  private policyOf(authorities: readonly X509Certificate[]): string {
    const { clientCertificate, minVersion } = this.spec;
    return [minVersion, clientCertificate, ...authorities.map((authority) => authority.fingerprint256).sort()].join(
      ' ',
    );
  }
}

/** Node passes over what it cannot read of a bundle; it should be told when the bundle is set. */
function certificatesOf(what: string, bundle: string): X509Certificate[] {
  const blocks = bundle.match(/-----BEGIN CERTIFICATE-----[^-]*-----END CERTIFICATE-----/g) ?? [];
  if (blocks.length === 0) throw new Error(`${what} is not in PEM form`);
  return blocks.map((block, i) => {
    try {
      return new X509Certificate(block);
    } catch {
      throw new Error(`${what} cannot be read (number ${i + 1} in its PEM)`);
    }
  });
}

function keyOf(pem: string): KeyObject {
  try {
    return createPrivateKey(pem);
  } catch {
    throw new Error('the key cannot be read (PEM without a passphrase)');
  }
}
