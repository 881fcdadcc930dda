/**
 * How gRPC servers count PINGs, as their sources have it, and an engine that does so at the end of a line in injected time:
 * grpc-go `internal/transport/http2_server.go` (handlePing), C-core `chttp2/transport/ping_abuse_policy.cc`, grpc-java
 * `KeepAliveEnforcer.java`. `permitWithoutStream` is false in all.
 */
import type { Keepalive, KeepalivePolicy } from '../../src/h2/keepalive.ts';
import { Look, Opening } from '../../src/h2/keepalive.ts';
import type { Random } from './random.ts';

const MAX_STRIKES = 2;
const WITHOUT_STREAMS = 7_200_000;

export interface PingEnforcer {
  strikes: number;
  /** HEADERS or DATA were written. */
  wrote(): void;
  /** A PING was read. True: GOAWAY "too_many_pings". */
  pinged(now: number, streams: number): boolean;
}

/** A write leaves a mark; a PING that finds it takes it away, clears the strikes, and is not looked at further. */
export class GrpcGo implements PingEnforcer {
  strikes = 0;
  private readonly minTime: number;
  private reset = false;
  private lastPing = -Infinity;

  constructor(minTime = 300_000) {
    this.minTime = minTime;
  }
  wrote(): void {
    this.reset = true;
  }
  pinged(now: number, streams: number): boolean {
    const allowedAt = this.lastPing + (streams < 1 ? WITHOUT_STREAMS : this.minTime);
    this.lastPing = now;
    if (this.reset) {
      this.reset = false;
      this.strikes = 0;
      return false;
    }
    if (allowedAt > now) this.strikes++;
    return this.strikes > MAX_STRIKES;
  }
}

/** A write clears the strikes at once and forgets the last PING. (So does a WINDOW_UPDATE, which is left out here.) */
export class GrpcCore implements PingEnforcer {
  strikes = 0;
  private readonly minTime: number;
  private lastPing = -Infinity;

  constructor(minTime = 300_000) {
    this.minTime = minTime;
  }
  wrote(): void {
    this.lastPing = -Infinity;
    this.strikes = 0;
  }
  pinged(now: number, streams: number): boolean {
    const allowedAt = this.lastPing + (streams === 0 ? WITHOUT_STREAMS : this.minTime);
    this.lastPing = now;
    return allowedAt > now && ++this.strikes > MAX_STRIKES;
  }
}

/** A write clears the strikes, but sets the last PING back to the connection's beginning only: young connections strike more. */
export class GrpcJava implements PingEnforcer {
  strikes = 0;
  private readonly minTime: number;
  private readonly epoch: number;
  private lastValid: number;

  constructor(minTime = 300_000, epoch = 0) {
    this.minTime = minTime;
    this.epoch = this.lastValid = epoch;
  }
  wrote(): void {
    this.lastValid = this.epoch;
    this.strikes = 0;
  }
  pinged(now: number, streams: number): boolean {
    if (this.lastValid + (streams === 0 ? WITHOUT_STREAMS : this.minTime) > now) return ++this.strikes > MAX_STRIKES;
    this.lastValid = now;
    return false;
  }
}

/** Time that passes only in `run`: what was put down is done in order. */
export class Agenda {
  now: number;
  private readonly entries: { readonly at: number; readonly act: () => void }[] = [];

  constructor(now = 0) {
    this.now = now;
  }
  after(ms: number, act: () => void): void {
    const at = this.now + ms;
    let place = this.entries.length;
    // The soonest stands last; of two at the same time, the one that was put down first.
    while (place > 0 && this.entries[place - 1]!.at <= at) place--;
    this.entries.splice(place, 0, { at, act });
  }
  run(until: number): void {
    for (let next = this.entries.at(-1); next !== undefined && next.at <= until; next = this.entries.at(-1)) {
      this.entries.pop();
      this.now = next.at;
      next.act();
    }
    this.now = until;
  }
}

/** A call, as each end sees it. */
export interface Call {
  ours: boolean;
  theirs: boolean;
}

/** A session with a ledger, a line that is slow by turns but keeps the order, and an engine that counts strikes. */
export class Scene {
  readonly agenda: Agenda;
  readonly ledger: Keepalive;
  readonly policy: KeepalivePolicy;
  readonly enforcer: PingEnforcer;
  readonly calls = new Set<Call>();
  pings = 0;
  withheld = 0;
  most = 0;
  heardAt: number;
  ackedAt = -Infinity;
  /** HEADERS or DATA were read since then. */
  answered = true;
  diedAt = Infinity;
  tooManyPings = false;
  private readonly random: Random;
  private readonly slowest: number;
  /** Nothing arrives any more. */
  private cut = false;
  private upAt = 0;
  private downAt = 0;
  private timer = 0;
  private engineStreams = 0;
  private readonly waiting: (() => void)[] = [];

  constructor(
    agenda: Agenda,
    random: Random,
    ledger: Keepalive,
    policy: KeepalivePolicy,
    enforcer: PingEnforcer,
    slowest = 150,
  ) {
    this.agenda = agenda;
    this.random = random;
    this.ledger = ledger;
    this.policy = policy;
    this.enforcer = enforcer;
    this.slowest = slowest;
    this.heardAt = agenda.now;
  }

  get over(): boolean {
    return this.tooManyPings || this.diedAt < Infinity;
  }
  cutLine(): void {
    this.cut = true;
  }

  /** Opens a call as soon as the ledger lets it; `begun` is not called if the session does not take it. */
  open(begun: (call: Call) => void): void {
    if (this.over) return;
    const step = this.ledger.beforeStream(this.agenda.now, this.calls.size);
    if (step === Opening.ELSEWHERE) return;
    if (step === Opening.PING) this.ping();
    if (step !== Opening.NOW) {
      this.waiting.push(() => this.open(begun));
      return;
    }
    const call: Call = { ours: true, theirs: false };
    this.calls.add(call);
    this.toEngine(() => {
      call.theirs = true;
      this.engineStreams++;
    });
    if (this.calls.size === 1) this.arm();
    begun(call);
  }
  cancel(call: Call): void {
    this.forget(call);
    this.toEngine(() => this.drop(call));
  }
  /** As a caller does that is gone by the time its session has answered. */
  ask(): void {
    if (this.ledger.beforeStream(this.agenda.now, this.calls.size) === Opening.PING) this.ping();
  }
  probe(): void {
    if (!this.over && this.ledger.probe(this.agenda.now, this.calls.size)) this.ping();
  }

  /** The engine writes HEADERS or DATA of a call that it knows. */
  write(call: Call, end = false): void {
    if (!call.theirs) return;
    if (end) this.drop(call);
    this.enforcer.wrote();
    this.toUs(() => {
      this.ledger.answered();
      this.answered = true;
      if (end) this.forget(call);
    });
  }
  reset(call: Call): void {
    if (!call.theirs) return;
    this.drop(call);
    this.toUs(() => this.forget(call));
  }
  /** WINDOW_UPDATE, SETTINGS, a PING of the engine's own. */
  writeOther(): void {
    this.toUs(() => undefined);
  }

  private drop(call: Call): void {
    if (call.theirs) this.engineStreams--;
    call.theirs = false;
  }
  private forget(call: Call): void {
    call.ours = false;
    this.calls.delete(call);
  }

  private arm(): void {
    const ms = this.ledger.nextCheck(this.agenda.now, this.calls.size);
    const timer = ++this.timer;
    // As a timer wheel does it: never early, and a tick late.
    if (ms < Infinity) this.agenda.after(ms + 9 * this.random.next(), () => timer === this.timer && this.look());
  }
  private look(): void {
    if (this.over) return;
    const look = this.ledger.check(this.agenda.now, this.calls.size);
    if (look === Look.DEAD) this.diedAt = this.agenda.now;
    else if (look === Look.PING) this.ping();
    else if (look === Look.WITHHELD) this.withheld++;
    if (look !== Look.DEAD) this.arm();
  }

  private ping(): void {
    this.pings++;
    this.toEngine(() => {
      this.toUs(() => {
        this.ledger.acked(this.agenda.now);
        this.ackedAt = this.agenda.now;
        this.answered = false;
      });
      // grpc-go hands the ACK to its writer first, which may write others' DATA before the PING is judged.
      this.agenda.after(0.5 * this.random.next(), () => {
        this.tooManyPings ||= this.enforcer.pinged(this.agenda.now, this.engineStreams);
        this.most = Math.max(this.most, this.enforcer.strikes);
      });
    });
    this.arm();
  }

  private toEngine(arrive: () => void): void {
    this.upAt = Math.max(this.upAt, this.agenda.now + 1 + this.slowest * this.random.next() ** 4);
    this.agenda.after(this.upAt - this.agenda.now, () => this.cut || arrive());
  }
  private toUs(arrive: () => void): void {
    this.downAt = Math.max(this.downAt, this.agenda.now + 1 + this.slowest * this.random.next() ** 4);
    this.agenda.after(this.downAt - this.agenda.now, () => {
      if (this.cut || this.over) return;
      this.heardAt = this.agenda.now;
      this.ledger.heard(this.agenda.now);
      arrive();
      for (const again of this.waiting.splice(0)) again();
    });
  }
}
