/** Engines that speak gRPC, and engines that speak TLS themselves. Those in clear text are test/protocols/engines.ts. */
import { createSecureServer, type ServerHttp2Stream } from 'node:http2';
import { createServer as createHttps } from 'node:https';
import { createServer as createPlain, type AddressInfo, type Server, type Socket } from 'node:net';
import type { TestContext } from 'node:test';
import { createServer, type TlsOptions, type TLSSocket } from 'node:tls';
import { Server as GrpcServer, ServerCredentials, type sendUnaryData, type ServerUnaryCall } from '@grpc/grpc-js';
import type { ServerDuplexStream } from '@grpc/grpc-js';
import { pair } from '../listener/tls-ends.ts';
import { report } from '../protocols/engines.ts';

export interface TlsEngine {
  readonly address: string;
  readonly port: number;
  /** SNI and ALPN of each connection that was let in. */
  readonly hellos: (readonly [servername: string | false | null, alpn: string | false | null])[];
  /** Handshakes that were not completed. */
  readonly refused: string[];
  readonly sockets: ReadonlySet<Socket>;
}

export async function listening(t: TestContext, server: Server, host = '127.0.0.1'): Promise<TlsEngine> {
  const sockets = new Set<Socket>();
  const hellos: [string | false | null, string | false | null][] = [];
  const refused: string[] = [];
  await new Promise<void>((resolve) => server.listen(0, host, resolve));
  server.on('connection', (socket: Socket) => {
    sockets.add(socket);
    socket.on('error', () => undefined);
    socket.once('close', () => sockets.delete(socket));
  });
  server.on('secureConnection', (socket: TLSSocket & { servername: string | false | null }) => {
    hellos.push([socket.servername, socket.alpnProtocol]);
    socket.on('error', () => undefined);
  });
  server.on('tlsClientError', (error: NodeJS.ErrnoException) => refused.push(error.code ?? error.message));
  t.after(() => {
    server.close();
    for (const socket of sockets) socket.destroy();
  });
  const { port } = server.address() as AddressInfo;
  return { address: `127.0.0.1:${port}`, port, hellos, refused, sockets };
}

/** TLS, and what `script` does; by default it gives back each octet, and FIN for FIN. */
export function tlsEngine(
  t: TestContext,
  script: (socket: TLSSocket) => void = (socket) => void socket.pipe(socket),
  options: TlsOptions = {},
): Promise<TlsEngine> {
  return listening(t, createServer({ ...pair('server'), ...{ allowHalfOpen: true }, ...options }, script));
}

/** `node:https`, which answers as `report` does. */
export function httpsEngine(t: TestContext, options: TlsOptions = {}): Promise<TlsEngine> {
  const server = createHttps({ ...pair('server'), ...options }, (request, response) => {
    const parts: Buffer[] = [];
    request.on('data', (part: Buffer) => parts.push(part));
    request.on('error', () => undefined);
    request.on('end', () => report(request, response, Buffer.concat(parts)));
  });
  return listening(t, server);
}

/** `node:http2` over TLS, which says what it was asked for. */
export function h2TlsEngine(t: TestContext, options: TlsOptions = {}): Promise<TlsEngine> {
  const server = createSecureServer({ ...pair('server'), ...options });
  server.on('sessionError', () => undefined);
  server.on('stream', (stream: ServerHttp2Stream, headers) => {
    stream.on('error', () => undefined);
    stream.respond({ ':status': 200, 'x-scheme': headers[':scheme'] });
    stream.end(`${headers[':method']} ${headers[':path']}`);
  });
  return listening(t, server);
}

/** grpc-js: `Say` gives its message back, `Chat` each message. Returns its port; `seen` are the metadata keys of each call. */
export async function grpcEngine(t: TestContext, secure = false, host = '127.0.0.1'): Promise<number> {
  const server = new GrpcServer();
  const same = (bytes: Buffer): Buffer => bytes;
  const codec = {
    requestSerialize: same,
    requestDeserialize: same,
    responseSerialize: same,
    responseDeserialize: same,
  };
  server.addService(
    {
      Say: { path: '/test.Echo/Say', requestStream: false, responseStream: false, ...codec },
      Chat: { path: '/test.Echo/Chat', requestStream: true, responseStream: true, ...codec },
    },
    {
      Say: ({ request }: ServerUnaryCall<Buffer, Buffer>, answer: sendUnaryData<Buffer>) => answer(null, request),
      Chat: (call: ServerDuplexStream<Buffer, Buffer>) => {
        call.on('data', (message: Buffer) => call.write(message));
        call.on('end', () => call.end());
        call.on('error', () => undefined);
      },
    },
  );
  const { cert, key } = pair('server');
  const ssl = ServerCredentials.createSsl(null, [{ private_key: Buffer.from(key), cert_chain: Buffer.from(cert) }]);
  const port = await new Promise<number>((resolve, reject) =>
    server.bindAsync(`${host}:0`, secure ? ssl : ServerCredentials.createInsecure(), (error, bound) =>
      error ? reject(error) : resolve(bound),
    ),
  );
  t.after(() => server.forceShutdown());
  return port;
}

/** TCP that stands still: it accepts and does nothing, or what it is told. */
export const plainEngine = (t: TestContext, script: (socket: Socket) => void): Promise<TlsEngine> =>
  listening(t, createPlain({ allowHalfOpen: true, noDelay: true }, script));
