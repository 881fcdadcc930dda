/** Engines that behave, of every protocol, each with a count of its connections. */
import { createServer as createHttp, type IncomingMessage, type ServerResponse } from 'node:http';
import {
  createServer as createHttp2,
  type Http2Server,
  type IncomingHttpHeaders,
  type ServerHttp2Stream,
} from 'node:http2';
import { createServer, type AddressInfo, type Server, type Socket } from 'node:net';
import type { TestContext } from 'node:test';
import { WebSocketServer, type ServerOptions, type WebSocket } from 'ws';
import { digest } from './clients.ts';

export interface Engine {
  readonly address: string;
  /** Connections accepted, and those open now. */
  accepted: number;
  open: number;
  /** Cuts all connections. */
  readonly cut: () => void;
  readonly close: () => void;
}

async function listening(t: TestContext, server: Server): Promise<Engine> {
  const sockets = new Set<Socket>();
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const engine: Engine = {
    address: `127.0.0.1:${(server.address() as AddressInfo).port}`,
    accepted: 0,
    open: 0,
    cut: () => sockets.forEach((socket) => socket.destroy()),
    close: () => {
      server.close();
      sockets.forEach((socket) => socket.destroy());
    },
  };
  server.on('connection', (socket: Socket) => {
    engine.accepted++;
    engine.open++;
    sockets.add(socket);
    socket.on('error', () => undefined);
    socket.once('close', () => {
      sockets.delete(socket);
      engine.open--;
    });
  });
  t.after(() => engine.close());
  return engine;
}

/** A request as an engine saw it. */
export interface Seen {
  readonly method: string;
  readonly url: string;
  readonly version: string;
  readonly headers: Readonly<Record<string, string | string[] | undefined>>;
  readonly rawHeaders: readonly string[];
  readonly body: Buffer;
  readonly trailers: Readonly<Record<string, string | string[] | undefined>>;
}

export interface WebEngine extends Engine {
  readonly seen: Seen[];
}

export type Answering = (request: IncomingMessage, response: ServerResponse, body: Buffer) => void;

/** `node:http`: it says `x-digest` and length of what it was sent, or answers by `answer`. Its keep-alive ends after `idle` ms. */
export async function webEngine(t: TestContext, answer: Answering = report, idle = 60_000): Promise<WebEngine> {
  const seen: Seen[] = [];
  const server = createHttp({ keepAliveTimeout: idle, insecureHTTPParser: false }, (request, response) => {
    const parts: Buffer[] = [];
    request.on('data', (part: Buffer) => parts.push(part));
    request.on('error', () => undefined);
    request.on('end', () => {
      const body = Buffer.concat(parts);
      const { method = '', url = '', httpVersion: version, headers, rawHeaders, trailers } = request;
      seen.push({ method, url, version, headers, rawHeaders, body, trailers });
      answer(request, response, body);
    });
  });
  return Object.assign(await listening(t, server), { seen });
}

/** Length and digest of what came; `?bytes=n` asks for a body of so many. */
export const report: Answering = (request, response, body) => {
  const { searchParams } = new URL(request.url!, 'http://x');
  const bytes = Number(searchParams.get('bytes') ?? 0);
  const reply = bytes > 0 ? pattern(bytes) : Buffer.from(`${request.method} ${request.url} ${body.length}`);
  response.writeHead(200, { 'x-digest': digest(body), 'content-type': 'text/plain' });
  response.end(reply);
};

/** So many octets, the same every time, of no short period. */
export function pattern(length: number): Buffer {
  const bytes = Buffer.allocUnsafe(length);
  let state = 0x2545f491;
  for (let i = 0; i < length; i++) {
    state = (Math.imul(state, 1664525) + 1013904223) | 0;
    bytes[i] = state >>> 24;
  }
  return bytes;
}

export interface H2Engine extends Engine {
  readonly seen: Seen[];
}
export type H2Answering = (stream: ServerHttp2Stream, headers: IncomingHttpHeaders) => void;

/** `node:http2`, which answers as `report` does unless it is told otherwise, and speaks RFC 8441 if `connect`. */
export async function h2Engine(t: TestContext, answer?: H2Answering, connect = true): Promise<H2Engine> {
  const seen: Seen[] = [];
  const server: Http2Server = createHttp2({ settings: { enableConnectProtocol: connect } });
  server.on('sessionError', () => undefined);
  const onStream = (stream: ServerHttp2Stream, headers: IncomingHttpHeaders): void => {
    stream.on('error', () => undefined);
    if (answer) {
      answer(stream, headers);
      return;
    }
    const parts: Buffer[] = [];
    let trailers: IncomingHttpHeaders = {};
    stream.on('data', (part: Buffer) => parts.push(part));
    stream.on('trailers', (fields: IncomingHttpHeaders) => (trailers = fields));
    stream.on('end', () => {
      const body = Buffer.concat(parts);
      const method = headers[':method']!;
      const url = headers[':path']!;
      seen.push({ method, url, version: '2', headers, rawHeaders: [], body, trailers });
      const bytes = Number(new URL(url, 'http://x').searchParams.get('bytes') ?? 0);
      const reply = bytes > 0 ? pattern(bytes) : Buffer.from(`${method} ${url} ${body.length}`);
      stream.respond({ ':status': 200, 'x-digest': digest(body), 'content-type': 'text/plain' });
      stream.end(reply);
    });
  };
  server.on('stream', onStream);
  return Object.assign(await listening(t, server as unknown as Server), { seen });
}

export interface WsEngine extends Engine {
  readonly sockets: WebSocket[];
  readonly requests: IncomingMessage[];
}

/** A WebSocket server that says again what it hears. */
export async function wsEngine(
  t: TestContext,
  options: Omit<ServerOptions, 'server' | 'port'> = {},
): Promise<WsEngine> {
  const server = createHttp((_request, response) => response.writeHead(404).end());
  const wss = new WebSocketServer({ server, ...options });
  const sockets: WebSocket[] = [];
  const requests: IncomingMessage[] = [];
  wss.on('connection', (socket, request) => {
    sockets.push(socket);
    requests.push(request);
    socket.on('error', () => undefined);
    socket.on('message', (data, isBinary) => socket.send(data, { binary: isBinary }));
  });
  return Object.assign(await listening(t, server), { sockets, requests });
}

/** Gives back each octet, and FIN for FIN. */
export const echoEngine = (t: TestContext): Promise<Engine> =>
  tcpEngine(t, (socket) => {
    socket.pipe(socket);
  });

/** Speaks first. */
export const bannerEngine = (t: TestContext): Promise<Engine> =>
  tcpEngine(t, (socket) => {
    socket.write('220 ready\r\n');
    socket.pipe(socket);
  });

export const tcpEngine = (t: TestContext, script: (socket: Socket) => void): Promise<Engine> =>
  listening(t, createServer({ allowHalfOpen: true, noDelay: true }, script));
