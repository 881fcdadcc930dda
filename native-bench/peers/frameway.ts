import { existsSync } from 'node:fs';
import type { Peer } from './peer.ts';

const cli = 'dist/cli.js';

export const frameway: Peer = {
  name: 'frameway',
  missing: () => (existsSync(cli) ? undefined : `${cli} not found: npm run build`),
  command: ({ listen, backend, profile }) => [
    process.execPath,
    ...(profile === undefined ? [] : ['--cpu-prof', '--cpu-prof-dir', profile]),
    cli,
    'proxy',
    ...['--from', `127.0.0.1:${listen}`, '--to', `127.0.0.1:${backend}`, '--admin', 'off', '--log-level', 'silent'],
  ],
};
