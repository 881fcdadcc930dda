/** A client's HTTP/1.1 connection. */
import type { Failure } from '../errors.ts';
import type { SessionContext } from '../h2/core.ts';
import { ServerConnection } from '../http1/server-connection.ts';
import type { ServerConnectionOwner } from '../http1/server-connection.ts';
import type { ServerHalf } from '../http1/server-half.ts';
import type { Connection } from '../io/connection.ts';
import type { RequestHead } from '../relay/message.ts';
import type { Client, Reception } from './reception.ts';
import type { Served } from './served.ts';

export class ClientHttp1 implements ServerConnectionOwner, Served {
  readonly handler: ServerConnection;
  private readonly reception: Reception;
  private readonly client: Client;
  private readonly gone: () => void;

  constructor(connection: Connection, context: SessionContext, reception: Reception, client: Client, gone: () => void) {
    this.reception = reception;
    this.client = client;
    this.gone = gone;
    this.handler = new ServerConnection(connection, context, this, client.entry === null ? 'http' : 'https');
  }

  onRequest(half: ServerHalf, head: RequestHead, end: boolean): void {
    this.reception.receive(half, head, end, this.client);
  }
  onRefused(half: ServerHalf, failure: Failure, method: string): void {
    this.reception.refuse(half, failure, [], method, this.client.peer.address);
  }
  onClosed(): void {
    this.gone();
  }

  drain(): void {
    this.handler.drain();
  }
  abort(failure: Failure): void {
    this.handler.abort(failure);
  }
}
