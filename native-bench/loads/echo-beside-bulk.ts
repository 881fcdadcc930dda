import { Client } from '../client.ts';
import { h2load } from './h2load.ts';
import { call, get } from './lanes.ts';

const request = get('/100');

/** p50 and p99 in ms of small calls, one after another, while four 1 MB bodies at a time pass on another connection. */
export async function echoBesideBulk(port: number, bodies: number): Promise<[p50: number, p99: number]> {
  const client = await Client.connect(port);
  try {
    await call(client, request);
    let busy = true;
    const bulk = h2load(port, bodies, { connections: 1, streams: 4, file: '1m' }).finally(() => (busy = false));
    // It is awaited below; until then a failure must not be an unhandled one.
    bulk.catch(() => undefined);
    const latencies: number[] = [];
    while (busy) {
      const start = performance.now();
      await call(client, request);
      latencies.push(performance.now() - start);
    }
    await bulk;
    if (latencies.length < 100) throw new Error(`only ${latencies.length} echoes beside ${bodies} MB`);
    latencies.sort((a, b) => a - b);
    const at = (share: number) => latencies[Math.floor(latencies.length * share)]!;
    return [at(0.5), at(0.99)];
  } finally {
    client.close();
  }
}
