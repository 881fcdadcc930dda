/**
 * h2specd is an engine that misbehaves, another way on each of its ports, and judges the client: the gateway's upstream
 * session. For each case it runs a command with the case's address. Ours only knocks here, and is answered once a
 * gateway in front of that address has been asked for a page.
 */
import { createServer } from 'node:http';
import { connect } from 'node:http2';
import type { AddressInfo } from 'node:net';
import type { StartProxy } from './proxies.ts';
import { skip, type Suite } from './suite.ts';
import { h2specd, output, readReport } from './tools.ts';

/** h2specd exits when a case takes 3 s, so a call that nobody answers is left after half of that. */
const PATIENCE = 1500;

export const clientSide: Suite = async (startProxy) => {
  const name = 'h2specd';
  const found = await h2specd();
  if ('missing' in found) return skip(name, 57, found.missing);
  const { path, cases } = found.tool;
  const caller = new Caller(startProxy);
  const door = createServer((request, response) => {
    caller.call(Number(request.url!.slice(1))).then(
      () => response.end(),
      (error: unknown) => response.writeHead(500).end(String(error)),
    );
  });
  await new Promise<void>((resolve) => door.listen(0, '127.0.0.1', resolve));
  const knock = `fetch('http://127.0.0.1:${(door.address() as AddressInfo).port}/'+new(URL)(process.argv[1]).port)`;
  // Below the ports that the system gives away, and a run beside this one seldom chooses the same.
  const from = 20_000 + Math.floor(Math.random() * 200) * 50;
  try {
    const text = await output(path, ['-S', '-o', '1', '-f', `${from}`, '-e', `${process.execPath} -e ${knock}`]);
    const { passed, failures } = readReport(text);
    return { name, passed, failed: cases - passed, skipped: 0, notes: failures };
  } finally {
    await caller.release();
    door.close();
  }
};

class Caller {
  private readonly startProxy: StartProxy;
  /** Lives until the next case: the verdict may come after the answer. */
  release: () => Promise<void> = () => Promise.resolve();

  constructor(startProxy: StartProxy) {
    this.startProxy = startProxy;
  }

  /** Resolves when the call is over, however it ended. */
  async call(port: number): Promise<void> {
    await this.release();
    const proxy = await this.startProxy(port);
    const client = connect(`http://127.0.0.1:${proxy.port}`);
    this.release = () => {
      client.destroy();
      return proxy.stop();
    };
    await new Promise<void>((resolve) => {
      client.on('error', () => undefined);
      const stream = client.request({ ':path': '/' });
      stream.on('error', () => undefined);
      stream.on('close', resolve);
      stream.resume();
      setTimeout(resolve, PATIENCE).unref();
    });
  }
}
