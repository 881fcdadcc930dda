/** A program that a suite starts, and that says where it listens. */
import { spawn, type ChildProcess } from 'node:child_process';
import { setTimeout as sleep } from 'node:timers/promises';

export interface ProgramOptions {
  readonly cwd?: string;
  /** Added to our own environment. */
  readonly env?: Readonly<Record<string, string>>;
}
export type CommandLine = readonly [program: string, ...args: string[]];

/** For a program to say what is awaited. */
const PATIENCE = 60_000;

const running = new Set<ChildProcess>();
process.once('exit', () => running.forEach((child) => child.kill('SIGKILL')));

export class Program {
  private readonly child: ChildProcess;
  private readonly gone: Promise<void>;
  private written = '';

  constructor([command, ...args]: CommandLine, { cwd, env }: ProgramOptions = {}) {
    const environment = { ...process.env, ...env };
    const child = spawn(command, args, { cwd, env: environment, stdio: ['ignore', 'pipe', 'pipe'] });
    running.add(child);
    for (const stream of [child.stdout, child.stderr]) {
      stream.on('data', (chunk: Buffer) => (this.written += chunk.toString()));
    }
    child.on('error', (error) => (this.written += error.message));
    this.gone = new Promise((resolve) => {
      child.on('close', () => {
        running.delete(child);
        resolve();
      });
    });
    this.child = child;
  }

  /** Both outputs so far. */
  get text(): string {
    return this.written;
  }

  /** Where `pattern` first matches its outputs; rejects if the program ends before, or takes too long. */
  async until(pattern: RegExp): Promise<RegExpExecArray> {
    for (const end = Date.now() + PATIENCE; Date.now() < end && running.has(this.child);) {
      const found = pattern.exec(this.written);
      if (found) return found;
      await sleep(20);
    }
    throw new Error(`${this.child.spawnfile} does not say ${pattern.source}: ${this.written}`);
  }

  /** The exit code; null if it has not ended after so many milliseconds and was killed. */
  async end(ms: number): Promise<number | null> {
    const timer = setTimeout(() => this.child.kill('SIGKILL'), ms);
    await this.gone;
    clearTimeout(timer);
    return this.child.exitCode;
  }

  async stop(): Promise<void> {
    this.child.kill('SIGKILL');
    await this.gone;
  }
}
