/** Where requests come from: what is known of their connection, shared by all of them. */

export interface Place {
  readonly address: string;
  readonly port: number;
}

/** Who the client is, by TLS that ended here. */
export interface TlsOrigin {
  /** SNI, in lower case and without a last dot; null where none was sent. */
  readonly serverName: string | null;
  /** `TLSv1.2`, `TLSv1.3`. */
  readonly version: string;
  /**
   * The subject of the client's certificate in the form of RFC 2253, `CN=reader,O=frameway`; its text may be of any language. Null,
   * as is all that follows, unless the certificate was verified.
   */
  readonly subject: string | null;
  /** SHA-256 of the client's certificate, in lower case and without colons. */
  readonly fingerprint: string | null;
  /** DNS names and URIs of the client's certificate: `reader.example`, `spiffe://example/reader`. */
  readonly names: readonly string[];
}

export interface Origin {
  /** What the client speaks to us. */
  readonly protocol: 'h2' | 'http1' | 'tcp';
  /** Name of the listener. */
  readonly listener: string;
  /** The peer, or whom its PROXY header names; and where that wanted to go. */
  readonly source: Place;
  readonly destination: Place;
  readonly tls: TlsOrigin | null;
  /** The name in a ClientHello that passes unopened, or in one that was opened. */
  readonly serverName: string | null;
}
