/**
 * What is to be written to one socket. Frames are put together in recycled slabs and leave once a turn; a socket has at
 * most one write in flight, and what comes meanwhile fills the next slab.
 */
import type { Socket } from 'node:net';
import { Session } from '../counters.ts';
import type { Counters } from '../counters.ts';
import { budget } from './budget.ts';
import { SLAB_SIZE, slabs } from './buffer-pool.ts';
import { RawWriter } from './raw.ts';
import { clock, flushAtEndOfTurn } from './turn.ts';
import type { TurnTask } from './turn.ts';

const NO_SLAB = Buffer.alloc(0);

/**
 * High water mark of a socket whose `write` returns true once the kernel has taken everything, and which says `drain` once
 * it has if it could not at once: so a write that leaves at once, as nearly all do, costs no callback and no tick.
 */
export const PROMPT = 1;

/** Who is to know that the socket took something. */
export interface OutputOwner {
  drained(): void;
}

export class Output implements TurnTask {
  // What every message needs comes first, that it may lie in few lines of the cache.
  /** Where to write next: `buffer[at]`, after `reserve`. The hot path writes here without a call between. */
  buffer: Buffer = NO_SLAB;
  at = 0;
  private due = false;
  private closed = false;
  /** Set by whoever waits for the socket to take what it was given: the owner is told of it until all has left. */
  awaited = false;
  private inFlight: Buffer | null = null;
  private inFlightLength = 0;
  /** Octets given to the socket so far, and those that wait in full slabs. */
  handed = 0;
  private waitingLength = 0;
  /** Capacity of all slabs held here. */
  private capacity = 0;
  /** When something began to wait, or the socket last took some of what waits, by the turn's clock. */
  progressAt = 0;
  private readonly socket: Socket;
  private readonly owner: OutputOwner;
  /** Told by the socket's stream, where that is what is written to. */
  private onTaken: (() => void) | null = null;
  private raw: RawWriter | null = null;
  /** Full slabs and how far they are filled, waiting behind the one in flight. */
  private readonly waiting: Buffer[] = [];
  private readonly lengths: number[] = [];
  private finishing = false;
  private readonly counters: Counters;

  constructor(socket: Socket, counters: Counters, owner: OutputOwner) {
    this.socket = socket;
    this.counters = counters;
    this.owner = owner;
  }

  /** The socket is connected: from now on it is written to as directly as this Node allows. */
  writeRaw(): void {
    this.raw = RawWriter.over(this.socket, this);
  }

  /** Makes sure that `buffer` has `bytes` free from `at` on, and that they will leave at the end of the turn. */
  reserve(bytes: number): void {
    if (this.buffer.length - this.at < bytes) this.nextSlab(bytes);
    if (!this.due && this.inFlight === null) this.schedule();
  }

  /** Where in all that ever leaves the next octet will be. */
  get position(): number {
    return this.handed + this.waitingLength + this.at;
  }
  /** Bytes that the socket has not taken, counted as the memory that they hold. */
  get unsent(): number {
    return this.capacity;
  }
  /**
   * Less than one slab is unsent: what is copied now leaves as fast as it comes. When the process holds too much, only a
   * socket that holds nothing of it may go on.
   */
  get flowing(): boolean {
    return this.waitingLength === 0 && !(budget.spent && this.inFlight !== null);
  }
  get empty(): boolean {
    return this.inFlight === null && this.waitingLength === 0 && this.at === 0;
  }

  endTurn(): void {
    this.due = false;
    if (this.inFlight === null) this.writeNext();
  }

  /** Writes what is there, then ends our side of the socket. Nothing may be reserved afterwards. */
  finish(): void {
    this.finishing = true;
    if (!this.due && this.inFlight === null) this.schedule();
  }

  /** Throws away what has not been given to the socket: nobody will ever see it. */
  discard(): void {
    if (this.buffer !== NO_SLAB) this.release(this.buffer);
    for (const slab of this.waiting) this.release(slab);
    this.waiting.length = this.lengths.length = 0;
    this.waitingLength = 0;
    this.buffer = NO_SLAB;
    this.at = 0;
  }

  /** The socket is gone, and its last write with it. */
  close(): void {
    if (this.closed) return;
    this.closed = true;
    if (this.inFlight !== null) this.land();
    this.discard();
  }

  private schedule(): void {
    this.due = true;
    // Nothing was in flight: what begins to wait now has waited for nobody yet.
    this.progressAt = clock();
    flushAtEndOfTurn(this);
  }

  private nextSlab(bytes: number): void {
    if (this.closed) throw new Error('output is closed');
    if (this.at > 0) {
      this.waiting.push(this.buffer);
      this.lengths.push(this.at);
      this.waitingLength += this.at;
    } else if (this.buffer !== NO_SLAB) this.release(this.buffer);
    // A header block may be larger than a slab; such a buffer is used once.
    this.buffer = bytes <= SLAB_SIZE ? slabs.take() : Buffer.allocUnsafeSlow(bytes);
    if (bytes > SLAB_SIZE) budget.take(bytes);
    this.capacity += this.buffer.length;
    this.at = 0;
  }

  /** Writes until the socket takes no more at once. */
  private writeNext(): void {
    let took = false;
    while (!this.closed && this.launch() && this.writeOut()) {
      took = true;
      this.land();
    }
    if (!took) return;
    // Where nothing waits, the clock starts when something does: see `schedule`.
    if (this.inFlight !== null) this.progressAt = clock();
    this.tell();
  }

  /** The socket has taken, or lost, what was in flight. */
  taken(): void {
    if (this.inFlight === null) return;
    this.land();
    if (this.closed) return;
    if (this.waitingLength > 0 || this.at > 0) {
      this.progressAt = clock();
      if (!this.due) this.writeNext();
    } else if (this.finishing) this.socket.end();
    this.tell();
  }

  private tell(): void {
    if (!this.awaited) return;
    // Cleared first: who still waits says so again.
    this.awaited = !this.empty;
    this.owner.drained();
  }

  /** Puts the next slab in flight; false if there is none, and then it is time to finish. */
  private launch(): boolean {
    let slab = this.buffer;
    let length = this.at;
    if (this.waitingLength > 0) {
      slab = this.waiting.shift()!;
      length = this.lengths.shift()!;
      this.waitingLength -= length;
    } else {
      if (length === 0) {
        if (this.finishing) this.socket.end();
        return false;
      }
      this.buffer = NO_SLAB;
      this.at = 0;
    }
    this.inFlight = slab;
    this.inFlightLength = length;
    this.handed += length;
    this.counters.add(Session.BYTES_WRITTEN, length);
    return true;
  }

  private writeOut(): boolean {
    const slab = this.inFlight!;
    if (this.raw !== null) return this.raw.write(slab, this.inFlightLength);
    const octets = this.inFlightLength === slab.length ? slab : slab.subarray(0, this.inFlightLength);
    return this.writeToStream(octets);
  }

  private writeToStream(octets: Buffer): boolean {
    const { socket } = this;
    const prompt = socket.writableHighWaterMark === PROMPT;
    if (this.onTaken === null) {
      this.onTaken = (): void => this.taken();
      if (prompt) socket.on('drain', this.onTaken);
    }
    if (prompt) return socket.write(octets);
    // It cannot tell at once whether it took a write.
    socket.write(octets, this.onTaken);
    return false;
  }

  private land(): void {
    this.release(this.inFlight!);
    this.inFlight = null;
  }

  private release(slab: Buffer): void {
    this.capacity -= slab.length;
    if (slab.length === SLAB_SIZE) slabs.give(slab);
    else budget.give(slab.length);
  }
}
