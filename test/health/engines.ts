/** Engines whose health can be asked for: real servers on loopback, each gone with the test that started it. */
import { once } from 'node:events';
import { createSecureServer, createServer as createHttp2Server } from 'node:http2';
import type { Http2Server, SecureServerOptions, ServerHttp2Stream, IncomingHttpHeaders } from 'node:http2';
import { createServer } from 'node:net';
import type { AddressInfo, Server, Socket } from 'node:net';
import type { TestContext } from 'node:test';
import { fileURLToPath } from 'node:url';
import * as grpc from '@grpc/grpc-js';
import { loadSync } from '@grpc/proto-loader';
import type { Target } from '../../src/health/probe.ts';

export type ServingStatus = 'UNKNOWN' | 'SERVING' | 'NOT_SERVING' | 'SERVICE_UNKNOWN';
interface Request {
  service: string;
}
interface Response {
  status: ServingStatus;
}

const definition = loadSync(fileURLToPath(new URL('health.proto', import.meta.url)), { enums: String, defaults: true });
const service = definition['grpc.health.v1.Health'] as grpc.ServiceDefinition;

export const target = (port: number): Target => ({ host: '127.0.0.1', port });

/** A grpc-js server with the health service, as the engines of this world have it. */
export class GrpcEngine {
  readonly port: number;
  checks = 0;
  /** Watches begun so far, and those that are open. */
  watches = 0;
  readonly watching = new Set<grpc.ServerWritableStream<Request, Response>>();
  lastCheck: grpc.ServerUnaryCall<Request, Response> | null = null;
  private readonly server: grpc.Server;
  private readonly statuses: Map<string, ServingStatus>;

  private constructor(server: grpc.Server, port: number, statuses: Map<string, ServingStatus>) {
    this.server = server;
    this.port = port;
    this.statuses = statuses;
  }

  static async start(
    t: TestContext,
    options: {
      readonly port?: number;
      readonly without?: 'Check' | 'Watch';
      readonly statuses?: Record<string, ServingStatus>;
    } = {},
  ): Promise<GrpcEngine> {
    const server = new grpc.Server();
    const statuses = new Map<string, ServingStatus>(Object.entries(options.statuses ?? { '': 'SERVING' }));
    const check: grpc.handleUnaryCall<Request, Response> = (call, done) => engine.check(call, done);
    const watch: grpc.handleServerStreamingCall<Request, Response> = (call) => engine.watch(call);
    server.addService(service, {
      ...(options.without !== 'Check' && { Check: check }),
      ...(options.without !== 'Watch' && { Watch: watch }),
    });
    const port = await new Promise<number>((resolve, reject) => {
      const address = `127.0.0.1:${options.port ?? 0}`;
      server.bindAsync(address, grpc.ServerCredentials.createInsecure(), (error, bound) =>
        error ? reject(error) : resolve(bound),
      );
    });
    const engine: GrpcEngine = new GrpcEngine(server, port, statuses);
    t.after(() => engine.kill());
    return engine;
  }

  get target(): Target {
    return target(this.port);
  }
  set(status: ServingStatus, name = ''): void {
    this.statuses.set(name, status);
    for (const call of this.watching) if (call.request.service === name) call.write({ status });
  }
  endWatches(code: grpc.status): void {
    for (const call of this.watching) call.emit('error', Object.assign(new Error('as the test wants it'), { code }));
  }
  /** As the process would by SIGKILL. */
  kill(): void {
    this.server.forceShutdown();
  }

  private check(call: grpc.ServerUnaryCall<Request, Response>, done: grpc.sendUnaryData<Response>): void {
    this.checks++;
    this.lastCheck = call;
    const status = this.statuses.get(call.request.service);
    if (status === undefined) done({ code: grpc.status.NOT_FOUND, details: 'unknown service' });
    else done(null, { status });
  }
  private watch(call: grpc.ServerWritableStream<Request, Response>): void {
    this.watches++;
    this.watching.add(call);
    const gone = (): unknown => this.watching.delete(call);
    call.on('cancelled', gone);
    call.on('error', gone);
    call.on('close', gone);
    call.write({ status: this.statuses.get(call.request.service) ?? 'SERVICE_UNKNOWN' });
  }
}

/** A raw server; `greet` does with each connection what the test wants. */
export class RawEngine {
  readonly server: Server;
  readonly sockets = new Set<Socket>();
  connections = 0;

  private constructor(greet: (socket: Socket) => void) {
    this.server = createServer((socket) => {
      this.connections++;
      this.sockets.add(socket);
      socket.on('error', () => undefined);
      socket.on('close', () => this.sockets.delete(socket));
      socket.resume();
      greet(socket);
    });
  }
  static async start(t: TestContext, greet: (socket: Socket) => void, at: object = target(0)): Promise<RawEngine> {
    const engine = new RawEngine(greet);
    engine.server.listen(at);
    await once(engine.server, 'listening');
    t.after(() => engine.kill());
    return engine;
  }
  get target(): Target {
    return target((this.server.address() as AddressInfo).port);
  }
  kill(): void {
    for (const socket of this.sockets) socket.destroy();
    this.server.close();
  }
}

export interface Http2Engine {
  readonly target: Target;
  readonly server: Http2Server;
  /** Connections so far, and those that are open. */
  readonly connected: { count: number; readonly open: Set<Socket> };
}

/** A node:http2 server; with `tls` behind TLS. */
export async function http2Engine(
  t: TestContext,
  answer: (stream: ServerHttp2Stream, headers: IncomingHttpHeaders) => void,
  options: { readonly tls?: SecureServerOptions; readonly at?: object } = {},
): Promise<Http2Engine> {
  const server = options.tls === undefined ? createHttp2Server() : createSecureServer(options.tls);
  const connected = { count: 0, open: new Set<Socket>() };
  server.on('connection', (socket: Socket) => {
    connected.count++;
    connected.open.add(socket);
    socket.on('close', () => connected.open.delete(socket));
  });
  server.on('sessionError', () => undefined);
  server.on('stream', (stream, headers) => {
    stream.on('error', () => undefined);
    answer(stream, headers);
  });
  server.listen(options.at ?? target(0));
  await once(server, 'listening');
  t.after(() => {
    for (const socket of connected.open) socket.destroy();
    server.close();
  });
  const address = server.address() as AddressInfo | string;
  return { target: typeof address === 'string' ? { path: address } : target(address.port), server, connected };
}
