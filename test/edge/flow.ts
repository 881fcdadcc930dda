/** Long bodies, sent as fast as the other side's windows allow, and looked at octet by octet where they arrive. */
import assert from 'node:assert/strict';
import { setTimeout as sleep } from 'node:timers/promises';
import { Flag, Setting, Type, isAck, type Frame } from '../support/frames.ts';
import type { RawSession } from '../support/raw-session.ts';

export const DEFAULT_WINDOW = 65_535;
export const MAX_WINDOW = 0x7fffffff;
const FRAME = 16_384;
/** A prime: octets out of place do not look right. */
const PERIOD = 65_521;
const pattern = Buffer.from(Array.from({ length: PERIOD + FRAME }, (_, i) => ((i % PERIOD) * 2_654_435_761) >>> 24));
const octets = (at: number, length: number): Buffer => pattern.subarray(at % PERIOD, (at % PERIOD) + length);

/** The sender of a body that keeps to the windows of RFC 9113; `sent` is how far it got. */
export class Source {
  sent = 0;
  private readonly session: RawSession;
  private readonly streamId: number;
  private seen = 0;
  private initial = DEFAULT_WINDOW;
  private stream = DEFAULT_WINDOW;
  private connection = DEFAULT_WINDOW;

  constructor(session: RawSession, streamId: number) {
    this.session = session;
    this.streamId = streamId;
  }

  /** Sends all; gives up when the stream is reset or the connection goes. */
  async send(total: number): Promise<void> {
    while (this.sent < total) {
      const window = await this.session.until(() => this.window(), `credit after ${this.sent} octets`, 20_000);
      if (window === 0) return;
      for (let left = Math.min(window, total - this.sent); left > 0;) {
        const n = Math.min(left, FRAME);
        this.session.data(this.streamId, octets(this.sent, n), this.sent + n === total ? Flag.END_STREAM : 0);
        this.sent += n;
        this.stream -= n;
        this.connection -= n;
        left -= n;
      }
    }
  }

  /** Waits until nothing more has been sent for a while. */
  async stalled(ms = 80): Promise<number> {
    let before = -1;
    while (before !== this.sent) {
      before = this.sent;
      await sleep(ms);
    }
    return before;
  }

  /** What may be sent; undefined while that is nothing, 0 when it never will be more. */
  private window(): number | undefined {
    const { frames } = this.session;
    for (; this.seen < frames.length; this.seen++) if (this.take(frames[this.seen]!)) return 0;
    const window = Math.min(this.stream, this.connection);
    return window > 0 ? window : undefined;
  }
  private take({ type, streamId, payload, ...frame }: Frame): boolean {
    if (type === Type.WINDOW_UPDATE && streamId === 0) this.connection += payload.readUInt32BE(0);
    if (type === Type.WINDOW_UPDATE && streamId === this.streamId) this.stream += payload.readUInt32BE(0);
    if (type === Type.SETTINGS && !isAck({ type, streamId, payload, ...frame })) {
      for (let at = 0; at < payload.length; at += 6) {
        if (payload.readUInt16BE(at) !== Setting.INITIAL_WINDOW_SIZE) continue;
        this.stream += payload.readUInt32BE(at + 2) - this.initial;
        this.initial = payload.readUInt32BE(at + 2);
      }
    }
    return type === Type.RST_STREAM && streamId === this.streamId;
  }
}

/** How many octets of a body have come; fails at the first that is not the one that was sent there. */
export function received(session: RawSession, streamId: number): number {
  let at = 0;
  for (const { type, streamId: id, payload } of session.frames) {
    if (type !== Type.DATA || id !== streamId) continue;
    assert.ok(payload.equals(octets(at, payload.length)), `octets from ${at} on are not those that were sent`);
    at += payload.length;
  }
  return at;
}
