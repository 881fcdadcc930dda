import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { certificateIn } from '../certificate.ts';
import { which } from '../child.ts';
import { missingProgram, type Peer, type Place } from './peer.ts';

function spoken({ task, folder }: Place): { readonly mode: string; readonly bind: string; readonly server: string } {
  switch (task) {
    case 'h2':
      return { mode: 'http', bind: 'proto h2', server: 'proto h2' };
    case 'h2-tls':
      return { mode: 'http', bind: `ssl crt ${certificateIn(folder).certificate} alpn h2`, server: 'proto h2' };
    case 'http1':
    case 'websocket':
      return { mode: 'http', bind: '', server: '' };
    case 'tcp':
      return { mode: 'tcp', bind: '', server: '' };
  }
}

// HAProxy takes two files a connection and refuses to start above the limit: 4,000 is enough for idle-memory.
function configuration(place: Place): string {
  const { mode, bind, server } = spoken(place);
  return `
global
  nbthread 1
  maxconn 4000
  tune.h2.max-concurrent-streams 100
defaults
  mode ${mode}
  timeout connect 5s
  timeout client 60s
  timeout server 60s
frontend downstream
  bind 127.0.0.1:${place.listen} ${bind}
  default_backend upstream
backend upstream
  ${mode === 'http' ? 'http-reuse always' : ''}
  server one 127.0.0.1:${place.backend} ${server}
`;
}

export const haproxy: Peer = {
  name: 'haproxy',
  tasks: ['h2', 'h2-tls', 'http1', 'websocket', 'tcp'],
  missing: () => missingProgram('haproxy', 'Debian package haproxy'),
  command: (place) => {
    const file = join(place.folder, `haproxy-${place.listen}.cfg`);
    writeFileSync(file, configuration(place));
    return [which('haproxy')!, '-db', '-q', '-f', file];
  },
};
