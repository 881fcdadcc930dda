import type { BackendName } from './backend.ts';
import { nodeHttp2 } from './peers/node-http2.ts';
import { atMost, ofNative, timesBelow } from './bars.ts';
import { type Plan, interleave, priced } from './interleave.ts';
import { bidi } from './loads/bidi.ts';
import { echoBesideBulk } from './loads/echo-beside-bulk.ts';
import { forwardedFor } from './loads/forwarded-for.ts';
import { h2loadOf } from './loads/h2load.ts';
import { idleMemory } from './loads/idle-memory.ts';
import type { Bar, Load, Row } from './row.ts';

function perCall(name: string, backend: BackendName, load: Load, firstCalls: number, bars: readonly Bar[]): Row {
  const plan = { name, units: ['us a call'], backend, prepare: priced(load, firstCalls) };
  return { name, bars, proxies: true, collect: (bench) => interleave(plan, bench) };
}

const unary = h2loadOf({ connections: 10, streams: 10, file: '100' });
const onePerConnection = h2loadOf({ connections: 50, streams: 1, file: '100' });
const medium = h2loadOf({ connections: 10, streams: 10, file: '16k' });
const large = h2loadOf({ connections: 10, streams: 1, file: '1m' });

const besideBulk: Plan = {
  name: 'echo-beside-bulk',
  units: ['p50 ms', 'p99 ms'],
  backend: 'nghttpd',
  prepare: async ({ port }, { effort }) => {
    await echoBesideBulk(port, 300);
    return () => echoBesideBulk(port, Math.max(300, 1000 * effort));
  },
};

export const rows: readonly Row[] = [
  perCall('unary-10x10', 'nghttpd', unary, 2000, [ofNative(0.8), timesBelow(nodeHttp2.name, 15)]),
  perCall('50x1', 'nghttpd', onePerConnection, 1000, [ofNative(1)]),
  perCall('16k', 'nghttpd', medium, 500, [ofNative(0.9)]),
  perCall('1m', 'nghttpd', large, 50, [ofNative(1.1)]),
  perCall('bidi-500', 'engine', bidi, 2500, [ofNative(1)]),
  perCall('xff-1000', 'nghttpd', forwardedFor, 1000, []),
  { name: besideBulk.name, bars: [], proxies: true, collect: (bench) => interleave(besideBulk, bench) },
  { name: 'idle-memory', bars: [atMost(14, 'KiB')], proxies: true, collect: idleMemory },
  // Loaded when its turn comes: it loads what has just been built.
  {
    name: 'codecs',
    bars: [timesBelow('hpack.js', 5)],
    proxies: false,
    collect: async (bench) => (await import('./codecs.ts')).codecs(bench),
  },
];
