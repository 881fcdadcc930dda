import { execFile } from 'node:child_process';
import { setTimeout as sleep } from 'node:timers/promises';
import { promisify } from 'node:util';
import type { File } from '../backend.ts';
import { which } from '../child.ts';
import type { Load } from '../row.ts';

const run = promisify(execFile);

/** How h2load is told what to speak, and the name that it has for it. Servers differ in the cipher that they prefer. */
const languages = {
  h2: { scheme: 'http', flags: [], name: 'h2c' },
  'h2-tls': { scheme: 'https', flags: ['--tls13-ciphers=TLS_AES_128_GCM_SHA256'], name: 'h2' },
  http1: { scheme: 'http', flags: ['--h1'], name: 'http/1.1' },
};

export interface Shape {
  readonly connections: number;
  readonly streams: number;
  readonly file: File;
  /** h2 unless it says otherwise. */
  readonly over?: keyof typeof languages;
  /** On each call, as `name: value`. */
  readonly headers?: readonly string[];
}

/** Throws unless every call succeeded with 2xx, in the language that was asked for. */
export async function h2load(port: number, calls: number, shape: Shape): Promise<void> {
  const { connections, streams, file, over = 'h2', headers = [] } = shape;
  const { scheme, flags, name } = languages[over];
  const counts = ['-n', String(calls), '-c', String(connections), '-m', String(streams)];
  const sent = headers.flatMap((header) => ['-H', header]);
  const url = `${scheme}://127.0.0.1:${port}/${file}`;
  const { stdout } = await run(which('h2load')!, [...counts, ...flags, ...sent, url], { timeout: 60_000 });
  const spoken = /Application protocol: (\S+)/.exec(stdout)?.[1];
  if (spoken !== name) throw new Error(`h2load: it was to speak ${name} and spoke ${spoken}`);
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
