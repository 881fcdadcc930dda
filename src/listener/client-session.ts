/** One client's connection: its session, and who it is; each request on it becomes an exchange. */
import type { Failure } from '../errors.ts';
import { Token } from '../hpack/field.ts';
import type { Field } from '../hpack/field.ts';
import { Session } from '../h2/session.ts';
import type { SessionContext, SessionOwner } from '../h2/core.ts';
import { DOWNSTREAM_KEEPALIVE, DownstreamKeepalive, Look } from '../h2/keepalive.ts';
import type { Stream } from '../h2/stream.ts';
import type { Connection } from '../io/connection.ts';
import { Timer } from '../io/timer-wheel.ts';
import type { TimerWheel } from '../io/timer-wheel.ts';
import { now } from '../io/turn.ts';
import { Peer } from '../relay/client-address.ts';
import type { TrustedProxies } from '../relay/client-address.ts';
import { Exchange } from '../relay/exchange.ts';
import type { ExchangeContext } from '../relay/exchange.ts';
import { isGrpc } from '../relay/message.ts';
import type { RequestHead } from '../relay/message.ts';
import { replyLocally } from '../relay/local-reply.ts';

/** A socket that is not read cannot be judged: it is looked at again after so long. */
const LEAST_LOOK = 1000;

export class ClientSession implements SessionOwner {
  readonly connection: Connection;
  readonly session: Session;
  private readonly exchanges: ExchangeContext;
  private readonly trusted: TrustedProxies;
  private readonly peer: Peer;
  private readonly gone: () => void;
  private readonly wheel: TimerWheel;
  private readonly ledger: DownstreamKeepalive;
  private readonly pulse: Timer;

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
    this.wheel = context.wheel;
    this.ledger = new DownstreamKeepalive(this.session.readAt);
    this.pulse = new Timer(() => this.look());
    this.listen();
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

  onFreed(): void {
    // Nobody waits for a client's streams.
  }
  onSettings(): void {
    // As above.
  }
  onRetired(): void {
    // A client that is asked to go still gets its answers.
  }
  onPong(): void {
    this.ledger.acked(this.session.readAt);
    this.listen();
  }
  onTooManyPings(): void {
    // Clients do not count.
  }
  onClosed(): void {
    this.wheel.disarm(this.pulse);
    this.gone();
  }

  /** A client that is gone without a word: asked after a silence, sooner while it has calls open. */
  private look(): void {
    const { session, ledger } = this;
    if (session.dead) return;
    ledger.heard(session.readAt);
    const look = this.connection.paused ? Look.REST : ledger.check(now(), session.streams.size);
    if (look === Look.DEAD) {
      session.recordLimit('keepalive', null);
      session.cut();
      return;
    }
    if (look === Look.PING) session.ping();
    this.listen();
  }

  private listen(): void {
    // What opens in between is looked at no later than after the shorter silence.
    const wait = this.ledger.nextCheck(now(), this.session.streams.size);
    this.wheel.arm(this.pulse, Math.max(LEAST_LOOK, Math.min(wait, DOWNSTREAM_KEEPALIVE.interval)));
  }
}
