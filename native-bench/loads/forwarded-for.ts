import { setTimeout as sleep } from 'node:timers/promises';
import type { Load } from '../row.ts';
import { literal } from '../wire.ts';
import { get, lanes } from './lanes.ts';

// Indexed, as a balancer in front would send them: every call turns the proxy's decoding table over.
const addresses = Array.from({ length: 1000 }, (_, n) => literal('x-forwarded-for', `10.1.${n >> 8}.${n & 255}`, true));
const requestId = (index: number) => literal('x-request-id', index.toString(16).padStart(32, '0'), true);
const request = get('/100');

/** Calls from 1,000 client addresses, each with its own request id. */
export const forwardedFor: Load = async (port, calls, meter) => {
  meter.begin();
  await lanes(port, calls, { connections: 10, streams: 10 }, (index) =>
    Buffer.concat([request, addresses[index % addresses.length]!, requestId(index)]),
  );
  await sleep(20);
  meter.end();
  return calls;
};
