/** Clients of these tests that test/protocols has no use for: WebSockets that are refused, gRPC-Web, gRPC with metadata. */
import { once } from 'node:events';
import type { IncomingMessage } from 'node:http';
import type { ClientHttp2Session } from 'node:http2';
import type { TestContext } from 'node:test';
import { Metadata } from '@grpc/grpc-js';
import { WebSocket } from 'ws';
import { grpcClient, unary, type BytesClient, type Outcome } from '../edge/grpc-peers.ts';
import { h2call, http1, type Answer } from '../protocols/clients.ts';
import { message, read } from '../relay/grpc-web-peers.ts';

export interface Answered {
  readonly status: number;
  readonly headers: Readonly<Record<string, string | string[] | undefined>>;
}

export type Headers = Readonly<Record<string, string>>;

/** Opens a WebSocket: it, or the answer that refuses it. */
export async function websocket(
  t: TestContext,
  port: number,
  headers: Headers = {},
  path = '/',
): Promise<WebSocket | Answered> {
  const socket = new WebSocket(`ws://127.0.0.1:${port}${path}`, { headers });
  t.after(() => socket.terminate());
  return new Promise((resolve, reject) => {
    socket.once('open', () => resolve(socket));
    socket.once('unexpected-response', (_, { statusCode = 0, headers: fields }: IncomingMessage) => {
      resolve({ status: statusCode, headers: fields });
      socket.terminate();
    });
    socket.on('error', reject);
  });
}

/** A WebSocket that has to open. */
export async function opened(t: TestContext, port: number, headers: Headers = {}, path = '/'): Promise<WebSocket> {
  const socket = await websocket(t, port, headers, path);
  if (!(socket instanceof WebSocket)) throw new Error(`refused with ${socket.status}`);
  return socket;
}

export async function echoed(socket: WebSocket, text: string): Promise<string> {
  socket.send(text);
  const [data] = (await once(socket, 'message')) as [Buffer];
  return data.toString();
}

export function metadata(headers: Headers): Metadata {
  const made = new Metadata();
  for (const [name, value] of Object.entries(headers)) made.add(name, value);
  return made;
}

/** A unary call of its own connection. */
export const rpc = (t: TestContext, port: number, headers: Headers = {}, request = 'hello'): Promise<Outcome> =>
  call(grpcClient(t, port), headers, request);

export const call = (client: BytesClient, headers: Headers = {}, request = 'hello'): Promise<Outcome> =>
  unary(client, Buffer.from(request), metadata(headers), { deadline: Date.now() + 5000 });

export interface WebOutcome {
  readonly answer: Answer;
  readonly messages: readonly string[];
  /** Trailers of the body, or, where it has none, the headers. */
  readonly fields: Headers;
}

/** A unary call by gRPC-Web over HTTP/1.1. */
export async function grpcWeb(port: number, headers: Headers = {}, request = 'hello'): Promise<WebOutcome> {
  const answer = await http1(port, {
    method: 'POST',
    path: '/test.Bytes/Unary',
    headers: { 'content-type': 'application/grpc-web+proto', 'x-grpc-web': '1', ...headers },
    body: message(Buffer.from(request)),
  });
  const { messages, trailers } = read(answer.body);
  const fields = trailers === null ? answer.headers : Object.fromEntries(trailers);
  return { answer, messages: messages.map(String), fields: fields as Headers };
}

/** GET, or POST with a body, by each HTTP version. */
export const BOTH = ['HTTP/1.1', 'HTTP/2'] as const;
export type Asking = (
  path: string,
  options?: { method?: string; host?: string; headers?: Headers; body?: Buffer | string },
) => Promise<Answer>;

export const asking =
  (version: (typeof BOTH)[number], port: number, session: ClientHttp2Session | null): Asking =>
  (path, { method, host = 'a.test', headers = {}, body } = {}) => {
    const verb = method ?? (body === undefined ? 'GET' : 'POST');
    if (version === 'HTTP/1.1' || session === null) {
      return http1(port, { method: verb, path, headers: { host, ...headers }, ...(body !== undefined && { body }) });
    }
    const pseudo = { ':method': verb, ':path': path, ':authority': host };
    return h2call(session, { headers: { ...pseudo, ...headers }, ...(body !== undefined && { body }) });
  };
