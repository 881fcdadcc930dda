/** What all connections of a listener share. `Listener` is the one implementation. */
import type { SessionContext } from '../h2/core.ts';
import type { ConnectionRecord } from '../journal.ts';
import type { TrustedProxies } from '../relay/client-address.ts';
import type { Origin, Place } from '../relay/origin.ts';
import type { ListenerSpec } from '../snapshot.ts';
import type { Downstream } from './downstream.ts';
import type { Reception } from './reception.ts';
import type { TlsTerminator } from './tls.ts';

export interface Front {
  readonly spec: ListenerSpec;
  readonly context: SessionContext;
  readonly reception: Reception;
  readonly trusted: TrustedProxies;
  readonly terminator: TlsTerminator<Downstream> | null;
  /** What routes and upstreams could carry, whatever is allowed. */
  readonly serves: Readonly<Record<Origin['protocol'], boolean>>;
  /** Whatever a client says in clear text, or inside TLS, is but bytes: nothing has to be found out. */
  readonly only: 'tcp' | null;
  readonly bytesAlone: boolean;
  /** Whether a client of this address may connect. */
  admits(address: string): boolean;
  report(peer: Place, event: ConnectionRecord['event'], message: string): void;
  /** The connection is no more. */
  left(downstream: Downstream): void;
}
