/** The parts that every edge test plays with: requests, an engine that behaves, and proof that the gateway still works. */
import assert from 'node:assert/strict';
import type { TestContext } from 'node:test';
import { Flag, Type, endsStream, headersFrame, type Field, type Frame } from '../support/frames.ts';
import { startGateway, type Overrides, type TestGateway } from '../support/gateway.ts';
import { literals } from '../support/header-block.ts';
import { RawClient, RawEngine, type Settings } from '../support/raw-peer.ts';
import type { Message, RawSession } from '../support/raw-session.ts';

export const Code = {
  NO_ERROR: 0,
  PROTOCOL_ERROR: 1,
  INTERNAL_ERROR: 2,
  FLOW_CONTROL_ERROR: 3,
  SETTINGS_TIMEOUT: 4,
  STREAM_CLOSED: 5,
  FRAME_SIZE_ERROR: 6,
  REFUSED_STREAM: 7,
  CANCEL: 8,
  COMPRESSION_ERROR: 9,
  ENHANCE_YOUR_CALM: 11,
  INADEQUATE_SECURITY: 12,
} as const;

export const request = (path: string, ...more: readonly Field[]): Field[] => [
  [':method', 'POST'],
  [':scheme', 'http'],
  [':path', path],
  [':authority', 'localhost'],
  ...more,
];
export const grpcRequest = (path: string, ...more: readonly Field[]): Field[] =>
  request(path, ['content-type', 'application/grpc'], ['te', 'trailers'], ...more);

/** Plays one request; what it does not answer stays unanswered. */
export type Play = (session: RawSession, streamId: number, head: Frame) => unknown;

const isRequest = (frame: Frame): boolean =>
  frame.type === Type.HEADERS && frame.headers!.some(([name]) => name === ':method');
export const pathOf = (head: Frame): string => head.headers!.find(([name]) => name === ':path')![1];

/** Gives back what it was sent, the gRPC way if asked so. */
export const echo: Play = async (session, streamId, head) => {
  const { body, reset } = endsStream(head) ? { body: Buffer.alloc(0), reset: null } : await session.message(streamId);
  if (reset !== null) return;
  const grpc = head.headers!.some(([, value]) => value === 'application/grpc');
  session.headers(streamId, [[':status', '200'], ...(grpc ? [['content-type', 'application/grpc'] as const] : [])], 0);
  session.data(streamId, body, grpc ? 0 : Flag.END_STREAM);
  if (grpc) session.headers(streamId, [['grpc-status', '0']]);
};

export const END = Flag.END_STREAM | Flag.END_HEADERS;
export const OK: readonly Field[] = [[':status', '200']];
export const hang: Play = () => undefined;
/** Answers with these fields as they are, right or wrong. */
export const respond =
  (fields: readonly Field[], flags: number = END): Play =>
  (session, id) =>
    session.send(headersFrame(id, literals(fields), flags));

/** An engine where each path has its own play; `/good` and all that is not listed is echoed. */
export function engineWith(t: TestContext, plays: Readonly<Record<string, Play>> = {}, settings: Settings = []) {
  return sessionsWith(t, (session) => serve(session, plays), settings);
}

export async function sessionsWith(
  t: TestContext,
  script: (session: RawSession, number: number) => unknown,
  settings: Settings | null = [],
): Promise<RawEngine> {
  const engine = await RawEngine.listen(script, settings);
  t.after(() => engine.close());
  return engine;
}

export async function serve(session: RawSession, plays: Readonly<Record<string, Play>> = {}): Promise<void> {
  while (!session.isClosed) {
    const head = await session.next(isRequest, 60_000).catch(() => null);
    if (!head) return;
    const play = plays[pathOf(head)] ?? echo;
    // A peer that leaves in the middle of a play ends it, and only it.
    void Promise.resolve(play(session, head.streamId, head)).catch(() => undefined);
  }
}

export interface Stage {
  readonly gateway: TestGateway;
  readonly client: (settings?: Settings | null) => Promise<RawClient>;
  /** Fails unless the neighbour on its old connection and a newcomer on a new one are both served. */
  readonly stillServes: () => Promise<void>;
}

export async function stage(
  t: TestContext,
  engine: { readonly address: string },
  overrides: Omit<Overrides, 'endpoints'> = {},
): Promise<Stage> {
  const gateway = await startGateway({ ...overrides, endpoints: [engine.address] });
  t.after(() => gateway.close());
  const client = async (settings?: Settings | null): Promise<RawClient> => {
    const peer = await RawClient.connect(gateway.port, settings);
    t.after(() => peer.close());
    return peer;
  };
  const neighbour = await client();
  return {
    gateway,
    client,
    stillServes: async () => {
      await good(neighbour);
      await good(await client());
    },
  };
}

export async function good(client: RawClient): Promise<void> {
  const { status, body, grpcStatus } = await call(client, grpcRequest('/good'), 'good call');
  assert.deepEqual([status, body.toString(), grpcStatus], [200, 'good call', 0]);
}

export function call(client: RawClient, fields: readonly Field[], body = '', timeout = 5000): Promise<Message> {
  const id = client.open(fields);
  client.data(id, body, Flag.END_STREAM);
  return client.message(id, timeout);
}

/** The connection ends with this code, and the socket really goes. */
export async function endsWith(client: RawSession, ...codes: readonly number[]): Promise<void> {
  const { errorCode } = await client.next((frame) => frame.type === Type.GOAWAY && frame.errorCode !== 0);
  assert.ok(codes.includes(errorCode!), `GOAWAY ${errorCode}, not ${codes.join(' or ')}`);
  await client.gone();
}

/** A stream that is open at the client and at the engine, where `play` plays. */
export async function openTo(t: TestContext, play: Play, fields: readonly Field[], flags = 0) {
  const engine = await engineWith(t, { '/x': play });
  const { client, stillServes } = await stage(t, engine);
  const peer = await client();
  const id = peer.open(fields, flags);
  const session = await engine.session();
  const { streamId } = await session.next('HEADERS');
  return { peer, id, session, streamId, stillServes };
}
