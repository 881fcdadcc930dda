import { envoy } from './envoy.ts';
import { frameway } from './frameway.ts';
import { haproxy } from './haproxy.ts';
import { nghttpx } from './nghttpx.ts';
import { nginx } from './nginx.ts';
import { nodeHttp2 } from './node-http2.ts';
import type { Peer } from './peer.ts';

export const peers: readonly Peer[] = [frameway, nghttpx, haproxy, nginx, envoy, nodeHttp2];
