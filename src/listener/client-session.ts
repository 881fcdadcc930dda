/** A client's HTTP/2 connection: its session, and its keepalive. */
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
import type { RequestHead } from '../relay/message.ts';
import type { Client, Reception } from './reception.ts';
import type { Served } from './served.ts';

/** A socket that is not read cannot be judged: it is looked at again after so long. */
const LEAST_LOOK = 1000;

export class ClientSession implements SessionOwner, Served {
  readonly connection: Connection;
  readonly session: Session;
  private readonly reception: Reception;
  private readonly client: Client;
  private readonly gone: () => void;
  private readonly wheel: TimerWheel;
  private readonly ledger: DownstreamKeepalive;
  private readonly pulse: Timer;

  constructor(connection: Connection, context: SessionContext, reception: Reception, client: Client, gone: () => void) {
    this.connection = connection;
    this.reception = reception;
    this.client = client;
    this.gone = gone;
    this.session = new Session(connection, context, this);
    this.session.start();
    this.wheel = context.wheel;
    this.ledger = new DownstreamKeepalive(this.session.readAt);
    this.pulse = new Timer(() => this.look());
    this.listen();
  }

  onRequest(stream: Stream, head: RequestHead, end: boolean): void {
    this.reception.receive(stream, head, end, this.client);
  }

  onRefused(stream: Stream, fields: readonly Field[], failure: Failure): void {
    const method = fields.find(({ name }) => name.token === Token.METHOD)?.value ?? '';
    this.reception.refuse(stream, failure, fields, method, this.client.peer.address);
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

  drain(): void {
    this.session.drain();
  }
  abort(failure: Failure): void {
    this.session.abort(failure);
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
