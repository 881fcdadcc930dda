/** `frameway serve` as a process of its own, with a configuration file. */
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { stringify } from 'yaml';
import { Program, type CommandLine } from './program.ts';

const CHECKOUT = resolve(import.meta.dirname, '../..');

/** As in the configuration file. */
export type Upstreams = Readonly<Record<string, object>>;

export interface Served {
  /** Where the listener of each upstream is. */
  readonly ports: Readonly<Record<string, number>>;
  /** The sum of a metric's values with such a label: `total('x_total', 'side="upstream"')`. */
  total(metric: string, label: string): Promise<number>;
  /** Lines of the log that have this part. */
  log(part: string): string[];
  stop(): Promise<void>;
}

/** A listener for each upstream, and an admin listener; rejects if they do not stand. */
export async function serve(upstreams: Upstreams): Promise<Served> {
  const folder = await mkdtemp(join(tmpdir(), 'frameway-conformance-'));
  const file = join(folder, 'gateway.yaml');
  const names = Object.keys(upstreams);
  const listeners = names.map((name) => ({ address: '127.0.0.1:0', name, upstream: name }));
  await writeFile(file, stringify({ listeners, upstreams, admin: '127.0.0.1:0' }));
  const command: CommandLine = [process.execPath, '--import', 'tsx', 'src/cli.ts', 'serve', '--config', file];
  const program = new Program(command, { cwd: CHECKOUT });
  const stop = async (): Promise<void> => {
    await program.stop();
    await rm(folder, { recursive: true });
  };
  try {
    // The last that it says of itself.
    const [, admin] = await program.until(/admin on (http:\S+) /);
    const port = (name: string) => new RegExp(`listening on 127.0.0.1:(\\d+) ${name} `).exec(program.text)?.[1];
    return {
      ports: Object.fromEntries(names.map((name) => [name, Number(port(name))])),
      total: async (metric, label) => {
        const text = await (await fetch(`${admin}/metrics`)).text();
        const lines = text.split('\n').filter((line) => line.startsWith(`${metric}{`) && line.includes(label));
        return lines.reduce((sum, line) => sum + Number(line.split(' ').at(-1)), 0);
      },
      log: (part) => program.text.split('\n').filter((line) => line.includes(part)),
      stop,
    };
  } catch (error) {
    await stop();
    throw error;
  }
}
