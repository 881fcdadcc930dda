/** Where demo servers of all kinds begin and end: an address, and every socket that was accepted there. */
import { once } from 'node:events';
import { isIPv6 } from 'node:net';
import type { AddressInfo, Server, Socket } from 'node:net';

export interface DemoServer {
  /** `host:port`, the port being the real one. */
  readonly address: string;
  /** Stops at once: what is open is cut. */
  close(): Promise<void>;
}

/** What is said of a demo server; `tls` null: clear text. */
export interface DemoServerOptions {
  readonly host: string;
  /** 0: any free one. */
  readonly port: number;
  /** PEM texts. */
  readonly tls: { readonly certificate: string; readonly key: string } | null;
}

/** A client that leaves in any way is no concern of a demo; an error without a listener would end the process. */
export const ignore = (): void => undefined;

/** Rejects where the address cannot be had. */
export async function bind(server: Server, { host, port }: DemoServerOptions): Promise<DemoServer> {
  const sockets = new Set<Socket>();
  server.on('connection', (socket: Socket) => {
    sockets.add(socket);
    socket.on('error', ignore);
    socket.once('close', () => sockets.delete(socket));
  });
  server.listen(port, host);
  await once(server, 'listening');
  // EMFILE and its like: the next accept may succeed.
  server.on('error', ignore);
  const real = (server.address() as AddressInfo).port;
  const close = async (): Promise<void> => {
    const closed = new Promise<void>((resolve) => server.close(() => resolve()));
    for (const socket of sockets) socket.destroy();
    await closed;
  };
  return { address: isIPv6(host) ? `[${host}]:${real}` : `${host}:${real}`, close };
}
