/** Waiting for what no frame announces: gauges, and the account of bytes that wait. */
import assert from 'node:assert/strict';
import { setTimeout as sleep } from 'node:timers/promises';
import { budget } from '../../src/io/budget.ts';
import { Type, isAck, pingFrame } from '../support/frames.ts';
import type { TestGateway } from '../support/gateway.ts';
import type { RawSession } from '../support/raw-session.ts';

const PATIENCE = 3000;

export async function eventually(holds: () => boolean, what: () => string, patience = PATIENCE): Promise<void> {
  const end = performance.now() + patience;
  while (!holds()) {
    assert.ok(performance.now() < end, what());
    await sleep(10);
  }
}

/** Nothing waits in the process any more. */
export const buffersFree = (): Promise<void> =>
  eventually(
    () => budget.used === 0,
    () => `${budget.used} octets of buffers are still in use`,
  );

/** Everybody has gone but so many connections, and no call is left on either side. */
export const onlyLeft = (gateway: TestGateway, connections: number): Promise<void> => {
  const gauges = (): number[] =>
    ['downstream_connections', 'exchanges', 'upstream_streams'].map((name) => gateway.count(`frameway_${name}`));
  return eventually(
    () => gauges().join() === [connections, 0, 0].join(),
    () => `connections, exchanges and streams are ${gauges().join()}`,
  );
};

/** The gateway has taken all that this peer has sent so far: it answers in order. */
export async function heeded(peer: RawSession): Promise<void> {
  peer.send(pingFrame());
  await peer.next((frame) => frame.type === Type.PING && isAck(frame));
}
