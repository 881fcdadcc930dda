/** A listener that does nothing but hand TLS to a terminator, and real clients of it, on loopback. */
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { connect as connectPlain, createServer } from 'node:net';
import type { AddressInfo, Socket } from 'node:net';
import type { TestContext } from 'node:test';
import { connect } from 'node:tls';
import type { ConnectionOptions, TLSSocket } from 'node:tls';
import { TlsTerminator } from '../../src/listener/tls.ts';
import type { TlsEntry } from '../../src/listener/tls-entry.ts';
import { DEFAULT_LIMITS, PROTOCOLS } from '../../src/snapshot.ts';
import type { Protocol, ServerTlsSpec } from '../../src/snapshot.ts';

// `listener-ca` signed `wild` (*.wild.test, wild.test) and `reader`, which may only be a client; the others are described in
// test/io/tls.test.ts.
export const pem = (name: string): string => readFileSync(new URL(`../support/tls/${name}`, import.meta.url), 'utf8');
export const pair = (name: string): { cert: string; key: string } => ({
  cert: pem(`${name}.pem`),
  key: pem(`${name}.key`),
});
/** Those that clients trust. */
const AUTHORITIES = [pem('ca.pem'), pem('listener-ca.pem')];
export const LISTENER_CA = pem('listener-ca.pem');

/** An entry with the certificate of `identity`. */
export function entry(identity: string, names: readonly string[], rest: Partial<ServerTlsSpec> = {}): ServerTlsSpec {
  const { cert: certificate, key } = pair(identity);
  const clientCa = (rest.clientCertificate ?? 'off') === 'off' ? null : LISTENER_CA;
  const files = { certificate: '', key: '', clientCa: null };
  return { names, certificate, key, clientCa, clientCertificate: 'off', minVersion: 'TLSv1.2', files, ...rest };
}

export interface Options {
  readonly protocols?: readonly Protocol[];
  readonly handshakeTimeout?: number;
  /** Puts the bytes that were read before the hand-over back. */
  readonly replay?: (socket: Socket, bytes: Buffer) => void;
  /** Octets to read before the hand-over; by default the whole ClientHello. */
  readonly sniff?: number;
  /** Which entry gets the client; by default the one that it names. */
  readonly choose?: (terminator: TlsTerminator<null>, serverName: string | null) => TlsEntry;
}

/** A terminator with a listener before it, and all that came out of it. */
export interface Ends {
  readonly terminator: TlsTerminator<null>;
  readonly port: number;
  readonly secure: { readonly socket: TLSSocket; readonly entry: TlsEntry }[];
  readonly failed: { readonly message: string; readonly remote: string }[];
  /** The sockets below. */
  readonly wires: Socket[];
}

/** Server names stand in a ClientHello as they are; those of the tests end alike. */
const NAME = /(?:[a-z0-9-]+\.)+test|localhost/i;

export async function listen(
  t: TestContext,
  specs: readonly ServerTlsSpec[],
  { protocols = PROTOCOLS, handshakeTimeout = 5000, replay, sniff, choose }: Options = {},
): Promise<Ends> {
  const secure: Ends['secure'] = [];
  const failed: Ends['failed'] = [];
  const wires: Socket[] = [];
  const terminator = new TlsTerminator<null>(
    specs,
    protocols,
    { ...DEFAULT_LIMITS, handshakeTimeout },
    (socket, entry) => secure.push({ socket, entry }),
    ({ message }, remote) => failed.push({ message, remote }),
  );
  const server = createServer({ pauseOnConnect: true, allowHalfOpen: true }, (socket) => {
    wires.push(socket);
    let bytes = Buffer.alloc(0);
    const onData = (chunk: Buffer): void => {
      bytes = Buffer.concat([bytes, chunk]);
      if (bytes.length < (sniff ?? 5 + (bytes.length < 5 ? 0 : bytes.readUInt16BE(3)))) return;
      socket.pause();
      // Not `removeAllListeners()`: that would have a paused socket flow, and its bytes be lost.
      socket.off('data', onData);
      if (replay === undefined) socket.unshift(bytes);
      else replay(socket, bytes);
      const serverName = NAME.exec(bytes.toString('latin1'))?.[0] ?? null;
      const chosen = choose === undefined ? terminator.entryFor(serverName) : choose(terminator, serverName);
      if (chosen === null) socket.destroy();
      else terminator.accept(socket, chosen, null);
    };
    socket.on('data', onData);
    socket.on('error', () => undefined);
    socket.resume();
  });
  await once(server.listen(0, '127.0.0.1'), 'listening');
  t.after(() => {
    server.close();
    for (const socket of wires) socket.destroy();
  });
  return { terminator, port: (server.address() as AddressInfo).port, secure, failed, wires };
}

/**
 * A client, as soon as it stands on its side; over TLS 1.3 the server may yet refuse it. Rejects with what went wrong. Sessions that
 * it is given are put in `sessions`.
 */
export async function dial(
  t: TestContext,
  { port }: Ends,
  options: ConnectionOptions = {},
  sessions: Buffer[] = [],
): Promise<TLSSocket> {
  const socket = connect({
    ...{ port, host: '127.0.0.1', ca: AUTHORITIES, allowHalfOpen: true, checkServerIdentity: () => undefined },
    ...options,
  });
  t.after(() => socket.destroy());
  socket.on('session', (session: Buffer) => sessions.push(session));
  await once(socket, 'secureConnect');
  socket.on('error', () => undefined);
  return socket;
}

/** An ordinary socket, which answers a FIN with its own. */
export async function plain(t: TestContext, { port }: Ends): Promise<Socket> {
  const socket = connectPlain({ port, host: '127.0.0.1' });
  t.after(() => socket.destroy());
  socket.on('error', () => undefined);
  await once(socket, 'connect');
  return socket;
}

/** A ClientHello as Node's clients send it, and nothing more. */
export async function clientHello(t: TestContext, options: ConnectionOptions = {}): Promise<Buffer> {
  const server = createServer();
  await once(server.listen(0, '127.0.0.1'), 'listening');
  const client = connect({ port: (server.address() as AddressInfo).port, host: '127.0.0.1', ...options });
  client.on('error', () => undefined);
  t.after(() => client.destroy());
  const [socket] = (await once(server, 'connection')) as [Socket];
  const [hello] = (await once(socket, 'data')) as [Buffer];
  client.destroy();
  server.close();
  return hello;
}
