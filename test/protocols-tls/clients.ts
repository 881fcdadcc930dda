/** Real clients over TLS. They believe the two authorities of test/support/tls, and look at no name but where told to. */
import { once } from 'node:events';
import { connect as connectHttp2, type ClientHttp2Session, type SecureClientSessionOptions } from 'node:http2';
import { request, type RequestOptions } from 'node:https';
import { connect as connectPlain, type Socket } from 'node:net';
import type { TestContext } from 'node:test';
import { connect, type ConnectionOptions, type TLSSocket } from 'node:tls';
import { WebSocket, type ClientOptions } from 'ws';
import { Client, credentials, Metadata, type ServiceError, type StatusObject } from '@grpc/grpc-js';
import { LISTENER_CA, pair, pem } from '../listener/tls-ends.ts';
import { Wire } from '../protocols/wire.ts';

export const AUTHORITIES = [pem('ca.pem'), LISTENER_CA];
/** Of a client that `listener-ca` signed, and of one that it did not. */
export const READER = pair('reader');
export const STRANGER = pair('client');

const BELIEVING: ConnectionOptions = { ca: AUTHORITIES, checkServerIdentity: () => undefined };

/** A bare TLS connection, once it stands on the client's side. Rejects with what went wrong. */
export async function tls(t: TestContext, port: number, options: ConnectionOptions = {}): Promise<TLSSocket> {
  const socket = connect({ port, host: '127.0.0.1', ...{ allowHalfOpen: true }, ...BELIEVING, ...options });
  t.after(() => socket.destroy());
  await once(socket, 'secureConnect');
  socket.on('error', () => undefined);
  return socket;
}
/** The same, read as it comes. */
export const tlsWire = async (t: TestContext, port: number, options: ConnectionOptions = {}): Promise<Wire> =>
  new Wire(await tls(t, port, options));

/** Why TLS is refused, as the client has it: during its handshake, or by the first thing that it reads. */
export async function refusal(t: TestContext, port: number, options: ConnectionOptions = {}): Promise<string> {
  const socket = connect({ port, host: '127.0.0.1', ...BELIEVING, ...options });
  t.after(() => socket.destroy());
  return new Promise((resolve) => {
    socket.once('error', (error: NodeJS.ErrnoException) => resolve(error.code ?? error.message));
    socket.once('end', () => resolve('end'));
    socket.once('close', () => resolve('close'));
    socket.resume();
  });
}

export async function tcp(t: TestContext, port: number): Promise<Socket> {
  const socket = connectPlain({ port, host: '127.0.0.1', allowHalfOpen: true });
  socket.setNoDelay(true);
  socket.on('error', () => undefined);
  t.after(() => socket.destroy());
  await once(socket, 'connect');
  return socket;
}

/** A session of `node:http2` with ALPN `h2`, or what `options` say. */
export async function h2(
  t: TestContext,
  port: number,
  options: SecureClientSessionOptions = {},
): Promise<ClientHttp2Session> {
  const session = connectHttp2(`https://127.0.0.1:${port}`, { ...BELIEVING, servername: 'localhost', ...options });
  t.after(() => session.destroy());
  const failed = new Promise<never>((_, reject) => session.once('error', reject));
  failed.catch(() => undefined);
  session.on('error', () => undefined);
  await Promise.race([once(session, 'remoteSettings'), failed]);
  return session;
}

export interface Answer {
  readonly status: number;
  readonly headers: Readonly<Record<string, string | string[] | undefined>>;
  readonly body: Buffer;
}

export type HttpsCall = RequestOptions & Pick<ConnectionOptions, 'ALPNProtocols'> & { body?: Buffer | string };

/** A call of `node:https`; without an agent, on a connection of its own, that names `localhost`. */
export function https(port: number, { body, ...options }: HttpsCall = {}): Promise<Answer> {
  return new Promise((resolve, reject) => {
    const settings = {
      port,
      host: '127.0.0.1',
      agent: false,
      servername: 'localhost',
      ...BELIEVING,
      ...options,
    } as const;
    const call = request(settings, (response) => {
      const parts: Buffer[] = [];
      response.on('data', (part: Buffer) => parts.push(part));
      response.on('error', reject);
      response.on('end', () =>
        resolve({ status: response.statusCode!, headers: response.headers, body: Buffer.concat(parts) }),
      );
    });
    call.on('error', reject);
    call.end(body);
  });
}

/** A WebSocket by wss, which names `localhost` unless `options` say otherwise. */
export function wss(
  t: TestContext,
  port: number,
  path = '/',
  protocols: readonly string[] = [],
  options: ClientOptions & { servername?: string } = {},
): WebSocket {
  // The types of `ws` have a verdict where TLS has an error or nothing.
  const checkServerIdentity = (): boolean => undefined as unknown as boolean;
  const settings = { ca: AUTHORITIES, servername: 'localhost', checkServerIdentity, ...options };
  const socket = new WebSocket(`wss://127.0.0.1:${port}${path}`, [...protocols], settings);
  t.after(() => socket.terminate());
  return socket;
}

/** A grpc-js channel of its own; `credentials.createSsl` with the name `localhost`. */
export function grpc(
  t: TestContext,
  port: number,
  name = 'localhost',
  identity?: { cert: string; key: string },
): Client {
  const key = identity && Buffer.from(identity.key);
  const cert = identity && Buffer.from(identity.cert);
  const ssl = credentials.createSsl(Buffer.from(AUTHORITIES.join('')), key ?? null, cert ?? null, {
    checkServerIdentity: () => undefined,
  });
  const client = new Client(`127.0.0.1:${port}`, ssl, {
    'grpc.ssl_target_name_override': name,
    'grpc.default_authority': name,
    'grpc.use_local_subchannel_pool': 1,
  });
  t.after(() => client.close());
  return client;
}

const same = (bytes: Buffer): Buffer => bytes;

/** A unary call; rejects with the `ServiceError`. */
export function unary(client: Client, message: Buffer | string, path = '/test.Echo/Say'): Promise<Buffer> {
  return new Promise((resolve, reject) => {
    const done = (error: ServiceError | null, value?: Buffer): void => (error ? reject(error) : resolve(value!));
    const deadline = { deadline: Date.now() + 10_000 };
    client.makeUnaryRequest(path, same, same, Buffer.from(message), new Metadata(), deadline, done);
  });
}

/** A bidirectional call of `/test.Echo/Chat`: sends each message once the one before has come back. */
export async function chat(client: Client, messages: readonly string[]): Promise<StatusObject> {
  const call = client.makeBidiStreamRequest('/test.Echo/Chat', same, same);
  const status = new Promise<StatusObject>((resolve) => call.on('status', resolve));
  call.on('error', () => undefined);
  for (const message of messages) {
    call.write(Buffer.from(message));
    const [back] = (await once(call, 'data')) as [Buffer];
    if (String(back) !== message) throw new Error(`${String(back)} came back, not ${message}`);
  }
  call.end();
  return status;
}
