import { readFileSync } from 'node:fs';

/** The package's version; `src/control` and `dist/control` lie equally deep. */
export function version(): string {
  const file = new URL('../../package.json', import.meta.url);
  return (JSON.parse(readFileSync(file, 'utf8')) as { version: string }).version;
}
