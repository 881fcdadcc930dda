/** What a peer may send before it has left on the other side. HTTP/1.1 has no windows: a peer that used up its credit is not read. */
import type { Connection } from '../io/connection.ts';
import { Pause } from './context.ts';

/** Octets without credit over which reading rests; it goes on below half of them. */
const CREDIT = 64 * 1024;

export class Intake {
  private readonly connection: Connection;
  private uncredited = 0;

  constructor(connection: Connection) {
    this.connection = connection;
  }

  took(bytes: number): void {
    this.uncredited += bytes;
  }
  /** To be asked when a read has been dealt with: much of it may have left by then. */
  restIfSpent(): void {
    if (this.uncredited > CREDIT) this.connection.pause(Pause.CREDIT);
  }
  credit(bytes: number): void {
    this.uncredited -= bytes;
    if (this.uncredited * 2 <= CREDIT) this.connection.resume(Pause.CREDIT);
  }
  /** Another message begins: nobody gives credit for the last one any more. */
  renew(): void {
    this.uncredited = 0;
    this.connection.resume(Pause.CREDIT);
  }
}
