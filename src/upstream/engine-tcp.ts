/** A TCP connection to an engine: it carries one tunnel, and ends with it. */
import type { Half, HalfSink } from '../relay/half.ts';
import type { RequestHead } from '../relay/message.ts';
import { RawHalf } from '../tunnel/raw-half.ts';
import type { Carried } from './engine-connection.ts';
import { EngineSolo } from './engine-solo.ts';
import type { Pool } from './pool.ts';
import { writeProxyHeader } from './proxy-header.ts';

export class EngineTcp extends EngineSolo {
  private readonly half: RawHalf;
  private taken = false;

  constructor(pool: Pool, overflow: boolean, settled?: (stands: boolean) => void) {
    super(pool, overflow, settled);
    this.half = new RawHalf(this.connection, pool.context, { opening: true }, () => this.lost());
    this.connection.begin(this.half, true);
  }

  get room(): number {
    return this.state === 'ready' && !this.taken ? 1 : 0;
  }
  carried(): readonly Carried[] {
    return this.taken ? [this.half] : [];
  }

  open(head: RequestHead, end: boolean, sink: HalfSink): Half {
    this.taken = true;
    this.take();
    this.introduce(head);
    this.half.sink = sink;
    if (end) this.half.sendData(NOTHING, 0, 0, true);
    return this.half;
  }

  /** Says who the client is, before the first of its bytes. */
  private introduce({ origin }: RequestHead): void {
    const { proxyProtocol } = this.pool.spec;
    if (proxyProtocol === 'off' || origin === null) return;
    const header = writeProxyHeader(proxyProtocol, origin.source, origin.destination);
    const { output } = this.connection;
    output.reserve(header.length);
    output.at += header.copy(output.buffer, output.at);
  }

  protected leave(): void {
    if (!this.taken) this.connection.destroy();
  }
}

const NOTHING = Buffer.alloc(0);
