/** A client's TCP connection, which is one tunnel: an exchange in the form of an extended CONNECT. */
import type { Failure } from '../errors.ts';
import type { SessionContext } from '../h2/core.ts';
import { makeField } from '../hpack/field.ts';
import type { Connection } from '../io/connection.ts';
import { Exchange } from '../relay/exchange.ts';
import type { ExchangeContext } from '../relay/exchange.ts';
import type { CarrierSource } from '../relay/half.ts';
import { RequestHead } from '../relay/message.ts';
import type { Origin } from '../relay/origin.ts';
import { RawHalf } from '../tunnel/raw-half.ts';
import type { Client } from './reception.ts';
import type { Served } from './served.ts';

const FIELDS = [makeField(':method', 'CONNECT'), makeField(':protocol', 'tcp')];

export class ClientTcp implements Served {
  readonly handler: RawHalf;

  /** The request that a connection is. */
  static head(origin: Origin): RequestHead {
    const head = new RequestHead(FIELDS, 'CONNECT', '', '', -1, false, null, 'tcp');
    head.origin = origin;
    return head;
  }

  constructor(
    connection: Connection,
    context: SessionContext,
    exchanges: ExchangeContext,
    to: CarrierSource,
    { origin, peer }: Client,
    gone: () => void,
  ) {
    this.handler = new RawHalf(connection, context, { opening: false }, gone);
    const exchange = new Exchange(exchanges, to, this.handler, ClientTcp.head(origin), false, peer.address);
    this.handler.sink = exchange;
    exchange.begin();
  }

  drain(): void {
    // A tunnel cannot be asked to go: it ends with its last byte, or with the drain's deadline.
  }
  abort(failure: Failure): void {
    this.handler.sink?.onAborted(failure);
  }
}
