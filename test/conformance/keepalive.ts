/**
 * The gateway's keepalive against servers that enforce theirs, grpc-go and gRPC C-core: none may ever say too_many_pings, and one that
 * does not answer is noticed in time.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import { status, type ServiceError } from '@grpc/grpc-js';
import { startForwarder, type Forwarder } from './forwarder.ts';
import { Program, type CommandLine } from './program.ts';
import { serve, type Served, type Upstreams } from './serve.ts';
import type { Suite } from './suite.ts';
import { goEngine, pythonEngine } from './tools.ts';
import { Client, traffic } from './traffic.ts';

const SECOND = 1000;
const MINUTE = 60 * SECOND;

const INTERVAL = 10 * SECOND;
const TIMEOUT = 5 * SECOND;
const SLACK = SECOND;
/** Asks sooner than any server wants it. Sessions stay while they are idle, and are the same ones in the end. */
const POOL = { keepalive: { interval: `${INTERVAL}ms`, timeout: `${TIMEOUT}ms` }, idle_timeout: '1h' };

/** What a server enforces: its least time between PINGs (0: its default, 5 minutes), and how long it is watched. */
interface Enforcement {
  readonly name: string;
  readonly minTime: number;
  readonly length: number;
}
const EAGER: Enforcement = { name: 'MinTime 10 s', minTime: 10 * SECOND, length: MINUTE };
const DEFAULT: Enforcement = { name: 'default enforcement', minTime: 0, length: 17 * MINUTE };

/** One for each kind of traffic, and one for the GOAWAYs of all. */
const CASES = Object.keys(traffic).length + 1;
/** How the forwarder of a half-dead engine meets new connections. */
const NEWCOMERS = ['refused', 'silent'] as const;

interface Verdict {
  readonly name: string;
  /** Why it failed; null: it passed. */
  readonly why: string | null;
}

/** `long`: with the default enforcement, too. */
export const keepalive =
  (long: boolean): Suite =>
  async () => {
    const runs: Promise<Verdict[]>[] = [];
    const notes: string[] = [];
    let skipped = 0;
    // Built one after the other, before anything is timed.
    const engines = { go: await goEngine(), python: await pythonEngine() };
    for (const [language, found] of Object.entries(engines)) {
      if ('missing' in found) {
        notes.push(`skipped: ${language}: ${found.missing}`);
        skipped += 2 * CASES + NEWCOMERS.length;
        continue;
      }
      runs.push(matrix(language, found.tool, EAGER), halfDead(language, found.tool));
      if (long) runs.push(matrix(language, found.tool, DEFAULT));
      else skipped += CASES;
    }
    if (!long && runs.length > 0) notes.push(`skipped: ${DEFAULT.name}, which takes 17 minutes (--long)`);
    const verdicts = (await Promise.all(runs)).flat();
    const failures = verdicts.filter(({ why }) => why !== null);
    notes.push(...failures.map(({ name, why }) => `${name}: ${why}`));
    return { name: 'keepalive', passed: verdicts.length - failures.length, failed: failures.length, skipped, notes };
  };

/** All kinds of traffic side by side, each through an upstream of its own, and so on a session of its own. */
function matrix(language: string, command: CommandLine, enforced: Enforcement): Promise<Verdict[]> {
  const name = `${language}, ${enforced.name}`;
  const kinds = Object.entries(traffic);
  const upstreams = (engine: number): Upstreams =>
    Object.fromEntries(kinds.map(([kind]) => [kind, { endpoints: [`127.0.0.1:${engine}`], ...POOL }]));
  return staged(name, command, enforced.minTime, upstreams, async (gateway) => {
    const calls = kinds.map(([kind, call]) =>
      judge(`${name}, ${kind}`, () => withClient(gateway, kind, (client) => call(client, enforced.length))),
    );
    return [...(await Promise.all(calls)), await judge(`${name}, no GOAWAY`, () => expectPeace(gateway))];
  });
}

/** That PINGs were sent where nothing else moves, and that no engine minded any. */
async function expectPeace(gateway: Served): Promise<void> {
  const goaways = await gateway.total('frameway_goaway_received_total', 'side="upstream"');
  if (goaways > 0) throw new Error([`${goaways} received`, ...gateway.log('goaway_received')].join('\n    '));
  const pings = await gateway.total('frameway_upstream_pings_total', 'upstream="idle_stream"');
  if (pings === 0) throw new Error('none, but no PING was sent either');
}

/** Half of the calls run through a forwarder that plays dead. */
async function halfDead(language: string, command: CommandLine): Promise<Verdict[]> {
  const name = `${language}, half-dead engine, new connections`;
  const forwarders = new Map<string, Forwarder>();
  const upstreams = async (engine: number): Promise<Upstreams> => {
    for (const newcomers of NEWCOMERS) forwarders.set(newcomers, await startForwarder(engine));
    const pools = [...forwarders].map(([newcomers, { port }]) => {
      const endpoints = [`127.0.0.1:${port}`, `127.0.0.1:${engine}`];
      return [newcomers, { endpoints, ...POOL }] as const;
    });
    return Object.fromEntries(pools);
  };
  const verdicts = await staged(name, command, DEFAULT.minTime, upstreams, (gateway) => {
    const cases = NEWCOMERS.map((newcomers) => {
      const freeze = () => forwarders.get(newcomers)!.freeze(newcomers);
      return judge(`${name} ${newcomers}`, () => withClient(gateway, newcomers, (client) => notice(client, freeze)));
    });
    return Promise.all(cases);
  });
  for (const forwarder of forwarders.values()) forwarder.close();
  return verdicts;
}

/** Rejects where the calls through the forwarder do not end in time as they should, or new ones do not go elsewhere. */
async function notice(client: Client, freeze: () => void): Promise<void> {
  const bound = INTERVAL + TIMEOUT + SLACK;
  const ends: string[] = [];
  // Until there are sessions to both engines, one of them may get all calls.
  await echoes(client);
  const calls = [1, 2, 3, 4].map(() =>
    client.upload(2 * bound).catch((error: unknown) => {
      const { code } = error as Partial<ServiceError>;
      ends.push(code === undefined ? String(error) : status[code]);
    }),
  );
  await sleep(2 * SECOND);
  if (ends.length > 0) throw new Error(`calls ended before it: ${ends.join()}`);
  freeze();
  await sleep(bound);
  const noticed = ends.length;
  if (noticed === 0) throw new Error(`not noticed within ${bound} ms`);
  await echoes(client);
  await Promise.all(calls);
  if (noticed === calls.length) throw new Error('the calls at the other engine ended, too');
  if (ends.length > noticed)
    throw new Error(`only ${noticed} calls ended in time, the rest with ${ends.slice(noticed).join()}`);
  if (ends.some((end) => end !== 'UNAVAILABLE')) throw new Error(`calls ended with ${ends.join()}`);
}

async function echoes(client: Client): Promise<void> {
  for (let call = 0; call < 10; call++) {
    await client.echo(Buffer.from('anybody there?'));
    await sleep(100);
  }
}

const judge = (name: string, run: () => Promise<void>): Promise<Verdict> =>
  run().then(
    () => ({ name, why: null }),
    (error: unknown) => ({ name, why: String(error) }),
  );

/** Runs cases while an engine and a gateway stand. */
async function staged(
  name: string,
  command: CommandLine,
  minTime: number,
  upstreams: (enginePort: number) => Upstreams | Promise<Upstreams>,
  cases: (gateway: Served) => Promise<Verdict[]>,
): Promise<Verdict[]> {
  const engine = new Program([...command, `--min-time=${minTime}`]);
  let gateway: Served | undefined;
  try {
    const [, port] = await engine.until(/listening on 127.0.0.1:(\d+)/);
    gateway = await serve(await upstreams(Number(port)));
    return await cases(gateway);
  } catch (error) {
    return [{ name, why: String(error) }];
  } finally {
    await gateway?.stop();
    await engine.stop();
  }
}

async function withClient(gateway: Served, upstream: string, use: (client: Client) => Promise<void>): Promise<void> {
  const client = new Client(gateway.ports[upstream]!);
  await use(client).finally(() => client.close());
}
