import assert from 'node:assert/strict';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import type { AddressInfo } from 'node:net';
import { test } from 'node:test';
import type { TestContext } from 'node:test';
import { connect, createServer } from 'node:tls';
import type { TLSSocket } from 'node:tls';
import { RawFlow, RawWriter } from '../../src/io/raw.ts';
import { pattern } from './pattern.ts';
import { drink, sleep, until } from './wire.ts';

const MIB = 1024 * 1024;
const pem = (name: string): string => readFileSync(new URL(`../support/tls/${name}`, import.meta.url), 'utf8');

/** A server's end of a TLS connection, not read yet, and its client. */
async function pair(t: TestContext): Promise<{ socket: TLSSocket; client: TLSSocket }> {
  const options = { cert: pem('server.pem'), key: pem('server.key'), allowHalfOpen: true };
  const server = createServer(options).listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  const how = { host: '127.0.0.1', port, ca: pem('ca.pem'), servername: 'localhost', allowHalfOpen: true };
  const client = connect(how).on('error', () => undefined);
  const [socket] = (await once(server, 'secureConnection')) as [TLSSocket];
  socket.on('error', () => undefined);
  t.after(() => {
    socket.destroy();
    client.destroy();
    server.close();
  });
  return { socket, client };
}

test("on this Node a server's TLS socket is read beneath its streams, to the FIN", async (t) => {
  const { socket, client } = await pair(t);
  const buffer = Buffer.alloc(256 * 1024);
  const chunks: Buffer[] = [];
  const reader = { onOctets: (n: number) => chunks.push(Buffer.from(buffer.subarray(0, n))) > 0 };
  const flow = RawFlow.over(socket, buffer, reader);
  assert.notEqual(flow, null, 'this Node has no TLS handles that raw.ts knows: it fell back to streams');
  socket.on('data', () => assert.fail('a data event'));
  let ended = false;
  socket.on('end', () => (ended = true));
  flow!.resume();
  const all = pattern(3 * MIB);
  client.end(all);
  await until(() => ended);
  assert.ok(Buffer.concat(chunks).equals(all));
});

test('paused it tells no more than what was on its way, and goes on where it was', async (t) => {
  const { socket, client } = await pair(t);
  const buffer = Buffer.alloc(256 * 1024);
  const chunks: Buffer[] = [];
  let enough = true;
  const onOctets = (n: number): boolean => {
    chunks.push(Buffer.from(buffer.subarray(0, n)));
    return !enough;
  };
  const flow = RawFlow.over(socket, buffer, { onOctets })!;
  flow.resume();
  const all = pattern(4 * MIB);
  client.write(all);
  await until(() => chunks.length > 0);
  await sleep(30);
  const got = Buffer.concat(chunks).length;
  assert.ok(got <= 256 * 1024, `${got} octets`);
  await sleep(30);
  assert.equal(Buffer.concat(chunks).length, got);
  enough = false;
  flow.resume();
  await until(() => chunks.length > 0 && Buffer.concat(chunks).length === all.length);
  assert.ok(Buffer.concat(chunks).equals(all));
});

test('what is written beneath the streams of a TLS socket is called back for, in order', async (t) => {
  const { socket, client } = await pair(t);
  let taken = 0;
  const writer = RawWriter.over(socket, { taken: () => taken++ })!;
  const got = drink(client);
  for (let n = 0; n < 3; n++) {
    assert.equal(writer.write(Buffer.alloc(100_000, 65 + n), 100_000), false);
    await until(() => taken === n + 1);
  }
  socket.end();
  const expected = Buffer.concat([65, 66, 67].map((octet) => Buffer.alloc(100_000, octet)));
  assert.ok((await got).equals(expected));
});

test('a TLS socket that was destroyed is written to in vain, in whatever moment of its end', async (t) => {
  const { socket, client } = await pair(t);
  const got = drink(client).catch(() => Buffer.alloc(0));
  let taken = 0;
  const writer = RawWriter.over(socket, { taken: () => taken++ })!;
  let closed = false;
  socket.once('close', () => (closed = true));
  socket.destroy();
  // At once, in the ticks and turns that follow, and when all of it is over.
  for (let n = 0; n < 6; n++) {
    writer.write(Buffer.alloc(100, 65), 100);
    await (n < 3 ? Promise.resolve() : sleep(5));
  }
  await until(() => closed);
  writer.write(Buffer.alloc(100, 65), 100);
  await sleep(5);
  assert.equal(taken, 0);
  client.destroy();
  assert.equal((await got).length, 0);
});
