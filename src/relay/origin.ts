/** Where requests come from: what is known of their connection, shared by all of them. */

export interface Place {
  readonly address: string;
  readonly port: number;
}

/** Who the client is, by TLS that ended here. */
export interface TlsOrigin {
  /** The name that it asked for, or null. */
  readonly serverName: string | null;
  readonly version: string;
  /** Of the client certificate that was verified, if there was one: its subject, SHA-256 fingerprint, and the names in it. */
  readonly subject: string | null;
  readonly fingerprint: string | null;
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
