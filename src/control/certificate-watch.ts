/** Looks now and then whether files have changed that belong together, such as a certificate, its key and its clients' CA. */
import { readFile, stat } from 'node:fs/promises';
import { schedule } from '../schedule.ts';
import type { Cancellable } from '../schedule.ts';

export class CertificateWatch {
  private readonly files: readonly string[];
  private readonly onChange: (texts: ReadonlyMap<string, string>) => void;
  private readonly onError: (error: Error) => void;
  private readonly intervalMs: number;
  private timer: Cancellable | null = null;
  /** Counts starts and stops, so that a look knows whether it is still wanted. */
  private run = 0;
  private running = false;
  /** What was taken last. */
  private texts: ReadonlyMap<string, string> = new Map();
  /** The files' state when they were last read, and that in which they need not be read again. */
  private seen = '';
  private settled = '';
  private lastError = '';

  /**
   * `onChange` gets the texts of all files, by name, whenever one has changed, and once at the start: they may have changed since
   * the configuration was read. It throws on texts that cannot be used: they are offered anew at each look, as half of a pair may have been
   * missing. `onError` hears of that, and of files that cannot be read, once until something else happens.
   */
  constructor(
    files: readonly string[],
    onChange: (texts: ReadonlyMap<string, string>) => void,
    onError: (error: Error) => void,
    intervalMs = 5000,
  ) {
    this.files = files;
    this.onChange = onChange;
    this.onError = onError;
    this.intervalMs = intervalMs;
  }

  /** The first look is at once. Does not keep the process alive. */
  start(): void {
    if (this.running) return;
    this.running = true;
    void this.round(++this.run);
  }
  /** Nothing is called any more, not even by a look that is under way. */
  stop(): void {
    this.running = false;
    this.run++;
    this.timer?.cancel();
    this.timer = null;
  }

  private async round(run: number): Promise<void> {
    try {
      await this.look(run);
      if (run === this.run) this.lastError = '';
    } catch (thrown) {
      if (run === this.run) this.report(thrown as Error);
    }
    // Either may have been told to stop.
    if (run === this.run) this.timer = schedule(() => void this.round(run), this.intervalMs);
  }

  private async look(run: number): Promise<void> {
    const state = (await Promise.all(this.files.map(stateOf))).join(' ');
    if (state === this.settled) return;
    const contents = await Promise.all(this.files.map((file) => readFile(file, 'utf8')));
    if (run !== this.run) return;
    const texts = new Map(this.files.map((file, i) => [file, contents[i]!]));
    if (this.files.some((file) => texts.get(file) !== this.texts.get(file))) {
      this.onChange(texts);
      this.texts = texts;
    }
    // A file that is written twice within a tick of the file system's clock looks the same as before: a change is read
    // once more at the next look.
    if (state === this.seen) this.settled = state;
    this.seen = state;
  }

  private report(error: Error): void {
    if (error.message === this.lastError) return;
    this.lastError = error.message;
    this.onError(error);
  }
}

/** Of the file that a link leads to: Kubernetes swaps links. */
async function stateOf(file: string): Promise<string> {
  const { dev, ino, size, mtimeNs, ctimeNs } = await stat(file, { bigint: true });
  return [dev, ino, size, mtimeNs, ctimeNs].join('-');
}
