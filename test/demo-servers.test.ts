import assert from 'node:assert/strict';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { connect, type Socket } from 'node:net';
import { test, type TestContext } from 'node:test';
import { connect as connectTls } from 'node:tls';
import { Agent, request } from 'undici';
import { WebSocket, type ClientOptions } from 'ws';
import type { DemoServer, DemoServerOptions } from '../src/demo/bind.ts';
import { startDemoEcho } from '../src/demo/echo.ts';
import { startDemoWeb } from '../src/demo/web.ts';
import { MAX_PAYLOAD } from '../src/demo/websocket-frames.ts';
import { Random } from './support/random.ts';

const fixture = (name: string): string => readFileSync(new URL(`../fixtures/tls/${name}`, import.meta.url), 'utf8');
const CA = fixture('ca.pem');
const TLS = { certificate: fixture('localhost.pem'), key: fixture('localhost.key') };
const random = new Random(11);
const PLAIN: DemoServerOptions = { host: '127.0.0.1', port: 0, tls: null };

async function started(t: TestContext, starting: Promise<DemoServer>): Promise<string> {
  const server = await starting;
  t.after(() => server.close());
  return server.address;
}
const web = (t: TestContext, tls = PLAIN.tls) => started(t, startDemoWeb({ ...PLAIN, tls }));
const echo = (t: TestContext, tls = PLAIN.tls) => started(t, startDemoEcho({ ...PLAIN, tls }));

const KEY = random.octets(16).toString('base64');
const portOf = (address: string): number => Number(address.split(':').at(-1));

async function open(t: TestContext, url: string, protocols: string[] = [], options: ClientOptions = {}) {
  const socket = new WebSocket(url, protocols, options);
  t.after(() => socket.terminate());
  await once(socket, 'open');
  return socket;
}

/** The next message, and whether it is a binary one. */
async function heard(socket: WebSocket): Promise<[Buffer, boolean]> {
  return (await once(socket, 'message')) as [Buffer, boolean];
}

test('the web server has a page, shows the headers of a request, and sends a body back', async (t) => {
  const url = `http://${await web(t)}`;
  const page = await request(url);
  assert.equal(page.statusCode, 200);
  assert.match(await page.body.text(), /^frameway demo web, asked by HTTP on port \d+\n/);

  const shown = await request(`${url}/echo-headers?and=query`, { headers: { 'X-Asked': 'yes', cookie: 'a=1; b=2' } });
  const headers = (await shown.body.json()) as Record<string, string>;
  assert.deepEqual([headers['x-asked'], headers['cookie']], ['yes', 'a=1; b=2']);

  const body = random.octets(3_000_000);
  const sent = await request(`${url}/echo`, { method: 'POST', body, headers: { 'content-type': 'audio/l16' } });
  assert.deepEqual([sent.statusCode, sent.headers['content-type']], [200, 'audio/l16']);
  assert.ok(Buffer.from(await sent.body.arrayBuffer()).equals(body), 'the body is the same');
});

test('the web server says what it does not have, and what is not for a page', async (t) => {
  const url = `http://${await web(t)}`;
  const nowhere = await request(`${url}/toString`);
  assert.deepEqual([nowhere.statusCode, await nowhere.body.text()], [404, 'there is no /toString here\n']);
  const wrong = await request(`${url}/echo`);
  assert.deepEqual([wrong.statusCode, wrong.headers['allow']], [405, 'POST']);
  await wrong.body.dump();
  const head = await request(url, { method: 'HEAD' });
  assert.equal(head.statusCode, 200);
  assert.equal(await head.body.text(), '');
});

test('the web server speaks TLS where it has a certificate, for WebSocket as well', async (t) => {
  const port = portOf(await web(t, TLS));
  const dispatcher = new Agent({ connect: { ca: CA } });
  t.after(() => dispatcher.close());
  const page = await request(`https://127.0.0.1:${port}/`, { dispatcher });
  assert.match(await page.body.text(), /asked by HTTPS/);
  const socket = await open(t, `wss://127.0.0.1:${port}/echo`, [], { ca: CA });
  socket.send('hello');
  assert.equal(String((await heard(socket))[0]), 'hello');
});

test('a WebSocket gets its texts and its bytes back, whatever their length', async (t) => {
  const socket = await open(t, `ws://${await web(t)}/echo`, ['asr.v2', 'asr.v1']);
  assert.equal(socket.protocol, 'asr.v2');
  for (const length of [0, 1, 125, 126, 127, 0xffff, 0x1_0000, MAX_PAYLOAD]) {
    const bytes = random.octets(length);
    socket.send(bytes);
    const [back, isBinary] = await heard(socket);
    assert.ok(isBinary && back.equals(bytes), `${length} bytes`);
  }
  socket.send('grüß dich');
  const [text, isBinary] = await heard(socket);
  assert.deepEqual([String(text), isBinary], ['grüß dich', false]);
});

test('a message in fragments stays one, with a ping between them', async (t) => {
  const socket = await open(t, `ws://${await web(t)}/echo`);
  const snowman = Buffer.from('☃');
  socket.send(snowman.subarray(0, 1), { fin: false, binary: false });
  const pong = once(socket, 'pong');
  socket.ping('there?');
  assert.equal(String((await pong)[0]), 'there?');
  const message = heard(socket);
  socket.send(snowman.subarray(1, 2), { fin: false, binary: false });
  socket.send(snowman.subarray(2), { fin: true, binary: false });
  assert.equal(String((await message)[0]), '☃');
});

test('a close is answered with its code', async (t) => {
  const url = `ws://${await web(t)}/echo`;
  const socket = await open(t, url);
  socket.close(4001, 'done');
  assert.equal((await once(socket, 'close'))[0], 4001);
  const silent = await open(t, url);
  silent.close();
  assert.equal((await once(silent, 'close'))[0], 1005);
});

/** A WebSocket whose bytes are ours: `bytes` resolves with all that came after the handshake, once the server has hung up. */
async function rawWebSocket(t: TestContext, address: string): Promise<{ socket: Socket; bytes: Promise<Buffer> }> {
  const socket = connect(portOf(address), '127.0.0.1');
  t.after(() => socket.destroy());
  const fields = `Host: x\r\nUpgrade: WebSocket\r\nConnection: Upgrade\r\nSec-WebSocket-Key: ${KEY}\r\nSec-WebSocket-Version: 13`;
  socket.write(`GET /echo HTTP/1.1\r\n${fields}\r\n\r\n`);
  const [head] = (await once(socket, 'data')) as [Buffer];
  assert.match(head.toString('latin1'), /^HTTP\/1\.1 101 [^]*\r\n\r\n$/);
  const chunks: Buffer[] = [];
  socket.on('data', (chunk: Buffer) => chunks.push(chunk));
  return { socket, bytes: once(socket, 'end').then(() => Buffer.concat(chunks)) };
}

/** A frame with the mask that a client's has. */
function masked(first: number, payload: Buffer): Buffer {
  const mask = Buffer.from([1, 2, 3, 4]);
  const body = payload.map((byte, i) => byte ^ mask[i % 4]!);
  return Buffer.concat([Buffer.from([first, 0x80 | payload.length]), mask, body]);
}

test('frames are read wherever their bytes are cut', async (t) => {
  const { socket, bytes } = await rawWebSocket(t, await web(t));
  const said = Buffer.concat([
    masked(0x81, Buffer.from('one')),
    masked(0x02, Buffer.from('tw')),
    masked(0x89, Buffer.from('?')),
    masked(0x80, Buffer.from('o')),
    masked(0x88, Buffer.from([0x03, 0xe8])),
  ]);
  socket.setNoDelay(true);
  for (let at = 0; at < said.length;) {
    const to = at + random.between(1, 3);
    await new Promise((resolve) => socket.write(said.subarray(at, to), resolve));
    at = to;
  }
  const back = ['\x81\x03one', '\x02\x02tw', '\x8a\x01?', '\x80\x01o', '\x88\x02\x03\xe8'];
  assert.equal((await bytes).toString('latin1'), back.join(''));
});

const text = (bytes: Buffer): Buffer => masked(0x81, bytes);
for (const [what, said, code] of [
  ['a frame without a mask', Buffer.from('\x81\x02hi', 'latin1'), 1002],
  ['a bit of an extension', masked(0xc1, Buffer.from('hi')), 1002],
  ['an opcode that nobody knows', masked(0x83, Buffer.from('hi')), 1002],
  ['a fragmented ping', masked(0x09, Buffer.from('hi')), 1002],
  ['a fragment of nothing', masked(0x80, Buffer.from('hi')), 1002],
  ['a message within a message', Buffer.concat([masked(0x01, Buffer.from('a')), text(Buffer.from('b'))]), 1002],
  ['a text that is not UTF-8', text(Buffer.from([0xff])), 1007],
  ['a text that ends within a character', text(Buffer.from('☃').subarray(0, 2)), 1007],
  ['a frame of 2^63 bytes', Buffer.from('\x82\xff\x80\0\0\0\0\0\0\0\x01\x02\x03\x04', 'latin1'), 1009],
] as const) {
  test(`${what} closes the WebSocket with ${code}`, async (t) => {
    const { socket, bytes } = await rawWebSocket(t, await web(t));
    socket.write(said);
    const back = await bytes;
    const close = back.subarray(back.indexOf(0x88));
    assert.equal(close.readUInt16BE(2), code);
  });
}

test('a WebSocket is refused elsewhere, in other versions, and without a key', async (t) => {
  const port = portOf(await web(t));
  const answered = async (path: string, fields: string): Promise<string> => {
    const socket = connect(port, '127.0.0.1');
    socket.write(`GET ${path} HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n${fields}\r\n`);
    let answer = '';
    for await (const chunk of socket) answer += String(chunk);
    return answer;
  };
  const key = `Sec-WebSocket-Key: ${KEY}\r\n`;
  assert.match(await answered('/', `${key}Sec-WebSocket-Version: 13\r\n`), /^HTTP\/1\.1 404 /);
  assert.match(
    await answered('/echo', `${key}Sec-WebSocket-Version: 8\r\n`),
    /^HTTP\/1\.1 426 [^]*Sec-WebSocket-Version: 13/,
  );
  assert.match(await answered('/echo', 'Sec-WebSocket-Version: 13\r\n'), /^HTTP\/1\.1 400 /);
});

/** All that a peer says until its end. */
async function all(socket: Socket): Promise<Buffer> {
  const chunks: Buffer[] = [];
  for await (const chunk of socket) chunks.push(chunk as Buffer);
  return Buffer.concat(chunks);
}

const BANNER = 'frameway demo echo\r\n';

test('the echo server speaks first, and sends everything back to a client that has ended', async (t) => {
  const port = portOf(await echo(t));
  const socket = connect({ port, host: '127.0.0.1', allowHalfOpen: true });
  assert.equal(String((await once(socket, 'data'))[0]), BANNER);
  const said = random.octets(2_000_000);
  socket.end(said);
  assert.ok((await all(socket)).equals(said), 'the bytes are the same');
});

test('the echo server speaks TLS where it has a certificate', async (t) => {
  const port = portOf(await echo(t, TLS));
  const socket = connectTls({ port, host: '127.0.0.1', ca: CA });
  socket.end('hello');
  assert.equal(String(await all(socket)), `${BANNER}hello`);
});

test('closing a server cuts what is open', async (t) => {
  for (const tls of [null, TLS]) {
    for (const start of [startDemoWeb, startDemoEcho]) {
      const server = await start({ ...PLAIN, tls });
      const to = { port: portOf(server.address), host: '127.0.0.1', ca: CA };
      const socket = tls === null ? connect(to) : connectTls(to);
      t.after(() => socket.destroy());
      socket.on('error', () => undefined).resume();
      await once(socket, tls === null ? 'connect' : 'secureConnect');
      const cut = once(socket, 'close');
      await server.close();
      await cut;
    }
  }
});

test('an address that is taken is an error', async (t) => {
  const port = portOf(await web(t));
  await assert.rejects(startDemoEcho({ ...PLAIN, port }), { code: 'EADDRINUSE' });
});
