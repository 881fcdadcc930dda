import { execFile } from 'node:child_process';
import { setTimeout as sleep } from 'node:timers/promises';
import { promisify } from 'node:util';
import type { File } from '../backend.ts';
import { which } from '../child.ts';
import type { Load } from '../row.ts';

const run = promisify(execFile);

export interface Shape {
  readonly connections: number;
  readonly streams: number;
  readonly file: File;
}

/** Throws unless every call succeeded with 2xx. */
export async function h2load(port: number, calls: number, { connections, streams, file }: Shape): Promise<void> {
  const counts = ['-n', String(calls), '-c', String(connections), '-m', String(streams)];
  const { stdout } = await run(which('h2load')!, [...counts, `http://127.0.0.1:${port}/${file}`], { timeout: 60_000 });
  const succeeded = Number(/(\d+) succeeded/.exec(stdout)?.[1]);
  const ok = Number(/status codes: (\d+) 2xx/.exec(stdout)?.[1]);
  if (succeeded !== calls || ok !== calls) throw new Error(`h2load: ${Math.min(succeeded, ok)} of ${calls} succeeded`);
}

export function h2loadOf(shape: Shape): Load {
  return async (port, calls, meter) => {
    meter.begin();
    await h2load(port, calls, shape);
    await sleep(20);
    meter.end();
    return calls;
  };
}
