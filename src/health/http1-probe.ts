/** The same question as `HttpProbe`, for engines that do not speak HTTP/2: a connection for each. */
import { request } from 'node:http';
import type { ClientRequest } from 'node:http';
import type { UpstreamTlsSpec } from '../snapshot.ts';
import { authorityOf, dial, openEvent } from './dial.ts';
import { answer, failed } from './probe.ts';
import type { Answer, Probe, Target } from './probe.ts';

export class Http1Probe implements Probe {
  private readonly target: Target;
  private readonly tls: UpstreamTlsSpec | null;
  private readonly path: string;
  private open: ClientRequest | null = null;

  constructor(target: Target, tls: UpstreamTlsSpec | null, path: string) {
    this.target = target;
    this.tls = tls;
    this.path = path;
  }

  ask(report: (answer: Answer) => void): void {
    this.drop();
    const { target, tls, path } = this;
    const socket = dial(target, tls, 'http/1.1');
    const headers = { host: authorityOf(target, tls), 'user-agent': 'frameway', connection: 'close' };
    const asked = request({ path, headers, createConnection: () => socket });
    this.open = asked;
    const settle = (result: Answer): void => {
      if (this.open !== asked) return;
      this.drop();
      report(result);
    };
    asked.on('response', ({ statusCode = 0 }) =>
      settle(answer(statusCode >= 200 && statusCode < 300, `HTTP ${statusCode}`)),
    );
    asked.on('error', (error) => settle(failed(error)));
    socket.once(openEvent(tls), () => asked.end());
    socket.once('close', () => settle(answer(false, 'connection closed')));
  }

  drop(): void {
    this.open?.destroy();
    this.open = null;
  }
}
