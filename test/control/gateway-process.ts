import assert from 'node:assert/strict';
import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';

const environment = Object.fromEntries(Object.entries(process.env).filter(([name]) => !name.startsWith('FRAMEWAY_')));

/** `frameway` with these arguments, as a process of its own: without our variables, and with those of `env`. */
export class GatewayProcess {
  readonly child: ChildProcess;
  private out = '';
  private err = '';
  private readonly exited: Promise<unknown[]>;

  constructor(args: string[], env: Record<string, string> = {}) {
    const argv = ['--import', 'tsx', 'src/cli.ts', ...args];
    this.child = spawn(process.execPath, argv, {
      env: { ...environment, ...env },
    });
    this.child.stdout?.on('data', (chunk: Buffer) => (this.out += chunk.toString()));
    this.child.stderr?.on('data', (chunk: Buffer) => (this.err += chunk.toString()));
    this.exited = once(this.child, 'close');
  }

  get records(): Record<string, unknown>[] {
    const lines = this.out.split('\n').slice(0, -1);
    return lines.map((line) => JSON.parse(line) as Record<string, unknown>);
  }
  get messages(): string[] {
    return this.records.map((record) => String(record['msg']));
  }
  get stderr(): string {
    return this.err;
  }

  /** Resolves with what a message, so far or to come, matched; fails if the process ends before. */
  async until(pattern: RegExp): Promise<RegExpExecArray> {
    for (;;) {
      const found = this.messages.map((message) => pattern.exec(message)).find((match) => match !== null);
      if (found) return found;
      assert.equal(this.child.exitCode, null, this.out + this.err);
      await new Promise((resolve) => setTimeout(resolve, 20));
    }
  }

  /** The exit code. */
  async end(): Promise<unknown> {
    return (await this.exited)[0];
  }
}
