/** Calls to the keepalive suite's engines (see go/main.go for their methods), by grpc-js; each lasts for a given time. */
import * as grpc from '@grpc/grpc-js';
import { setTimeout as sleep } from 'node:timers/promises';

/** Rejects if the call fails, with the gRPC status in `code` (see `grpc.ServiceError`). `ms`: how long it lasts. */
export type Traffic = (client: Client, ms: number) => Promise<void>;

/** Speech: 100 ms of 16 bit samples at 16 kHz. */
const CHUNK = Buffer.alloc(3200);
const PAUSE = 100;
/** After its time, for a call to end. */
const GRACE = 5000;

const same = (bytes: Buffer): Buffer => bytes;
const none = () => new grpc.Metadata();
const within = (ms: number): grpc.CallOptions => ({ deadline: Date.now() + ms + GRACE });

export class Client {
  private readonly client: grpc.Client;

  /** With a connection of its own, and no retries: nothing hides what the gateway did. */
  constructor(port: number) {
    this.client = new grpc.Client(`127.0.0.1:${port}`, grpc.credentials.createInsecure(), {
      'grpc.use_local_subchannel_pool': 1,
      'grpc.enable_retries': 0,
    });
  }

  echo(message: Buffer): Promise<void> {
    return new Promise((resolve, reject) => {
      this.client.makeUnaryRequest('/test.Bytes/Echo', same, same, message, none(), within(0), (error, reply) => {
        if (error) reject(error);
        else if (reply?.equals(message)) resolve();
        else reject(new Error('another message came back'));
      });
    });
  }

  /** Speaks for so long, or is silent; then it ends, and so does the engine. */
  upload(ms: number, silent = false): Promise<void> {
    return new Promise((resolve, reject) => {
      const options = within(ms);
      const call = this.client.makeClientStreamRequest('/test.Bytes/Upload', same, same, none(), options, (error) => {
        clearInterval(speech);
        clearTimeout(end);
        if (error) reject(error);
        else resolve();
      });
      const speech = setInterval(() => !silent && call.write(CHUNK), PAUSE);
      const end = setTimeout(() => {
        clearInterval(speech);
        call.end();
      }, ms);
    });
  }

  /** The engine sends for so long. */
  download(ms: number): Promise<void> {
    return new Promise((resolve, reject) => {
      const length = Buffer.from(String(ms));
      const call = this.client.makeServerStreamRequest('/test.Bytes/Download', same, same, length, none(), within(ms));
      call.on('error', reject);
      call.on('end', resolve);
      call.resume();
    });
  }

  close(): void {
    this.client.close();
  }
}

/** The call after the silence is the one that would find its session gone. */
async function idleSession(client: Client, ms: number): Promise<void> {
  await client.echo(CHUNK);
  await sleep(ms);
  await client.echo(CHUNK);
}

async function chatty(client: Client, ms: number): Promise<void> {
  for (const end = Date.now() + ms; Date.now() < end;) {
    await client.echo(CHUNK);
    await sleep(PAUSE);
  }
}

/** By names that upstreams may have. */
export const traffic: Readonly<Record<string, Traffic>> = {
  idle_session: idleSession,
  idle_stream: (client, ms) => client.upload(ms, true),
  streaming_up: (client, ms) => client.upload(ms),
  streaming_down: (client, ms) => client.download(ms),
  unary_chatty: chatty,
};
