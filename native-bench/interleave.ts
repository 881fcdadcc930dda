import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { type BackendName, startBackend } from './backend.ts';
import { Server, freePort } from './child.ts';
import { bounded } from './deadline.ts';
import { able, type Peer, type Task } from './peers/peer.ts';
import { Meter } from './processor.ts';
import { type Bench, type Load, Samples } from './row.ts';

/** A proxy that is up, between rounds. */
interface Standing {
  readonly peer: Peer;
  readonly server: Server;
}

/** Microseconds of a proxy's processor time that one measurement takes in a full run. */
const budget = 350_000;

/** Short loads with which a proxy is warmed up. */
const BEGINNINGS = 10;

export interface Plan {
  readonly name: string;
  readonly units: readonly string[];
  readonly task: Task;
  readonly backend: BackendName;
  /** Prepares one proxy and returns what is to be done to it each round: one figure for each unit. */
  readonly prepare: (server: Server, bench: Bench) => Promise<() => Promise<number[]>>;
}

async function start(peer: Peer, backend: number, bench: Bench, { name, task }: Plan): Promise<Standing> {
  const listen = await freePort();
  const profile = bench.profiles === undefined ? {} : { profile: join(bench.profiles, name) };
  if (profile.profile !== undefined) mkdirSync(profile.profile, { recursive: true });
  const command = peer.command({ task, listen, backend, folder: bench.folder, ...profile });
  return { peer, server: await Server.start(peer.name, command, listen) };
}

/** All proxies that can do it in front of one backend, measured in turn; who begins moves on with every round. */
export async function interleave(plan: Plan, bench: Bench): Promise<Samples[]> {
  const peers = able(bench.peers, plan.task);
  const lines = plan.units.map((unit) => new Samples(plan.name, unit));
  const backend = await startBackend(plan.backend, bench.folder);
  const standing: Standing[] = [];
  const rounds = new Map<Peer, () => Promise<number[]>>();
  const fail = (peer: Peer, error: unknown) => {
    rounds.delete(peer);
    const server = standing.find((one) => one.peer === peer)?.server;
    if (server?.alive === false) error = `it died: ${server.lastWords}`;
    for (const line of lines) line.fail(peer.name, error);
  };
  try {
    for (const peer of peers) {
      try {
        const one = await start(peer, backend.port, bench, plan);
        standing.push(one);
        rounds.set(peer, await bounded(plan.prepare(one.server, bench)));
      } catch (error) {
        fail(peer, error);
      }
    }
    for (let round = 0; round < bench.rounds; round++) {
      const first = round % peers.length;
      for (const peer of [...peers.slice(first), ...peers.slice(0, first)]) {
        try {
          const measure = rounds.get(peer);
          if (measure === undefined) continue;
          const figures = await bounded(measure());
          figures.forEach((figure, index) => lines[index]!.add(peer.name, figure));
        } catch (error) {
          fail(peer, error);
        }
      }
      bench.tick();
    }
  } finally {
    await Promise.all(standing.map(({ server }) => server.stop()));
    await backend.stop();
  }
  return lines;
}

/**
 * Processor time per call. Every proxy gets as many calls as take `budget` of its processor time: cheap ones many, dear
 * ones few. The count is found by loads that warm it up as well, of which the first is small since nothing is known yet. The
 * last is the longest: a proxy that lives for weeks is not to be judged by its just-in-time compiler's first second. Short
 * ones come before them, since what a load does at its beginning and at its end is done once in each, however long it is.
 * `length` makes each measurement so many times longer, for a load with a beginning that costs much.
 */
export function priced(load: Load, firstCalls: number, length = 1): Plan['prepare'] {
  return async (server, bench) => {
    const meter = new Meter(server.pid);
    const price = async (calls: number) => {
      const made = await load(server.port, calls, meter);
      return meter.microseconds / made;
    };
    for (let n = 0; n < BEGINNINGS; n++) await price(firstCalls);
    let calls = firstCalls;
    for (const share of [0.5, 12, length]) {
      calls = Math.max(firstCalls, Math.round((share * budget * bench.effort) / (await price(calls))));
    }
    return async () => [await price(calls)];
  };
}
