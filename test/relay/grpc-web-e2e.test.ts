/** A gRPC-Web client of `node:http2`, the filter, a real exchange, and a demo engine behind it. */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { connect, constants, createServer } from 'node:http2';
import type { ClientHttp2Session, Http2Stream, IncomingHttpHeaders, ServerHttp2Stream } from 'node:http2';
import type { AddressInfo } from 'node:net';
import { test } from 'node:test';
import type { TestContext } from 'node:test';
import { fileURLToPath } from 'node:url';
import { loadSync } from '@grpc/proto-loader';
import type { ServiceDefinition } from '@grpc/proto-loader';
import { Counters, listenerLayout } from '../../src/counters.ts';
import { ErrorCode, Failures } from '../../src/errors.ts';
import { makeField } from '../../src/hpack/field.ts';
import type { Field } from '../../src/hpack/field.ts';
import { TimerWheel } from '../../src/io/timer-wheel.ts';
import { Cors } from '../../src/relay/cors.ts';
import { NO_POLICY } from '../../src/relay/exchange-context.ts';
import { Exchange } from '../../src/relay/exchange.ts';
import { GrpcWebHalf } from '../../src/relay/grpc-web-half.ts';
import { toGrpc } from '../../src/relay/grpc-web.ts';
import type { Carrier, CarrierSource, Half, HalfSink } from '../../src/relay/half.ts';
import { grpcStatusOf, RequestHead, ResponseHead } from '../../src/relay/message.ts';
import type { Partial, Transcript } from '../../fixtures/client.ts';
import { engineFor, speech } from '../support/engine.ts';
import { BINARY, fromText, message, read, TEXT, toText, valuesOf } from './grpc-web-peers.ts';

const { Recognize, RecognizeSegments } = loadSync(fileURLToPath(new URL('../../fixtures/asr.proto', import.meta.url)), {
  defaults: true,
})['asr.v1.Recognizer'] as ServiceDefinition;
const ORIGIN = 'https://app.example';
const cors = new Cors({ allowOrigins: [ORIGIN] });
const NONE = Buffer.alloc(0);

const fieldsFrom = (headers: IncomingHttpHeaders): Field[] =>
  Object.entries(headers).map(([name, value]) => makeField(name, String(value)));

/** A stream of `node:http2` as a half. */
class NodeHalf implements Half {
  readonly flushed = true;
  private readonly stream: Http2Stream;

  constructor(stream: Http2Stream) {
    this.stream = stream;
    stream.on('error', () => undefined);
  }
  sendHead(fields: readonly Field[], end: boolean): void {
    (this.stream as ServerHttp2Stream).respond(valuesOf(fields), { endStream: end });
  }
  sendData(buffer: Buffer, from: number, to: number, end: boolean): number {
    this.stream.write(Buffer.from(buffer.subarray(from, to)));
    if (end) this.stream.end();
    return to - from;
  }
  sendTrailers(): void {
    assert.fail('there are none on this path');
  }
  credit(): void {
    // `node:http2` sees to it by itself.
  }
  accepts(): boolean {
    return true;
  }
  charge(): void {
    // Nobody counts.
  }
  reset(): void {
    // `close` would end the body first; this is INTERNAL_ERROR.
    this.stream.destroy(new Error('reset'));
  }
  stop(): void {
    // The client has said all that it has to say.
  }
}

/** Tells a sink what comes by a stream, up to its end. */
function deliver(stream: Http2Stream, sink: HalfSink): void {
  let trailers: Field[] | null = null;
  stream.on('trailers', (headers) => (trailers = fieldsFrom(headers)));
  stream.on('data', (chunk: Buffer) => sink.onData(chunk, 0, chunk.length, false));
  stream.on('end', () => {
    if (trailers !== null) sink.onTrailers(trailers);
    else if (!stream.endAfterHeaders) sink.onData(NONE, 0, 0, true);
  });
}

const carrierOf = (session: ClientHttp2Session): Carrier => ({
  endpoint: 'engine',
  term: 0,
  refusal: () => null,
  open: (head, end, sink) => {
    const stream = session.request(valuesOf(head.fields), { endStream: end });
    stream.on('response', (headers) => {
      const fields = fieldsFrom(headers);
      const ended = stream.endAfterHeaders;
      sink.onHead(new ResponseHead(fields, Number(headers[':status']), -1, grpcStatusOf(fields)), ended);
      deliver(stream, sink);
    });
    return new NodeHalf(stream);
  },
  answered: () => undefined,
  ended: () => undefined,
});

/** What a listener would do with each request: answers preflights, and puts the filter before an exchange. */
async function gatewayFor(t: TestContext, upstream: CarrierSource): Promise<ClientHttp2Session> {
  const context = {
    listener: 'test',
    counters: new Counters(listenerLayout),
    wheel: new TimerWheel(
      () => 0,
      () => undefined,
      (error) => assert.fail(error as Error),
    ),
    journal: { access: false, exchange: () => undefined, connection: () => undefined },
    ...NO_POLICY,
    replayBuffer: 1000,
    retry: null,
  };
  const server = createServer();
  server.on('stream', (stream, headers) => {
    const method = headers[':method'] ?? '';
    const head = new RequestHead(fieldsFrom(headers), method, headers[':path'] ?? '', '', -1, false, null);
    const preflight = cors.preflight(head);
    if (preflight !== null) {
      new NodeHalf(stream).sendHead(preflight, true);
      return;
    }
    const half = new GrpcWebHalf(new NodeHalf(stream), head, cors.allow(head));
    const exchange = new Exchange(context, upstream, half, toGrpc(head), false, '127.0.0.1');
    half.sink = exchange;
    deliver(stream, half);
    exchange.begin();
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const client = connect(`http://127.0.0.1:${(server.address() as AddressInfo).port}`);
  t.after(() => {
    client.destroy();
    server.close();
  });
  return client;
}

async function upstreamFor(t: TestContext): Promise<CarrierSource> {
  const engine = await engineFor(t);
  const session = connect(`http://${engine.address}`);
  t.after(() => session.destroy());
  return { name: 'test', acquire: () => carrierOf(session), cancel: () => undefined };
}

interface Answer {
  readonly head: IncomingHttpHeaders;
  readonly body: Buffer;
  readonly code: number;
}

async function ask(client: ClientHttp2Session, headers: Record<string, string>, body: Uint8Array): Promise<Answer> {
  const stream = client.request({ ':method': 'POST', origin: ORIGIN, ...headers });
  stream.on('error', () => undefined);
  stream.end(body);
  let head: IncomingHttpHeaders = {};
  const chunks: Buffer[] = [];
  stream.on('response', (headers) => (head = headers));
  stream.on('data', (chunk: Buffer) => chunks.push(chunk));
  await new Promise((resolve) => stream.once('close', resolve));
  return { head, body: Buffer.concat(chunks), code: stream.rstCode };
}

for (const type of [BINARY, TEXT]) {
  const request = message(Recognize!.requestSerialize({ audio: speech() }));
  const body = type === TEXT ? Buffer.from(toText(request)) : request;
  const call = (client: ClientHttp2Session, path: string): Promise<Answer> =>
    ask(client, { ':path': path, 'content-type': type, accept: type, 'x-grpc-web': '1' }, body);
  const framesOf = (answer: Answer) => read(type === TEXT ? fromText(answer.body.toString()) : answer.body);

  test(`${type}: a unary call reaches an engine, and its answer the client`, async (t) => {
    const answer = await call(await gatewayFor(t, await upstreamFor(t)), Recognize!.path);
    assert.equal(answer.head[':status'], 200);
    assert.equal(answer.head['content-type'], type);
    assert.equal(answer.head['access-control-allow-origin'], ORIGIN);
    assert.match(answer.head['access-control-expose-headers'] ?? '', /\bgrpc-status\b.*\bx-engine\b/);
    const { messages, trailers } = framesOf(answer);
    assert.equal(messages.length, 1);
    const transcript = Recognize!.responseDeserialize(messages[0]!) as Transcript;
    assert.equal(transcript.receivedMs, 4000);
    assert.equal(Object.fromEntries(trailers ?? [])['grpc-status'], '0');
  });

  test(`${type}: a server stream comes with all its messages`, async (t) => {
    const answer = await call(await gatewayFor(t, await upstreamFor(t)), RecognizeSegments!.path);
    const { messages, trailers } = framesOf(answer);
    const partials = messages.map((payload) => RecognizeSegments!.responseDeserialize(payload) as Partial);
    assert.equal(partials.length, 8);
    assert.deepEqual([partials[6]?.final, partials[7]?.final], [false, true]);
    assert.equal(Object.fromEntries(trailers ?? [])['grpc-status'], '0');
  });

  test(`${type}: a method that the engine does not know is UNIMPLEMENTED`, async (t) => {
    const answer = await call(await gatewayFor(t, await upstreamFor(t)), '/asr.v1.Recognizer/Nothing');
    const { messages, trailers } = framesOf(answer);
    assert.equal(messages.length, 0);
    assert.equal(answer.head['grpc-status'] ?? Object.fromEntries(trailers ?? [])['grpc-status'], '12');
  });

  test(`${type}: an answer of the gateway itself is one that the client understands`, async (t) => {
    const nowhere: CarrierSource = {
      name: 'test',
      acquire: (caller) => {
        setImmediate(() => caller.onUnavailable(Failures.noEndpoint));
        return null;
      },
      cancel: () => undefined,
    };
    const { head, body } = await call(await gatewayFor(t, nowhere), Recognize!.path);
    assert.equal(head[':status'], 200);
    assert.equal(head['content-type'], type);
    assert.equal(head['grpc-status'], '14');
    assert.equal(head['access-control-allow-origin'], ORIGIN);
    assert.equal(body.length, 0);
  });
}

test('a text that is not base64 gets an answer, too', async (t) => {
  const client = await gatewayFor(t, await upstreamFor(t));
  const { head } = await ask(client, { ':path': Recognize!.path, 'content-type': TEXT }, Buffer.from('{"a":"b"}'));
  assert.equal(head['grpc-status'], '13');
});

test('an engine that is lost inside a message leaves the client without an end', async (t) => {
  const engine = createServer();
  engine.on('stream', (stream) => {
    stream.on('error', () => undefined);
    stream.respond({ ':status': 200, 'content-type': 'application/grpc' }, { waitForTrailers: true });
    stream.on('wantTrailers', () => stream.sendTrailers({ 'grpc-status': '0' }));
    stream.end(message(Buffer.alloc(100)).subarray(0, 50));
  });
  engine.listen(0, '127.0.0.1');
  await once(engine, 'listening');
  const session = connect(`http://127.0.0.1:${(engine.address() as AddressInfo).port}`);
  t.after(() => {
    session.destroy();
    engine.close();
  });
  const upstream = { name: 'test', acquire: () => carrierOf(session), cancel: () => undefined };
  const client = await gatewayFor(t, upstream);
  const answer = await ask(client, { ':path': '/x', 'content-type': BINARY }, message(NONE));
  assert.equal(answer.code, ErrorCode.INTERNAL_ERROR);
  assert.ok(answer.body.length <= 50, 'no trailers in place of the rest');
});

test('a preflight needs no engine', async (t) => {
  const upstream = { name: 'test', acquire: () => assert.fail('no call'), cancel: () => undefined };
  const client = await gatewayFor(t, upstream);
  const { head } = await ask(
    client,
    {
      [constants.HTTP2_HEADER_METHOD]: 'OPTIONS',
      ':path': Recognize!.path,
      'access-control-request-method': 'POST',
      'access-control-request-headers': 'content-type,x-grpc-web',
    },
    NONE,
  );
  assert.equal(head[':status'], 204);
  assert.equal(head['access-control-allow-headers'], 'content-type,x-grpc-web');
});
