/**
 * Callers that wait for a carrier, in the order in which they came. Each carries its own place: a `Map` of them, changing
 * with every call, is rebuilt all the time, and its old tables keep the new ones, and so the callers, alive until the next
 * full collection (adding and removing took four times as long with 2,000 waiting).
 */
import type { Carrier } from '../relay/half.ts';

/** What a caller carries for the queue that it waits in. Only the queue reads and writes it; null while it does not wait. */
export interface Queued {
  place: unknown;
}

export class Waiter<C, E> {
  readonly caller: C;
  /** When it has waited long enough for anything, and for what it wants. */
  readonly until: number;
  readonly wantedUntil: number;
  /** Refused the last attempt: another is to be found if there can be one. */
  readonly avoid: Carrier | null;
  /** The one endpoint that will do, or null if any will. */
  wanted: E | null;
  /** Its number among all that ever came. */
  readonly serial: number;
  prev: Waiter<C, E> | null = null;
  next: Waiter<C, E> | null = null;

  constructor(caller: C, until: number, avoid: Carrier | null, wanted: E | null, wantedUntil: number, serial: number) {
    this.caller = caller;
    this.until = until;
    this.avoid = avoid;
    this.wanted = wanted;
    this.wantedUntil = wantedUntil;
    this.serial = serial;
  }
  /** Takes any carrier: nobody who came later has a right to one before it is served. */
  get undemanding(): boolean {
    return this.wanted === null && this.avoid === null;
  }
}

/**
 * `C` are callers, `E` endpoints; times are milliseconds. All wait equally long, for anything and for what they want, so the
 * first is the first to expire. One that waits less long than those before it expires with them: late, never lost.
 */
export class WaitQueue<C extends Queued, E> {
  private readonly max: number;
  private first: Waiter<C, E> | null = null;
  private last: Waiter<C, E> | null = null;
  /** The first of those that want an endpoint. It only ever moves back in the queue, so finding the next costs O(1) a caller. */
  private wanting: Waiter<C, E> | null = null;
  private added = 0;
  /** Whom the iterations under way come to next. */
  private readonly cursors: { next: Waiter<C, E> | null }[] = [];
  size = 0;
  /** Waiters that take any carrier. */
  undemanding = 0;

  constructor(max: number) {
    this.max = max;
  }

  /** Lets a caller wait behind all others; false if the queue is full. A caller waits in one queue, once. */
  add(caller: C, until: number, avoid: Carrier | null = null, wanted: E | null = null, wantedUntil = 0): boolean {
    if (this.size >= this.max) return false;
    const waiter = new Waiter(caller, until, avoid, wanted, wantedUntil, ++this.added);
    caller.place = waiter;
    waiter.prev = this.last;
    if (this.last === null) this.first = waiter;
    else this.last.next = waiter;
    this.last = waiter;
    this.size++;
    if (waiter.undemanding) this.undemanding++;
    if (wanted !== null) this.wanting ??= waiter;
    return true;
  }

  /** The caller no longer waits; false if it did not. */
  remove(caller: C): boolean {
    const waiter = caller.place as Waiter<C, E> | null;
    if (waiter === null) return false;
    caller.place = null;
    for (const cursor of this.cursors) if (cursor.next === waiter) cursor.next = waiter.next;
    if (this.wanting === waiter) this.wanting = nextWanting(waiter);
    if (waiter.undemanding) this.undemanding--;
    this.size--;
    const { prev, next } = waiter;
    if (prev === null) this.first = next;
    else prev.next = next;
    if (next === null) this.last = prev;
    else next.prev = prev;
    waiter.prev = waiter.next = null;
    return true;
  }

  /** When `expire` or `lapse` has something to do next; Infinity if never. */
  get nextAt(): number {
    return Math.min(this.first?.until ?? Infinity, this.wanting?.wantedUntil ?? Infinity);
  }

  /** Takes out the next caller whose time is up, or null. To be asked until it is null: a caller may do anything when told. */
  expire(now: number): C | null {
    if (this.first === null || this.first.until > now) return null;
    const { caller } = this.first;
    this.remove(caller);
    return caller;
  }

  /** Those that have waited long enough for what they want take anything from now on; says whether there were any. */
  lapse(now: number): boolean {
    let any = false;
    while (this.wanting !== null && this.wanting.wantedUntil <= now) {
      this.settle(this.wanting);
      any = true;
    }
    return any;
  }

  /** This one takes any endpoint from now on: what it wanted is gone, say. */
  settle(waiter: Waiter<C, E>): void {
    if (waiter.wanted === null) return;
    waiter.wanted = null;
    if (waiter.undemanding) this.undemanding++;
    if (this.wanting === waiter) this.wanting = nextWanting(waiter);
  }

  /** Takes all out, in order. */
  drain(): C[] {
    const callers = Array.from(this, ({ caller }) => caller);
    for (const caller of callers) this.remove(caller);
    return callers;
  }

  /** Those that wait now, in order. Meanwhile anyone may leave, and anyone may come, who is then not among them. */
  *[Symbol.iterator](): Generator<Waiter<C, E>, void> {
    const { added } = this;
    const cursor = { next: this.first };
    this.cursors.push(cursor);
    try {
      while (cursor.next !== null && cursor.next.serial <= added) {
        const waiter: Waiter<C, E> = cursor.next;
        cursor.next = waiter.next;
        yield waiter;
      }
    } finally {
      this.cursors.splice(this.cursors.indexOf(cursor), 1);
    }
  }
}

function nextWanting<C, E>(waiter: Waiter<C, E>): Waiter<C, E> | null {
  let { next } = waiter;
  while (next !== null && next.wanted === null) next = next.next;
  return next;
}
