/** Demo engines for tests: each ends with the test that started it. */
import { readFileSync } from 'node:fs';
import type { TestContext } from 'node:test';
import type { ClientOptions } from '@grpc/grpc-js';
import { recognizerClient, type RecognizerClient } from '../../fixtures/client.ts';
import { decodeWav } from '../../fixtures/wav.ts';
import { startDemoEngine, type DemoEngine } from '../../src/demo/engine.ts';

export async function engineFor(t: TestContext): Promise<DemoEngine> {
  const engine = await startDemoEngine('127.0.0.1:0');
  t.after(() => engine.close());
  return engine;
}

export function clientFor(t: TestContext, target: string, options: ClientOptions = {}): RecognizerClient {
  // One channel a client, or grpc-js would share one connection between tests of the same target.
  const client = recognizerClient(target, { 'grpc.use_local_subchannel_pool': 1, ...options });
  t.after(() => client.close());
  return client;
}

/** The samples of `fixtures/speech.wav`: 4 s, 16 kHz. */
export const speech = (): Buffer =>
  decodeWav(readFileSync(new URL('../../fixtures/speech.wav', import.meta.url)), 16_000);
