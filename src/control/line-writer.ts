/**
 * Lines to a file descriptor, a batch at a time, off the event loop: a slow disk or a slow reader of the log must not
 * stop the calls. Not pino's own destination, because sonic-boom's `flushSync` (4.2.1) tries for ever once the reader
 * has gone, and so the process would never end.
 */
import { write, writeSync } from 'node:fs';

/** Unwritten characters over which lines are dropped: a reader that hangs must not fill the memory. */
const MAX_WAITING = 8 * 1024 * 1024;
const RETRY_MS = 10;
const MAX_RETRIES = 20;

export class LineWriter {
  private readonly fd: number;
  private waiting: string[] = [];
  private size = 0;
  private writing = false;
  /** Nobody reads any more. */
  private gone = false;
  /** Lines that found no room. */
  dropped = 0;

  constructor(fd: number) {
    this.fd = fd;
  }

  write(line: string): void {
    if (this.gone) return;
    if (this.size + line.length > MAX_WAITING) {
      this.dropped++;
      return;
    }
    this.waiting.push(line);
    this.size += line.length;
    if (this.writing) return;
    this.writing = true;
    // All lines of a turn leave together.
    setImmediate(() => this.next());
  }

  /** Writes what waits, before the process ends; never throws. What is being written just now ends by itself. */
  flushSync(): void {
    let rest = this.take();
    for (let tries = 0; rest.length > 0 && !this.gone && tries < MAX_RETRIES;) {
      try {
        rest = rest.subarray(writeSync(this.fd, rest));
      } catch (error) {
        if ((error as NodeJS.ErrnoException).code !== 'EAGAIN') this.gone = true;
        tries++;
        Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, RETRY_MS);
      }
    }
  }

  private take(): Buffer {
    const batch = Buffer.from(this.waiting.join(''));
    this.waiting = [];
    this.size = 0;
    return batch;
  }

  private next(): void {
    this.writing = this.waiting.length > 0;
    if (this.writing) this.send(this.take());
  }

  private send(batch: Buffer): void {
    write(this.fd, batch, (error, written) => {
      if (error?.code === 'EAGAIN') setTimeout(() => this.send(batch), RETRY_MS);
      else if (error) this.gone = true;
      else if (written < batch.length) this.send(batch.subarray(written));
      else this.next();
    });
  }
}
