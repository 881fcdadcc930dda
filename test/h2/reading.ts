/** A frame reader with everything around it: it writes down each call, and dies of an error as a session does. */
import assert from 'node:assert/strict';
import { ErrorCode } from '../../src/errors.ts';
import { FrameReader } from '../../src/h2/frame-reader.ts';
import type { FrameHandler, FramePool } from '../../src/h2/frame-reader.ts';
import { settingsFrame } from '../support/frames.ts';

/** The name of a call and what it said, octets in hex. */
export type Call = readonly (string | number | boolean)[];

export const MAX_FRAME_SIZE = 16_384;
export const LIMITS = { maxHeaderBlockSize: 65_536, maxContinuationFrames: 8 };

/** Counts what is out, and spoils what comes back. */
class CountingPool implements FramePool {
  readonly out = new Set<Buffer>();
  taken = 0;

  take(): Buffer {
    const buffer = Buffer.alloc(MAX_FRAME_SIZE + 9, 0xbb);
    this.out.add(buffer);
    this.taken++;
    return buffer;
  }
  give(buffer: Buffer): void {
    assert.ok(this.out.delete(buffer), 'given back twice, or never taken');
    buffer.fill(0xbb);
  }
}

/** Octets around what is read, as in a buffer that all sockets share. */
const MARGIN = 7;

export class Reading implements FrameHandler {
  readonly calls: Call[] = [];
  readonly pool = new CountingPool();
  readonly reader: FrameReader;
  dead = false;
  private readonly lifetime: number;

  /** Dies of its own accord after `lifetime` calls. */
  constructor(preface = false, lifetime = Infinity) {
    this.lifetime = lifetime;
    this.reader = new FrameReader(this, LIMITS, this.pool, preface);
  }

  /** One that has read a peer's first SETTINGS, and nothing since. */
  static begun(): Reading {
    const reading = new Reading().feed(settingsFrame());
    reading.calls.length = 0;
    return reading;
  }

  /** Lets the octets arrive in pieces that end at `cuts`; each piece is overwritten once it has been read. */
  feed(octets: Buffer, cuts: readonly number[] = []): this {
    let start = 0;
    for (const end of [...cuts, octets.length]) {
      if (this.dead) break;
      const shared = Buffer.alloc(end - start + 2 * MARGIN, 0xaa);
      octets.copy(shared, MARGIN, start, end);
      this.reader.read(shared, MARGIN, MARGIN + end - start);
      shared.fill(0xaa);
      start = end;
    }
    return this;
  }
  /** The code of the connection error, if there was one; nothing may follow it. */
  get error(): number | undefined {
    const at = this.calls.findIndex(([name]) => name === 'error');
    if (at < 0) return undefined;
    assert.equal(at, this.calls.length - 1, 'calls after an error');
    return this.calls[at]![1] as number;
  }

  onData(streamId: number, end: boolean, buffer: Buffer, from: number, to: number, flowLength: number): void {
    this.called('data', streamId, end, hex(buffer, from, to), flowLength);
  }
  onHeaders(streamId: number, end: boolean, dependency: number, buffer: Buffer, from: number, to: number): void {
    this.called('headers', streamId, end, dependency, hex(buffer, from, to));
  }
  onPriority(streamId: number, dependency: number, valid: boolean): void {
    this.called('priority', streamId, valid ? dependency : 'malformed');
  }
  onReset(streamId: number, code: number): void {
    this.called('reset', streamId, code);
  }
  onSettings(ack: boolean, buffer: Buffer, from: number, to: number): void {
    this.called('settings', ack, hex(buffer, from, to));
  }
  onPing(ack: boolean, buffer: Buffer, from: number): void {
    this.called('ping', ack, hex(buffer, from, from + 8));
  }
  onGoaway(lastStreamId: number, code: number, buffer: Buffer, from: number, to: number): void {
    this.called('goaway', lastStreamId, code, hex(buffer, from, to));
  }
  onWindowUpdate(streamId: number, increment: number): void {
    this.called('window', streamId, increment);
  }
  onUnknown(): void {
    this.called('unknown');
  }
  /** A session answers it with this code. */
  onContinuationFlood(): void {
    this.onError(ErrorCode.ENHANCE_YOUR_CALM, 'a flood');
  }
  onError(code: number, message: string): void {
    assert.notEqual(message, '');
    this.called('error', code);
    this.die();
  }

  private called(...call: Call): void {
    this.calls.push(call);
    if (this.calls.length >= this.lifetime) this.die();
  }
  private die(): void {
    this.dead = true;
    this.reader.close();
  }
}

const hex = (buffer: Buffer, from: number, to: number): string => buffer.toString('hex', from, to);
