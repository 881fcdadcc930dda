/** The stage of `test/protocols` with TLS on its one port, and a watch over what nobody handles in the process. */
import assert from 'node:assert/strict';
import type { TestContext } from 'node:test';
import type { ServerTlsSpec } from '../../src/snapshot.ts';
import { onlyLeft } from '../edge/eventually.ts';
import { entry } from '../listener/tls-ends.ts';
import { stage as plain, type Plan as PlainPlan, type Stage as PlainStage } from '../protocols/stage.ts';
import type { TestGateway } from '../support/gateway.ts';

export type { Place } from '../protocols/stage.ts';

export interface Plan extends PlainPlan {
  /** By default `localhost`, which serves those that name nothing, and `*.wild.test`. */
  readonly tls?: readonly ServerTlsSpec[];
}

export interface Stage extends PlainStage, Pick<TestGateway, 'exchanges' | 'connections' | 'count'> {}

export const TWO_NAMES: readonly ServerTlsSpec[] = [
  entry('server', ['localhost']),
  entry('wild', ['*.wild.test', 'wild.test']),
];

/** What nobody handled, since the process began. */
const unhandled: string[] = [];
for (const event of ['uncaughtException', 'unhandledRejection', 'warning'] as const) {
  process.on(event, (error: Error) => {
    if (!/experimental/i.test(error.name + error.message)) unhandled.push(`${event}: ${error.stack ?? error.message}`);
  });
}

export async function stage(t: TestContext, { tls = TWO_NAMES, listener, ...plan }: Plan): Promise<Stage> {
  const made = await plain(t, { ...plan, listener: { tls, ...listener } });
  const { gateway } = made;
  const { exchanges, connections } = gateway;
  // By now the gateway is closed.
  t.after(async () => {
    await onlyLeft(gateway, 0);
    assert.deepEqual(
      connections.filter(({ event }) => event === 'bug'),
      [],
    );
    assert.deepEqual(unhandled.splice(0), []);
  });
  return { ...made, exchanges, connections, count: (metric, label) => gateway.count(metric, label) };
}

/** Fails the test unless `promise` settles within so many milliseconds. */
export async function within<T>(ms: number, what: string, promise: Promise<T>): Promise<T> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(new Error(`${ms} ms passed waiting for ${what}`)), ms);
  });
  try {
    return await Promise.race([promise, late]);
  } finally {
    clearTimeout(timer);
  }
}
