import type { Peer } from './peer.ts';

export const nodeHttp2: Peer = {
  name: 'node:http2',
  tasks: ['h2'],
  missing: () => undefined,
  command: ({ listen, backend }) => [
    process.execPath,
    '--import',
    'tsx',
    'native-bench/peers/node-http2-proxy.ts',
    String(listen),
    String(backend),
  ],
};
