/** Engines of three kinds behind one listener, and routes that hold all of their clients to the same policy. */
import type { TestContext } from 'node:test';
import type { Metadata } from '@grpc/grpc-js';
import { grpcEngine } from '../edge/grpc-peers.ts';
import { webEngine, wsEngine, type WebEngine, type WsEngine } from '../protocols/engines.ts';
import { stage, type Plan, type Stage, type Way } from './stage.ts';

export interface Ensemble extends Stage {
  readonly web: WebEngine;
  readonly ws: WsEngine;
  /** Metadata of each call that the gRPC engine was given. */
  readonly calls: readonly Metadata[];
}

export async function ensemble(
  t: TestContext,
  policy: Way,
  plan: Partial<Omit<Plan, 'routes' | 'upstreams'>> = {},
): Promise<Ensemble> {
  const web = await webEngine(t);
  const ws = await wsEngine(t);
  const calls: Metadata[] = [];
  const rpc = await grpcEngine(t, {
    unary: ({ request, metadata }, done) => {
      calls.push(metadata);
      done(null, request);
    },
    talk: (call) => {
      calls.push(call.metadata);
      call.on('data', (data: Buffer) => call.write(data));
      call.on('end', () => call.end());
    },
  });
  const staged = await stage(t, {
    listeners: [{ grpcWeb: { allowOrigins: ['*'] } }],
    ...plan,
    upstreams: {
      web: { at: web.address, protocol: 'http1' },
      ws: { at: ws.address, protocol: 'http1' },
      rpc: { at: rpc.address },
    },
    routes: [
      { name: 'rpc', ...policy, match: { ...policy.match, protocols: ['grpc', 'grpc_web'] }, to: { rpc: 1 } },
      { name: 'ws', ...policy, match: { ...policy.match, protocols: ['websocket'] }, to: { ws: 1 } },
      { name: 'web', ...policy, to: { web: 1 } },
    ],
  });
  return { ...staged, web, ws, calls };
}
