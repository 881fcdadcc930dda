/**
 * grpc.health.v1: an engine is healthy if it says SERVING. One that lacks the service is not: the check was asked for by
 * configuration, and what answers UNIMPLEMENTED is the wrong port or the wrong program as likely as not. So do Envoy and the kubelet.
 * (gRPC's own clients let it pass: their check is turned on for all servers of a service, whether they have it or not.)
 */
import type { ClientHttp2Session } from 'node:http2';
import { GrpcStatus } from '../errors.ts';
import type { HealthSpec, UpstreamTlsSpec } from '../snapshot.ts';
import { callHeaders, startCall } from './health-call.ts';
import type { CallEnd } from './health-call.ts';
import { encodeRequest, SERVING, servingStatusName } from './health-message.ts';
import { answer, statement } from './probe.ts';
import type { Answer, Probe, Target } from './probe.ts';
import { ProbeSession } from './probe-session.ts';

/** Milliseconds: what eight digits can say. */
const MAX_TIMEOUT = 99_999_999;

type Report = (answer: Answer) => void;

export class GrpcProbe implements Probe {
  private readonly spec: Pick<HealthSpec, 'service' | 'watch' | 'timeout'>;
  private readonly request: Buffer;
  private readonly session: ProbeSession;
  /** The session whose engine has no Watch: after a restart it may have one. */
  private unwatchable: ClientHttp2Session | null = null;

  constructor(target: Target, tls: UpstreamTlsSpec | null, spec: Pick<HealthSpec, 'service' | 'watch' | 'timeout'>) {
    this.spec = spec;
    this.request = encodeRequest(spec.service);
    this.session = new ProbeSession(target, tls);
  }

  /**
   * A watch is begun anew with each question. So an engine that hangs is noticed as with Check, without PINGs that it might
   * take offence at, and a watch that has broken is begun again.
   */
  ask(report: Report): void {
    this.begin(report, true);
  }

  drop(): void {
    this.unwatchable = null;
    this.session.drop();
  }

  private begin(report: Report, mayRetry: boolean): void {
    const session = this.session.ensure();
    const again = mayRetry ? () => this.begin(report, false) : null;
    if (this.spec.watch && session !== this.unwatchable) this.watch(session, report, again);
    else this.check(report, again);
  }

  private check(report: Report, again: (() => void) | null): void {
    const stream = this.session.open({
      ...callHeaders('Check'),
      'grpc-timeout': `${Math.min(MAX_TIMEOUT, Math.ceil(this.spec.timeout))}m`,
    });
    const onEnd = ({ serving, grpcStatus, reason, answered }: CallEnd): void => {
      if (!this.session.isOpen(stream)) return;
      if (!answered && this.session.stale && again !== null) again();
      else if (grpcStatus !== GrpcStatus.OK) report(answer(false, reason));
      else report(answer(serving === SERVING, serving === null ? 'no message' : servingStatusName(serving)));
    };
    startCall(stream, this.request, () => undefined, onEnd);
  }

  private watch(session: ClientHttp2Session, report: Report, again: (() => void) | null): void {
    const stream = this.session.open(callHeaders('Watch'));
    const onStatus = (serving: number): void => {
      if (this.session.isOpen(stream)) report(statement(serving === SERVING, servingStatusName(serving)));
    };
    const onEnd = ({ serving, grpcStatus, reason, answered }: CallEnd): void => {
      if (!this.session.isOpen(stream)) return;
      if (!answered && this.session.stale && again !== null) again();
      else if (grpcStatus === GrpcStatus.UNIMPLEMENTED && serving === null) {
        this.unwatchable = session;
        this.check(report, again);
      } else report(answer(false, `watch ended: ${reason}`));
    };
    startCall(stream, this.request, onStatus, onEnd);
  }
}
