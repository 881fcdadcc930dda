import assert from 'node:assert/strict';
import { once } from 'node:events';
import { createServer } from 'node:net';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { Connection } from '../../src/io/connection.ts';
import { counters, Recorder, until } from './wire.ts';

const FULL = 256 * 1024;

test('an opened connection says when it stands, and reads into the shared buffer', async (t) => {
  const server = createServer((socket) => socket.end('hello')).listen(0, '127.0.0.1');
  t.after(() => server.close());
  await once(server, 'listening');
  const recorder = new Recorder();
  const { port } = server.address() as AddressInfo;
  let stands = 0;
  recorder.connection = Connection.open({ host: '127.0.0.1', port }, counters(), () => stands++);
  recorder.connection.begin(recorder, true);
  await until(() => recorder.ends > 0);
  recorder.connection.finish();
  await until(() => recorder.closes.length > 0);
  assert.deepEqual([stands, recorder.text, recorder.closes], [1, 'hello', [null]]);
  assert.equal([...recorder.buffers][0]!.length, FULL);
});

test('a name with several addresses is tried until one answers, and read directly', async (t) => {
  const server = createServer((socket) => socket.end('hello')).listen(0, '127.0.0.1');
  t.after(() => server.close());
  await once(server, 'listening');
  const recorder = new Recorder();
  const { port } = server.address() as AddressInfo;
  recorder.connection = Connection.open({ host: 'localhost', port }, counters(), () => undefined);
  recorder.connection.begin(recorder, true);
  await until(() => recorder.text === 'hello');
  assert.equal([...recorder.buffers][0]!.length, FULL);
  recorder.connection.destroy();
});

test('a Unix socket is opened by its path, and read directly', async (t) => {
  const path = join(tmpdir(), `frameway-open-${process.pid}.sock`);
  const server = createServer((socket) => socket.end('hello')).listen(path);
  t.after(() => server.close());
  await once(server, 'listening');
  const recorder = new Recorder();
  recorder.connection = Connection.open({ path }, counters(), () => undefined);
  recorder.connection.begin(recorder, true);
  await until(() => recorder.text === 'hello');
  assert.equal([...recorder.buffers][0]!.length, FULL);
  assert.deepEqual(recorder.connection.remote, { address: path, port: 0 });
  recorder.connection.destroy();
});

test('an owner that throws when its connection stands ends that connection', async (t) => {
  const server = createServer().listen(0, '127.0.0.1');
  t.after(() => server.close());
  await once(server, 'listening');
  const recorder = new Recorder();
  const bug = new Error('bug');
  const { port } = server.address() as AddressInfo;
  recorder.connection = Connection.open({ host: '127.0.0.1', port }, counters(), () => {
    throw bug;
  });
  recorder.connection.begin(recorder, true);
  await until(() => recorder.closes.length > 0);
  assert.deepEqual([recorder.bugs, recorder.closes], [[bug], [bug]]);
});

test('a connection that is refused never stands, and ends once with the cause', async () => {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  await new Promise((resolve) => server.close(resolve));
  const recorder = new Recorder();
  recorder.connection = Connection.open({ host: '127.0.0.1', port }, counters(), () => assert.fail('it stands'));
  recorder.connection.begin(recorder, true);
  await until(() => recorder.closes.length > 0);
  assert.deepEqual([recorder.ends, recorder.closes.length], [0, 1]);
  assert.equal((recorder.closes[0] as NodeJS.ErrnoException).code, 'ECONNREFUSED');
});
