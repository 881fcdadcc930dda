/** An engine is healthy if it answers a GET with a 2xx. HTTP/2, as calls to it are. */
import { constants } from 'node:http2';
import type { UpstreamTlsSpec } from '../snapshot.ts';
import { answer } from './probe.ts';
import type { Answer, Probe, Target } from './probe.ts';
import { lossOf, ProbeSession } from './probe-session.ts';

/** Of a body so much is read, and thrown away, before the stream is cancelled. */
const MAX_BODY = 64 * 1024;

export class HttpProbe implements Probe {
  private readonly path: string;
  private readonly session: ProbeSession;

  constructor(target: Target, tls: UpstreamTlsSpec | null, path: string) {
    this.path = path;
    this.session = new ProbeSession(target, tls);
  }

  ask(report: (answer: Answer) => void): void {
    this.begin(report, true);
  }

  drop(): void {
    this.session.drop();
  }

  private begin(report: (answer: Answer) => void, mayRetry: boolean): void {
    const stream = this.session.open({ ':method': 'GET', ':path': this.path, 'user-agent': 'frameway' });
    let answered = false;
    let error: Error | null = null;
    let body = 0;
    const settle = (healthy: boolean, reason: string): void => {
      if (answered || !this.session.isOpen(stream)) return;
      answered = true;
      report(answer(healthy, reason));
    };
    stream.on('response', ({ ':status': status = 0 }) => settle(status >= 200 && status < 300, `HTTP ${status}`));
    stream.on('data', (chunk: Buffer) => {
      body += chunk.length;
      if (body > MAX_BODY) stream.close(constants.NGHTTP2_CANCEL);
    });
    stream.on('error', (reason: Error) => (error = reason));
    stream.on('close', () => {
      const again = mayRetry && !answered && this.session.isOpen(stream) && this.session.stale;
      if (again) this.begin(report, false);
      else settle(false, lossOf(error));
    });
    stream.end();
  }
}
