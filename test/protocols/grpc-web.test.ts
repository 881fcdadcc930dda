/** gRPC-Web to a gRPC engine: binary and text, unary and server streaming, over HTTP/1.1 and HTTP/2, with CORS. */
import assert from 'node:assert/strict';
import { test, type TestContext } from 'node:test';
import { engineFor, speech } from '../support/engine.ts';
import { h2call, http1, http2, type Answer } from './clients.ts';
import { stage, type Plan } from './stage.ts';

const ORIGIN = 'https://app.test';

/** A field of protobuf: number, and bytes. */
const bytesField = (number: number, bytes: Buffer): Buffer => {
  const length: number[] = [];
  for (let n = bytes.length; ; n >>>= 7) {
    length.push(n > 127 ? (n & 127) | 128 : n);
    if (n <= 127) break;
  }
  return Buffer.concat([Buffer.from([(number << 3) | 2, ...length]), bytes]);
};
const message = (body: Buffer): Buffer => {
  const prefix = Buffer.alloc(5);
  prefix.writeUInt32BE(body.length, 1);
  return Buffer.concat([prefix, body]);
};

interface Read {
  readonly messages: readonly Buffer[];
  /** Of the last frame, which holds the trailers; null if there is none. */
  readonly trailers: Readonly<Record<string, string>> | null;
}

/** By PROTOCOL-WEB of gRPC: frames, the last with the MSB set. */
function read(body: Buffer): Read {
  const messages: Buffer[] = [];
  for (let at = 0; at < body.length;) {
    const flag = body[at]!;
    const end = at + 5 + body.readUInt32BE(at + 1);
    assert.ok(end <= body.length, `a frame of ${end} octets in ${body.length}`);
    const content = body.subarray(at + 5, end);
    if (flag & 0x80) {
      assert.equal(end, body.length, 'trailers come last');
      const lines = content.toString().split('\r\n');
      assert.equal(lines.pop(), '', 'each line ends with CR LF');
      return {
        messages,
        trailers: Object.fromEntries(lines.map((line) => line.split(/: ?(.*)/s).slice(0, 2))) as Record<string, string>,
      };
    }
    messages.push(Buffer.from(content));
    at = end;
  }
  return { messages, trailers: null };
}

/** Base64, padded wherever a part of the stream ended. */
const decodeText = (body: Buffer): Buffer =>
  Buffer.concat((body.toString('latin1').match(/[^=]+={0,2}/g) ?? []).map((part) => Buffer.from(part, 'base64')));

type Send = (path: string, headers: Record<string, string>, body: Buffer, method?: string) => Promise<Answer>;

async function browsers(t: TestContext, plan: Partial<Plan> = {}) {
  const engine = await engineFor(t);
  const made = await stage(t, {
    upstreams: { asr: { at: engine.address } },
    listener: { grpcWeb: { allowOrigins: [ORIGIN] } },
    ...plan,
  });
  const session = await http2(t, made.port);
  const sends: Record<'http1' | 'h2', Send> = {
    http1: (path, headers, body, method = 'POST') => http1(made.port, { path, method, headers, body }),
    h2: (path, headers, body, method = 'POST') =>
      h2call(session, { headers: { ':path': path, ':method': method, ...headers }, body }),
  };
  return { ...made, engine, sends };
}

const METHOD = '/asr.v1.Recognizer/';
const request = (ms: number): Buffer => message(bytesField(1, speech().subarray(0, ms * 32)));

for (const over of ['http1', 'h2'] as const) {
  for (const form of ['binary', 'text'] as const) {
    const type = form === 'binary' ? 'application/grpc-web+proto' : 'application/grpc-web-text+proto';
    const encode = (body: Buffer): Buffer => (form === 'binary' ? body : Buffer.from(body.toString('base64')));
    const decode = (body: Buffer): Buffer => (form === 'binary' ? body : decodeText(body));
    const headers = { 'content-type': type, accept: type, 'x-grpc-web': '1', origin: ORIGIN };

    test(`a unary call over ${over}, ${form}: message, then trailers in the body`, async (t) => {
      const { sends, gateway } = await browsers(t);
      const answer = await sends[over](`${METHOD}Recognize`, headers, encode(request(1000)));
      assert.equal(answer.status, 200);
      assert.match(
        String(answer.headers['content-type']),
        form === 'binary' ? /^application\/grpc-web\+proto/ : /^application\/grpc-web-text\+proto/,
      );
      assert.equal(answer.headers['access-control-allow-origin'], ORIGIN);
      assert.match(String(answer.headers['access-control-expose-headers']), /grpc-status/);
      const { messages, trailers } = read(decode(answer.body));
      assert.equal(messages.length, 1);
      assert.equal(trailers!['grpc-status'], '0');
      assert.deepEqual(answer.trailers['grpc-status'], undefined, 'no HTTP trailers');
      assert.equal(gateway.exchanges.at(-1)!.grpcStatus, 0);
      assert.equal(gateway.count('frameway_exchanges_ended_total', 'OK'), 1);
    });

    test(`a server stream over ${over}, ${form}: every message`, async (t) => {
      const { sends } = await browsers(t);
      const { body } = await sends[over](
        `${METHOD}RecognizeSegments`,
        headers,
        encode(message(bytesField(1, speech()))),
      );
      const { messages, trailers } = read(decode(body));
      assert.ok(messages.length > 1, `${messages.length} messages`);
      assert.equal(trailers!['grpc-status'], '0');
    });

    test(`a failing call over ${over}, ${form}: the status reaches the page`, async (t) => {
      const { sends } = await browsers(t);
      const answer = await sends[over](
        `${METHOD}Recognize`,
        { ...headers, 'x-demo-status': '7' },
        encode(request(100)),
      );
      assert.equal(answer.status, 200);
      const { trailers } = read(decode(answer.body));
      assert.equal(trailers?.['grpc-status'] ?? answer.headers['grpc-status'], '7');
      const unknown = await sends[over](`${METHOD}Nothing`, headers, encode(request(100)));
      assert.equal(read(decode(unknown.body)).trailers?.['grpc-status'] ?? unknown.headers['grpc-status'], '12');
    });
  }

  test(`a preflight over ${over} is answered by the gateway, for origins that are allowed`, async (t) => {
    const { sends } = await browsers(t);
    const ask = (origin: string): Promise<Answer> =>
      sends[over](
        `${METHOD}Recognize`,
        {
          origin,
          'access-control-request-method': 'POST',
          'access-control-request-headers': 'content-type,x-grpc-web,x-user-agent,grpc-timeout',
        },
        Buffer.alloc(0),
        'OPTIONS',
      );
    const { status, headers, body } = await ask(ORIGIN);
    assert.ok(status === 204 || status === 200, `${status}`);
    assert.equal(body.length, 0);
    assert.equal(headers['access-control-allow-origin'], ORIGIN);
    assert.match(String(headers['access-control-allow-methods']), /POST/);
    for (const name of ['content-type', 'x-grpc-web', 'x-user-agent', 'grpc-timeout']) {
      assert.ok(String(headers['access-control-allow-headers']).toLowerCase().includes(name), name);
    }
    assert.equal((await ask('https://evil.test')).headers['access-control-allow-origin'], undefined);
  });
}

test('text in many pieces, cut and padded anywhere, is one message', async (t) => {
  const { sends } = await browsers(t);
  const body = request(500);
  const pieces: string[] = [];
  for (let at = 0; at < body.length; at += 1000) pieces.push(body.subarray(at, at + 1000).toString('base64'));
  const type = 'application/grpc-web-text';
  const answer = await sends.http1(
    `${METHOD}Recognize`,
    { 'content-type': type, 'x-grpc-web': '1' },
    Buffer.from(pieces.join('')),
  );
  assert.equal(read(decodeText(answer.body)).trailers!['grpc-status'], '0');
});

test('text that is no base64 is refused, and is no call at the engine that ends well', async (t) => {
  const { sends } = await browsers(t);
  const headers = { 'content-type': 'application/grpc-web-text', 'x-grpc-web': '1' };
  const answer = await sends.http1(`${METHOD}Recognize`, headers, Buffer.from('!!!!not base64!!!!')).catch(() => null);
  if (answer === null) return;
  const status = answer.status === 200 ? read(decodeText(answer.body)).trailers?.['grpc-status'] : `${answer.status}`;
  assert.notEqual(status ?? answer.headers['grpc-status'], '0');
});

test('an engine that is not there is UNAVAILABLE in the form that was asked for', async (t) => {
  const { sends } = await browsers(t, { upstreams: { asr: { at: '127.0.0.1:1', acquireTimeout: 500 } } });
  for (const over of ['http1', 'h2'] as const) {
    const headers = { 'content-type': 'application/grpc-web+proto', 'x-grpc-web': '1', origin: ORIGIN };
    const answer = await sends[over](`${METHOD}Recognize`, headers, request(100));
    assert.equal(answer.status, 200);
    assert.equal(answer.headers['access-control-allow-origin'], ORIGIN);
    const status = answer.body.length > 0 ? read(answer.body).trailers?.['grpc-status'] : answer.headers['grpc-status'];
    assert.equal(status, '14');
  }
});

test('grpc and grpc_web find the same engine, and routes can part them', async (t) => {
  const { sends } = await browsers(t, {
    upstreams: { nowhere: { at: '127.0.0.1:1' }, asr: { at: (await engineFor(t)).address } },
    routes: [{ protocols: ['grpc_web'], upstream: 'asr' }],
  });
  const headers = { 'content-type': 'application/grpc-web', 'x-grpc-web': '1' };
  const { body } = await sends.h2(`${METHOD}Recognize`, headers, request(100));
  assert.equal(read(body).trailers!['grpc-status'], '0');
});
