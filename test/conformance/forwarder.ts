/** A TCP forwarder that can play dead: its sockets stay open, and nothing passes any more. */
import { once } from 'node:events';
import { connect, createServer, type AddressInfo, type Socket } from 'node:net';

export interface Forwarder {
  readonly port: number;
  /** From now on nothing passes. New connections are refused, or accepted by one who is as silent. */
  freeze(newcomers: 'refused' | 'silent'): void;
  close(): void;
}

export async function startForwarder(enginePort: number): Promise<Forwarder> {
  const sockets = new Set<Socket>();
  let frozen = false;
  const keep = (socket: Socket): Socket => {
    sockets.add(socket);
    return socket.on('error', () => socket.destroy()).on('close', () => sockets.delete(socket));
  };
  const join = (from: Socket, to: Socket): void => {
    from.on('data', (chunk) => !frozen && to.write(chunk));
    from.on('close', () => !frozen && to.destroy());
  };
  const server = createServer((near) => {
    keep(near).resume();
    if (frozen) return;
    const far = keep(connect(enginePort, '127.0.0.1'));
    join(near, far);
    join(far, near);
  }).listen(0, '127.0.0.1');
  await once(server, 'listening');
  return {
    port: (server.address() as AddressInfo).port,
    freeze: (newcomers) => {
      frozen = true;
      if (newcomers === 'refused') server.close();
    },
    close: () => {
      server.close();
      for (const socket of sockets) socket.destroy();
    },
  };
}
