/** What is known of an idempotency key: which request came with it, what became of that, and who waits to hear. */
import { createHash } from 'node:crypto';
import type { Failure } from '../errors.ts';
import { Failures } from '../errors.ts';
import type { Answer } from './recording.ts';
import type { RequestHead } from './message.ts';

/** The key is taken, and its answer is not to be had. */
export const NOT_KEPT: Failure = {
  ...Failures.conflict,
  message: 'this idempotency key was used, and its answer is not kept',
};

/** Somebody who waits for the answer of another. */
export interface Waiting {
  /** The request or the outcome is known now. To be looked at later: whoever calls is busy with another half. */
  wake(): void;
}

export class Entry {
  readonly key: string;
  /** Of the request that is executed, once all of it has come. */
  digest: string | null = null;
  /** What everybody else with this key is told; null: it is not known yet. */
  outcome: Answer | Failure | null = null;
  readonly waiting = new Set<Waiting>();
  /** Of one that is over: when it is forgotten. */
  expiresAt = Infinity;

  constructor(key: string) {
    this.key = key;
  }

  complete(digest: string): void {
    this.digest = digest;
    this.wake();
  }
  decide(outcome: Answer | Failure): void {
    this.outcome = outcome;
    this.wake();
  }
  private wake(): void {
    for (const one of this.waiting) one.wake();
  }
}

/** Of whom the gateway does not know who he is, these say it to the engine. */
const CREDENTIALS = new Set(['authorization', 'cookie']);

/**
 * Tells requests from each other: by their path and body, and those of clients without an identity by their credentials, too.
 * Clients behind one address may choose the same key, and an answer for one of them is none for another.
 */
export class RequestDigest {
  /** Octets of the body so far. */
  length = 0;
  private readonly hash = createHash('sha256');

  constructor(head: RequestHead, identified: boolean) {
    const said = identified ? [] : head.fields.filter(({ name }) => CREDENTIALS.has(name.text));
    this.hash.update(JSON.stringify([head.path, ...said.map(({ name, value }) => [name.text, value])]));
  }
  update(buffer: Buffer, from: number, to: number): void {
    this.length += to - from;
    this.hash.update(buffer.subarray(from, to));
  }
  /** Once, at the end of the body. */
  finish(): string {
    return this.hash.digest('base64');
  }
}
