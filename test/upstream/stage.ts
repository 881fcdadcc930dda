/** Engines on real sockets, an `Upstream` before them, and callers that hold their streams until told. */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { createServer } from 'node:net';
import type { AddressInfo, ListenOptions, Server } from 'node:net';
import type { TestContext } from 'node:test';
import { Counters, sessionLayout } from '../../src/counters.ts';
import { ErrorCode, Failures } from '../../src/errors.ts';
import type { Failure } from '../../src/errors.ts';
import { makeField } from '../../src/hpack/field.ts';
import { startWheel } from '../../src/io/timer-wheel.ts';
import type { TimerWheel } from '../../src/io/timer-wheel.ts';
import { now } from '../../src/io/turn.ts';
import type { ConnectionRecord } from '../../src/journal.ts';
import type { Caller, Carrier, Half, HalfSink } from '../../src/relay/half.ts';
import { grpcStatusNumber, RequestHead } from '../../src/relay/message.ts';
import type { ResponseHead } from '../../src/relay/message.ts';
import { DEFAULT_LIMITS, DEFAULT_UPSTREAM } from '../../src/snapshot.ts';
import type { UpstreamSpec } from '../../src/snapshot.ts';
import { Upstream } from '../../src/upstream/upstream.ts';
import { Flag, PREFACE, settingsFrame } from '../support/frames.ts';
import type { Field, Frame } from '../support/frames.ts';
import type { Settings } from '../support/raw-peer.ts';
import { RawSession } from '../support/raw-session.ts';
import { sleep, turnOver, until } from '../io/wire.ts';

/** A scripted engine that can go away and come back under its address. */
export class Engine {
  readonly sessions: RawSession[] = [];
  readonly settings: Settings;
  /** How each session begins; then it waits to be told. */
  script: (session: RawSession) => unknown = (session) => session.send(settingsFrame(...this.settings));
  private server: Server | null = null;
  private readonly options: ListenOptions;

  constructor(options: ListenOptions, settings: Settings) {
    this.options = options;
    this.settings = settings;
  }
  async start(): Promise<void> {
    const server = createServer((socket) => {
      const session = new RawSession(socket, PREFACE.length);
      this.sessions.push(session);
      this.script(session);
    });
    this.server = server;
    await once(server.listen(this.options), 'listening');
    if (this.options.path === undefined) this.options.port = (server.address() as AddressInfo).port;
  }
  /** Refuses from now on, and drops what is open. */
  async stop(): Promise<void> {
    const { server } = this;
    this.server = null;
    for (const session of this.sessions) session.close();
    if (server !== null) await new Promise((resolve) => server.close(resolve));
  }
  /** Refuses from now on; what is open stays. */
  refuse(): void {
    this.server?.close();
    this.server = null;
  }
  get address(): string {
    const { path, host = '', port = 0 } = this.options;
    if (path !== undefined) return `unix:${path}`;
    return host.includes(':') ? `[${host}]:${port}` : `${host}:${port}`;
  }
  /** Sessions that are open now. */
  get open(): RawSession[] {
    return this.sessions.filter(({ isClosed }) => !isClosed);
  }
  /** Requests seen by all sessions together. */
  get requests(): number {
    return this.sessions.reduce((sum, { frames }) => sum + frames.filter((f) => f.typeName === 'HEADERS').length, 0);
  }
}

export async function engine(
  t: TestContext,
  settings: Settings = [],
  options: ListenOptions = { host: '127.0.0.1', port: 0 },
): Promise<Engine> {
  const made = new Engine({ ...options }, settings);
  await made.start();
  t.after(() => made.stop());
  return made;
}

/** An address where nobody listens. */
export async function nobody(t: TestContext): Promise<Engine> {
  const made = await engine(t);
  await made.stop();
  return made;
}

export function answer(session: RawSession, streamId: number, more: readonly Field[] = []): void {
  session.headers(streamId, [[':status', '200'], ...more], Flag.END_STREAM);
}

/** Plays every frame of a session as it comes, in order. */
export function eachFrame(session: RawSession, play: (frame: Frame) => void): void {
  let seen = 0;
  const look = (): undefined => {
    while (seen < session.frames.length) play(session.frames[seen++]!);
  };
  session.until(look, 'its end', 60_000).catch(() => undefined);
}

/** From now on the engine answers every request at once. */
export function serve(made: Engine, more: readonly Field[] = []): void {
  made.script = (session) => {
    session.send(settingsFrame(...made.settings));
    eachFrame(session, ({ typeName, streamId }) => {
      if (typeName === 'HEADERS') answer(session, streamId, more);
    });
  };
}

/** Nobody is asked whether he lives: for tests in which time leaps. */
export const UNASKED = { interval: 36_000_000, timeout: 20_000 };

const realNow = performance.now.bind(performance);
let ahead = 0;

/**
 * The process's clock, put forward, and a wheel that goes by it: everything sees the same time. It is never put back, so that the turns
 * of one test do not see less than the turns of the one before.
 */
export class Clock {
  readonly wheel: TimerWheel = startWheel(now, assert.ifError);

  async pass(ms: number): Promise<void> {
    performance.now = () => realNow() + ahead;
    // What is under way arrives first.
    await sleep(10);
    ahead += ms;
    // Within a turn time stands still.
    while (performance.now() - now() > ms / 2) await turnOver();
    this.wheel.advance();
    await turnOver();
  }
}

export interface Bench {
  readonly upstream: Upstream;
  readonly records: readonly ConnectionRecord[];
  readonly call: () => Call;
  readonly callWith: (more: readonly Field[]) => Call;
  /** Calls one after another, each once the one before has found its engine. */
  readonly placed: (count: number) => Promise<Call[]>;
}

export function bench(
  t: TestContext,
  engines: readonly { address: string }[],
  spec: Partial<UpstreamSpec> = {},
  wheel: TimerWheel = startWheel(now, assert.ifError),
): Bench {
  const records: ConnectionRecord[] = [];
  const upstream = new Upstream(
    {
      ...DEFAULT_UPSTREAM,
      name: 'main',
      endpoints: engines.map(({ address }) => ({ address, weight: 1, maxStreams: null })),
      connectTimeout: 2000,
      acquireTimeout: 2000,
      ...spec,
    },
    {
      role: 'client',
      connectProtocol: false,
      limits: DEFAULT_LIMITS,
      counters: new Counters(sessionLayout),
      wheel,
      journal: { access: false, exchange: () => undefined, connection: (record) => void records.push(record) },
    },
  );
  t.after(() => upstream.close());
  const call = (): Call => new Call(upstream);
  return {
    upstream,
    records,
    call,
    callWith: (more) => new Call(upstream, more),
    async placed(count) {
      const calls: Call[] = [];
      for (let i = 0; i < count; i++) {
        const made = call();
        calls.push(made);
        await made.settled();
      }
      return calls;
    },
  };
}

const REQUEST = [
  [':method', 'POST'],
  [':scheme', 'http'],
  [':path', '/'],
  [':authority', 'engine'],
] as const;

let count = 0;

/** One call, from looking for an engine to the end of its answer. */
export class Call implements Caller, HalfSink {
  readonly head: RequestHead;
  readonly client = '192.0.2.1';
  place: unknown = null;
  /** In which order calls found an engine, or did not. */
  order = 0;
  endpoint: string | null = null;
  /** Why it found no engine, or lost its own. */
  failure: Failure | null = null;
  status = 0;
  private half: Half | null = null;
  private carrier: Carrier | null = null;
  private term = 0;
  private readonly upstream: Upstream;

  constructor(upstream: Upstream, more: readonly Field[] = []) {
    this.upstream = upstream;
    const fields = [...REQUEST, ...more].map(([name, value]) => makeField(name, value));
    this.head = new RequestHead(fields, 'POST', '/', 'engine', -1, false, null);
    const carrier = upstream.acquire(this, null);
    if (carrier !== null) this.onCarrier(carrier);
  }
  get waiting(): boolean {
    return this.endpoint === null && this.failure === null;
  }
  settled(): Promise<void> {
    return until(() => !this.waiting, 'a call to find an engine, or not');
  }
  answered(): Promise<void> {
    return until(() => this.status > 0 || this.failure !== null, 'an answer');
  }
  /** The client goes away. */
  cancel(): void {
    if (this.half === null) this.upstream.cancel(this);
    else {
      this.half.reset(ErrorCode.CANCEL);
      this.over(Failures.clientGone, -1);
    }
  }
  onCarrier(carrier: Carrier): void {
    this.order = ++count;
    this.endpoint = carrier.endpoint;
    this.carrier = carrier;
    this.term = carrier.term;
    this.half = carrier.open(this.head, true, this);
  }
  private over(failure: Failure | null, grpcStatus: number): void {
    this.carrier?.ended(failure, this.status, grpcStatus, this.term);
    this.carrier = null;
  }
  onUnavailable(failure: Failure): void {
    this.order = ++count;
    this.failure = failure;
  }
  onHead(head: ResponseHead): void {
    this.status = head.status;
    this.over(null, grpcStatusNumber(head.grpcStatus));
  }
  onFailed(failure: Failure): void {
    this.failure = failure;
    this.over(failure, -1);
  }
  onAborted(failure: Failure): void {
    this.failure = failure;
  }
  onInformational(): void {
    // None is sent.
  }
  onData(): void {
    // None is sent.
  }
  onTrailers(): void {
    // None are sent.
  }
  onSent(): void {
    // The request is its head.
  }
}
