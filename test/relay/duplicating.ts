/** Duplicate-request filtering between real exchanges, scripted clients and a scripted engine, with a clock of its own. */
import assert from 'node:assert/strict';
import { setImmediate as turn } from 'node:timers/promises';
import { Counters, Listener, listenerLayout } from '../../src/counters.ts';
import { ErrorCode, Failures } from '../../src/errors.ts';
import type { Failure } from '../../src/errors.ts';
import type { Field } from '../../src/hpack/field.ts';
import { budget } from '../../src/io/budget.ts';
import { TimerWheel } from '../../src/io/timer-wheel.ts';
import type { DuplicatesSpec } from '../../src/policy.ts';
import { Follower, FOLLOWER_CONTEXT } from '../../src/relay/duplicate-follower.ts';
import { Leader } from '../../src/relay/duplicate-leader.ts';
import { Duplicates } from '../../src/relay/duplicates.ts';
import { NO_POLICY } from '../../src/relay/exchange-context.ts';
import { Exchange } from '../../src/relay/exchange.ts';
import type { ExchangeContext } from '../../src/relay/exchange-context.ts';
import { replyLocally } from '../../src/relay/local-reply.ts';
import type { Caller, Carrier, CarrierSource, Half, HalfSink } from '../../src/relay/half.ts';
import { grpcStatusOf, RequestHead, ResponseHead } from '../../src/relay/message.ts';
import { ClientHalf, fieldsOf, valuesOf } from './grpc-web-peers.ts';

export const SPEC: DuplicatesSpec = { header: 'idempotency-key', ttl: 60_000, maxEntries: 100, maxBytes: 100_000 };
const NONE = Buffer.alloc(0);
export const OK = { ':status': '200', 'content-type': 'text/plain' };
export const GRPC_OK = { ':status': '200', 'content-type': 'application/grpc' };

/** A call as its engine has it. */
export class Execution implements Half {
  readonly flushed = true;
  readonly head: RequestHead;
  readonly chunks: Buffer[] = [];
  ended: boolean;
  resetCode: number | null = null;
  credited = 0;
  private readonly sink: HalfSink;

  constructor(head: RequestHead, end: boolean, sink: HalfSink) {
    this.head = head;
    this.ended = end;
    this.sink = sink;
  }
  sendHead(): void {
    assert.fail('engines are sent heads by `open`');
  }
  sendData(buffer: Buffer, from: number, to: number, end: boolean): number {
    assert.ok(!this.ended && this.resetCode === null, 'data after the end');
    this.chunks.push(Buffer.from(buffer.subarray(from, to)));
    this.ended = end;
    return to - from;
  }
  sendTrailers(): void {
    this.ended = true;
  }
  credit(bytes: number): void {
    assert.ok(bytes > 0, 'credit for nothing');
    this.credited += bytes;
  }
  accepts(): boolean {
    return true;
  }
  charge(): void {
    // Nobody counts.
  }
  reset(code: number): void {
    this.resetCode = code;
  }
  stop(): void {
    assert.fail('that is for clients');
  }

  get body(): string {
    return Buffer.concat(this.chunks).toString();
  }
  inform(head: Readonly<Record<string, string>>): void {
    this.sink.onInformational(fieldsOf(head));
  }
  begin(head: Readonly<Record<string, string>>, end = false, reason = ''): void {
    const fields = fieldsOf(head);
    this.sink.onHead(new ResponseHead(fields, Number(head[':status']), -1, grpcStatusOf(fields), reason), end);
  }
  data(text: string | Buffer, end = false): void {
    const octets = Buffer.from(text);
    this.sink.onData(octets, 0, octets.length, end);
    // Whoever wants to keep it has copied it.
    octets.fill(0xee);
  }
  trailers(fields: Readonly<Record<string, string>>): void {
    this.sink.onTrailers(fieldsOf(fields));
  }
  answer(text: string | Buffer, head: Readonly<Record<string, string>> = OK): void {
    this.begin(head);
    this.data(text, true);
  }
  fail(failure: Failure, code: number = ErrorCode.CANCEL): void {
    this.sink.onFailed(failure, code);
  }
}

export interface Asked {
  readonly key?: string;
  /** Sent at once, with the end; null: the client sends it itself. */
  readonly body?: string | null;
  readonly path?: string;
  readonly method?: string;
  readonly route?: number;
  readonly identity?: string;
  readonly client?: string;
  readonly headers?: Readonly<Record<string, string>>;
}

export class Client {
  readonly half = new ClientHalf();
  /** What its half tells. */
  sink: HalfSink | null = null;
  readonly kind: 'leader' | 'follower' | 'refused' | 'none';

  constructor(kind: Client['kind']) {
    this.kind = kind;
  }
  send(text: string | Buffer, end = false): void {
    const octets = Buffer.from(text);
    this.sink?.onData(octets, 0, octets.length, end);
    octets.fill(0xee);
  }
  end(): void {
    this.sink?.onData(NONE, 0, 0, true);
  }
  go(): void {
    this.sink?.onFailed(Failures.clientGone, ErrorCode.CANCEL);
  }
  /** It reads what it was sent. */
  drain(bytes = this.half.owed): void {
    this.half.owed -= bytes;
    if (bytes > 0) this.sink?.onSent(bytes);
  }
  get status(): number {
    return Number(this.half.head[':status'] ?? 0);
  }
  get grpcStatus(): string | undefined {
    return valuesOf(this.half.trailers ?? [])['grpc-status'] ?? this.half.head['grpc-status'];
  }
  get text(): string {
    return this.half.body.toString();
  }
  /** Status and body of what it was answered. */
  get answer(): [number, string] {
    assert.ok(this.half.ended, 'it was not answered');
    return [this.status, this.text];
  }
}

export class Stage {
  time = 1000;
  readonly wheel = new TimerWheel(
    () => this.time,
    () => undefined,
    (error) => assert.fail(error as Error),
  );
  readonly counters = new Counters(listenerLayout);
  readonly executions: Execution[] = [];
  readonly duplicates: Duplicates;
  /** Callers wait. */
  full = false;
  readonly callers = new Set<Caller>();
  private readonly budgetBefore = budget.used;
  private readonly context: ExchangeContext = {
    ...NO_POLICY,
    listener: 'test',
    counters: this.counters,
    wheel: this.wheel,
    journal: { access: false, exchange: () => undefined, connection: () => undefined },
    replayBuffer: 1000,
  };
  private readonly carrier: Carrier = {
    endpoint: 'engine',
    term: 0,
    refusal: () => null,
    open: (head, end, sink) => {
      const execution = new Execution(head, end, sink);
      this.executions.push(execution);
      return execution;
    },
    answered: () => undefined,
    ended: () => undefined,
  };
  readonly upstream: CarrierSource = {
    name: 'test',
    acquire: (caller) => {
      if (!this.full) return this.carrier;
      this.callers.add(caller);
      return null;
    },
    cancel: (caller) => {
      assert.ok(this.callers.delete(caller), 'only who waits can be taken off');
    },
  };

  constructor(spec: Partial<DuplicatesSpec> = {}) {
    this.duplicates = new Duplicates({ ...SPEC, ...spec }, this.wheel, () => this.time);
  }

  /** What a listener does with a request. */
  ask(asked: Asked = {}): Client {
    const { key = 'k', body = 'body', path = '/pay', method = 'POST', route = 0, identity = null } = asked;
    const { client = '192.0.2.1', headers = {} } = asked;
    const grpc = headers['content-type'] === 'application/grpc';
    const named = key === '' ? {} : { 'idempotency-key': key };
    const fields: Field[] = fieldsOf({ ':method': method, ':path': path, ...named, ...headers });
    const timeout = headers['grpc-timeout'] ?? null;
    const head = new RequestHead(fields, method, path, 'a.example', -1, grpc, timeout);
    const half = new ClientHalf();
    const taken = this.duplicates.take({
      head,
      ended: false,
      identity,
      client,
      route,
      upstream: this.upstream,
      down: half,
    });
    const peer = new Client(kindOf(taken));
    Object.assign(peer, { half });
    if (taken !== null && 'cause' in taken) {
      replyLocally(half, taken, grpc, method);
      return peer;
    }
    const { context, upstream } = this;
    if (taken instanceof Leader) {
      const exchange = new Exchange(context, taken.upstream, taken, head, false, client);
      taken.sink = exchange;
      peer.sink = taken;
      exchange.begin();
    } else {
      const shared = taken === null ? context : { ...context, ...FOLLOWER_CONTEXT };
      const exchange = new Exchange(shared, taken ?? upstream, half, head, false, client);
      peer.sink = exchange;
      exchange.begin();
    }
    if (body !== null) peer.send(body, true);
    return peer;
  }

  get execution(): Execution {
    return this.executions.at(-1)!;
  }
  /** The one who waits for a stream gets one. */
  admit(): void {
    for (const caller of [...this.callers]) {
      this.callers.delete(caller);
      caller.onCarrier(this.carrier);
    }
  }
  pass(ms: number): void {
    this.time += ms;
    this.wheel.advance();
  }
  /** Nothing is open, kept or held any more. */
  assertClean(): void {
    assert.equal(this.duplicates.waiting, 0, 'requests wait');
    assert.equal(this.duplicates.size, 0, 'keys are known');
    assert.equal(this.counters.get(Listener.EXCHANGES_OPEN), 0, 'exchanges are open');
    assert.equal(budget.used, this.budgetBefore, 'bytes are held');
  }
}

/** What was put down for the end of this turn has been done. */
export async function settled(): Promise<void> {
  for (let n = 0; n < 3; n++) await turn();
}

function kindOf(taken: Leader | Follower | Failure | null): Client['kind'] {
  if (taken === null) return 'none';
  if (taken instanceof Leader) return 'leader';
  return taken instanceof Follower ? 'follower' : 'refused';
}
