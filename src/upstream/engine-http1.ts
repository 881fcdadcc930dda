/** A connection to an engine that speaks HTTP/1.1: one call at a time, again and again. */
import { Endpoint as Count } from '../counters.ts';
import type { Failure } from '../errors.ts';
import { ClientConnection } from '../http1/client-connection.ts';
import type { ClientConnectionOwner } from '../http1/client-connection.ts';
import { now } from '../io/turn.ts';
import type { Half, HalfSink } from '../relay/half.ts';
import type { RequestHead } from '../relay/message.ts';
import { EngineConnection } from './engine-connection.ts';
import type { Carried } from './engine-connection.ts';
import type { Pool } from './pool.ts';

export class EngineHttp1 extends EngineConnection implements ClientConnectionOwner {
  private readonly http: ClientConnection;

  constructor(pool: Pool, overflow: boolean, settled?: (stands: boolean) => void) {
    super(pool, overflow, settled);
    this.http = new ClientConnection(this.connection, pool.context, this);
    this.connection.begin(this.http, true);
  }

  get room(): number {
    return this.state === 'ready' && this.used === 0 && this.http.usable ? 1 : 0;
  }
  get openCalls(): number {
    return this.used;
  }
  carried(): readonly Carried[] {
    return this.http.half === null ? [] : [this.http.half];
  }
  refusal(): Failure | null {
    return null;
  }
  awake(): boolean {
    return true;
  }

  open(head: RequestHead, end: boolean, sink: HalfSink): Half {
    this.pool.endpoint.counters.add(Count.STREAMS, 1);
    this.used = 1;
    this.pool.active++;
    return this.http.open(head, end, sink);
  }

  onFree(): void {
    this.release();
    this.pool.idle(this);
    this.pool.freed();
  }
  onRetired(): void {
    this.retire();
  }
  onClosed(): void {
    this.release();
    this.gone();
    this.pool.freed();
  }

  protected connected(): void {
    if (this.state !== 'connecting') return;
    this.pool.spoke();
    this.stands();
  }
  protected leave(): void {
    this.http.drain();
  }

  private release(): void {
    if (this.used === 0) return;
    this.used = 0;
    this.pool.active--;
    this.idleSince = now();
  }
}
