/** The HTTP/2 session of a probe: kept open between questions, opened again when it is lost. One stream at a time. */
import { connect, constants } from 'node:http2';
import type { ClientHttp2Session, ClientHttp2Stream, OutgoingHttpHeaders } from 'node:http2';
import type { UpstreamTlsSpec } from '../snapshot.ts';
import { authorityOf, dial, objection } from './dial.ts';
import type { Target } from './probe.ts';

export class ProbeSession {
  private readonly target: Target;
  private readonly tls: UpstreamTlsSpec | null;
  private session: ClientHttp2Session | null = null;
  private stream: ClientHttp2Stream | null = null;
  /** Streams that the session has carried. */
  private carried = 0;

  constructor(target: Target, tls: UpstreamTlsSpec | null) {
    this.target = target;
    this.tls = tls;
  }

  /** Opens a stream, in place of the one before; its request is still to be ended. */
  open(headers: OutgoingHttpHeaders): ClientHttp2Stream {
    this.stream?.close(constants.NGHTTP2_CANCEL);
    const stream = this.ensure().request(
      { ':authority': authorityOf(this.target, this.tls), ...headers },
      { endStream: false },
    );
    stream.on('error', () => undefined);
    this.carried++;
    this.stream = stream;
    return stream;
  }
  /** Whether it is the last one opened: of others nobody wants to hear. */
  isOpen(stream: ClientHttp2Stream): boolean {
    return this.stream === stream;
  }
  /**
   * A stream that is over without an answer was on a session kept from before, and that is over too: the engine may have closed
   * it while nothing was asked. That says nothing about its health; a stream on a new session does.
   */
  get stale(): boolean {
    return this.carried > 1 && !this.usable;
  }
  /** The session, or another if it has been lost: as long as it is the same, so is the process on the other end. */
  ensure(): ClientHttp2Session {
    if (this.usable) return this.session!;
    // One that has said GOAWAY may linger for its last stream.
    this.session?.destroy();
    // The scheme alone is taken from this.
    const opened = connect(this.tls === null ? 'http://localhost' : 'https://localhost', {
      createConnection: () => dial(this.target, this.tls),
      settings: { enablePush: false },
    });
    opened.on('error', () => undefined);
    opened.once('connect', () => {
      const error = this.tls === null ? null : objection(opened.alpnProtocol);
      if (error !== null) opened.destroy(error);
    });
    this.session = opened;
    this.carried = 0;
    return opened;
  }
  private get usable(): boolean {
    return this.session !== null && !this.session.closed && !this.session.destroyed;
  }

  drop(): void {
    this.stream = null;
    this.session?.destroy();
    this.session = null;
  }
}

/** Why a stream has come to nothing: Node wraps what went wrong with the session into an error of its own. */
export function lossOf(error: Error | null): string {
  if (error === null) return 'closed without an answer';
  return error.cause instanceof Error ? error.cause.message : error.message;
}
