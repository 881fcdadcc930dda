import { which } from '../child.ts';
import { missingProgram, type Peer } from './peer.ts';

export const nghttpx: Peer = {
  name: 'nghttpx',
  tasks: ['h2'],
  missing: () => missingProgram('nghttpx', 'Debian package nghttp2-proxy'),
  command: ({ listen, backend }) => [
    which('nghttpx')!,
    '--conf=/dev/null',
    `-f127.0.0.1,${listen};no-tls`,
    `-b127.0.0.1,${backend};;proto=h2`,
    '--workers=1',
    '--single-process',
    '--no-via',
    '--no-add-x-forwarded-proto',
    '--no-location-rewrite',
    '--no-server-rewrite',
    '--no-server-push',
    '--log-level=ERROR',
    '--accesslog-file=/dev/null',
    '--errorlog-file=/dev/stderr',
  ],
};
