import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { certificateIn } from '../certificate.ts';
import { which } from '../child.ts';
import { missingProgram, type Peer, type Place } from './peer.ts';

const overHttp1 = ['proxy_pass http://upstream', 'proxy_http_version 1.1'];

interface Spoken {
  readonly listen: string;
  readonly server: readonly string[];
  readonly location: readonly string[];
}

function spoken({ task, folder }: Place): Spoken {
  if (task === 'h2-tls') {
    const { certificate, key } = certificateIn(folder);
    return {
      listen: 'ssl http2',
      // TLS 1.3 is off by default before 1.23.
      server: ['ssl_protocols TLSv1.2 TLSv1.3', `ssl_certificate ${certificate}`, `ssl_certificate_key ${key}`],
      // It speaks HTTP/2 to backends by `grpc_pass` alone, one call at a time on each of its connections. Over HTTP/1.1 it
      // takes a quarter less, which HAProxy still undercuts; but then its backend would not be the others'.
      location: ['grpc_pass grpc://upstream'],
    };
  }
  const hop =
    task === 'websocket'
      ? ['proxy_set_header Upgrade $http_upgrade', 'proxy_set_header Connection Upgrade']
      : ['proxy_set_header Connection ""'];
  return { listen: '', server: [], location: [...overHttp1, ...hop] };
}

const directives = (list: readonly string[]) => list.map((directive) => `${directive};`).join(' ');

// One process, since a master that is killed leaves its worker behind. Left alone it closes a connection after 1,000 calls,
// and a backend's, too.
function configuration(place: Place, folder: string): string {
  const { listen, server, location } = spoken(place);
  const temporary = ['client_body', 'proxy', 'fastcgi', 'uwsgi', 'scgi'];
  return `
daemon off;
master_process off;
pid ${folder}/pid;
error_log stderr crit;
events { worker_connections 4096; }
http {
  access_log off;
  keepalive_requests 1000000000;
  ${directives(temporary.map((kind) => `${kind}_temp_path ${folder}/${kind}`))}
  upstream upstream {
    server 127.0.0.1:${place.backend};
    keepalive 128;
    keepalive_requests 1000000000;
  }
  server {
    listen 127.0.0.1:${place.listen} ${listen};
    ${directives(server)}
    location / { ${directives(location)} }
  }
}
`;
}

export const nginx: Peer = {
  name: 'nginx',
  tasks: ['h2-tls', 'http1', 'websocket'],
  missing: () => missingProgram('nginx', 'Debian package nginx'),
  command: (place) => {
    const folder = join(place.folder, `nginx-${place.listen}`);
    mkdirSync(folder);
    const file = join(folder, 'nginx.conf');
    writeFileSync(file, configuration(place, folder));
    return [which('nginx')!, '-p', folder, '-c', file, '-e', 'stderr'];
  },
};
