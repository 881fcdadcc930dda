import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { which } from '../child.ts';
import { missingProgram, type Peer } from './peer.ts';

// HAProxy takes two files a connection and refuses to start above the limit: 4,000 is enough for idle-memory.
const configuration = (listen: number, backend: number) => `
global
  nbthread 1
  maxconn 4000
  tune.h2.max-concurrent-streams 100
defaults
  mode http
  http-reuse always
  timeout connect 5s
  timeout client 60s
  timeout server 60s
frontend downstream
  bind 127.0.0.1:${listen} proto h2
  default_backend upstream
backend upstream
  server one 127.0.0.1:${backend} proto h2
`;

export const haproxy: Peer = {
  name: 'haproxy',
  missing: () => missingProgram('haproxy', 'Debian package haproxy'),
  command: ({ listen, backend, folder }) => {
    const file = join(folder, `haproxy-${listen}.cfg`);
    writeFileSync(file, configuration(listen, backend));
    return [which('haproxy')!, '-db', '-q', '-f', file];
  },
};
