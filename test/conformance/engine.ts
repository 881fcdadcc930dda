/** The engine that h2spec asks for: `GET /` and `POST /` answer 200 with a body, whatever was sent. */
import { createServer } from 'node:http2';
import type { AddressInfo } from 'node:net';

export interface Engine {
  readonly port: number;
  close(): void;
}

export async function startEngine(): Promise<Engine> {
  const server = createServer();
  const sessions = new Set<{ destroy(): void }>();
  server.on('session', (session) => {
    sessions.add(session);
    session.on('error', () => undefined);
    session.on('close', () => sessions.delete(session));
  });
  server.on('stream', (stream) => {
    stream.on('error', () => undefined);
    stream.resume();
    stream.respond({ ':status': 200, 'content-type': 'text/plain' });
    stream.end('frameway '.repeat(40));
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return {
    port: (server.address() as AddressInfo).port,
    close: () => {
      server.close();
      for (const session of sessions) session.destroy();
    },
  };
}
