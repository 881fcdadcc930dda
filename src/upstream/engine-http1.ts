/** A connection to an engine that speaks HTTP/1.1: one call at a time, again and again. */
import { ClientConnection } from '../http1/client-connection.ts';
import type { ClientConnectionOwner } from '../http1/client-connection.ts';
import type { Half, HalfSink } from '../relay/half.ts';
import type { RequestHead } from '../relay/message.ts';
import type { Carried } from './engine-connection.ts';
import { EngineSolo } from './engine-solo.ts';
import type { Pool } from './pool.ts';

export class EngineHttp1 extends EngineSolo implements ClientConnectionOwner {
  private readonly http: ClientConnection;

  constructor(pool: Pool, overflow: boolean, settled?: (stands: boolean) => void) {
    super(pool, overflow, settled);
    this.http = new ClientConnection(this.connection, pool.context, this);
    this.connection.begin(this.http, true);
  }

  get room(): number {
    return this.state === 'ready' && this.used === 0 && this.http.usable ? 1 : 0;
  }
  carried(): readonly Carried[] {
    return this.http.half === null ? [] : [this.http.half];
  }

  open(head: RequestHead, end: boolean, sink: HalfSink): Half {
    this.take();
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
    this.lost();
  }

  protected leave(): void {
    this.http.drain();
  }
}
