import { type ChildProcess, spawn } from 'node:child_process';
import { accessSync, constants } from 'node:fs';
import { connect, createServer } from 'node:net';
import { delimiter, join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';

const running = new Set<ChildProcess>();
process.on('exit', () => running.forEach((child) => child.kill('SIGKILL')));
for (const signal of ['SIGINT', 'SIGTERM'] as const) process.on(signal, () => process.exit(130));

/** Debian keeps servers in sbin, which an ordinary user's PATH lacks. */
export function which(program: string): string | undefined {
  const folders = [...(process.env['PATH'] ?? '').split(delimiter), '/usr/local/sbin', '/usr/sbin'];
  return folders
    .map((folder) => join(folder, program))
    .find((path) => {
      try {
        accessSync(path, constants.X_OK);
        return true;
      } catch {
        return false;
      }
    });
}

let candidate = 18_000 + (process.pid % 10_000);

/** A free port below the ephemeral range, so that no outgoing connection takes it before its server listens. */
export async function freePort(): Promise<number> {
  for (;;) {
    const port = candidate++;
    const server = createServer();
    const free = await new Promise<boolean>((resolve) => {
      server.once('error', () => resolve(false)).listen(port, '127.0.0.1', () => resolve(true));
    });
    if (!free) continue;
    await new Promise((resolve) => server.close(resolve));
    return port;
  }
}

/** A server under test, or one that tests it. */
export class Server {
  readonly name: string;
  readonly pid: number;
  readonly port: number;
  readonly #child: ChildProcess;
  readonly #exited: Promise<void>;
  #errors = '';

  private constructor(name: string, argv: readonly string[], port: number) {
    this.name = name;
    this.port = port;
    // The shell becomes the server, so the pid is the server's own.
    const raised = ['-c', 'ulimit -n $(ulimit -Hn); exec "$@"', 'sh', ...argv];
    this.#child = spawn('sh', raised, { stdio: ['ignore', 'ignore', 'pipe'] });
    this.pid = this.#child.pid!;
    this.#child.stderr!.on('data', (text: Buffer) => (this.#errors = (this.#errors + text.toString()).slice(-2000)));
    running.add(this.#child);
    this.#exited = new Promise((resolve) =>
      this.#child.once('close', () => {
        running.delete(this.#child);
        resolve();
      }),
    );
  }

  static async start(name: string, argv: readonly string[], port: number): Promise<Server> {
    const server = new Server(name, argv, port);
    const deadline = Date.now() + 15_000;
    while (!(await accepts(port))) {
      if (!server.alive) {
        await server.#exited;
        throw new Error(`${name} did not start: ${server.lastWords}`);
      }
      if (Date.now() > deadline) {
        await server.stop();
        throw new Error(`${name} did not listen within 15 s: ${server.lastWords}`);
      }
      await sleep(20);
    }
    return server;
  }

  get alive(): boolean {
    return this.#child.exitCode === null && this.#child.signalCode === null;
  }

  get lastWords(): string {
    return this.#errors.trim() || `it said nothing, exit code ${this.#child.exitCode}`;
  }

  async stop(): Promise<void> {
    this.#child.kill('SIGTERM');
    const force = setTimeout(() => this.#child.kill('SIGKILL'), 8_000);
    await this.#exited;
    clearTimeout(force);
  }
}

async function accepts(port: number): Promise<boolean> {
  const socket = connect(port, '127.0.0.1');
  const accepted = await new Promise<boolean>((resolve) => {
    socket.once('connect', () => resolve(true)).once('error', () => resolve(false));
  });
  socket.destroy();
  return accepted;
}
