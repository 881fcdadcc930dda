/** A client's TCP connection, which is one tunnel: an exchange in the form of an extended CONNECT. */
import type { Failure } from '../errors.ts';
import type { SessionContext } from '../h2/core.ts';
import { makeField } from '../hpack/field.ts';
import type { Connection } from '../io/connection.ts';
import { RequestHead } from '../relay/message.ts';
import type { Route } from '../route/route.ts';
import { RawHalf } from '../tunnel/raw-half.ts';
import type { Client, Reception } from './reception.ts';
import type { Served } from './served.ts';

const FIELDS = [makeField(':method', 'CONNECT'), makeField(':protocol', 'tcp')];

export class ClientTcp implements Served {
  readonly handler: RawHalf;

  /** `chosen`: the route of a TLS connection that is not opened. */
  constructor(
    connection: Connection,
    context: SessionContext,
    reception: Reception,
    client: Client,
    chosen: Route | null,
    gone: () => void,
  ) {
    this.handler = new RawHalf(connection, context, { opening: false }, gone);
    const head = new RequestHead([...FIELDS], 'CONNECT', '', '', -1, false, null, 'tcp');
    reception.receive(this.handler, head, false, client, chosen);
  }

  drain(): void {
    // A tunnel cannot be asked to go: it ends with its last byte, or with the drain's deadline.
  }
  abort(failure: Failure): void {
    this.handler.sink?.onAborted(failure);
  }
}
