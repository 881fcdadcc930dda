/** One connection to an engine: its connect, its session, and its place in the endpoint. It carries requests. */
import { Endpoint as Count } from '../counters.ts';
import { Failures } from '../errors.ts';
import type { Failure } from '../errors.ts';
import type { Field } from '../hpack/field.ts';
import { Session } from '../h2/session.ts';
import type { SessionContext, SessionOwner } from '../h2/core.ts';
import { Connection } from '../io/connection.ts';
import { Timer } from '../io/timer-wheel.ts';
import type { Carrier, Half, HalfSink } from '../relay/half.ts';
import type { RequestHead } from '../relay/message.ts';
import type { Endpoint } from './endpoint.ts';

/** What an upstream wants to know of its sessions. */
export interface EngineSessionOwner {
  /** There may be room for calls that wait, or a connect failed and they have to go elsewhere. */
  onRoom(): void;
}

export class EngineSession implements Carrier, SessionOwner {
  readonly place: Endpoint;
  readonly session: Session;
  private readonly owner: EngineSessionOwner;
  private readonly connection: Connection;
  private readonly context: SessionContext;
  private readonly connectTimer: Timer;
  private state: 'connecting' | 'ready' | 'retired' = 'connecting';
  private streamsOpen = 0;

  /** Begins to connect; the owner hears of the outcome. */
  constructor(place: Endpoint, connectTimeout: number, context: SessionContext, owner: EngineSessionOwner) {
    this.place = place;
    this.owner = owner;
    this.context = context;
    this.connectTimer = new Timer(() => this.connectFailed(Failures.connectTimeout, 'connect timed out'));
    context.wheel.arm(this.connectTimer, connectTimeout);
    this.connection = Connection.open(place.target, context.counters, () => this.connected());
    this.session = new Session(this.connection, context, this);
    this.connection.begin(this.session, true);
  }

  get endpoint(): string {
    return this.place.spec.address;
  }
  /** Streams that may be opened now, by the engine's limit and by ours. */
  room(maxStreams: number): number {
    if (this.state !== 'ready') return 0;
    const { freeStreams, peer, streamsUsed } = this.session;
    const limit = peer.received ? maxStreams : Math.min(maxStreams, this.place.streamLimit);
    return Math.min(freeStreams, limit - streamsUsed);
  }

  accepts(fields: readonly Field[]): boolean {
    return this.session.peer.accepts(fields);
  }
  open(head: RequestHead, end: boolean, sink: HalfSink): Half {
    this.place.counters.add(Count.STREAMS, 1);
    const stream = this.session.openStream(head, end, sink);
    this.countStreams();
    return stream;
  }

  /** The upstream closes: a session says goodbye, and one that does not stand yet is given up. */
  close(): void {
    if (this.state !== 'connecting') {
      this.session.drain();
      return;
    }
    this.state = 'retired';
    this.context.wheel.disarm(this.connectTimer);
    this.place.connecting.delete(this);
    this.connection.destroy();
  }

  // --- SessionOwner ------------------------------------------------------------------------------------------------

  onRequest(): void {
    // Engines open no streams: push is disabled.
  }
  onRefused(): void {
    // As above.
  }
  onCapacity(): void {
    const { peer } = this.session;
    if (peer.received) this.place.streamLimit = peer.maxConcurrentStreams;
    this.countStreams();
    this.owner.onRoom();
  }
  onRetired(): void {
    this.retire();
  }
  onClosed(): void {
    if (this.state === 'connecting') this.connectFailed(Failures.connectRefused, this.connection.error?.message ?? '');
    else this.retire();
    this.countStreams();
    this.owner.onRoom();
  }

  private connected(): void {
    if (this.state !== 'connecting') return;
    this.context.wheel.disarm(this.connectTimer);
    this.state = 'ready';
    this.session.start();
    this.place.connected(this);
    this.owner.onRoom();
  }

  private connectFailed(failure: Failure, message: string): void {
    if (this.state !== 'connecting') return;
    this.state = 'retired';
    this.context.wheel.disarm(this.connectTimer);
    this.context.wheel.arm(this.place.retry, this.place.refused(this, failure));
    const peer = this.endpoint;
    this.context.journal.connection({ side: 'upstream', peer, event: 'connect_failed', code: null, message });
    this.connection.destroy();
    this.owner.onRoom();
  }

  private retire(): void {
    if (this.state !== 'ready') return;
    this.state = 'retired';
    this.place.retire(this);
  }

  private countStreams(): void {
    const { size } = this.session.streams;
    this.place.counters.add(Count.STREAMS_OPEN, size - this.streamsOpen);
    this.streamsOpen = size;
  }
}
