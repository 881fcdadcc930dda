/** What all connections of a listener share. `Listener` is the one implementation. */
import type { SessionContext } from '../h2/core.ts';
import type { ConnectionRecord } from '../journal.ts';
import type { TrustedProxies } from '../relay/client-address.ts';
import type { ExchangeContext } from '../relay/exchange.ts';
import type { Origin, Place } from '../relay/origin.ts';
import type { ListenerSpec } from '../snapshot.ts';
import type { Downstream } from './downstream.ts';
import type { Reception } from './reception.ts';
import type { TlsTerminator } from './tls.ts';

export interface Front {
  readonly spec: ListenerSpec;
  readonly context: SessionContext;
  readonly exchanges: ExchangeContext;
  readonly reception: Reception;
  readonly trusted: TrustedProxies;
  readonly terminator: TlsTerminator<Downstream> | null;
  /** What routes and upstreams could carry, whatever is allowed. */
  readonly serves: Readonly<Record<Origin['protocol'], boolean>>;
  /** The one protocol that comes into question, so that nothing has to be found out; null: there are several. */
  readonly only: 'h2' | 'http1' | 'tcp' | null;
  /** Whether a client of this address may connect. */
  admits(address: string): boolean;
  report(peer: Place, event: ConnectionRecord['event'], message: string): void;
  /** The connection is no more. */
  left(downstream: Downstream): void;
}
