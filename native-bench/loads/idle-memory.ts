import { readFileSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import { startBackend } from '../backend.ts';
import { Server, freePort } from '../child.ts';
import { Client } from '../client.ts';
import { bounded } from '../deadline.ts';
import { able, type Peer } from '../peers/peer.ts';
import { residentKiB } from '../processor.ts';
import { type Bench, Samples } from '../row.ts';
import { call, get } from './lanes.ts';

const few = 200;
const many = 3200;
const atOnce = 50;
const settle = 5000;
const request = get('/100');

/** Opens connections until there are `total`, each of which makes one call. */
async function grow(clients: Client[], total: number, port: number): Promise<void> {
  while (clients.length < total) {
    const opened = await Promise.all(
      Array.from({ length: Math.min(atOnce, total - clients.length) }, async () => {
        const client = await Client.connect(port);
        clients.push(client);
        await call(client, request);
      }),
    );
    if (opened.length === 0) return;
  }
}

async function kibPerConnection(peer: Peer, backend: number, folder: string): Promise<number> {
  const listen = await freePort();
  const proxy = await Server.start(peer.name, peer.command({ task: 'h2', listen, backend, folder }), listen);
  const clients: Client[] = [];
  try {
    await grow(clients, few, listen);
    await sleep(settle);
    const before = residentKiB(proxy.pid);
    await grow(clients, many, listen);
    await sleep(settle);
    return (residentKiB(proxy.pid) - before) / (many - few);
  } finally {
    for (const client of clients) client.close();
    await proxy.stop();
  }
}

/** How many proxies our own open files allow at a time; Node has raised the soft limit already. */
function atATime(): number {
  const limit = /^Max open files\s+(\d+)/m.exec(readFileSync('/proc/self/limits', 'latin1'))?.[1] ?? Infinity;
  return Math.max(1, Math.floor((Number(limit) - 500) / many));
}

/** The proxies side by side, since memory does not mind the company; a fresh process of each a round. */
export async function idleMemory(bench: Bench): Promise<Samples[]> {
  const samples = new Samples('idle-memory', 'KiB');
  const rounds = Math.min(3, Math.ceil(bench.rounds / 2));
  const size = atATime();
  const peers = able(bench.peers, 'h2');
  for (let round = 0; round < rounds; round++) {
    const backend = await startBackend('nghttpd', bench.folder);
    for (let first = 0; first < peers.length; first += size) {
      const group = peers.slice(first, first + size);
      const outcomes = await Promise.allSettled(
        group.map((peer) => bounded(kibPerConnection(peer, backend.port, bench.folder))),
      );
      outcomes.forEach((outcome, index) => {
        const { name } = group[index]!;
        if (outcome.status === 'fulfilled') samples.add(name, outcome.value);
        else samples.fail(name, outcome.reason);
      });
    }
    await backend.stop();
    bench.tick();
  }
  return [samples];
}
