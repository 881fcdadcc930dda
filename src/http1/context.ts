/** What the HTTP/1.1 connections of one side of the gateway have in common. */
import { countLimit } from '../counters.ts';
import type { Counters, Limit } from '../counters.ts';
import type { Connection } from '../io/connection.ts';
import type { TimerWheel } from '../io/timer-wheel.ts';
import type { ConnectionRecord, Journal } from '../journal.ts';
import type { Limits } from '../snapshot.ts';

export interface Http1Context {
  readonly limits: Limits;
  readonly counters: Counters;
  readonly wheel: TimerWheel;
  readonly journal: Journal;
}

/** Why a connection is not read, as bits of `Connection.pause`. */
export const Pause = {
  /** What it sent has not left on the other side. */
  CREDIT: 1,
  /** Enough has been read ahead. */
  BACKLOG: 2,
} as const;

/** What a connection tells the journal of itself. */
export class Reporter {
  private readonly context: Http1Context;
  private readonly connection: Connection;
  private readonly side: ConnectionRecord['side'];

  constructor(context: Http1Context, connection: Connection, side: ConnectionRecord['side']) {
    this.context = context;
    this.connection = connection;
    this.side = side;
  }

  record(event: ConnectionRecord['event'], code: string | null, message: string): void {
    const { address, port } = this.connection.remote;
    this.context.journal.connection({ side: this.side, peer: `${address}:${port}`, event, code, message });
  }
  bug(error: Error): void {
    this.record('bug', null, error.stack ?? error.message);
  }
  limited(limit: Limit): void {
    countLimit(this.context.counters, limit);
    this.record('limited', null, limit);
  }
}
