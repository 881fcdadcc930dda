#!/usr/bin/env node
/** Flags, signals, exit codes, nothing else. */
import { constants } from 'node:os';
import { startAdmin, type Admin } from './control/admin.ts';
import { formatAddress } from './control/address.ts';
import { parseCommandLine } from './control/commands.ts';
import { loadConfig, snapshotForProxy, type Loaded } from './control/config.ts';
import { createLog, type Log } from './control/log.ts';
import { version } from './control/version.ts';
import type { DemoEngine } from './demo/engine.ts';
import type { Snapshot } from './snapshot.ts';
import { formatDuration } from './units.ts';

/** As in sysexits.h. */
const Exit = { OK: 0, USAGE: 64, BUG: 70, CANNOT_BIND: 71, CONFIG: 78 } as const;

let log: Log | undefined;

function fail(code: number, message: string): never {
  log?.flush();
  process.stderr.write(`${message}\n`);
  process.exit(code);
}

/** An unhandled rejection arrives here too. */
process.on('uncaughtException', (error, origin) => {
  if (log) log.fatal(origin, error);
  else process.stderr.write(`frameway: ${origin}: ${error.stack ?? String(error)}\n`);
  process.exit(Exit.BUG);
});

async function run(name: string, flags: Readonly<Record<string, string>>, operand: string): Promise<void> {
  switch (name) {
    case 'check':
      process.stdout.write(`${operand}: ok\n${summary(accept(loadConfig(operand)))}\n`);
      return;
    case 'proxy': {
      const options = {
        logLevel: flags['log-level'],
        admin: flags['admin'],
        accessLog: 'access-log' in flags || undefined,
      };
      await serve(accept(snapshotForProxy(flags['from'] ?? '', flags['to'] ?? '', options)));
      return;
    }
    default:
      await serve(accept(loadConfig(flags['config'] ?? '')));
  }
}

function accept({ snapshot, mistakes }: Loaded): Snapshot {
  return snapshot ?? fail(Exit.CONFIG, mistakes.join('\n'));
}

const some = (n: number, noun: string) => `${n} ${noun}${n === 1 ? '' : 's'}`;

function summary({ listeners, upstreams, admin, demoEngines }: Snapshot): string {
  const endpoints = [...upstreams.values()].reduce((sum, upstream) => sum + upstream.endpoints.length, 0);
  const parts = [some(listeners.length, 'listener'), some(upstreams.size, 'upstream'), some(endpoints, 'endpoint')];
  if (demoEngines.length > 0) parts.push(some(demoEngines.length, 'demo engine'));
  return `${parts.join(', ')}, admin ${admin ? `on ${formatAddress(admin)}` : 'off'}`;
}

async function serve(snapshot: Snapshot): Promise<void> {
  const journal = (log = createLog(snapshot.log));
  // Loaded only here: `check` and `--help` need no data path.
  const { createGateway } = await import('./gateway.ts');
  const gateway = createGateway(snapshot, journal);
  let state: 'starting' | 'serving' | 'draining' = 'starting';
  const ready = () => (state === 'serving' ? gateway.ready() : { ok: false, reason: state });
  let admin: Admin | null = null;
  const engines: DemoEngine[] = [];
  try {
    admin =
      snapshot.admin && (await startAdmin(snapshot.admin, { ready, counters: () => gateway.counters() }, version()));
    for (const address of snapshot.demoEngines) engines.push(await startEngine(address));
    await gateway.start();
  } catch (error) {
    fail(Exit.CANNOT_BIND, `frameway: ${reasonOf(error)}`);
  }
  state = 'serving';
  for (const { address } of engines) journal.info(`demo engine on ${address}`);
  for (const [i, address] of gateway.addresses.entries()) journal.info(forwarding(snapshot, i, address));
  if (admin) journal.info(`admin on http://${admin.address} (/healthz, /readyz, /metrics)`);

  const stop = async (signal: string): Promise<void> => {
    journal.info(`${signal}: draining, for at most ${formatDuration(snapshot.drainTimeout)}`);
    await gateway.drain();
    await gateway.close();
    await Promise.all([...engines.map((engine) => engine.close()), admin?.close()]);
    journal.info('stopped');
    journal.flush();
    process.exit(Exit.OK);
  };
  for (const signal of ['SIGTERM', 'SIGINT'] as const) {
    process.on(signal, () => {
      if (state === 'draining') fail(128 + constants.signals[signal], `frameway: ${signal} again: ended at once`);
      state = 'draining';
      void stop(signal);
    });
  }
}

const reasonOf = (error: unknown) => (error instanceof Error ? error.message : String(error));

async function startEngine(address: string): Promise<DemoEngine> {
  const { startDemoEngine } = await import('./demo/engine.ts');
  return startDemoEngine(address).catch((error: unknown) => {
    throw new Error(`demo engine: ${reasonOf(error)}`, { cause: error });
  });
}

/** `listening on 127.0.0.1:8800 (h2), forwarding to asr: 127.0.0.1:9001, ...` */
function forwarding({ listeners, upstreams }: Snapshot, i: number, address: string): string {
  const { name, protocols, upstream } = listeners[i]!;
  const all = upstreams.get(upstream)?.endpoints ?? [];
  const shown = all.slice(0, 4).map((endpoint) => endpoint.address);
  if (all.length > shown.length) shown.push(`${all.length - shown.length} more`);
  // A default name is the address as configured, which is told already.
  const called = name.includes(':') ? '' : ` ${name}`;
  return `listening on ${address}${called} (${protocols.join(', ')}), forwarding to ${upstream}: ${shown.join(', ')}`;
}

const command = parseCommandLine(process.argv.slice(2));
if (command.kind === 'help') process.stdout.write(command.text);
else if (command.kind === 'version') process.stdout.write(`frameway ${version()}\n`);
else if (command.kind === 'mistake') fail(Exit.USAGE, command.message);
else await run(command.command, command.flags, command.operand);
