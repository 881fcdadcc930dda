/** An endpoint that answers no connect. */
import { once } from 'node:events';
import { connect } from 'node:net';
import type { TestContext } from 'node:test';
import { Worker } from 'node:worker_threads';
import { sleep, until } from '../io/wire.ts';

/** Listens, and never accepts: its thread sleeps. With a full backlog the kernel answers no more. */
const DEAF = `
  const { parentPort, workerData } = require('node:worker_threads');
  const server = require('node:net').createServer().listen({ host: '127.0.0.1', port: 0, backlog: 1 }, () => {
    parentPort.postMessage(server.address().port);
    setImmediate(() => Atomics.wait(new Int32Array(workerData), 0, 0));
  });
`;

export async function deaf(t: TestContext): Promise<{ address: string }> {
  const flag = new SharedArrayBuffer(4);
  const worker = new Worker(DEAF, { eval: true, workerData: flag });
  const [port] = (await once(worker, 'message')) as [number];
  await sleep(20);
  const fillers = Array.from({ length: 4 }, () => connect(port, '127.0.0.1').on('error', () => undefined));
  t.after(async () => {
    for (const filler of fillers) filler.destroy();
    Atomics.store(new Int32Array(flag), 0, 1);
    Atomics.notify(new Int32Array(flag), 0);
    await worker.terminate();
  });
  await until(() => fillers.filter(({ connecting }) => !connecting).length >= 2);
  return { address: `127.0.0.1:${port}` };
}
