import { envoy } from './envoy.ts';
import { frameway } from './frameway.ts';
import { haproxy } from './haproxy.ts';
import { nghttpx } from './nghttpx.ts';
import { nodeHttp2 } from './node-http2.ts';
import type { Peer } from './peer.ts';

export const peers: readonly Peer[] = [frameway, nghttpx, haproxy, envoy, nodeHttp2];
