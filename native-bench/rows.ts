import type { BackendName } from './backend.ts';
import { atMost, ofNative, ofOther, timesBelow } from './bars.ts';
import { ramp } from './caller.ts';
import { type Plan, interleave, priced } from './interleave.ts';
import { bidi } from './loads/bidi.ts';
import { echoOf, pacedEchoOf } from './loads/echo.ts';
import { echoBesideBulk } from './loads/echo-beside-bulk.ts';
import { forwardedFor } from './loads/forwarded-for.ts';
import { h2loadOf } from './loads/h2load.ts';
import { idleMemory } from './loads/idle-memory.ts';
import { webSocket } from './loads/websocket.ts';
import { frameway } from './peers/frameway.ts';
import { nodeHttp2 } from './peers/node-http2.ts';
import type { Task } from './peers/peer.ts';
import { policed, token, unpoliced } from './peers/policed.ts';
import type { Bar, Bench, Load, Row, Samples } from './row.ts';

/** h2load connects anew each time: to make a connection takes as long as ten calls, with a handshake as tens of them. */
const MANY = 4;

/** `load` may speak what it likes through a tunnel: `tcp-16k` and `tcp-1m` are h2load's calls through one. */
function perCall(
  name: string,
  backend: BackendName,
  load: Load,
  firstCalls: number,
  bars: readonly Bar[],
  task: Task = 'h2',
  length = 1,
): Row {
  const plan = { name, units: ['us a call'], task, backend, prepare: priced(load, firstCalls, length) };
  return { name, bars, proxies: true, collect: (bench) => interleave(plan, bench) };
}

const unary = h2loadOf({ connections: 10, streams: 10, file: '100' });
const onePerConnection = h2loadOf({ connections: 50, streams: 1, file: '100' });
const medium = h2loadOf({ connections: 10, streams: 10, file: '16k' });
const large = h2loadOf({ connections: 10, streams: 1, file: '1m' });

const tlsUnary = h2loadOf({ connections: 10, streams: 10, file: '100', over: 'h2-tls' });
const tlsOnePerConnection = h2loadOf({ connections: 50, streams: 1, file: '100', over: 'h2-tls' });
const keepAlive = h2loadOf({ connections: 50, streams: 1, file: '100', over: 'http1' });
const webSocketEcho = echoOf(webSocket(100), 50);
const webSocketSpeech = pacedEchoOf(webSocket(3200), 500, 100);
const bytes = (size: number) => ({ sent: ramp(size), expected: ramp(size) });
const tcpEcho = echoOf(bytes(16 * 1024), 50);
const tcpBulk = echoOf(bytes(1024 * 1024), 10);

const besideBulk: Plan = {
  name: 'echo-beside-bulk',
  units: ['p50 ms', 'p99 ms'],
  task: 'h2',
  backend: 'nghttpd',
  prepare: async ({ port }, { effort }) => {
    await echoBesideBulk(port, 300);
    return () => echoBesideBulk(port, Math.max(300, 1000 * effort));
  },
};

/** frameway against itself, so that only the policies differ: calls with a token towards both. */
const policies: Plan = {
  name: 'policies-10x10',
  units: ['us a call'],
  task: 'h2',
  backend: 'nghttpd',
  prepare: priced(
    h2loadOf({ connections: 10, streams: 10, file: '100', headers: [`authorization: Bearer ${token}`] }),
    2000,
  ),
};

function collectPolicies(bench: Bench): Promise<Samples[]> {
  const pair = bench.profiles === undefined ? [policed, unpoliced] : [policed];
  return interleave(policies, { ...bench, peers: bench.peers.includes(frameway) ? pair : [] });
}

export const rows: readonly Row[] = [
  perCall('unary-10x10', 'nghttpd', unary, 2000, [ofNative(0.8), timesBelow(nodeHttp2.name, 15)]),
  perCall('50x1', 'nghttpd', onePerConnection, 1000, [ofNative(1)], 'h2', MANY),
  perCall('16k', 'nghttpd', medium, 500, [ofNative(0.9)]),
  perCall('1m', 'nghttpd', large, 50, [ofNative(1.1)]),
  perCall('bidi-500', 'engine', bidi, 2500, [ofNative(1)]),
  perCall('xff-1000', 'nghttpd', forwardedFor, 1000, []),
  perCall('tls-10x10', 'nghttpd', tlsUnary, 1000, [ofNative(1)], 'h2-tls', MANY),
  perCall('tls-50x1', 'nghttpd', tlsOnePerConnection, 1000, [ofNative(1.2)], 'h2-tls', MANY),
  perCall('http1-50', 'http1', keepAlive, 1000, [ofNative(1.2)], 'http1', MANY),
  perCall('websocket-50', 'websocket', webSocketEcho, 1000, [ofNative(1.2)], 'websocket'),
  perCall('websocket-500', 'websocket', webSocketSpeech, 2500, [], 'websocket'),
  perCall('tcp-16k', 'nghttpd', medium, 500, [ofNative(1.3)], 'tcp'),
  perCall('tcp-1m', 'nghttpd', large, 50, [ofNative(1.3)], 'tcp'),
  perCall('tcp-echo-16k', 'tcp', tcpEcho, 500, [], 'tcp'),
  perCall('tcp-echo-1m', 'tcp', tcpBulk, 50, [], 'tcp'),
  { name: policies.name, bars: [ofOther(unpoliced.name, 1.15)], proxies: true, collect: collectPolicies },
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
