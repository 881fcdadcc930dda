/** An engine that answers a call in another way each time, behind a gateway that may try again. */
import type { TestContext } from 'node:test';
import type { RetrySpec } from '../../src/snapshot.ts';
import { eventually } from '../edge/eventually.ts';
import { serve, sessionsWith, stage, type Play } from '../edge/stage.ts';
import type { Field, Frame } from '../support/frames.ts';
import type { Overrides } from '../support/gateway.ts';
import type { Message, RawSession } from '../support/raw-session.ts';

export const RETRY: RetrySpec = {
  attempts: 3,
  grpcStatuses: [14],
  httpStatuses: [503],
  backoffBase: 10,
  backoffMax: 20,
  perTryTimeout: 0,
  budget: 1,
  minPerSecond: 1000,
};

/** Trailers-Only, with this status and metadata. */
export const refuse =
  (status: number, ...more: readonly Field[]): Play =>
  (session, id) =>
    session.headers(id, [
      [':status', '200'],
      ['content-type', 'application/grpc'],
      ['grpc-status', String(status)],
      ...more,
    ]);
export const UNAVAILABLE = refuse(14);

/** One try, as the engine has it. */
export class Try {
  readonly head: Frame;
  private readonly session: RawSession;

  constructor(session: RawSession, head: Frame) {
    this.session = session;
    this.head = head;
  }
  field(name: string): string | undefined {
    return this.head.headers!.find((field) => field[0] === name)?.[1];
  }
  /** What has come of it so far. */
  get heard(): Message {
    return this.session.heard(this.head.streamId);
  }
}

/** `grpc-previous-rpc-attempts` of each. */
export const previous = (tries: readonly Try[]): (string | undefined)[] =>
  tries.map((one) => one.field('grpc-previous-rpc-attempts'));

/** Calls of `/x` are played one after the other, whatever session they come by; the last play again and again. */
export async function retrying(
  t: TestContext,
  plays: readonly Play[],
  retry: Partial<RetrySpec> = {},
  overrides: Omit<Overrides, 'endpoints' | 'listener'> = {},
) {
  const tries: Try[] = [];
  const play: Play = (session, id, head) => {
    tries.push(new Try(session, head));
    return plays[Math.min(tries.length, plays.length) - 1]!(session, id, head);
  };
  const engine = await sessionsWith(t, (session) => serve(session, { '/x': play }));
  const listener = { retry: { ...RETRY, ...retry } };
  const { gateway, client, stillServes } = await stage(t, engine, { ...overrides, listener });
  return {
    gateway,
    peer: await client(),
    tries,
    /** The engine has been asked so many times. */
    tried: (count: number): Promise<void> =>
      eventually(
        () => tries.length >= count,
        () => `tried ${tries.length} times, not ${count}`,
      ),
    /** The engine has been asked, and the gateway has given up that attempt: it waits for the next. */
    waits: (): Promise<void> =>
      eventually(
        () => tries.length === 1 && gateway.count('frameway_upstream_streams') === 0,
        () => 'the call does not wait',
      ),
    stillServes,
  };
}
