import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import * as http2 from 'node:http2';
import * as net from 'node:net';
import test, { type TestContext } from 'node:test';
import * as grpc from '@grpc/grpc-js';
import type { Partial, RecognizerClient, Transcript } from '../fixtures/client.ts';
import { makeSpeech } from '../fixtures/make-speech.ts';
import { startDemoEngine } from '../src/demo/engine.ts';
import { GrpcStatus } from '../src/errors.ts';
import { clientFor, engineFor, speech } from './support/engine.ts';

const metadata = (fields: Record<string, string> = {}): grpc.Metadata => grpc.Metadata.fromHttp2Headers(fields);

const recognize = (client: RecognizerClient, audio: Buffer, fields = {}, options: grpc.CallOptions = {}) =>
  new Promise<Transcript>((resolve, reject) => {
    client.recognize({ audio }, metadata(fields), options, (error, reply) => (error ? reject(error) : resolve(reply!)));
  });

async function collect(call: AsyncIterable<Partial>): Promise<Partial[]> {
  const partials: Partial[] = [];
  for await (const partial of call) partials.push(partial);
  return partials;
}

const chunks = (pcm: Buffer, size: number): Buffer[] =>
  Array.from({ length: Math.ceil(pcm.length / size) }, (_, i) => pcm.subarray(i * size, (i + 1) * size));

/** A raw h2 session, to say what no gRPC library would. */
async function sessionFor(t: TestContext): Promise<{ session: http2.ClientHttp2Session; address: string }> {
  const { address } = await engineFor(t);
  const session = http2.connect(`http://${address}`);
  session.on('error', () => undefined);
  t.after(() => session.destroy());
  return { session, address };
}

const METHOD = '/asr.v1.Recognizer/';

/** What comes of a call whose request body is written as given, and left open if so asked. */
async function rawStatus(session: http2.ClientHttp2Session, path: string, body: readonly Buffer[], open = false) {
  const stream = session.request({ ':method': 'POST', ':path': path, 'content-type': 'application/grpc' });
  const fields: Record<string, unknown> = {};
  const messages: Buffer[] = [];
  stream.on('response', (headers) => void Object.assign(fields, headers));
  stream.on('trailers', (trailers) => void Object.assign(fields, trailers));
  stream.on('data', (data: Buffer) => messages.push(data));
  stream.on('error', () => undefined);
  for (const part of body) {
    await new Promise((resolve) => stream.write(part, resolve));
  }
  if (!open) stream.end();
  await once(stream, 'close');
  return { status: Number(fields['grpc-status']), message: fields['grpc-message'], rst: stream.rstCode, messages };
}

const prefixed = (flag: number, length: number, body: Buffer = Buffer.alloc(0)): Buffer => {
  const prefix = Buffer.alloc(5, 0);
  prefix[0] = flag;
  prefix.writeUInt32BE(length, 1);
  return Buffer.concat([prefix, body]);
};

test('unary, upload, segments and stream hear the same text in the same audio', async (t) => {
  const { address } = await engineFor(t);
  const client = clientFor(t, address);
  const pcm = speech();

  const unary = await recognize(client, pcm);
  assert.match(unary.text, /^(?:[a-z]{2,} ){3,}[a-z]{2,}$/);
  assert.equal(unary.receivedMs, 4000);
  assert.ok(unary.voicedMs > 1500 && unary.voicedMs < 3500, `${unary.voicedMs} ms voiced`);
  assert.equal(unary.engine, address);

  const upload = await new Promise<Transcript>((resolve, reject) => {
    const call = client.recognizeUpload(metadata(), {}, (error, reply) => (error ? reject(error) : resolve(reply!)));
    for (const audio of chunks(pcm, 999)) call.write({ audio });
    call.end();
  });
  assert.deepEqual(upload, unary);

  const segments = await collect(client.recognizeSegments({ audio: pcm }));
  assert.equal(segments.length, 8);
  assert.deepEqual(
    segments.map(({ final }) => final),
    [false, false, false, false, false, false, false, true],
  );
  assert.equal(segments.at(-1)!.text, unary.text);

  const call = client.stream();
  for (const [seq, audio] of chunks(pcm, 3200).entries()) call.write({ audio, seq });
  call.end();
  const partials = await collect(call as AsyncIterable<Partial>);
  assert.equal(partials.length, 41);
  assert.deepEqual(
    partials.map(({ seq }) => seq),
    [...Array(40).keys(), 39],
  );
  assert.equal(partials.at(-1)!.text, unary.text);
  assert.ok(partials.every(({ text }, i) => i === 0 || text.startsWith(partials[i - 1]!.text)));
});

test('a stream answers each chunk before the next one is sent, with the loudness of its samples', async (t) => {
  const client = clientFor(t, (await engineFor(t)).address);
  const call = client.stream();
  const loud = Buffer.alloc(3200);
  for (let i = 0; i < loud.length; i += 2) loud.writeInt16LE(i % 64 < 32 ? 16_384 : -16_384, i);
  const answers: Partial[] = [];
  for (const [seq, audio] of [Buffer.alloc(3200), loud, Buffer.alloc(0), loud].entries()) {
    call.write({ audio, seq });
    const [partial] = (await once(call, 'data')) as [Partial];
    answers.push(partial);
  }
  assert.deepEqual(
    answers.map(({ seq, level, receivedMs, final }) => [seq, level, receivedMs, final]),
    [
      [0, 0, 100, false],
      [1, 0.5, 200, false],
      [2, 0, 200, false],
      [3, 0.5, 300, false],
    ],
  );
  assert.match(answers[3]!.text, /^[a-z]{2}$/);
  call.end();
  const [last] = (await once(call, 'data')) as [Partial];
  assert.equal(last.final, true);
  await once(call, 'end');
});

test('the metadata x-engine names the engine, in an answer and in a refusal', async (t) => {
  const { address } = await engineFor(t);
  const client = clientFor(t, address);
  const call = client.recognizeSegments({ audio: speech() });
  call.resume();
  const [initial] = (await once(call, 'metadata')) as [grpc.Metadata];
  assert.deepEqual(initial.get('x-engine'), [address]);
  await assert.rejects(recognize(client, speech(), { 'x-demo-status': '14' }), (error: grpc.ServiceError) => {
    assert.deepEqual(error.metadata.get('x-engine'), [address]);
    return true;
  });
});

test('x-demo-status fails the call with that status and x-demo-delay-ms makes it slow', async (t) => {
  const client = clientFor(t, (await engineFor(t)).address);
  await assert.rejects(recognize(client, speech(), { 'x-demo-status': '14' }), {
    code: grpc.status.UNAVAILABLE,
    details: 'asked for by x-demo-status',
  });
  const start = performance.now();
  await recognize(client, speech(), { 'x-demo-delay-ms': '60' });
  assert.ok(performance.now() - start >= 59);
  await assert.rejects(recognize(client, speech(), { 'x-demo-delay-ms': '5000' }, { deadline: Date.now() + 100 }), {
    code: grpc.status.DEADLINE_EXCEEDED,
  });
  await assert.rejects(recognize(client, speech(), { 'x-demo-status': 'soon' }), {
    code: grpc.status.INVALID_ARGUMENT,
  });
});

test('an unknown method is UNIMPLEMENTED, and its name comes back percent-encoded', async (t) => {
  const { session } = await sessionFor(t);
  const { status, message } = await rawStatus(session, '/asr.v1.Recognizer/Sing%é', []);
  assert.equal(status, GrpcStatus.UNIMPLEMENTED);
  assert.match(String(message), /^unknown method \/asr\.v1\.Recognizer\/Sing%25%C3/);
});

test('a message is read whole however DATA frames cut it, and several from one frame', async (t) => {
  const { session } = await sessionFor(t);
  const message = prefixed(0, 4, Buffer.from([0x10, 7, 0x0a, 0]));
  const bytes = Buffer.concat([message, message, message]);
  for (const body of [[bytes], chunks(bytes, 1), chunks(bytes, 5), chunks(bytes, 13)]) {
    const { status, messages } = await rawStatus(session, `${METHOD}Stream`, body);
    assert.equal(status, GrpcStatus.OK);
    // Three partials and a final one, each with seq 7.
    assert.equal(Buffer.concat(messages).toString('latin1').split('\x08\x07').length - 1, 4);
  }
});

test('a request that breaks the rules gets a status at once, even while its client still sends', async (t) => {
  const { session } = await sessionFor(t);
  const cases: readonly [string, readonly Buffer[], number][] = [
    ['Stream', [prefixed(1, 3)], GrpcStatus.UNIMPLEMENTED],
    ['Stream', [prefixed(2, 3)], GrpcStatus.INTERNAL],
    ['Stream', [prefixed(0, 4 * 1024 * 1024 + 1)], GrpcStatus.RESOURCE_EXHAUSTED],
    ['RecognizeUpload', [prefixed(0, 0xffff_ffff)], GrpcStatus.RESOURCE_EXHAUSTED],
    ['Recognize', [prefixed(0, 0), prefixed(0, 0)], GrpcStatus.UNIMPLEMENTED],
    ['Stream', [prefixed(0, 2, Buffer.from([0x0a, 0x05]))], GrpcStatus.INTERNAL],
    ['Stream', [prefixed(0, 1, Buffer.from([0x0b]))], GrpcStatus.INTERNAL],
    ['Stream', [prefixed(0, 11, Buffer.alloc(11, 0xff))], GrpcStatus.INTERNAL],
  ];
  for (const [method, body, expected] of cases) {
    const { status, rst } = await rawStatus(session, METHOD + method, body, true);
    assert.equal(status, expected, `${method} ${body[0]!.toString('hex')}`);
    assert.equal(rst, http2.constants.NGHTTP2_NO_ERROR);
  }
  assert.equal((await rawStatus(session, `${METHOD}Recognize`, [])).status, GrpcStatus.UNIMPLEMENTED);
  assert.equal((await rawStatus(session, `${METHOD}Stream`, [Buffer.from([0, 0])])).status, GrpcStatus.INTERNAL);
  const rate = prefixed(0, 2, Buffer.from([0x10, 1]));
  assert.equal((await rawStatus(session, `${METHOD}Recognize`, [rate])).status, GrpcStatus.INVALID_ARGUMENT);
});

test('a status after partials comes in the trailers, and the partials are not lost', async (t) => {
  const { session } = await sessionFor(t);
  const { status, messages } = await rawStatus(session, `${METHOD}Stream`, [prefixed(0, 0), prefixed(1, 0)], true);
  assert.equal(status, GrpcStatus.UNIMPLEMENTED);
  assert.ok(Buffer.concat(messages).includes('127.0.0.1'));
});

test('the largest message is taken and one byte more is refused, through a gRPC client', async (t) => {
  const client = clientFor(t, (await engineFor(t)).address);
  const most = 4 * 1024 * 1024 - 5;
  assert.equal((await recognize(client, Buffer.alloc(most))).receivedMs, 131_071);
  await assert.rejects(recognize(client, Buffer.alloc(most + 1)), { code: grpc.status.RESOURCE_EXHAUSTED });
});

test('a client that does not read is not read from', async (t) => {
  const { session } = await sessionFor(t);
  const stream = session.request({
    ':method': 'POST',
    ':path': `${METHOD}Stream`,
    'content-type': 'application/grpc',
  });
  stream.on('error', () => undefined);
  const chunk = prefixed(0, 2, Buffer.from([0x10, 1]));
  const batch = Buffer.concat(Array<Buffer>(2048).fill(chunk));
  let taken = 0;
  for (;;) {
    const written = new Promise<boolean>((resolve) => stream.write(batch, () => resolve(true)));
    const stalled = new Promise<boolean>((resolve) => setTimeout(resolve, 300, false));
    if (!(await Promise.race([written, stalled]))) break;
    taken += batch.length;
    assert.ok(taken < 2_000_000, 'the engine goes on reading');
  }
  stream.close(http2.constants.NGHTTP2_CANCEL);
});

test('plain HTTP on / gets a line of text, other paths 404 and other methods 405', async (t) => {
  const { session, address } = await sessionFor(t);
  const ask = async (method: string, path: string, body?: string): Promise<[unknown, string]> => {
    const stream = session.request({ ':method': method, ':path': path }, { endStream: body === undefined });
    if (body !== undefined) stream.end(body);
    const [headers] = (await once(stream, 'response')) as [http2.IncomingHttpHeaders];
    let text = '';
    for await (const data of stream) text += String(data);
    return [(headers as Record<string, unknown>)[':status'], text];
  };
  assert.deepEqual(await ask('GET', '/'), [200, `demo speech engine ${address}, 0 bytes received\n`]);
  assert.deepEqual(await ask('POST', '/', 'hello'), [200, `demo speech engine ${address}, 5 bytes received\n`]);
  assert.deepEqual(await ask('HEAD', '/'), [200, '']);
  assert.deepEqual(await ask('GET', '/elsewhere'), [404, '404\n']);
  assert.deepEqual(await ask('DELETE', '/'), [405, '405\n']);
});

test('no way of leaving harms the engine', async (t) => {
  const { address } = await engineFor(t);
  const port = Number(address.split(':')[1]);
  for (const bytes of [
    'GET / HTTP/1.1\r\nhost: x\r\n\r\n',
    '\x16\x03\x01\x02\x00',
    'PRI * HTTP/2.0\r\n\r\nSM\r\n\r\nrubbish!!',
  ]) {
    const socket = net.connect(port, '127.0.0.1', () => socket.write(bytes, 'latin1'));
    socket.on('error', () => undefined);
    setTimeout(() => socket.resetAndDestroy(), 20);
    await once(socket, 'close');
  }
  for (const leave of ['cancel', 'destroy', 'reset'] as const) {
    const session = http2.connect(`http://${address}`);
    session.on('error', () => undefined);
    const stream = session.request({
      ':method': 'POST',
      ':path': `${METHOD}Stream`,
      'content-type': 'application/grpc',
    });
    stream.on('error', () => undefined);
    stream.write(prefixed(0, 0));
    stream.write(prefixed(0, 100));
    await once(stream, 'data');
    if (leave === 'cancel') stream.close(http2.constants.NGHTTP2_CANCEL);
    else if (leave === 'destroy') session.destroy();
    else session.socket.resetAndDestroy();
    await once(stream, 'close');
    session.destroy();
  }
  assert.equal((await recognize(clientFor(t, address), speech())).receivedMs, 4000);
});

test('closing cuts what is open and frees the port, and an address in use or malformed is an error', async (t) => {
  const first = await startDemoEngine('127.0.0.1:0');
  await assert.rejects(startDemoEngine(first.address), { code: 'EADDRINUSE' });
  await assert.rejects(startDemoEngine('9001'), /not host:port/);
  const call = clientFor(t, first.address).stream();
  call.write({ audio: Buffer.alloc(2) });
  await once(call, 'data');
  await Promise.all([once(call, 'error'), first.close()]);
  const second = await startDemoEngine(first.address);
  await Promise.all([second.close(), second.close()]);
});

test('fixtures/speech.wav is what make-speech makes, to the last bit', () => {
  assert.ok(makeSpeech().equals(readFileSync(new URL('../fixtures/speech.wav', import.meta.url))));
});

test('npm run call prints a line a partial and a summary, or one line about what is wrong', async (t) => {
  const engine = await engineFor(t);
  const { address } = engine;
  const call = (...args: string[]) =>
    new Promise<{ code: unknown; stdout: string; stderr: string }>((resolve) => {
      execFile(process.execPath, ['--import', 'tsx', 'fixtures/call.ts', ...args], (error, stdout, stderr) =>
        resolve({ code: error?.code ?? 0, stdout, stderr }),
      );
    });
  const good = await call('--fast', '--target', address);
  const lines = good.stdout.trimEnd().split('\n');
  assert.equal(good.code, 0, good.stderr);
  assert.equal(lines.length, 42);
  assert.match(lines[41]!, new RegExp(`^40 chunks, 41 partials, round trip min .* served by ${address}$`));

  await engine.close();
  const bad = await Promise.all([
    call('--target', address),
    call('--file', 'package.json'),
    call('--file', 'none.wav'),
    call('--nonsense'),
  ]);
  for (const { code, stdout, stderr } of bad) {
    assert.equal(code, 1);
    assert.equal(stdout, '');
    assert.match(stderr, /^call: .+\n$/);
  }
  assert.match(bad[0].stderr, /UNAVAILABLE.*ECONNREFUSED/);
});
