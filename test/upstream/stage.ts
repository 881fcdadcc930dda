/** Engines on real sockets, an `Upstream` before them, and callers that hold their streams until told. */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { createServer } from 'node:net';
import type { AddressInfo, ListenOptions, Server } from 'node:net';
import type { TestContext } from 'node:test';
import { Counters, sessionLayout } from '../../src/counters.ts';
import type { Failure } from '../../src/errors.ts';
import { makeField } from '../../src/hpack/field.ts';
import { startWheel } from '../../src/io/timer-wheel.ts';
import { now } from '../../src/io/turn.ts';
import type { ConnectionRecord } from '../../src/journal.ts';
import type { Caller, Carrier, Half, HalfSink } from '../../src/relay/half.ts';
import { RequestHead } from '../../src/relay/message.ts';
import type { ResponseHead } from '../../src/relay/message.ts';
import { DEFAULT_LIMITS } from '../../src/snapshot.ts';
import type { UpstreamSpec } from '../../src/snapshot.ts';
import { Upstream } from '../../src/upstream/upstream.ts';
import { Flag, PREFACE, settingsFrame } from '../support/frames.ts';
import type { Settings } from '../support/raw-peer.ts';
import { RawSession } from '../support/raw-session.ts';
import { until } from '../io/wire.ts';

/** A scripted engine that can go away and come back under its address. */
export class Engine {
  readonly sessions: RawSession[] = [];
  readonly settings: Settings;
  private server: Server | null = null;
  private readonly options: ListenOptions;

  constructor(options: ListenOptions, settings: Settings) {
    this.options = options;
    this.settings = settings;
  }
  async start(): Promise<void> {
    const server = createServer((socket) => {
      const session = new RawSession(socket, PREFACE.length);
      session.send(settingsFrame(...this.settings));
      this.sessions.push(session);
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

export function answer(session: RawSession, streamId: number): void {
  session.headers(streamId, [[':status', '200']], Flag.END_STREAM);
}

export interface Bench {
  readonly upstream: Upstream;
  readonly records: readonly ConnectionRecord[];
  readonly call: () => Call;
  /** Calls one after another, each once the one before has found its engine. */
  readonly placed: (count: number) => Promise<Call[]>;
}

export function bench(
  t: TestContext,
  engines: readonly { address: string }[],
  spec: Partial<UpstreamSpec> = {},
): Bench {
  const records: ConnectionRecord[] = [];
  const upstream = new Upstream(
    {
      name: 'main',
      protocol: 'h2',
      endpoints: engines.map(({ address }) => ({ address, weight: 1 })),
      connectTimeout: 2000,
      backoffMax: 30_000,
      acquireTimeout: 2000,
      maxConnections: 8,
      maxStreamsPerConnection: 100,
      ...spec,
    },
    {
      role: 'client',
      limits: DEFAULT_LIMITS,
      counters: new Counters(sessionLayout),
      wheel: startWheel(now, assert.ifError),
      journal: { access: false, exchange: () => undefined, connection: (record) => void records.push(record) },
    },
  );
  t.after(() => upstream.close());
  const call = (): Call => new Call(upstream);
  return {
    upstream,
    records,
    call,
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
  /** In which order calls found an engine, or did not. */
  order = 0;
  endpoint: string | null = null;
  /** Why it found no engine, or lost its own. */
  failure: Failure | null = null;
  status = 0;
  private half: Half | null = null;
  private readonly upstream: Upstream;

  constructor(upstream: Upstream) {
    this.upstream = upstream;
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
    else this.half.reset(8);
  }
  onCarrier(carrier: Carrier): void {
    this.order = ++count;
    this.endpoint = carrier.endpoint;
    const fields = REQUEST.map(([name, value]) => makeField(name, value));
    this.half = carrier.open(new RequestHead(fields, 'POST', '/', 'engine', -1, false, null), true, this);
  }
  onUnavailable(failure: Failure): void {
    this.order = ++count;
    this.failure = failure;
  }
  onHead(head: ResponseHead): void {
    this.status = head.status;
  }
  onFailed(failure: Failure): void {
    this.failure = failure;
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
