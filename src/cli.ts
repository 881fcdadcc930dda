#!/usr/bin/env node
/** Flags, signals, exit codes, nothing else. */
import { constants } from 'node:os';
import { setFlagsFromString } from 'node:v8';
import { startAdmin, type Admin } from './control/admin.ts';
import { formatAddress } from './control/address.ts';
import { watchCertificates } from './control/certificates.ts';
import { parseCommandLine } from './control/commands.ts';
import { loadConfig, snapshotForProxy, type Loaded } from './control/config.ts';
import { importFile } from './control/import.ts';
import { createLog, type Log } from './control/log.ts';
import { parseQuestion } from './control/route-question.ts';
import { version } from './control/version.ts';
import type { DemoServer } from './demo/bind.ts';
import type { DemoServerSpec, Snapshot } from './snapshot.ts';
import { formatDuration } from './units.ts';

/** As in sysexits.h, but for 1: no route has what `check --route` asks about. */
const Exit = { OK: 0, UNSERVED: 1, USAGE: 64, BUG: 70, CANNOT_BIND: 71, CONFIG: 78 } as const;

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
    case 'check': {
      const snapshot = accept(loadConfig(operand));
      if (flags['route'] !== undefined) await tellRoute(snapshot, flags['route']);
      else process.stdout.write(`${operand}: ok\n${summary(snapshot)}\n`);
      return;
    }
    case 'proxy': {
      const options = {
        logLevel: flags['log-level'],
        admin: flags['admin'],
        accessLog: 'access-log' in flags || undefined,
      };
      await serve(accept(snapshotForProxy(flags['from'] ?? '', flags['to'] ?? '', options)));
      return;
    }
    case 'import': {
      const { text, mistakes } = importFile(operand);
      process.stdout.write(text ?? fail(Exit.CONFIG, mistakes.join('\n')));
      return;
    }
    default:
      await serve(accept(loadConfig(flags['config'] ?? '')));
  }
}

async function tellRoute(snapshot: Snapshot, line: string): Promise<void> {
  const question = parseQuestion(line);
  if (typeof question === 'string') fail(Exit.USAGE, `frameway check: --route: ${question}`);
  const { answerRoute } = await import('./route-answer.ts');
  try {
    const { text, served } = answerRoute(snapshot, question);
    process.stdout.write(`${text}\n`);
    process.exitCode = served ? Exit.OK : Exit.UNSERVED;
  } catch (error) {
    fail(Exit.USAGE, `frameway check: --route: ${reasonOf(error)}`);
  }
}

function accept({ snapshot, mistakes }: Loaded): Snapshot {
  return snapshot ?? fail(Exit.CONFIG, mistakes.join('\n'));
}

const some = (n: number, noun: string) => `${n} ${noun}${n === 1 ? '' : 's'}`;

function summary({ listeners, routes, upstreams, admin, demoEngines, demoServers }: Snapshot): string {
  const endpoints = [...upstreams.values()].reduce((sum, upstream) => sum + upstream.endpoints.length, 0);
  const parts = [some(listeners.length, 'listener'), some(upstreams.size, 'upstream'), some(endpoints, 'endpoint')];
  if (routes.length > 0) parts.splice(1, 0, some(routes.length, 'route'));
  if (demoEngines.length > 0) parts.push(some(demoEngines.length, 'demo engine'));
  if (demoServers.length > 0) parts.push(some(demoServers.length, 'demo server'));
  return `${parts.join(', ')}, admin ${admin ? `on ${formatAddress(admin)}` : 'off'}`;
}

async function serve(snapshot: Snapshot): Promise<void> {
  const journal = (log = createLog(snapshot.log));
  // After a quiet while V8 would collect all garbage, up to three times, to give memory back: streams that speak by then pause
  // for 20 to 40 ms, and the next burst asks for the memory again.
  setFlagsFromString('--no-memory-reducer');
  // Loaded only here: `check` and `--help` need no data path.
  const { createGateway } = await import('./gateway.ts');
  const gateway = createGateway(snapshot, journal);
  let state: 'starting' | 'serving' | 'draining' = 'starting';
  const ready = () => (state === 'serving' ? gateway.ready() : { ok: false, reason: state });
  let admin: Admin | null = null;
  const demos: Demo[] = [];
  try {
    admin =
      snapshot.admin && (await startAdmin(snapshot.admin, { ready, counters: () => gateway.counters() }, version()));
    for (const address of snapshot.demoEngines) demos.push(await startDemo('engine', () => startEngine(address)));
    for (const spec of snapshot.demoServers) demos.push(await startDemo(spec.kind, () => startServer(spec)));
    await gateway.start();
  } catch (error) {
    fail(Exit.CANNOT_BIND, `frameway: ${reasonOf(error)}`);
  }
  state = 'serving';
  const certificates = watchCertificates(snapshot, (...place) => gateway.reloadTls(...place), journal);
  for (const { kind, address } of demos) journal.info(`demo ${kind} on ${address}`);
  for (const [i, address] of gateway.addresses.entries()) journal.info(forwarding(snapshot, i, address));
  if (admin) journal.info(`admin on http://${admin.address} (/healthz, /readyz, /metrics)`);

  const stop = async (signal: string): Promise<void> => {
    journal.info(`${signal}: draining, for at most ${formatDuration(snapshot.drainTimeout)}`);
    certificates.stop();
    await gateway.drain();
    await gateway.close();
    await Promise.all([...demos.map((demo) => demo.close()), admin?.close()]);
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

interface Demo extends DemoServer {
  readonly kind: 'engine' | DemoServerSpec['kind'];
}

async function startDemo(kind: Demo['kind'], start: () => Promise<DemoServer>): Promise<Demo> {
  try {
    return { kind, ...(await start()) };
  } catch (error) {
    throw new Error(`demo ${kind}: ${reasonOf(error)}`, { cause: error });
  }
}

const startEngine = async (address: string): Promise<DemoServer> =>
  (await import('./demo/engine.ts')).startDemoEngine(address);

const startServer = async (spec: DemoServerSpec): Promise<DemoServer> =>
  spec.kind === 'web'
    ? (await import('./demo/web.ts')).startDemoWeb(spec)
    : (await import('./demo/echo.ts')).startDemoEcho(spec);

/** `listening on 127.0.0.1:8800 (h2), forwarding to asr: 127.0.0.1:9001, ...` */
function forwarding({ listeners, upstreams }: Snapshot, i: number, address: string): string {
  const { name, protocols, upstream } = listeners[i]!;
  // A default name is the address as configured, which is told already.
  const called = name.includes(':') ? '' : ` ${name}`;
  const listening = `listening on ${address}${called} (${protocols.join(', ')}), forwarding`;
  if (upstream === null) return `${listening} by routes`;
  const all = upstreams.get(upstream)?.endpoints ?? [];
  const shown = all.slice(0, 4).map((endpoint) => endpoint.address);
  if (all.length > shown.length) shown.push(`${all.length - shown.length} more`);
  return `${listening} to ${upstream}: ${shown.join(', ')}`;
}

const command = parseCommandLine(process.argv.slice(2));
if (command.kind === 'help') process.stdout.write(command.text);
else if (command.kind === 'version') process.stdout.write(`frameway ${version()}\n`);
else if (command.kind === 'mistake') fail(Exit.USAGE, command.message);
else await run(command.command, command.flags, command.operand);
