import { setTimeout as sleep } from 'node:timers/promises';
import { type Call, Client } from '../client.ts';
import { bounded } from '../deadline.ts';
import type { Load } from '../row.ts';
import { DATA, frame, literal } from '../wire.ts';
import { pace } from './pace.ts';

export const chunkBytes = 3200;
export const replyBytes = 64;
const period = 100;
const connections = 50;
const streams = 500;

interface Talker {
  readonly client: Client;
  readonly call: Call;
  readonly chunk: Buffer;
  readonly ended: Promise<string | undefined>;
}

const request = Buffer.concat([
  Buffer.from([0x83, 0x86]),
  literal(':path', '/speech.Recognizer/Recognize'),
  literal(':authority', '127.0.0.1'),
  literal('content-type', 'application/grpc'),
  literal('te', 'trailers'),
]);

function speak(client: Client): Talker {
  let finish!: (failure?: string) => void;
  const ended = new Promise<string | undefined>((resolve) => (finish = resolve));
  const call = client.open(request, false, finish);
  const message = Buffer.alloc(chunkBytes);
  message.writeUInt32BE(chunkBytes - 5, 1);
  return { client, call, chunk: frame(DATA, 0, call.id, message), ended };
}

/** Has all talkers send a chunk each period; returns how many were sent. */
function talk(talkers: readonly Talker[], periods: number): Promise<number> {
  return pace(talkers.length, period, periods, (talker) => {
    const { client, call, chunk } = talkers[talker]!;
    if (!client.send(call, chunk)) throw new Error(`no window on stream ${call.id}`);
  });
}

/** `calls` are chunks here: 3,200 B every 100 ms on each of 500 streams, each answered by a small message. */
export const bidi: Load = async (port, calls, meter) => {
  const clients = await Promise.all(Array.from({ length: connections }, () => Client.connect(port)));
  try {
    // Before its settings a proxy may not take ten streams, nor what they send.
    await bounded(Promise.all(clients.map(({ greeted }) => greeted)), 5);
    const talkers = Array.from({ length: streams }, (_, index) => speak(clients[index % connections]!));
    const warm = await talk(talkers, 2);
    meter.begin();
    const sent = await talk(talkers, calls / streams);
    await sleep(50);
    meter.end();
    for (const { client, call } of talkers) client.end(call);
    const failures = await Promise.race([
      Promise.all(talkers.map(({ ended }) => ended)),
      sleep(5000).then(() => ['a stream did not end']),
    ]);
    const failure = failures.find((reason) => reason !== undefined);
    if (failure !== undefined) throw new Error(failure);
    const replies = talkers.reduce((sum, { call }) => sum + call.received, 0) / replyBytes;
    if (replies !== warm + sent) throw new Error(`${replies} replies to ${warm + sent} chunks`);
    return sent;
  } finally {
    for (const client of clients) client.close();
  }
};
