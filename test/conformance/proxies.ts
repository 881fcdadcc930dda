/** What may stand between a tester and an engine: frameway, or something else to see what is a fair bar. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { connect, createServer, type AddressInfo } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';

export interface Proxy {
  readonly port: number;
  stop(): Promise<void>;
}
export type StartProxy = (enginePort: number) => Promise<Proxy>;

async function frameway(enginePort: number): Promise<Proxy> {
  const { startGateway } = await import('../support/gateway.ts');
  const gateway = await startGateway({ endpoints: [`127.0.0.1:${enginePort}`] });
  return { port: gateway.port, stop: () => gateway.close() };
}

async function nghttpx(enginePort: number): Promise<Proxy> {
  const port = await freePort();
  const backend = `--backend=127.0.0.1,${enginePort};;proto=h2`;
  const child = spawn('nghttpx', [backend, `--frontend=127.0.0.1,${port};no-tls`, '--workers=1'], { stdio: 'ignore' });
  const gone = once(child, 'exit');
  await accepting(port);
  return {
    port,
    stop: async () => {
      child.kill('SIGKILL');
      await gone;
    },
  };
}

/** The engine itself for h2spec, the `node:http2` client itself for h2specd. */
const none: StartProxy = (enginePort) => Promise.resolve({ port: enginePort, stop: () => Promise.resolve() });

export const proxies: Readonly<Record<string, StartProxy>> = { frameway, nghttpx, none };

async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  server.close();
  return port;
}

async function accepting(port: number): Promise<void> {
  for (let attempt = 0; attempt < 100; attempt++) {
    const socket = connect(port, '127.0.0.1');
    const open = await new Promise((resolve) => socket.once('connect', () => resolve(true)).once('error', resolve));
    socket.destroy();
    if (open === true) return;
    await sleep(20);
  }
  throw new Error(`nothing listens on port ${port}`);
}
