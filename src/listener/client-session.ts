/** One client's connection: its session, and who it is; each request on it becomes an exchange. */
import type { Failure } from '../errors.ts';
import { Token } from '../hpack/field.ts';
import type { Field } from '../hpack/field.ts';
import { Session } from '../h2/session.ts';
import type { SessionContext, SessionOwner } from '../h2/core.ts';
import type { Stream } from '../h2/stream.ts';
import type { Connection } from '../io/connection.ts';
import { Peer } from '../relay/client-address.ts';
import type { TrustedProxies } from '../relay/client-address.ts';
import { Exchange } from '../relay/exchange.ts';
import type { ExchangeContext } from '../relay/exchange.ts';
import { isGrpc } from '../relay/message.ts';
import type { RequestHead } from '../relay/message.ts';
import { replyLocally } from '../relay/local-reply.ts';

export class ClientSession implements SessionOwner {
  readonly connection: Connection;
  readonly session: Session;
  private readonly exchanges: ExchangeContext;
  private readonly trusted: TrustedProxies;
  private readonly peer: Peer;
  private readonly gone: () => void;

  constructor(
    connection: Connection,
    context: SessionContext,
    exchanges: ExchangeContext,
    trusted: TrustedProxies,
    gone: () => void,
  ) {
    this.connection = connection;
    this.exchanges = exchanges;
    this.trusted = trusted;
    this.gone = gone;
    this.peer = new Peer(connection.remote.address, trusted);
    this.session = new Session(connection, context, this);
    this.session.start();
  }

  onRequest(stream: Stream, head: RequestHead, end: boolean): void {
    const client = this.peer.forward(head, this.trusted);
    const exchange = new Exchange(this.exchanges, stream, head, end, client);
    stream.sink = exchange;
    exchange.begin();
  }

  onRefused(stream: Stream, fields: readonly Field[], failure: Failure): void {
    const valueOf = (token: number): string => fields.find(({ name }) => name.token === token)?.value ?? '';
    replyLocally(stream, failure, isGrpc(valueOf(Token.CONTENT_TYPE)), valueOf(Token.METHOD));
    stream.stop();
  }

  onCapacity(): void {
    // Nobody waits for a client's streams.
  }
  onRetired(): void {
    // A client that is asked to go still gets its answers.
  }
  onClosed(): void {
    this.gone();
  }
}
