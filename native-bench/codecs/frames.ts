import type { FrameHandler } from '../../src/h2/frame-reader.ts';
import { built } from '../built.ts';
import { DATA, END_HEADERS, END_STREAM, HEADERS, SETTINGS, WINDOW_UPDATE, frame } from '../wire.ts';

const { FrameReader } = await built<typeof import('../../src/h2/frame-reader.ts')>('h2/frame-reader');
const limits = { maxHeaderBlockSize: 65_536, maxContinuationFrames: 8 };

class Counter implements FrameHandler {
  readonly dead = false;
  frames = 0;
  onData = () => this.count();
  onHeaders = () => this.count();
  onWindowUpdate = () => this.count();
  onPriority = () => this.count();
  onReset = () => this.count();
  onSettings = () => this.count();
  onPing = () => this.count();
  onGoaway = () => this.count();
  onUnknown = () => this.count();
  onContinuationFlood = () => this.count();
  onError = (_code: number, message: string): never => {
    throw new Error(message);
  };

  private count(): void {
    this.frames++;
  }
}

/** Small calls, 3 frames each, in reads that end where they happen to, as a socket's do. */
export function frameTask(): { frames: number; task: () => void } {
  const calls = Array.from({ length: 1000 }, (_, index) => [
    frame(HEADERS, END_HEADERS, 2 * index + 1, Buffer.alloc(20, 0x82)),
    frame(DATA, END_STREAM, 2 * index + 1, Buffer.alloc(105)),
    frame(WINDOW_UPDATE, 0, 0, Buffer.from([0, 0, 0, 105])),
  ]).flat();
  const bytes = Buffer.concat(calls);
  const spare = Buffer.allocUnsafeSlow(9 + 16_384);
  const counter = new Counter();
  const reader = new FrameReader(counter, limits, { take: () => spare, give: () => undefined }, false);
  const settings = frame(SETTINGS, 0, 0, Buffer.alloc(0));
  reader.read(settings, 0, settings.length);
  const task = () => {
    counter.frames = 0;
    for (let at = 0; at < bytes.length; at += 4000) reader.read(bytes, at, Math.min(at + 4000, bytes.length));
    if (counter.frames !== calls.length) throw new Error(`${counter.frames} of ${calls.length} frames`);
  };
  return { frames: calls.length, task };
}
