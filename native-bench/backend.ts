import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { Server, freePort, which } from './child.ts';

export type BackendName = 'nghttpd' | Program;

/** Ours, in `backends/`. */
type Program = 'engine' | 'http1' | 'websocket' | 'tcp';

const files = { '100': 100, '16k': 16 * 1024, '1m': 1024 * 1024 };
export type File = keyof typeof files;

/** Starts what stands behind the proxies. */
export async function startBackend(name: BackendName, folder: string): Promise<Server> {
  const port = await freePort();
  if (name !== 'nghttpd') {
    const program = `native-bench/backends/${name}.ts`;
    return Server.start(name, [process.execPath, '--import', 'tsx', program, String(port)], port);
  }
  const documents = join(folder, 'documents');
  mkdirSync(documents, { recursive: true });
  for (const [file, size] of Object.entries(files)) writeFileSync(join(documents, file), Buffer.alloc(size, 'x'));
  return Server.start(name, [which('nghttpd')!, '-a', '127.0.0.1', '--no-tls', '-d', documents, String(port)], port);
}
