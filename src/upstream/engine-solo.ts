/** A connection to an engine that carries one call at a time; what it speaks is for those that extend it. */
import { Endpoint as Count } from '../counters.ts';
import type { Failure } from '../errors.ts';
import { now } from '../io/turn.ts';
import { EngineConnection } from './engine-connection.ts';

export abstract class EngineSolo extends EngineConnection {
  get openCalls(): number {
    return this.used;
  }
  refusal(): Failure | null {
    return null;
  }
  awake(): boolean {
    return true;
  }

  protected connected(): void {
    if (this.state !== 'connecting') return;
    this.pool.spoke();
    this.stands();
  }

  /** Its call begins. */
  protected take(): void {
    this.pool.endpoint.counters.add(Count.STREAMS, 1);
    this.used = 1;
    this.pool.active++;
  }
  /** Its call is over, if there was one. */
  protected release(): void {
    if (this.used === 0) return;
    this.used = 0;
    this.pool.active--;
    this.idleSince = now();
  }
  /** The socket is gone, and its call with it. */
  protected lost(): void {
    this.release();
    this.gone();
    this.pool.freed();
  }
}
