/** An engine is healthy if it accepts a connection; behind TLS, if the handshake succeeds, for calls need that as well. */
import type { Socket } from 'node:net';
import { TLSSocket } from 'node:tls';
import type { UpstreamTlsSpec } from '../snapshot.ts';
import { dial, objection, openEvent } from './dial.ts';
import type { Alpn } from './dial.ts';
import { answer, failed } from './probe.ts';
import type { Answer, Probe, Target } from './probe.ts';

export class TcpProbe implements Probe {
  private readonly target: Target;
  private readonly tls: UpstreamTlsSpec | null;
  private readonly alpn: Alpn;
  private socket: Socket | null = null;

  constructor(target: Target, tls: UpstreamTlsSpec | null, alpn: Alpn = 'h2') {
    this.target = target;
    this.tls = tls;
    this.alpn = alpn;
  }

  ask(report: (answer: Answer) => void): void {
    this.drop();
    const socket = dial(this.target, this.tls, this.alpn);
    this.socket = socket;
    const settle = (result: Answer): void => {
      if (this.socket !== socket) return;
      this.drop();
      report(result);
    };
    socket.once(openEvent(this.tls), () => {
      const error = socket instanceof TLSSocket ? objection(socket.alpnProtocol, this.alpn) : null;
      settle(error === null ? answer(true, 'connected') : failed(error));
    });
    socket.on('error', (error) => settle(failed(error)));
    socket.once('close', () => settle(answer(false, 'connection closed')));
  }

  drop(): void {
    this.socket?.destroy();
    this.socket = null;
  }
}
