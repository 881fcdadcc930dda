/**
 * A speech engine to try the gateway with, and to test it against: `asr.v1.Recognizer` of `fixtures/asr.proto` on
 * clear-text HTTP/2, and a line of text on `/` for plain HTTP clients. It holds nothing between calls.
 */
import { once } from 'node:events';
import { createServer } from 'node:http2';
import type { Http2Server, IncomingHttpHeaders, ServerHttp2Session, ServerHttp2Stream } from 'node:http2';
import type { AddressInfo, Socket } from 'node:net';
import { answerCall } from './grpc.ts';
import { recognizer } from './service.ts';

export interface DemoEngine {
  /** `host:port`, the port being the real one. */
  readonly address: string;
  /** Stops at once: what is open is cut. */
  close(): Promise<void>;
}

// A gateway puts the calls of many clients on one session; Node's 10 MB would refuse streams under load.
const MAX_SESSION_MEMORY_MB = 128;

/** A client that leaves in any way is no concern of an engine's; an error without a listener would end the process. */
const ignore = (): void => undefined;

export async function startDemoEngine(address: string): Promise<DemoEngine> {
  const { host, port } = parseAddress(address);
  const server = createServer({ maxSessionMemory: MAX_SESSION_MEMORY_MB });
  server.listen(port, host.replace(/^\[(.*)\]$/, '$1'));
  await once(server, 'listening');
  const real = `${host}:${(server.address() as AddressInfo).port}`;
  const sessions = serve(server, real);
  return { address: real, close: () => stop(server, sessions) };
}

function parseAddress(address: string): { host: string; port: number } {
  const [, host, port] = /^(\[[^\]]+\]|[^:]+):(\d{1,5})$/.exec(address) ?? [];
  if (host === undefined || Number(port) > 65_535) throw new TypeError(`demo engine: ${address} is not host:port`);
  return { host, port: Number(port) };
}

function serve(server: Http2Server, name: string): ReadonlySet<ServerHttp2Session> {
  const sessions = new Set<ServerHttp2Session>();
  const methods = recognizer(name);
  server.on('error', ignore);
  server.on('sessionError', ignore);
  server.on('connection', (socket: Socket) => socket.on('error', ignore));
  server.on('session', (session) => {
    sessions.add(session);
    session.on('error', ignore);
    session.once('close', () => sessions.delete(session));
  });
  server.on('stream', (stream, headers) => {
    stream.on('error', ignore);
    const answered = isGrpc(headers)
      ? answerCall(stream, headers, methods.get(headers[':path'] ?? ''), { 'x-engine': name })
      : answerText(stream, headers, name);
    // The stream may go at any moment between a check and a write.
    answered.catch(() => stream.destroy());
  });
  return sessions;
}

const isGrpc = (headers: IncomingHttpHeaders): boolean =>
  headers[':method'] === 'POST' && /^application\/grpc(?:$|[+;])/.test(headers['content-type'] ?? '');

async function answerText(stream: ServerHttp2Stream, headers: IncomingHttpHeaders, name: string): Promise<void> {
  let received = 0;
  for await (const chunk of stream.iterator({ destroyOnReturn: false })) received += (chunk as Buffer).length;
  if (stream.closed || stream.destroyed) return;
  const method = headers[':method'] ?? '';
  const status = headers[':path'] !== '/' ? 404 : ['GET', 'HEAD', 'POST'].includes(method) ? 200 : 405;
  const text = status === 200 ? `demo speech engine ${name}, ${received} bytes received\n` : `${status}\n`;
  stream.respond({
    ':status': status,
    'content-type': 'text/plain; charset=utf-8',
    'content-length': text.length,
    'x-engine': name,
    ...(status === 405 && { allow: 'GET, HEAD, POST' }),
  });
  stream.end(method === 'HEAD' ? undefined : text);
}

async function stop(server: Http2Server, sessions: ReadonlySet<ServerHttp2Session>): Promise<void> {
  const closed = new Promise<void>((resolve) => server.close(() => resolve()));
  for (const session of sessions) session.destroy();
  await closed;
}
