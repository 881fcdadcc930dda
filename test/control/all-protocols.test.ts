/** `config/all-protocols.yaml` as it is, but for its ports: what it promises is there. */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { request as httpRequest } from 'node:http';
import { connect as connectH2, type ClientHttp2Session, type SecureClientSessionOptions } from 'node:http2';
import { connect, createServer, type AddressInfo, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, test, type TestContext } from 'node:test';
import { connect as connectTls, type ConnectionOptions } from 'node:tls';
import { fileURLToPath } from 'node:url';
import { Agent, request, type Dispatcher } from 'undici';
import { WebSocket, type ClientOptions } from 'ws';
import { recognizerClient, type Partial } from '../../fixtures/client.ts';
import { GatewayProcess } from './gateway-process.ts';

const root = fileURLToPath(new URL('../../', import.meta.url));
const CA = readFileSync(join(root, 'fixtures/tls/ca.pem'), 'utf8');
const folder = mkdtempSync(join(tmpdir(), 'frameway-all-protocols-'));

let gateway: GatewayProcess;
let port = 0;
let forward = 0;
/** Of the file's ports, those that stand in for them here. */
let ports: ReadonlyMap<string, number>;

/** So many ports that were free a moment ago. */
async function freePorts(count: number): Promise<number[]> {
  const servers = Array.from({ length: count }, () => createServer().listen(0, '127.0.0.1'));
  await Promise.all(servers.map((server) => once(server, 'listening')));
  const found = servers.map((server) => (server.address() as AddressInfo).port);
  await Promise.all(servers.map((server) => once(server.close(), 'close')));
  return found;
}

before(async () => {
  const text = readFileSync(join(root, 'config/all-protocols.yaml'), 'utf8');
  const demos = [...new Set(text.match(/(?<=127\.0\.0\.1:)90\d\d/g))];
  const free = await freePorts(demos.length);
  ports = new Map(demos.map((demo, i) => [demo, free[i]!]));
  const moved = text
    .replaceAll(/(?<=127\.0\.0\.1:)90\d\d/g, (demo) => String(ports.get(demo)))
    .replaceAll(/(?<=127\.0\.0\.1:)880\d/g, '0')
    .replaceAll('../fixtures/', join(root, 'fixtures/'));
  const file = join(folder, 'all-protocols.yaml');
  writeFileSync(file, moved);
  gateway = new GatewayProcess(['serve', '--config', 'config/gateway.yaml', '--config', file], {
    FRAMEWAY_ADMIN: '127.0.0.1:0',
  });
  port = Number((await gateway.until(/^listening on 127\.0\.0\.1:(\d+) all /))[1]);
  forward = Number((await gateway.until(/^listening on 127\.0\.0\.1:(\d+) forward /))[1]);
});

after(async () => {
  gateway.child.kill('SIGTERM');
  assert.equal(await gateway.end(), 0, gateway.stderr);
  rmSync(folder, { recursive: true });
});

const PAGE = /^frameway demo web, asked by HTTP on port /;

const textOf = async ({ body }: Dispatcher.ResponseData): Promise<string> => body.text();

/** One request of an HTTP/2 session. */
async function ask(session: ClientHttp2Session, path: string): Promise<string> {
  const stream = session.request({ ':path': path });
  let body = '';
  for await (const chunk of stream) body += String(chunk);
  session.close();
  return body;
}

/** What a socket says until its end. */
async function all(socket: Socket): Promise<string> {
  let said = '';
  for await (const chunk of socket) said += String(chunk);
  return said;
}

async function echoed(t: TestContext, url: string, options: ClientOptions & ConnectionOptions = {}): Promise<string> {
  const socket = new WebSocket(url, options);
  t.after(() => socket.terminate());
  await once(socket, 'open');
  socket.send('hello');
  return String((await once(socket, 'message'))[0]);
}

test('HTTP/1.1 and HTTP/2 reach the web server', async () => {
  assert.match(await textOf(await request(`http://127.0.0.1:${port}/`)), PAGE);
  assert.match(await ask(connectH2(`http://127.0.0.1:${port}`), '/'), PAGE);
});

test('by its host HTTP/1.1 reaches the engines', async () => {
  const answer = await request(`http://127.0.0.1:${port}/`, { headers: { host: 'asr.localhost' } });
  assert.match(await textOf(answer), /^demo speech engine 127\.0\.0\.1:\d+, /);
});

test('gRPC reaches both engines', async (t) => {
  const client = recognizerClient(`127.0.0.1:${port}`);
  t.after(() => client.close());
  const engines = new Set<string>();
  for (let i = 0; i < 2; i++) {
    const call = client.recognizeSegments({ audio: Buffer.alloc(3200) });
    for await (const { engine } of call as AsyncIterable<Partial>) engines.add(engine);
  }
  assert.deepEqual(engines, new Set(['9001', '9002'].map((demo) => `127.0.0.1:${ports.get(demo)!}`)));
});

test('gRPC-Web reaches the engines, from the origins that are listed', async () => {
  const answer = await request(`http://127.0.0.1:${port}/asr.v1.Recognizer/Recognize`, {
    method: 'POST',
    headers: { 'content-type': 'application/grpc-web-text', origin: 'https://app.example' },
    body: Buffer.alloc(5).toString('base64'),
  });
  assert.equal(answer.headers['access-control-allow-origin'], 'https://app.example');
  // Message and trailers may be padded each.
  const frames = (await textOf(answer)).match(/[^=]+=*/g)!.map((part) => Buffer.from(part, 'base64'));
  assert.match(Buffer.concat(frames).toString('latin1'), /127\.0\.0\.1:\d+\x80\0\0\0.grpc-status: ?0\r\n/s);
});

test('WebSockets reach the web server, encrypted or not', async (t) => {
  assert.equal(await echoed(t, `ws://127.0.0.1:${port}/echo`), 'hello');
  assert.equal(await echoed(t, `wss://127.0.0.1:${port}/echo`, { ca: CA, servername: 'localhost' }), 'hello');
});

test('TCP reaches the echo server, whoever speaks first', async () => {
  const eager = connect({ port, host: '127.0.0.1', allowHalfOpen: true });
  eager.end('hello\n');
  assert.equal(await all(eager), 'frameway demo echo\r\nhello\n');
  const patient = connect({ port, host: '127.0.0.1', allowHalfOpen: true });
  assert.equal(String((await once(patient, 'data'))[0]), 'frameway demo echo\r\n');
  patient.end('hello\n');
  assert.equal(await all(patient), 'hello\n');
});

test('TLS ends at the gateway for localhost and all below it', async (t) => {
  for (const servername of ['localhost', 'web.localhost']) {
    const dispatcher = new Agent({ connect: { ca: CA, servername } });
    t.after(() => dispatcher.close());
    assert.match(await textOf(await request(`https://127.0.0.1:${port}/`, { dispatcher })), PAGE);
    const options: SecureClientSessionOptions = { ca: CA, servername };
    assert.match(await ask(connectH2(`https://127.0.0.1:${port}`, options), '/'), PAGE);
  }
  const socket = connectTls({ port, host: '127.0.0.1', ca: CA, servername: 'localhost' });
  socket.end('hello\n');
  assert.equal(await all(socket), 'frameway demo echo\r\nhello\n');
});

test('TLS for raw.localhost passes through to a server with a certificate of its own', async (t) => {
  const dispatcher = new Agent({ connect: { ca: CA, servername: 'raw.localhost' } });
  t.after(() => dispatcher.close());
  const page = await textOf(await request(`https://127.0.0.1:${port}/`, { dispatcher }));
  assert.match(page, new RegExp(`^frameway demo web, asked by HTTPS on port ${ports.get('9004')!}\n`));
});

test('the forward proxy leads to what is listed, and nowhere else', async () => {
  const open = async (demo: string): Promise<{ status: number; socket: Socket }> => {
    const target = `127.0.0.1:${ports.get(demo)!}`;
    const to = { port: forward, host: '127.0.0.1', method: 'CONNECT', path: target, headers: { host: target } };
    const call = httpRequest(to).end();
    const [response, socket] = (await once(call, 'connect')) as [{ statusCode: number }, Socket];
    return { status: response.statusCode, socket };
  };
  const web = await open('9003');
  assert.equal(web.status, 200);
  web.socket.end('GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n');
  assert.match(await all(web.socket), /^HTTP\/1\.1 200 OK\r\n/);
  const engine = await open('9001');
  engine.socket.destroy();
  assert.equal(engine.status, 403);
});
