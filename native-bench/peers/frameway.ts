import { existsSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { certificateIn } from '../certificate.ts';
import type { Peer, Place } from './peer.ts';

const cli = 'dist/cli.js';

const upstreamProtocols = { h2: 'h2', 'h2-tls': 'h2', http1: 'http1', websocket: 'http1', tcp: 'tcp' };

const configuration = ({ task, listen, backend, folder }: Place) => ({
  listeners: [
    {
      address: `127.0.0.1:${listen}`,
      upstream: 'backend',
      tls: task === 'h2-tls' ? [certificateIn(folder)] : [],
    },
  ],
  upstreams: { backend: { protocol: upstreamProtocols[task], endpoints: [`127.0.0.1:${backend}`] } },
  admin: 'off',
  log: { level: 'silent' },
});

/** `more` returns what the configuration has beside one listener and one upstream, `backend`. */
export const framewayWith = (name: string, more: (place: Place) => object): Peer => ({
  name,
  tasks: ['h2', 'h2-tls', 'http1', 'websocket', 'tcp'],
  missing: () => (existsSync(cli) ? undefined : `${cli} not found: npm run build`),
  command: (place) => {
    const file = join(place.folder, `frameway-${place.listen}.yaml`);
    // JSON is YAML.
    writeFileSync(file, JSON.stringify({ ...configuration(place), ...more(place) }));
    return [
      process.execPath,
      ...(place.profile === undefined ? [] : ['--cpu-prof', '--cpu-prof-dir', place.profile]),
      ...[cli, 'serve', '--config', file],
    ];
  },
});

export const frameway = framewayWith('frameway', () => ({}));
