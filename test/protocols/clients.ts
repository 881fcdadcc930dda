/** Real clients, each as a function that gives all that came back. */
import { createHash } from 'node:crypto';
import { once } from 'node:events';
import { request as httpRequest, type Agent, type IncomingMessage, type RequestOptions } from 'node:http';
import { connect, type ClientHttp2Session, type ClientHttp2Stream, type IncomingHttpHeaders } from 'node:http2';
import type { TestContext } from 'node:test';

export interface Answer {
  readonly status: number;
  readonly reason: string;
  readonly headers: Readonly<Record<string, string | string[] | undefined>>;
  /** Names and values in turn, as received; empty for HTTP/2. */
  readonly rawHeaders: readonly string[];
  readonly body: Buffer;
  readonly trailers: Readonly<Record<string, string | string[] | undefined>>;
  /** Status and headers of each 1xx. */
  readonly early: readonly (readonly [status: number, headers: Readonly<Record<string, unknown>>])[];
}

export const digest = (bytes: Buffer): string => createHash('sha256').update(bytes).digest('hex');

export interface Call extends RequestOptions {
  readonly body?: Buffer | string;
  /** Sent after a chunked body. */
  readonly trailers?: Readonly<Record<string, string>>;
  readonly agent?: Agent;
}

/** A call of `node:http`; without an agent, on a connection of its own. */
export function http1(port: number, { body, trailers, ...options }: Call = {}): Promise<Answer> {
  return new Promise((resolve, reject) => {
    const early: [number, Record<string, unknown>][] = [];
    const call = httpRequest({ port, host: '127.0.0.1', agent: false, ...options }, (response) => {
      collect(response).then(
        (all) =>
          resolve({
            status: response.statusCode!,
            reason: response.statusMessage!,
            headers: response.headers,
            rawHeaders: response.rawHeaders,
            body: all,
            trailers: response.trailers,
            early,
          }),
        reject,
      );
    });
    call.on('information', ({ statusCode, headers }) => early.push([statusCode, headers]));
    call.on('error', reject);
    const expects = Object.entries(options.headers ?? {}).some(([name]) => name.toLowerCase() === 'expect');
    const finish = (): void => {
      if (trailers) call.addTrailers(trailers);
      call.end(body);
    };
    if (expects) {
      call.flushHeaders();
      call.once('continue', () => {
        early.push([100, {}]);
        finish();
      });
    } else finish();
  });
}

async function collect(response: IncomingMessage): Promise<Buffer> {
  const parts: Buffer[] = [];
  for await (const part of response) parts.push(part as Buffer);
  return Buffer.concat(parts);
}

/** A session of `node:http2`, with its server's first SETTINGS received. */
export async function http2(t: TestContext, port: number): Promise<ClientHttp2Session> {
  const session = connect(`http://127.0.0.1:${port}`);
  t.after(() => session.destroy());
  session.on('error', () => undefined);
  await once(session, 'remoteSettings');
  return session;
}

export interface H2Call {
  readonly headers?: Readonly<Record<string, string | number | string[]>>;
  readonly body?: Buffer | string;
  readonly trailers?: Readonly<Record<string, string>>;
}

export function h2call(session: ClientHttp2Session, { headers = {}, body, trailers }: H2Call = {}): Promise<Answer> {
  const method = headers[':method'] ?? (body === undefined ? 'GET' : 'POST');
  const stream = session.request(
    { ':method': method, ':path': '/', ...headers },
    { endStream: body === undefined, waitForTrailers: trailers !== undefined },
  );
  if (trailers) stream.on('wantTrailers', () => stream.sendTrailers(trailers));
  const answer = answerOf(stream);
  if (body !== undefined) stream.end(body);
  return answer;
}

/** All of a response; rejects if the stream was reset. */
export function answerOf(stream: ClientHttp2Stream): Promise<Answer> {
  return new Promise((resolve, reject) => {
    const early: [number, Record<string, unknown>][] = [];
    const parts: Buffer[] = [];
    let head: IncomingHttpHeaders = {};
    let trailers: IncomingHttpHeaders = {};
    stream.on('headers', (headers) => early.push([Number(headers[':status']), headers]));
    stream.on('response', (headers) => (head = headers));
    stream.on('trailers', (fields: IncomingHttpHeaders) => (trailers = fields));
    stream.on('data', (part: Buffer) => parts.push(part));
    stream.on('error', reject);
    stream.on('close', () => {
      if (stream.rstCode !== 0 || !('content-type' in head || ':status' in head)) {
        reject(new Error(`stream closed with code ${stream.rstCode}`));
        return;
      }
      const body = Buffer.concat(parts);
      const status = Number(head[':status']);
      resolve({ status, reason: '', headers: head, rawHeaders: [], body, trailers, early });
    });
  });
}
