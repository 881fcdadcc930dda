import assert from 'node:assert/strict';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { createSecureServer } from 'node:http2';
import { createServer as createPlainServer } from 'node:net';
import type { AddressInfo, Server, Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import type { TestContext } from 'node:test';
import { createServer } from 'node:tls';
import type { TlsOptions, TLSSocket } from 'node:tls';
import { Connection } from '../../src/io/connection.ts';
import { ClientTls } from '../../src/io/dial.ts';
import type { DialTarget } from '../../src/io/dial.ts';
import { now } from '../../src/io/turn.ts';
import type { UpstreamTlsSpec } from '../../src/snapshot.ts';
import { Random } from '../support/random.ts';
import { pattern } from './pattern.ts';
import { borrowed, counters, drink, Recorder, sleep, until } from './wire.ts';

// Made once with openssl, valid until 2120; the CA's own key is gone. `server` is localhost and 127.0.0.1, `other-name` is
// other.test, `client` may only be a client; `ca` signed all three, `other-ca` nothing.
const pem = (name: string): string => readFileSync(new URL(`../support/tls/${name}`, import.meta.url), 'utf8');
const identity = (name: string): { cert: string; key: string } => ({
  cert: pem(`${name}.pem`),
  key: pem(`${name}.key`),
});
const SERVER = identity('server');
const CLIENT = identity('client');
const CA = pem('ca.pem');
const SETTINGS: UpstreamTlsSpec = { ca: CA, certificate: null, key: null, serverName: '', verify: true };

const FULL = 256 * 1024;
const MIB = 1024 * 1024;

const localhost = ({ port }: { port: number }): DialTarget => ({ host: '127.0.0.1', port });

async function ready(t: TestContext, server: Server, path?: string): Promise<Server & { port: number }> {
  if (path === undefined) server.listen(0, '127.0.0.1');
  else server.listen(path);
  server.on('connection', (socket) => t.after(() => socket.destroy()));
  t.after(() => server.close());
  await once(server, 'listening');
  const port = path === undefined ? (server.address() as AddressInfo).port : 0;
  return Object.assign(server, { port });
}

/** An engine's end: a TLS server that half-closes, and what it accepted. */
async function serve(
  t: TestContext,
  onSocket: (socket: TLSSocket) => void,
  options: TlsOptions = {},
  path?: string,
): Promise<Server & { port: number }> {
  const how = { ...SERVER, ALPNProtocols: ['h2'], allowHalfOpen: true, ...options };
  const server = createServer(how, (socket) => {
    socket.on('error', () => undefined);
    onSocket(socket);
  });
  server.on('tlsClientError', () => undefined);
  return ready(t, server, path);
}

class Dialled extends Recorder {
  stands = 0;
}

function open(t: TestContext, to: DialTarget, tls = new ClientTls(SETTINGS, 'localhost'), script = {}): Dialled {
  const recorder = new Dialled(script);
  recorder.connection = Connection.open(to, counters(), () => recorder.stands++, tls);
  recorder.connection.begin(recorder, true);
  t.after(() => recorder.connection.destroy());
  return recorder;
}

/** Both ends of a connection that stands; `wire` is the engine's socket below TLS. */
async function joined(t: TestContext, script = {}): Promise<{ recorder: Dialled; engine: TLSSocket; wire: Socket }> {
  const accepted: TLSSocket[] = [];
  const wires: Socket[] = [];
  const server = await serve(t, (socket) => accepted.push(socket));
  server.on('connection', (socket) => wires.push(socket));
  const recorder = open(t, localhost(server), undefined, script);
  await until(() => recorder.stands > 0 && accepted.length > 0);
  return { recorder, engine: accepted[0]!, wire: wires[0]! };
}

/** A connection that never stands, and says so once: why. */
async function failure(recorder: Dialled): Promise<NodeJS.ErrnoException> {
  await until(() => recorder.closes.length > 0);
  await sleep(5);
  assert.deepEqual([recorder.stands, recorder.ends, recorder.reads, recorder.closes.length], [0, 0, [], 1]);
  const [error] = recorder.closes;
  assert.ok(error, 'it ended without a cause');
  return error;
}

/** An engine that takes every connection and answers it with what it is, or not at all. */
const refused = async (t: TestContext, options: TlsOptions, tls?: ClientTls): Promise<NodeJS.ErrnoException> =>
  failure(open(t, localhost(await serve(t, () => undefined, options)), tls));

test('a connection stands once the handshake is done, and reads records into the shared buffer', async (t) => {
  const { recorder, engine } = await joined(t);
  engine.end('hello');
  await until(() => recorder.ends > 0);
  recorder.connection.finish();
  await until(() => recorder.closes.length > 0);
  assert.deepEqual([recorder.stands, recorder.text, recorder.closes, recorder.bugs], [1, 'hello', [null], []]);
  assert.deepEqual([engine.alpnProtocol, recorder.connection.remote.address], ['h2', '127.0.0.1']);
  assert.deepEqual(
    [...recorder.buffers].map((buffer) => buffer.length),
    [FULL],
  );
});

test('MiB in both directions at once arrive in order before readers that are slow', async (t) => {
  for (const seed of [1, 2]) {
    const random = new Random(seed);
    const balanced = borrowed();
    const [question, answer] = [pattern(4 * MIB), pattern(5 * MIB + 321)];
    const { recorder, engine } = await joined(t, {
      onRead: () => {
        if (!random.chance(0.05)) return;
        recorder.connection.pause(1);
        setTimeout(() => recorder.connection.resume(1), random.between(0, 2));
      },
    });
    const chunks: Buffer[] = [];
    engine.on('data', (chunk: Buffer) => {
      chunks.push(chunk);
      if (!random.chance(0.1)) return;
      engine.pause();
      setTimeout(() => engine.resume(), random.between(0, 2));
    });
    const heard = once(engine, 'end');
    engine.end(answer);
    for (let at = 0; at < question.length;) {
      const n = Math.min(question.length - at, random.between(1, random.chance(0.05) ? 140_000 : 17_000));
      recorder.say(question.subarray(at, at + n));
      at += n;
      if (random.chance(0.1)) await sleep(0);
    }
    recorder.connection.finish();
    await heard;
    await until(() => recorder.closes.length > 0, 'the end', 20_000);
    assert.ok(Buffer.concat(chunks).equals(question), `the question was changed (seed ${seed})`);
    assert.ok(recorder.received.equals(answer), `the answer was changed (seed ${seed})`);
    assert.deepEqual([recorder.ends, recorder.closes, recorder.bugs], [1, [null], []]);
    assert.ok(balanced(), `slabs are missing (seed ${seed})`);
    assert.ok(recorder.drains > 0, 'nothing drained');
  }
});

test('an engine that does not read holds the output back', async (t) => {
  const { recorder, engine } = await joined(t);
  engine.pause();
  recorder.say(pattern(12 * MIB));
  await sleep(30);
  assert.ok(recorder.connection.output.unsent > 4 * MIB, `${recorder.connection.output.unsent} bytes wait`);
  recorder.connection.finish();
  const heard = drink(engine);
  engine.resume();
  assert.ok((await heard).equals(pattern(12 * MIB)), 'what was sent did not arrive');
});

test('a paused connection hears at most what one read of the socket held', async (t) => {
  const { recorder, engine } = await joined(t);
  recorder.connection.pause(1);
  engine.end(pattern(4 * MIB));
  await sleep(30);
  assert.ok(recorder.received.length <= 64 * 1024, `${recorder.received.length} bytes`);
  recorder.connection.resume(1);
  await until(() => recorder.ends > 0);
  assert.ok(recorder.received.equals(pattern(4 * MIB)), 'bytes were lost');
});

test('a bulk transfer hands over a buffer a turn, and a read of the socket at most', async (t) => {
  const turns = new Map<number, number>();
  const { recorder, engine } = await joined(t, {
    onRead: (_: Buffer, start: number, end: number) => turns.set(now(), (turns.get(now()) ?? 0) + end - start),
  });
  recorder.connection.pause(1);
  engine.end(pattern(8 * MIB));
  await sleep(20);
  recorder.connection.resume(1);
  await until(() => recorder.ends > 0);
  assert.ok(recorder.received.length === 8 * MIB, 'bytes were lost');
  assert.ok(Math.max(...turns.values()) <= FULL + 64 * 1024, `${Math.max(...turns.values())} bytes in one turn`);
});

test('either end may say its last word first', async (t) => {
  const first = await joined(t);
  const heard = drink(first.engine);
  first.engine.end('I am done');
  await until(() => first.recorder.ends > 0);
  await sleep(10);
  assert.deepEqual(first.recorder.closes, []);
  first.recorder.say('not I');
  first.recorder.connection.finish();
  assert.equal((await heard).toString(), 'not I');

  const second = await joined(t);
  const asked = drink(second.engine);
  second.recorder.say('question');
  second.recorder.connection.finish();
  assert.equal((await asked).toString(), 'question');
  second.engine.end('answer');
  await until(() => second.recorder.closes.length > 0);
  assert.deepEqual([second.recorder.text, second.recorder.closes], ['answer', [null]]);
});

test('a reset in the middle of a write is told once, and gives every slab back', async (t) => {
  const balanced = borrowed();
  const { recorder, engine, wire } = await joined(t);
  engine.pause();
  recorder.say(pattern(12 * MIB));
  await sleep(10);
  wire.resetAndDestroy();
  await until(() => recorder.closes.length > 0);
  await sleep(10);
  assert.equal(recorder.closes.length, 1);
  assert.match(String((recorder.closes[0] as NodeJS.ErrnoException).code), /ECONNRESET|EPIPE/);
  assert.ok(balanced(), 'slabs are missing');
});

test('a connection that is destroyed in the middle of a read hears its end and nothing else', async (t) => {
  const { recorder, engine } = await joined(t, { onRead: () => recorder.connection.destroy() });
  engine.end(pattern(2 * MIB));
  await until(() => recorder.closes.length > 0);
  await sleep(10);
  assert.deepEqual([recorder.reads.length, recorder.ends, recorder.closes], [1, 0, [null]]);
});

test('an engine whose certificate no known CA signed is not talked to', async (t) => {
  const stranger = new ClientTls({ ...SETTINGS, ca: pem('other-ca.pem') }, 'localhost');
  assert.equal((await refused(t, {}, stranger)).code, 'UNABLE_TO_VERIFY_LEAF_SIGNATURE');
  const public_ = new ClientTls({ ...SETTINGS, ca: null }, 'localhost');
  assert.equal((await refused(t, {}, public_)).code, 'UNABLE_TO_VERIFY_LEAF_SIGNATURE');
});

test('an engine with a certificate of another name is not talked to, unless that name is the configured one', async (t) => {
  const error = await refused(t, identity('other-name'));
  assert.equal(error.code, 'ERR_TLS_CERT_ALTNAME_INVALID');
  assert.match(error.message, /localhost.*other\.test/);
  const server = await serve(t, (socket) => socket.end('hello'), identity('other-name'));
  const recorder = open(t, localhost(server), new ClientTls({ ...SETTINGS, serverName: 'other.test' }, 'localhost'));
  await until(() => recorder.text === 'hello');
});

test('the name is the one of the configuration and not the address that was dialled', async (t) => {
  const server = await serve(t, () => undefined);
  const error = await failure(open(t, localhost(server), new ClientTls(SETTINGS, '127.0.0.2')));
  assert.match(error.message, /127\.0\.0\.2 is not in the cert's list/);
});

test('a certificate that serves for clients only is none for an engine', async (t) => {
  assert.equal((await refused(t, CLIENT)).code, 'INVALID_PURPOSE');
});

test('where nothing is verified, any certificate will do', async (t) => {
  const lax = { ...SETTINGS, ca: null, verify: false };
  const server = await serve(t, (socket) => socket.end('hello'), identity('other-name'));
  const recorder = open(t, localhost(server), new ClientTls(lax, 'localhost'));
  await until(() => recorder.text === 'hello');
});

test('the environment cannot switch the verification off', async (t) => {
  process.env['NODE_TLS_REJECT_UNAUTHORIZED'] = '0';
  t.after(() => delete process.env['NODE_TLS_REJECT_UNAUTHORIZED']);
  assert.equal((await refused(t, identity('other-name'))).code, 'ERR_TLS_CERT_ALTNAME_INVALID');
});

test('an engine that does not choose h2 is refused with a reason', async (t) => {
  const alert = await refused(t, { ALPNProtocols: ['http/1.1'] });
  assert.match(alert.message, /^TLS: no common ALPN protocol/);
  const silent = { ...SERVER, ALPNProtocols: undefined };
  assert.equal((await refused(t, silent as TlsOptions)).message, 'TLS: the engine chose no protocol by ALPN, not h2');
});

test('the protocol offered is the one that is asked for', async (t) => {
  const server = await serve(t, (socket) => socket.end(String(socket.alpnProtocol)), {
    ALPNProtocols: ['h2', 'http/1.1'],
  });
  const recorder = open(t, localhost(server), new ClientTls(SETTINGS, 'localhost', 'http/1.1'));
  await until(() => recorder.text === 'http/1.1');
});

test('an engine that speaks no TLS is refused with a reason', async (t) => {
  const server = await ready(
    t,
    createPlainServer((socket) => socket.end('HTTP/1.1 400 Bad Request\r\n\r\n')),
  );
  assert.equal((await failure(open(t, localhost(server)))).message, 'TLS: wrong version number');
});

test('a FIN or a reset in the middle of the handshake is a failed connect', async (t) => {
  for (const leave of ['end', 'resetAndDestroy'] as const) {
    const server = await ready(
      t,
      createPlainServer((socket) => {
        socket.on('error', () => undefined);
        socket.once('data', () => socket[leave]());
      }),
    );
    assert.equal((await failure(open(t, localhost(server)))).code, 'ECONNRESET');
  }
});

test('a handshake that stalls is ended by its owner, with its reason', async (t) => {
  const server = await ready(
    t,
    createPlainServer((socket) => socket.on('error', () => undefined)),
  );
  const recorder = open(t, localhost(server));
  await sleep(20);
  const reason = new Error('connect timed out');
  recorder.connection.destroy(reason);
  assert.equal(await failure(recorder), reason);
  const early = open(t, localhost(server));
  early.connection.destroy(reason);
  assert.equal(await failure(early), reason);
});

test('a port that nobody listens at is refused as in clear text', async (t) => {
  const server = await ready(t, createPlainServer());
  await new Promise((resolve) => server.close(resolve));
  assert.equal((await failure(open(t, localhost(server)))).code, 'ECONNREFUSED');
});

test('an engine that wants a client certificate gets ours', async (t) => {
  const wants = { requestCert: true, rejectUnauthorized: true, ca: CA };
  for (const maxVersion of ['TLSv1.2', 'TLSv1.3'] as const) {
    const server = await serve(t, (socket) => socket.end(String(socket.getPeerCertificate().subject.CN)), {
      ...wants,
      maxVersion,
    });
    const ours = { ...SETTINGS, certificate: CLIENT.cert, key: CLIENT.key };
    const recorder = open(t, localhost(server), new ClientTls(ours, 'localhost'));
    await until(() => recorder.text === 'gateway');
  }
});

test('without it, the connection ends with the alert: under TLS 1.3 only after it stood', async (t) => {
  const wants = { requestCert: true, rejectUnauthorized: true, ca: CA };
  assert.match((await refused(t, { ...wants, maxVersion: 'TLSv1.2' })).message, /^TLS: .*handshake failure$/);
  const recorder = open(t, localhost(await serve(t, () => undefined, wants)));
  await until(() => recorder.closes.length > 0);
  await sleep(5);
  assert.deepEqual([recorder.stands, recorder.ends, recorder.closes.length], [1, 0, 1]);
  assert.equal(recorder.closes[0]?.message, 'TLS: tlsv13 alert certificate required');
});

test('the engine is told the name by SNI, but never an address', async (t) => {
  const server = await serve(t, (socket) =>
    socket.end(String((socket as TLSSocket & { servername: unknown }).servername)),
  );
  const named = open(t, localhost(server), new ClientTls(SETTINGS, 'localhost'));
  await until(() => named.text === 'localhost');
  const numbered = open(t, localhost(server), new ClientTls(SETTINGS, '127.0.0.1'));
  await until(() => numbered.text === 'false');
});

test('a name with several addresses is tried until one answers, and read directly', async (t) => {
  const { port } = await serve(t, (socket) => socket.end('hello'));
  const recorder = open(t, { host: 'localhost', port });
  await until(() => recorder.text === 'hello');
  assert.equal([...recorder.buffers][0]!.length, FULL);
});

test('an engine at a Unix socket is localhost unless it has a name', async (t) => {
  const path = join(tmpdir(), `frameway-tls-${process.pid}.sock`);
  await serve(t, (socket) => socket.end('hello'), {}, path);
  const recorder = open(t, { path }, new ClientTls(SETTINGS, ''));
  await until(() => recorder.text === 'hello');
});

test('the next connection resumes a session, and each session is used once', async (t) => {
  for (const maxVersion of ['TLSv1.2', 'TLSv1.3'] as const) {
    const server = await serve(t, (socket) => socket.end(String(socket.isSessionReused())), { maxVersion });
    const tls = new ClientTls(SETTINGS, 'localhost');
    const hear = async (recorder: Dialled): Promise<string> => {
      await until(() => recorder.ends > 0);
      return recorder.text;
    };
    assert.equal(await hear(open(t, localhost(server), tls)), 'false');
    const [second, third] = [open(t, localhost(server), tls), open(t, localhost(server), tls)];
    assert.deepEqual([await hear(second), await hear(third)], ['true', 'false']);
    assert.equal(await hear(open(t, localhost(server), tls)), 'true');
  }
});

test('certificates and keys that cannot be used are told when they are set, not when a call comes', () => {
  const garbage = '-----BEGIN CERTIFICATE-----\nno\n-----END CERTIFICATE-----\n';
  for (const ca of ['', 'no', garbage, CA + garbage]) {
    assert.throws(() => new ClientTls({ ...SETTINGS, ca }, 'localhost'), `taken: ${ca}`);
  }
  assert.throws(() => new ClientTls({ ...SETTINGS, certificate: CLIENT.cert, key: SERVER.key }, 'localhost'));
});

test('an HTTP/2 server of Node answers our preface', async (t) => {
  const server = createSecureServer(SERVER);
  t.after(() => server.close());
  server.on('sessionError', () => undefined);
  await once(server.listen(0, '127.0.0.1'), 'listening');
  const { port } = server.address() as AddressInfo;
  const recorder = open(t, { host: '127.0.0.1', port });
  await until(() => recorder.stands > 0);
  recorder.say('PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0');
  const isSettings = (at: number): boolean => recorder.received[at + 3] === 4;
  await until(() => recorder.received.length >= 18 && isSettings(0));
  recorder.connection.destroy();
});
