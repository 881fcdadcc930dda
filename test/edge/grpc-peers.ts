/** gRPC peers by grpc-js whose messages are plain bytes, so that nothing hides what the gateway did to them. */
import type { TestContext } from 'node:test';
import * as grpc from '@grpc/grpc-js';
import { startGateway, type Overrides, type TestGateway } from '../support/gateway.ts';

const same = (bytes: Buffer): Buffer => bytes;
const method = (
  path: string,
  requestStream: boolean,
  responseStream: boolean,
): grpc.MethodDefinition<Buffer, Buffer> => ({
  path,
  requestStream,
  responseStream,
  requestSerialize: same,
  requestDeserialize: same,
  responseSerialize: same,
  responseDeserialize: same,
});
const service = {
  unary: method('/test.Bytes/Unary', false, false),
  upload: method('/test.Bytes/Upload', true, false),
  download: method('/test.Bytes/Download', false, true),
  talk: method('/test.Bytes/Talk', true, true),
};

/** The methods of an engine; what is missing is UNIMPLEMENTED. */
export interface Methods {
  unary?: grpc.handleUnaryCall<Buffer, Buffer>;
  upload?: grpc.handleClientStreamingCall<Buffer, Buffer>;
  download?: grpc.handleServerStreamingCall<Buffer, Buffer>;
  talk?: grpc.handleBidiStreamingCall<Buffer, Buffer>;
}
type Done = grpc.requestCallback<Buffer>;
export interface BytesClient extends grpc.Client {
  unary(request: Buffer, metadata: grpc.Metadata, options: grpc.CallOptions, done: Done): grpc.ClientUnaryCall;
  upload(metadata: grpc.Metadata, options: grpc.CallOptions, done: Done): grpc.ClientWritableStream<Buffer>;
  download(request: Buffer, metadata?: grpc.Metadata, options?: grpc.CallOptions): grpc.ClientReadableStream<Buffer>;
  talk(metadata?: grpc.Metadata, options?: grpc.CallOptions): grpc.ClientDuplexStream<Buffer, Buffer>;
}

const UNBOUNDED = { 'grpc.max_receive_message_length': -1, 'grpc.max_send_message_length': -1 };
const Client = grpc.makeGenericClientConstructor(service, 'Bytes');

export async function grpcEngine(t: TestContext, methods: Methods): Promise<{ readonly address: string }> {
  const server = new grpc.Server(UNBOUNDED);
  server.addService(service, { ...methods });
  const port = await new Promise<number>((resolve, reject) => {
    server.bindAsync('127.0.0.1:0', grpc.ServerCredentials.createInsecure(), (error, bound) =>
      error ? reject(error) : resolve(bound),
    );
  });
  t.after(() => server.forceShutdown());
  return { address: `127.0.0.1:${port}` };
}

/** A client with a connection of its own. */
export function grpcClient(t: TestContext, port: number): BytesClient {
  const credentials = grpc.credentials.createInsecure();
  const client = new Client(`127.0.0.1:${port}`, credentials, { ...UNBOUNDED, 'grpc.use_local_subchannel_pool': 1 });
  t.after(() => client.close());
  return client as unknown as BytesClient;
}

export async function gatewayTo(
  t: TestContext,
  engine: { readonly address: string },
  overrides: Omit<Overrides, 'endpoints'> = {},
): Promise<TestGateway> {
  const gateway = await startGateway({ ...overrides, endpoints: [engine.address] });
  t.after(() => gateway.close());
  return gateway;
}

/** What the client of a call learns besides its messages. */
export interface Outcome {
  readonly reply: Buffer | null;
  readonly metadata: grpc.Metadata;
  readonly status: grpc.StatusObject;
}

export function unary(
  client: BytesClient,
  request: Buffer,
  metadata = new grpc.Metadata(),
  options: grpc.CallOptions = {},
): Promise<Outcome> {
  return new Promise((resolve) => {
    let head = new grpc.Metadata();
    let reply: Buffer | null = null;
    const call = client.unary(request, metadata, options, (_, value) => (reply = value ?? null));
    call.on('metadata', (fields: grpc.Metadata) => (head = fields));
    // It comes after the reply.
    call.on('status', (status: grpc.StatusObject) => setImmediate(() => resolve({ reply, metadata: head, status })));
  });
}

/** The code that a streaming call ends with. */
export const statusOf = (call: grpc.ClientDuplexStream<Buffer, Buffer> | grpc.ClientReadableStream<Buffer>) =>
  new Promise<grpc.StatusObject>((resolve) => {
    call.on('error', () => undefined);
    call.on('status', resolve);
    call.resume();
  });
