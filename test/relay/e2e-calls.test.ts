import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { test } from 'node:test';
import * as grpc from '@grpc/grpc-js';
import type { Partial, RecognizerClient, Transcript } from '../../fixtures/client.ts';
import { gatewayTo, grpcClient, grpcEngine, unary, type Methods } from '../edge/grpc-peers.ts';
import { clientFor, engineFor, speech } from '../support/engine.ts';

const recognize = (client: RecognizerClient, audio: Buffer): Promise<Transcript> =>
  new Promise((resolve, reject) => {
    client.recognize({ audio }, new grpc.Metadata(), {}, (error, reply) => (error ? reject(error) : resolve(reply!)));
  });
const upload = (client: RecognizerClient, chunks: readonly Buffer[]): Promise<Transcript> =>
  new Promise((resolve, reject) => {
    const call = client.recognizeUpload(new grpc.Metadata(), {}, (error, reply) =>
      error ? reject(error) : resolve(reply!),
    );
    for (const audio of chunks) call.write({ audio });
    call.end();
  });
async function collect<T>(call: AsyncIterable<T>): Promise<T[]> {
  const all: T[] = [];
  for await (const message of call) all.push(message);
  return all;
}
const cut = (bytes: Buffer, size: number): Buffer[] =>
  Array.from({ length: Math.ceil(bytes.length / size) }, (_, i) => bytes.subarray(i * size, (i + 1) * size));

const parrot: Methods['talk'] = (call) => {
  call.on('data', (message: Buffer) => call.write(message));
  call.on('end', () => call.end());
};

test('speech is heard through the gateway as it is without, by every kind of call', async (t) => {
  const engine = await engineFor(t);
  const gateway = await gatewayTo(t, engine);
  const pcm = speech();
  const hear = async (client: RecognizerClient) => {
    const talk = client.stream();
    for (const [seq, audio] of cut(pcm, 3200).entries()) talk.write({ audio, seq });
    talk.end();
    return [
      await recognize(client, pcm),
      await upload(client, cut(pcm, 999)),
      await collect<Partial>(client.recognizeSegments({ audio: pcm })),
      await collect(talk as AsyncIterable<Partial>),
    ];
  };
  const through = await hear(clientFor(t, `127.0.0.1:${gateway.port}`));
  assert.deepEqual(through, await hear(clientFor(t, engine.address)));
  assert.deepEqual(
    gateway.exchanges
      .map(({ path, grpcStatus, receivedMessages, sentMessages, failure }) =>
        [path.split('/').at(-1), grpcStatus, receivedMessages, sentMessages, failure?.cause].join(' '),
      )
      .sort(),
    ['Recognize 0 1 1 ', 'RecognizeSegments 0 1 8 ', 'RecognizeUpload 0 129 1 ', 'Stream 0 40 41 '],
  );
});

test('messages of 4 MiB pass both ways, and so do empty ones', async (t) => {
  const engine = await grpcEngine(t, { unary: ({ request }, done) => done(null, request) });
  const client = grpcClient(t, (await gatewayTo(t, engine)).port);
  for (const message of [randomBytes(4 << 20), Buffer.alloc(0)]) {
    const { reply, status } = await unary(client, message);
    assert.equal(status.code, grpc.status.OK);
    assert.ok(reply?.equals(message), `${reply?.length} octets came back`);
  }
});

test('a message of 4 MiB passes both ways at once on one stream, in pieces of a conversation', async (t) => {
  const engine = await grpcEngine(t, { talk: parrot });
  const call = grpcClient(t, (await gatewayTo(t, engine)).port).talk();
  const messages = [1, 4 << 20, 100, 4 << 20, 0].map((size) => randomBytes(size));
  for (const message of messages) call.write(message);
  call.end();
  const replies = await collect(call as AsyncIterable<Buffer>);
  assert.equal(replies.length, messages.length);
  replies.forEach((reply, i) => assert.ok(reply.equals(messages[i]!), `message ${i} differs`));
});

test('each of 200 conversations at once gets its own messages, all and in order', async (t) => {
  const MESSAGES = 10;
  const engine = await grpcEngine(t, { talk: parrot });
  const gateway = await gatewayTo(t, engine);
  const clients = Array.from({ length: 4 }, () => grpcClient(t, gateway.port));
  const said = (who: number, n: number): string => `${who}:${n}:${'x'.repeat((who * 37 + n * 101) % 3200)}`;
  await Promise.all(
    Array.from({ length: 200 }, async (_, who) => {
      const call = clients[who % clients.length]!.talk();
      let heard = 0;
      call.write(Buffer.from(said(who, 0)));
      for await (const reply of call as AsyncIterable<Buffer>) {
        assert.equal(reply.toString(), said(who, heard));
        if (++heard < MESSAGES) call.write(Buffer.from(said(who, heard)));
        else call.end();
      }
      assert.equal(heard, MESSAGES);
    }),
  );
  assert.equal(gateway.count('frameway_exchanges_ended_total', 'OK'), 200);
  assert.equal(gateway.count('frameway_exchanges'), 0);
});

test('an engine may answer before the request has ended, and end it', async (t) => {
  const engine = await grpcEngine(t, { upload: (_, done) => done(null, Buffer.from('enough')) });
  const client = grpcClient(t, (await gatewayTo(t, engine)).port);
  const reply = await new Promise<Buffer>((resolve, reject) => {
    const call = client.upload(new grpc.Metadata(), {}, (error, value) => (error ? reject(error) : resolve(value!)));
    call.on('error', reject);
    call.write(Buffer.from('a beginning'));
  });
  assert.equal(reply.toString(), 'enough');
});
